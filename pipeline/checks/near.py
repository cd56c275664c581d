"""Near-duplicates: one lens in several images, under another draw of the noise, brightened, turned or mirrored.

Every image is binned to about 16 x 16 and scaled to length 1, and of these thumbnails only the few principal components
are kept that hold more signal than noise. Two images of one lens then differ by their noise alone, whose size is
known. A pair that does, under one of the eight symmetries, is a candidate.

Lenses behind one macro model are all alike, and among many some are bound to look the same. Chance does not do that to
two images alone: an image that by chance has one neighbour within its noise has others not much farther off. So a pair
counts only if no image lies near it without being as close as noise allows, and if at full resolution, too, the two
differ by no more than their noise. Images so faint that noise hides a tenth of their light are not judged.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.checks import photons
from pipeline.checks.measured import Measured
from pipeline.checks.symmetries import SYMMETRIES, symmetries
from pipeline.checks.values import constant

BINS = 16  # a side of the thumbnail
COMPONENTS = 32  # at most: source position, shape, size, and what they do to a ring, need fewer
ROUNDING = 1e-6  # of the light: what float32 loses when a copy is scaled
PRODUCT = 1e-6  # what a float32 product of unit vectors is off by
CHANCE = 3.0  # standard deviations of chi-square: of 300 pairs one is missed
NOISE_ERROR = 0.2  # of the variance: the rms of a border is known to a few per cent, the photon slope to ten
HIDDEN = 0.01  # of the squared light, that noise may hide in an image that is judged: a tenth of its light
AROUND = 4.0  # times what noise allows, in squared distance: nobody may be this near and not a copy
LINKS = 4  # earlier copies that each is paired with: many copies of one lens are not a square of pairs
BLOCK = 2048  # rows of the table of pairs that are looked at together
PIXELS = 2**22  # of the images compared pixel by pixel, likewise

Pair = tuple[int, int, float, str]  # rows, cosine, symmetry


def thumbnail(above: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n y x"]:
    """Means of squares of pixels about the middle, so that the thumbnail turns as the image does."""
    (rows, tall), (columns, wide) = (_bins(size) for size in above.shape[1:])
    top, left = (above.shape[1] - rows * tall) // 2, (above.shape[2] - columns * wide) // 2
    middle = above[:, top : top + rows * tall, left : left + columns * wide]
    return middle.reshape(len(above), rows, tall, columns, wide).mean(axis=(2, 4))


def _bins(size: int) -> tuple[int, int]:
    """Number and width of bins that leave as many pixels at one end as at the other."""
    bins = min(size, BINS if size % 2 == 0 else BINS - 1)
    width = size // bins
    return bins, width - (size - bins * width) % 2


@dataclass(frozen=True)
class Compared:
    """Images as points (m, k): principal components of their thumbnails, and what noise does to them."""

    rows: Int[np.ndarray, " m"]
    points: Float[np.ndarray, "m k"]
    noise: Float[np.ndarray, " m"]  # squared distance that noise may move a point
    turned: dict[str, Float[np.ndarray, "m k"]]  # the points of the turned images, by symmetry


def pairs(seen: Measured, wanted: Bool[np.ndarray, " n"]) -> Iterator[Pair]:
    """Pairs of wanted rows that show one lens."""
    lit = (seen["thumbnail"] != 0).any(axis=(1, 2))
    rows = np.flatnonzero(wanted & lit & ~constant(seen) & ~seen["coarse"])
    if len(rows) < 2:
        return
    growth = _photon_growth(seen)
    compared = _compared(seen, growth, rows)
    if len(compared.rows) < 2:
        return
    for name, (a, b) in _candidates(compared).items():
        yield from _confirmed(seen, growth, compared.rows[a], compared.rows[b], name)


def _photon_growth(seen: Measured) -> Float[np.ndarray, " n"]:
    """Variance that a unit of light adds, in each image's own unit: what the set shows, or what photons must."""
    unit = photons.counts_per_unit(seen)
    measured = photons.slope(seen).value
    growth = measured if np.isfinite(measured) and 0.5 < measured < photons.TWICE[1] else 1.0
    return np.where(np.isfinite(unit) & ~seen["noise_free"], growth / np.where(np.isfinite(unit), unit, 1.0), 0.0)


def _compared(seen: Measured, growth: Float[np.ndarray, " n"], rows: Int[np.ndarray, " m"]) -> Compared:
    """Those of some images that can be judged."""
    shape = seen["thumbnail"].shape[1:]
    pixels = np.prod([_bins(size)[1] for size in seen.store.shape("images")[2:]])
    light = seen["thumbnail"][rows].reshape(len(rows), -1).astype(np.float64)
    total = (light**2).sum(axis=1, keepdims=True)
    variance = (seen["rms"][rows, None] ** 2 + growth[rows, None] * light.clip(0)) / pixels / total + ROUNDING**2
    light /= np.sqrt(total)
    axes = _principal(light, variance, shape)
    noise = variance @ axes**2  # (m, k)
    allowed = noise.sum(axis=1) * (1 + NOISE_ERROR) + CHANCE * np.sqrt(2 * (noise**2).sum(axis=1))
    judged = allowed < min(HIDDEN, _spread(light @ axes) / AROUND)
    index = np.arange(light.shape[1]).reshape(shape)
    turned = {name: light[judged][:, turn(index).ravel()] @ axes for name, turn in symmetries(*shape).items()}
    return Compared(rows[judged], light[judged] @ axes, allowed[judged], turned)


def _principal(
    light: Float[np.ndarray, "m p"], variance: Float[np.ndarray, "m p"], shape: tuple[int, ...]
) -> Float[np.ndarray, "p k"]:
    """Axes that hold more signal than noise, the same for every symmetry."""
    index = np.arange(light.shape[1]).reshape(shape)
    covariance = light.T @ light / max(1, len(light))
    orders = [turn(index).ravel() for turn in symmetries(*shape).values()]
    covariance = np.mean([covariance[np.ix_(order, order)] for order in orders], axis=0)
    values, axes = np.linalg.eigh(covariance)
    signal = values > 2 * variance.mean()
    return axes[:, -min(COMPONENTS, max(1, int(signal.sum()))) :]


def _spread(points: Float[np.ndarray, "m k"]) -> float:
    """Squared distance between two images taken at random."""
    if len(points) < 2:
        return 0.0
    other = np.roll(points, len(points) // 2, axis=0)
    return float(np.median(((points - other) ** 2).sum(axis=1)))


def _candidates(compared: Compared) -> dict[str, tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]]:
    """Pairs within the noise, by the symmetry that brings them nearest, that nobody else is near to."""
    found = [
        (i, j, np.full(len(i), g), d) for g, name in enumerate(compared.turned) for i, j, d in _close(compared, name)
    ]
    i, j, turn, distance = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((turn, distance, j, i))  # nearest symmetry of each pair first
    i, j, turn = i[order], j[order], turn[order]
    first = np.r_[True, (np.diff(i) != 0) | (np.diff(j) != 0)][: len(i)]
    i, j, turn = i[first], j[first], turn[first]
    crowded = _crowded(compared, np.unique(np.r_[i, j]))
    alone = ~(crowded[i] | crowded[j]) & (_rank(i, j) < LINKS)
    return {name: (i[alone & (turn == g)], j[alone & (turn == g)]) for g, name in enumerate(compared.turned)}


def _rank(i: Int[np.ndarray, " p"], j: Int[np.ndarray, " p"]) -> Int[np.ndarray, " p"]:
    """The how-manieth partner i is of its j, from 0."""
    order = np.lexsort((i, j))
    _, start, count = np.unique(j[order], return_index=True, return_counts=True)
    rank = np.empty(len(i), dtype=int)
    rank[order] = np.arange(len(i)) - np.repeat(start, count)
    return rank


def _close(
    compared: Compared, name: str
) -> Iterator[tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"], Float[np.ndarray, " p"]]]:
    """Pairs i < j with |a - b|^2 <= e_a + e_b, and that distance: one product, with the squares as two more columns."""
    left = _augmented(compared.points, compared.noise, first=True)
    right = _augmented(compared.turned[name], compared.noise, first=False)
    for a in range(0, len(left), BLOCK):
        for b in range(a, len(left), BLOCK):
            excess = left[a : a + BLOCK] @ right[b : b + BLOCK].T
            i, j = np.nonzero(excess <= 0)
            i, j, more = a + i, b + j, excess[i, j]
            upper = i < j
            yield i[upper], j[upper], more[upper]


def _augmented(
    points: Float[np.ndarray, "m k"], noise: Float[np.ndarray, " m"], first: bool, wide: float = 1.0
) -> Float[np.ndarray, "m l"]:
    """Rows whose products are the squared distance less `wide` times what noise allows."""
    own = ((points**2).sum(axis=1) - wide * noise - PRODUCT)[:, None]
    one = np.ones_like(own)
    return np.hstack([-2 * points, own, one] if first else [points, one, own]).astype(np.float32)


def _crowded(compared: Compared, rows: Int[np.ndarray, " c"]) -> Bool[np.ndarray, " m"]:
    """Which of some points have a neighbour that is near, yet farther than noise allows."""
    crowded = np.zeros(len(compared.rows), dtype=bool)
    for a in range(0, len(rows), BLOCK):
        some = rows[a : a + BLOCK]
        within, around = (_neighbours(compared, some, wide) for wide in (1.0, AROUND))
        crowded[some] = around > within
    return crowded


def _neighbours(compared: Compared, rows: Int[np.ndarray, " c"], wide: float) -> Int[np.ndarray, " c"]:
    """How many images are as near as `wide` times what noise allows, under any symmetry."""
    left = _augmented(compared.points[rows], compared.noise[rows], True, wide)
    count = np.zeros(len(rows), dtype=int)
    for b in range(0, len(compared.rows), BLOCK):
        part = slice(b, b + BLOCK)
        rights = (_augmented(turned[part], compared.noise[part], False, wide) for turned in compared.turned.values())
        count += np.logical_or.reduce([left @ right.T <= 0 for right in rights]).sum(axis=1)
    return count


def _confirmed(
    seen: Measured, growth: Float[np.ndarray, " n"], a: Int[np.ndarray, " p"], b: Int[np.ndarray, " p"], turn: str
) -> Iterator[Pair]:
    """Those pairs that agree pixel by pixel: chi-square a pixel of 1, after the best brightness ratio."""
    step = max(1, PIXELS // int(np.prod(seen.store.shape("images")[1:])))
    for start in range(0, len(a), step):
        first, second = a[start : start + step], b[start : start + step]
        one = _above(seen, first)
        other = SYMMETRIES[turn](_above(seen, second))
        ratio = (one * other).sum(axis=(1, 2)) / (other**2).sum(axis=(1, 2))
        scaled = other * ratio[:, None, None]
        light = (0.5 * (one + scaled)).clip(0)
        total = (one**2).sum(axis=(1, 2))
        sky = seen["rms"][first] ** 2 + (ratio * seen["rms"][second]) ** 2 + 2 * ROUNDING**2 * total
        photon = growth[first] + ratio * growth[second]
        chi_square = ((one - scaled) ** 2 / (sky[:, None, None] + photon[:, None, None] * light)).mean(axis=(1, 2))
        agree = chi_square < 1 + NOISE_ERROR + CHANCE * np.sqrt(2 / one[0].size)
        similarity = np.sqrt((scaled**2).sum(axis=(1, 2)) / total)
        for row_a, row_b, cosine in zip(first[agree], second[agree], similarity[agree], strict=True):
            yield int(row_a), int(row_b), float(cosine), turn


def _above(seen: Measured, rows: Int[np.ndarray, " p"]) -> Float[np.ndarray, "p h w"]:
    images = seen.store.take("images", rows)[:, 0].astype(np.float64)
    return np.where(np.isfinite(images), images - seen["level"][rows, None, None], 0.0)
