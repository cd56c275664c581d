"""Refusing predictions that are not numbers.

A mean over the rows that happen to be finite would flatter a network that fails on the hard ones.
"""

import numpy as np
from jaxtyping import Float


def refuse(**arrays: Float[np.ndarray, "..."]) -> None:
    """Raise `ValueError`, with how many there are, where a named array holds a NaN or an infinity."""
    for name, values in arrays.items():
        gaps = int(values.size - np.isfinite(values).sum())
        if gaps:
            raise ValueError(f"{name}: {gaps} of {values.size} values are NaN or infinite; count such rows, drop them")
