"""Lens light: ours against scipy, one image at a time, on the same model and the same rounds of weights.

OMP_NUM_THREADS=1 python -m benchmarks.features.light
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from scipy.linalg import lstsq
from scipy.ndimage import map_coordinates
from scipy.optimize import nnls
from torch import Tensor

from benchmarks.turns import compare, seconds
from features.geometry import angle, light_centre, offsets, radius
from features.light.bspline import minus_bspline
from features.light.gaussians import ladder, minus_gaussians
from features.light.multipole import basis
from features.light.quantile import minus_quantile
from features.light.weights import reweighted

BLOCK = 64
FEW = 4
ROUNDS = (True, True, False, False, False, False)
LIKE = torch.empty(0, dtype=torch.float64)


def lenses(side: int, count: int = BLOCK) -> Tensor:
    """A flattened galaxy with arcs, in noise."""
    r, phi = radius(side, side, LIKE), angle(side, side, LIKE)
    galaxy = 100 * torch.exp(-r * (1 + 0.2 * torch.cos(2 * phi)) / (side / 16))
    arc = 5 * torch.exp(-0.5 * ((r - side / 4) / 1.5) ** 2) * (phi.abs() < 1)
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.3, (count, side, side)))
    return (galaxy + arc + noise).float()


def by_quantile(image: np.ndarray) -> np.ndarray:
    """np.quantile of each annulus, interpolated over the frame."""
    side = len(image)
    r = radius(side, side, LIKE).numpy()
    number = r.astype(int)
    rings = (image[number == ring] for ring in range(number.max() + 1))
    profile = [np.quantile(pixels, 0.3) for pixels in rings]
    return image - map_coordinates(np.array(profile), [r - 0.5], order=1, mode="nearest")


def by_rounds(
    image: np.ndarray, columns: np.ndarray, solve: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Six rounds of weighted least squares."""
    own = torch.from_numpy(image)[None].double()
    model, sky = torch.zeros_like(own), torch.full_like(own[:, :1, :1], 1e60)
    for low in ROUNDS:
        weight, sky = reweighted(own, model, sky, low)
        root = weight.sqrt().numpy().ravel()
        found = solve(columns * root[:, None], image.ravel() * root)
        model = torch.from_numpy(columns @ found).view_as(own)
    return (own - model)[0].numpy()


def least(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    return lstsq(matrix, target, lapack_driver="gelsy")[0]


def splines(side: int) -> np.ndarray:
    y, x = (part.expand(side, side).flatten() for part in offsets(side, side, LIKE))
    radial, angular, _ = basis(y, x, 0.7, (0, 2, 4), side / 2**0.5)
    return (radial[:, :, None] * angular[:, None, :]).flatten(1).numpy()


def by_gaussians(image: np.ndarray) -> np.ndarray:
    own = torch.from_numpy(image)[None].double()
    columns = ladder(own, light_centre(own), 1.6)[0].T.numpy()
    return by_rounds(image, columns, lambda matrix, target: nnls(matrix, target)[0])


def duel(side: int, name: str, peer: Callable[[np.ndarray], np.ndarray], ours: Callable[[Tensor], Tensor]) -> None:
    """Our cost in a block of 64; and, as the peer would take minutes for one, both on the same four images."""
    images = lenses(side)
    ours(images)
    took = sorted(seconds(lambda: ours(images)) for _ in range(5))[2]
    print(f"minus_{name}, {side} x {side}: {took / BLOCK * 1e6:.0f} us an image in a block of {BLOCK}")
    few = images[:FEW].clone()
    compare(
        f"minus_{name}, {side} x {side}, {FEW} images",
        lambda: [peer(image) for image in few.numpy()],
        lambda: ours(few),
        None,
    )


def main() -> None:
    torch.set_num_threads(1)
    for side in (64, 150):
        columns = splines(side)
        duel(side, "quantile", by_quantile, minus_quantile)
        duel(side, "gaussians", by_gaussians, minus_gaussians)
        duel(side, "bspline", partial(by_rounds, columns=columns, solve=least), minus_bspline)


if __name__ == "__main__":
    main()
