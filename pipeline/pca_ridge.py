"""Ridge regression on the principal components of images: the best that adding up pixels can do, in seconds.

Principal components of the training images, the largest first; then, for every target, the ridge regression (Hoerl &
Kennard 1970, Technometrics 12, 55) on an image's scores, of the strength that does best on the validation rows. Scores
of the training images are uncorrelated, so that the regression needs no matrix of its own: with e_j the sum of squares
of scores z_j, the weight of component j is sum z_j y / (e_j + strength). The squares of a few thousand pixels are
summed in blocks of rows and decomposed at once: exact, where an incremental decomposition would not be.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh

BLOCK = 1024  # rows at a time: 32 MB of 4096 numbers each
STRENGTHS = np.logspace(-8, 3, 23)  # of the ridge, relative to the largest e_j
RANK = 1e-12  # of the largest e_j: below it is rounding

Frames = Float[np.ndarray, "n p"]


@dataclass(frozen=True)
class Components:
    """The largest principal components of the training images, and what they tell of the training targets."""

    mean: Float[np.ndarray, " p"]
    axes: Float[np.ndarray, "k p"]
    energy: Float[np.ndarray, " k"]  # e_j
    moments: Float[np.ndarray, "k t"]  # sum z_j y, y about its mean
    level: Float[np.ndarray, " t"]  # mean target

    def scores(self, frames: Frames) -> Float[np.ndarray, "n k"]:
        parts = [(part - self.mean) @ self.axes.T for part in _blocks(frames)]
        return np.concatenate([*parts, np.empty((0, len(self.axes)))])

    def weights(self, strength: float) -> Float[np.ndarray, "k t"]:
        """Of the ridge regression; `strength` is in units of the largest energy."""
        return self.moments / (self.energy + strength * self.energy.max(initial=0.0))[:, None]


def components(frames: Frames, targets: Float[np.ndarray, "n t"], number: int) -> Components:
    """Fit on these rows; fewer than `number` where the images vary in fewer ways."""
    mean = frames.mean(axis=0, dtype=np.float64)
    level = targets.mean(axis=0)
    pixels = frames.shape[1]
    squares, products = np.zeros((pixels, pixels)), np.zeros((pixels, targets.shape[1]))
    for part, known in zip(_blocks(frames), _blocks(targets - level), strict=True):
        centred = part - mean
        squares += centred.T @ centred
        products += centred.T @ known
    wanted = min(number, pixels, max(1, len(frames) - 1))
    energy, columns = eigh(squares, subset_by_index=[pixels - wanted, pixels - 1], overwrite_a=True)
    energy, axes = energy[::-1], columns.T[::-1]
    real = energy > RANK * max(energy[0], 0.0)
    return Components(mean, axes[real], energy[real], axes[real] @ products, level)


def fit(
    train: tuple[Frames, Float[np.ndarray, "n t"]],
    validation: tuple[Float[np.ndarray, "m p"], Float[np.ndarray, "m t"]],
    number: int,
) -> "PcaRidge":
    """Components and weights from the training rows; of every target, the strength from the validation rows."""
    found = components(*train, number)
    scores, truth = found.scores(validation[0]), validation[1]
    tried = np.stack([found.weights(strength) for strength in STRENGTHS])  # (s, k, t)
    errors = ((found.level + scores @ tried - truth) ** 2).mean(axis=1)  # (s, t)
    best = errors.argmin(axis=0)
    return PcaRidge(found, tried[best, :, np.arange(len(best))].T, STRENGTHS[best])


@dataclass(frozen=True)
class PcaRidge:
    components: Components
    weights: Float[np.ndarray, "k t"]
    strengths: Float[np.ndarray, " t"]  # chosen, of STRENGTHS

    def predict(self, frames: Frames) -> Float[np.ndarray, "n t"]:
        return self.components.level + self.components.scores(frames) @ self.weights


def _blocks(rows: Float[np.ndarray, "n _"]) -> list[Float[np.ndarray, "m _"]]:
    return [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
