"""Equivalence: "no difference" as a result, and not as the absence of one.

Two one-sided tests (Schuirmann 1987, J. Pharmacokin. Biopharm. 15, 657): that the difference lies below -margin and
that it lies above +margin are both rejected at alpha exactly when the 1 - 2 alpha interval lies between the two. The
margin is declared beforehand: by default 5 % of the control's error, less than anyone would change a pipeline for.
"""

from pipeline.contrasts.intervals import Estimate


def equivalent(difference: Estimate, margin: float, alpha: float) -> bool:
    """Whether the difference is shown to be smaller than a margin > 0 in its own units."""
    low, high = difference.interval(1 - 2 * alpha)
    return -margin < low and high < margin
