"""Duplicates: one image in several rows, as it is, turned or mirrored; and what near-duplicates mean for the groups.

Copies share a sum over the bits of their pixels, which no symmetry changes; images that do are compared.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int, Shaped

from pipeline.checks import near
from pipeline.checks.measured import Measured
from pipeline.checks.symmetries import symmetries
from pipeline.checks.values import constant
from pipeline.findings import Finding, finding


def measure(images: Shaped[np.ndarray, "n b h w"]) -> dict[str, Shaped[np.ndarray, "n 2"]]:
    """The sum over the bits of each image's pixels, and over their squares, which wrap around; -0.0 counts as 0.0."""
    bits = (images.astype(np.float32) + np.float32(0)).view(np.uint32).reshape(len(images), -1).astype(np.uint64)
    return {"bits": np.stack([bits.sum(axis=1), (bits**2).sum(axis=1)], axis=1)}


def pairs(seen: Measured) -> pd.DataFrame:
    """Pairs of rows that show one lens: row_a, row_b, similarity (cosine; 1 is an exact copy), symmetry, exact.

    The copies of an image are each paired with the first of them, so that many copies are not a square of pairs.
    """
    exact = [*_exact(seen)]
    first = np.ones(seen.rows, dtype=bool)
    first[[b for _, b, *_ in exact]] = False
    found = [*exact, *((*pair, False) for pair in near.pairs(seen, first))]
    table = pd.DataFrame(found, columns=["row_a", "row_b", "similarity", "symmetry", "exact"])
    return table.sort_values(["row_a", "row_b"], ignore_index=True)


def _exact(seen: Measured) -> Iterator[tuple[int, int, float, str, bool]]:
    _, number, count = np.unique(seen["bits"], axis=0, return_inverse=True, return_counts=True)
    number = number.reshape(-1)
    suspects = np.flatnonzero((count[number] > 1) & ~constant(seen))
    first: dict[bytes, tuple[int, dict[bytes, str]]] = {}
    for row in suspects.tolist():
        image = seen.store.read("images", row, row + 1)[0]
        turned = _digests(image)
        name = min(turned)
        if name in first:
            original, ways = first[name]
            yield original, row, 1.0, ways[hashlib.blake2b(_plain(image)).digest()], True
        else:
            first[name] = row, turned


def _digests(image: Shaped[np.ndarray, "b h w"]) -> dict[bytes, str]:
    """Digest of the image under every symmetry, and the symmetry that it came by; the plainest, where several do."""
    turns = symmetries(*image.shape[1:])
    return {hashlib.blake2b(_plain(turn(image))).digest(): name for name, turn in reversed(turns.items())}


def _plain(image: Shaped[np.ndarray, "b h w"]) -> bytes:
    return np.ascontiguousarray(image.astype(np.float32) + np.float32(0)).tobytes()


def check(seen: Measured, found: pd.DataFrame) -> list[Finding]:
    a, b = found["row_a"].to_numpy(dtype=int), found["row_b"].to_numpy(dtype=int)
    exact = found["exact"].to_numpy(dtype=bool)
    parted = seen["group"][a] != seen["group"][b] if "group" in seen else np.ones(len(a), dtype=bool)
    turned = (found["symmetry"] != "identity").to_numpy(dtype=bool)
    found_here = []
    for code, which, said in (
        ("duplicates", exact & parted, "exact copies in different groups"),
        ("repeated_images", exact & ~parted, "exact copies in one group"),
        ("near_duplicates", ~exact & parted, "one lens in different groups, under other noise or scaling"),
        ("conflicting_labels", exact & _conflict(seen, a, b), "exact copies with different labels"),
    ):
        if which.any():
            rows = np.zeros(seen.rows, dtype=bool)
            rows[a[which]] = rows[b[which]] = True
            evidence = {"pairs": int(which.sum()), "turned_or_mirrored": int((which & turned).sum()), **seen.who(rows)}
            found_here.append(finding(code, f"{said}: {which.sum()} pair{'s' if which.sum() > 1 else ''}", **evidence))
    return found_here


def _conflict(seen: Measured, a: Int[np.ndarray, " p"], b: Int[np.ndarray, " p"]) -> Bool[np.ndarray, " p"]:
    conflict = np.zeros(len(a), dtype=bool)
    if "targets" in seen:
        one, other = seen["targets"][a], seen["targets"][b]
        known = np.isfinite(one) & np.isfinite(other)
        conflict |= (known & ~np.isclose(one, other, rtol=1e-9, atol=0, equal_nan=True)).any(axis=1)
    if "kind" in seen:
        one, other = seen["kind"][a], seen["kind"][b]
        conflict |= (one != "") & (other != "") & (one != other)
    return conflict
