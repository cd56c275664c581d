"""Metrics that are order statistics of the errors: the median, the NMAD and the outliers counted from them.

Their influence values need a density, which no sample has. It is taken from the order statistics themselves: the width
of the distribution-free 99 % interval of the median (the order statistics n/2 ± 1.29 √n) over the probability it spans,
as McKean and Schrader (1984, Commun. Stat. B 13, 751) do for the median's standard error. So an interval made from
these values is the order-statistic interval, made symmetric, and it knows of seeds and groups. Rounded or tied errors
have no density: their influence is then too small.
"""

import numpy as np
from jaxtyping import Float

from pipeline.scores.score import Score, centred

NORMAL = 1.4826  # turns the median absolute deviation of a normal distribution into its standard deviation
SPAN = 2.576  # standard deviations of a rank, each side: 99 %
NEAR = 0.1  # of a limit, each side: what counts as "at the limit" when the density there is asked for


def median(errors: Float[np.ndarray, "s n"]) -> Score:
    """Median error."""
    middle = np.median(errors, axis=1)
    low, high, share = _about_median(errors)
    sparsity = (high - low) / share  # 1 / density at the median, (s, 1)
    return Score(middle, centred(np.sign(errors - middle[:, None]) / 2 * sparsity))


def nmad(errors: Float[np.ndarray, "s n"]) -> Score:
    """1.4826 median |e − median e|: the standard deviation if errors are normal, deaf to a few that are far off."""
    middle = median(errors)
    signed = errors - middle.value[:, None]
    distance = np.abs(signed)
    own = median(distance)
    # errors skewed at the quartiles: a moving median takes the deviations with it
    low, high, _ = _about_median(distance)
    edge = (distance >= low) & (distance <= high)
    skew = (np.sign(signed) * edge).sum(axis=1, keepdims=True) / edge.sum(axis=1, keepdims=True)
    return Score(NORMAL * own.value, NORMAL * (own.influence - skew * middle.influence))


def outliers(errors: Float[np.ndarray, "s n"]) -> Score:
    """Fraction of errors further than 3 NMAD from the median error; 0.27 % of normal ones.

    A share of what the network itself usually misses by: a poor network can have few. Each lens moves the limit too;
    the density there, averaged about it, makes the standard error 7 % too large for normal errors.
    """
    spread = nmad(errors)
    return _beyond(errors, 3 * spread.value[:, None], 3 * spread.influence)


def beyond(errors: Float[np.ndarray, "s n"], limit: float) -> Score:
    """Fraction of errors further than a fixed limit from the median error."""
    return _beyond(errors, np.full((len(errors), 1), limit), np.zeros_like(errors))


def _beyond(
    errors: Float[np.ndarray, "s n"], limit: Float[np.ndarray, "s 1"], moves: Float[np.ndarray, "s n"]
) -> Score:
    """P(|e − m| > c), its limit c moved by `moves`: dp = −(f₊ + f₋) dc − (f₊ − f₋) dm, f± the densities at m ± c."""
    middle = median(errors)
    signed = errors - middle.value[:, None]
    out = np.abs(signed) > limit
    near = np.abs(np.abs(signed) - limit) < NEAR * limit
    width = np.where(limit > 0, 2 * NEAR * limit, np.inf)
    density = near.mean(axis=1, keepdims=True) / width
    lopsided = (np.sign(signed) * near).mean(axis=1, keepdims=True) / width
    influence = centred(out.astype(float)) - density * moves - lopsided * middle.influence
    return Score(out.mean(axis=1), influence)


def _about_median(
    values: Float[np.ndarray, "s n"],
) -> tuple[Float[np.ndarray, "s 1"], Float[np.ndarray, "s 1"], float]:
    """The order statistics that enclose the median at 99 %, and the share of the values between them."""
    half = min(0.5, SPAN / 2 / np.sqrt(values.shape[1]))
    low, high = np.quantile(values, [0.5 - half, 0.5 + half], axis=1)
    return low[:, None], high[:, None], 2 * half
