"""How alike the roles came out, and which rows the test is."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pipeline.dealing.deal import quantile_bins


def measured(
    targets: Mapping[str, Float[np.ndarray, " n"]], role: Int[np.ndarray, " n"], roles: Sequence[str], strata: int
) -> dict[str, Any]:
    """By target and role: the distance to all other roles together, and the rows in every bin; by role: the fewest."""
    counts = {name: bin_counts(values, role, len(roles), strata) for name, values in targets.items()}
    return {
        "ks": {
            name: {of: round(distance(values, role == i), 6) for i, of in enumerate(roles)}
            for name, values in targets.items()
        },
        "bins": {name: dict(zip(roles, found.tolist(), strict=True)) for name, found in counts.items()},
        "smallest_bin": {of: min(int(found[i].min()) for found in counts.values()) for i, of in enumerate(roles)},
    }


def distance(values: Float[np.ndarray, " n"], inside: Bool[np.ndarray, " n"]) -> float:
    """Kolmogorov–Smirnov distance between the values inside and those outside: 0 alike, 1 apart.

    The largest difference of the two cumulative distributions. NaN if there are none on one side.
    """
    if inside.all() or not inside.any():
        return float("nan")
    ours, theirs = np.sort(values[inside]), np.sort(values[~inside])
    below = [np.searchsorted(side, values, side="right") / len(side) for side in (ours, theirs)]
    return float(np.abs(below[0] - below[1]).max())


def bin_counts(
    values: Float[np.ndarray, " n"], role: Int[np.ndarray, " n"], roles: int, strata: int
) -> Int[np.ndarray, "roles b"]:
    """Rows of each role in every quantile bin that holds any."""
    bins = np.unique(quantile_bins(values, strata), return_inverse=True)[1]
    return np.stack([np.bincount(bins[role == i], minlength=bins.max() + 1) for i in range(roles)])


def digest(ids: Shaped[np.ndarray, " n"]) -> str:
    """SHA-256 of the ids in sorted order, a newline between: which rows, and not their order."""
    return hashlib.sha256("\n".join(sorted(ids.tolist())).encode()).hexdigest()
