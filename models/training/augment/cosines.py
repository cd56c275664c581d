"""Images as sums of cosines: shifted, blurred and finely sampled without a pixel being interpolated.

The discrete cosine transform (DCT-II) sees a side of the frame as continued by its mirror image, so that nothing wraps
around and no edge is a jump. Everything here works on one side at a time, as a product with a small matrix.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def shifted(
    maps: Float[Tensor, "n c h w"], dy: Float[Tensor, " n"], dx: Float[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    """Each image moved by so many pixels down and to the right; what enters is the mirror image of what is there.

    White noise stays white and keeps at least 1 - 1/h - 1/w of its variance. Whole pixels are exact, and so is light
    that the pixels sample well: of a point that is three pixels wide (FWHM), two thousandths of the peak are lost.
    """
    return _shifted(_shifted(maps.mT, dx).mT, dy)


def blurred(maps: Float[Tensor, "n c h w"], sigma: Float[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
    """Each image convolved with a Gaussian of its own sigma [pixels]; its total flux stays, for the mirror gives back
    what the edge would lose. A sigma far below a pixel, for which a sampled kernel fails, is as good as any.
    """
    return _blurred(_blurred(maps.mT, sigma).mT, sigma)


def finely(maps: Float[Tensor, "n c h w"], steps: int) -> Float[Tensor, "n c fh fw"]:
    """Samples `steps` to the pixel, beginning one pixel outside the frame; sample `steps * (y + 1)` is pixel y."""
    height, width = maps.shape[2:]
    down, along = (_sampling(side, steps, maps) for side in (height, width))
    return down @ maps @ along.mT


def _shifted(maps: Float[Tensor, "n c h w"], by: Float[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
    """cos k(y - d) = cos ky cos kd + sin ky sin kd: the matrices are of the frame, and only kd of the image."""
    side = maps.shape[2]
    waves = _waves(side)
    there = torch.arange(side, dtype=torch.float64)
    angle = (by.double().cpu()[:, None] * waves).to(maps)[:, None, :, None]
    strength = _analysis(side).to(maps) @ maps
    cosine, sine = (_at(there, waves, wave).to(maps) for wave in (torch.cos, torch.sin))
    return cosine @ (angle.cos() * strength) + sine @ (angle.sin() * strength)


def _blurred(maps: Float[Tensor, "n c h w"], sigma: Float[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
    """A Gaussian multiplies each wave by exp(-k^2 sigma^2 / 2)."""
    side = maps.shape[2]
    waves = _waves(side)
    kept = torch.exp(-0.5 * (sigma.double().cpu()[:, None] * waves) ** 2).to(maps)[:, None, :, None]
    there = _at(torch.arange(side, dtype=torch.float64), waves, torch.cos).to(maps)
    return there @ (kept * (_analysis(side).to(maps) @ maps))


def _sampling(side: int, steps: int, like: Tensor) -> Float[Tensor, "f side"]:
    there = torch.arange(-steps, steps * side + 1, dtype=torch.float64) / steps
    return (_at(there, _waves(side), torch.cos) @ _analysis(side)).to(like)


def _waves(side: int) -> Float[Tensor, " k"]:
    """Radians per pixel of each wave: from the mean to just below half a cycle per pixel."""
    return torch.arange(side, dtype=torch.float64) * (math.pi / side)


def _at(places: Float[Tensor, " p"], waves: Float[Tensor, " k"], wave: Callable[[Tensor], Tensor]) -> Tensor:
    """The waves at places [pixels from the centre of the first], each of unit norm over the frame."""
    norm = torch.full_like(waves, math.sqrt(2 / len(waves)))
    norm[0] = math.sqrt(1 / len(waves))
    return norm * wave(torch.outer(places + 0.5, waves))


def _analysis(side: int) -> Float[Tensor, "k side"]:
    """The orthonormal DCT-II: how much there is of each wave."""
    return _at(torch.arange(side, dtype=torch.float64), _waves(side), torch.cos).mT
