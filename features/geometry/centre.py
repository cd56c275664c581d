"""Centres: where in its frame a galaxy, or a ring, lies. Offsets (rows, columns) from the frame's centre, pixels.

No one of them suits every image. `light_centre` finds the brightest galaxy and needs one; of a lens without lens light
it finds the arcs. `symmetry_centre` finds what a half turn leaves alone: a galaxy, a ring, four images in a cross, but
not one arc. `circle_fit` finds the middle of arcs of any length, out of a map of where they are.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from features.filters import gaussian_derivative, separable
from features.geometry.frame import offsets

NOTHING = 1e-200  # added to what is divided by


def geometric_centre(images: Float[Tensor, "n h w"]) -> Float[Tensor, "n 2"]:
    """The centre of the frame, whatever is in it."""
    return images.new_zeros(len(images), 2)


def light_centre(
    images: Float[Tensor, "n h w"], reach: float = 6.0, smoothing: float = 1.0, rounds: int = 30
) -> Float[Tensor, "n 2"]:
    """First moment of the blurred light under a Gaussian of width `reach` that moves along, from the frame's centre on.

    For the second half of `rounds` it is half as wide, so that arcs beside the galaxy are left out. In the end it lies
    where the moment about its own centre vanishes, which for a symmetric galaxy is its centre, whatever the width (as
    the windowed positions of SExtractor). Noise of the sky adds up to nothing, so that it need not be cut off; where it
    outweighs the light, and on a blank frame, the window stays where it is.
    """
    if not reach > 0:
        raise ValueError(f"reach: {reach:g} pixels must be above zero")
    blurred = images
    if smoothing > 0:
        kernel = gaussian_derivative(smoothing, 0, images)
        blurred = separable(images, kernel, kernel)
    blurred = blurred.double()
    y, x = (axis.flatten() for axis in offsets(images.shape[1], images.shape[2], blurred))
    edge = torch.stack([y[-1], x[-1]])
    centre = blurred.new_zeros(len(images), 2)
    for turn in range(rounds):
        window = reach if turn < rounds / 2 else reach / 2
        centre = (centre + _moment(blurred, y - centre[:, :1], x - centre[:, 1:], window)).clamp(-edge, edge)
    return centre.to(images.dtype)


def _moment(
    images: Float[Tensor, "n h w"], y: Float[Tensor, "n h"], x: Float[Tensor, "n w"], reach: float
) -> Float[Tensor, "n 2"]:
    """First moment about (y, x) = 0 under a Gaussian; never as if less than a tenth of what is there were light."""
    down, across = torch.exp(-0.5 * (y / reach) ** 2), torch.exp(-0.5 * (x / reach) ** 2)
    sides = torch.stack([down, down * y], dim=1)  # (n, 2, h)
    sums = sides @ (images @ torch.stack([across, across * x], dim=2))  # (n, 2, 2): of light, by y and by x
    there = (down[:, None] @ images.abs() @ across[:, :, None])[:, 0, 0]
    return (
        torch.stack([sums[:, 1, 0], sums[:, 0, 1]], dim=1) / (sums[:, 0, 0].clamp_min(0.1 * there) + NOTHING)[:, None]
    )


def symmetry_centre(images: Float[Tensor, "n h w"], reach: float = 0.25) -> Float[Tensor, "n 2"]:
    """About which point a half turn changes an image least: the peak of its autocorrelation with itself half-turned.

    Sum over p of I(p) I(2c - p), for all c half a pixel apart within `reach` (in sides of the frame) of its middle; a
    paraboloid through the nine values about the highest gives the rest. Beyond its edges the frame is dark, so that a
    bright sky, where it is not taken away before, pulls towards the middle.
    """
    if not 0 < reach <= 0.5:
        raise ValueError(f"reach: {reach:g} of the frame's side must be above 0, at most 0.5")
    height, width = images.shape[1], images.shape[2]
    size = 2 * height, 2 * width
    spectrum = torch.fft.rfft2(images.double(), s=size)
    overlap = torch.fft.irfft2(spectrum**2, s=size)  # at [i, j]: of the half turn about (i, j) / 2
    tall, wide = (max(1, int(2 * reach * (side - 1) / 2)) for side in (height, width))
    overlap = overlap[:, height - 1 - tall - 1 : height + tall + 1, width - 1 - wide - 1 : width + wide + 1]
    y, x = offsets(overlap.shape[1], overlap.shape[2], overlap)  # half pixels
    peak = overlap.abs().amax(dim=(1, 2), keepdim=True)
    score = (overlap - (1e-12 * peak + NOTHING) * (y**2 + x**2))[:, 1:-1, 1:-1]  # of equal ones, the most central
    best = score.flatten(1).argmax(dim=1)
    row, column = best // score.shape[2] + 1, best % score.shape[2] + 1
    around = torch.arange(-1, 2, device=images.device)
    first = torch.arange(len(images), device=images.device)[:, None, None]
    nine = overlap[first, (row[:, None] + around)[:, :, None], (column[:, None] + around)[:, None, :]]
    at = torch.stack([y[row, 0], x[0, column]], dim=1)
    return ((at + _top(nine)) / 2).to(images.dtype)


def _top(nine: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 2"]:
    """Where a paraboloid through the middle of 3 x 3 values has its top; the middle where it has none close by."""
    middle = nine[:, 1, 1]
    dy, dx = (nine[:, 2, 1] - nine[:, 0, 1]) / 2, (nine[:, 1, 2] - nine[:, 1, 0]) / 2
    yy = nine[:, 2, 1] + nine[:, 0, 1] - 2 * middle
    xx = nine[:, 1, 2] + nine[:, 1, 0] - 2 * middle
    yx = (nine[:, 2, 2] + nine[:, 0, 0] - nine[:, 2, 0] - nine[:, 0, 2]) / 4
    determinant = yy * xx - yx**2
    top = torch.stack([yx * dx - xx * dy, yx * dy - yy * dx], dim=1) / (determinant + NOTHING)[:, None]
    is_one = (determinant > 0) & (yy < 0) & (top.abs().amax(dim=1) <= 1)
    return torch.where(is_one[:, None], top, 0)


def circle_fit(weights: Float[Tensor, "n h w"], rounds: int = 20) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
    """Centre and radius (pixels) of the circle through a map of weights, such as a ridge map: Taubin's algebraic fit.

    Taubin 1991, IEEE Trans. PAMI 13, 1115, as Newton's method on the characteristic polynomial (Chernov 2010, Circular
    and linear regression, sect. 5.9), with each pixel a point of its weight; below zero is none. Unlike Kasa's, the
    fit does not shrink short arcs. No outlier is thrown out: what is not the ring should have no weight. A single pixel
    is a circle of radius zero, and a blank frame one at the centre.
    """
    share = weights.double().clamp_min(0)
    share = share / (share.sum(dim=(1, 2), keepdim=True) + NOTHING)
    y, x = offsets(weights.shape[1], weights.shape[2], share)

    def mean(values: Tensor) -> Float[Tensor, "n 1 1"]:
        return (share * values).sum(dim=(1, 2), keepdim=True)

    middle_y, middle_x = mean(y), mean(x)
    y, x = y - middle_y, x - middle_x
    z = x**2 + y**2
    xx, yy, xy, xz, yz = mean(x * x), mean(y * y), mean(x * y), mean(x * z), mean(y * z)
    spread, area, zz = xx + yy, xx * yy - xy**2, mean((z - xx - yy) ** 2)
    cubic, square = 4 * spread, -4 * spread**2 - zz
    linear = zz * spread + 4 * area * spread - xz**2 - yz**2
    constant = xz * (xz * yy - yz * xy) + yz * (yz * xx - xz * xy) - zz * area
    root = torch.zeros_like(spread)  # Kasa's fit
    for _ in range(rounds):
        value = constant + root * (linear + root * (square + root * cubic))
        slope = linear + root * (2 * square + root * 3 * cubic)
        root = root - _divided(value, slope)
    determinant = 2 * (root**2 - root * spread + area)
    across = _divided(xz * (yy - root) - yz * xy, determinant)
    down = _divided(yz * (xx - root) - xz * xy, determinant)
    centre = torch.cat([middle_y + down, middle_x + across], dim=1)[:, :, 0]
    size = (down**2 + across**2 + spread).sqrt()[:, 0, 0]
    return centre.to(weights.dtype), size.to(weights.dtype)


def _divided(value: Tensor, by: Tensor) -> Tensor:
    """Quotient, and zero where there is nothing to divide by."""
    nothing = by.abs() < NOTHING
    return torch.where(nothing, 0, value / torch.where(nothing, 1, by))
