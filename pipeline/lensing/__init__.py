"""The physics behind the simulation source: pure torch functions over batches of lenses.

Angles are in arcsec and run counter-clockwise from +x; parameters that differ from lens to lens have shape (n, 1, 1)
and broadcast against a grid of shape (h, w).
"""
