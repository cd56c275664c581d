"""Pixels as a file with fewer bits would hold them: what a careless cast costs, as an input to compare."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from features.stretch.per_image import minmax

Images = Float[Tensor, "n h w"]


def _half(images: Images) -> Images:
    """Eleven bits of mantissa; beyond 65504 there is nothing but infinity, so that is where it is cut."""
    most = torch.finfo(torch.float16).max
    return images.clamp(-most, most).half().to(images.dtype)


KINDS: dict[str, Callable[[Images], Images]] = {
    "float16": _half,
    "int16": lambda images: images.clamp(-(2**15), 2**15 - 1).trunc(),
    "uint8": lambda images: (255 * minmax(images)).trunc(),
}


def stored(images: Float[Tensor, "n h w"], kind: str = "int16") -> Float[Tensor, "n h w"]:
    """The image after it has been cast to `kind`, fractions cut off as NumPy's `astype` cuts them.

    `float16` and `int16` take the pixels in the units that they come in: of an image in electrons per second, whose
    brightest pixel is 4, int16 leaves five grey levels. Published DeepLense regressions cast their images so. `uint8`
    scales each image to 0 ... 255 first, as a picture file does.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: no kind {kind!r}; there are {', '.join(KINDS)}")
    return KINDS[kind](images)
