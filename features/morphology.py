"""Morphology: how lopsided the light of an image is, in how few pixels, and how far out the brightest of it.

The aperture is a circle about the centre of the frame, the same for every image, where Lotz et al. find a Petrosian
ellipse for each galaxy: a ring has none, and a size of each image's own would enter every number. Values compare
within a data set and not with published ones.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from features.geometry import in_whole_annuli, offsets, places_within

BRIGHTEST = 0.2  # of the flux: what M20 is the second moment of


def morphology(
    images: Float[Tensor, "n h w"], aperture: float = 1.0, *, sky_rms: float
) -> tuple[Float[Tensor, "n k"], list[str]]:
    """`asymmetry`, `gini` and `m20` in a circle of `aperture` times the largest in the frame.

    All else about where the light is, is lost. In double precision inside, because M20 counts whole pixels.
    """
    height, width = images.shape[1:]
    reach = aperture * min(height, width) / 2
    if not 1 < reach <= min(height, width) / 2:
        raise ValueError(
            f"aperture: {aperture:g}; from {2 / min(height, width):.2g}, a pixel's radius, to 1, the frame's"
        )
    exact = images.double()
    places = places_within(height, width, reach, images.device)
    y, x = (offset.expand(height, width).flatten()[places] for offset in offsets(height, width, exact))
    pixels = exact.flatten(1)[:, places]
    values = torch.stack([asymmetry(exact, reach, sky_rms), gini(pixels), m20(pixels, x, y)], dim=1)
    return values.to(images.dtype), ["morphology_asymmetry", "morphology_gini", "morphology_m20"]


def asymmetry(images: Float[Tensor, "n h w"], reach: float, sky_rms: float) -> Float[Tensor, " n"]:
    """Sum of |I - I180| over that of |I| in a circle of radius `reach`, less what noise does; 0 of a blank image.

    Conselice, Bershady & Jangren 2000, ApJ 529, 886; Lotz, Primack & Madau 2004, AJ 128, 163, equation 10. There the
    noise is that of an empty piece of sky; here it is what white noise has on average, 2 / sqrt(pi) sky_rms a pixel.
    Where the image itself is lopsided that takes away too much. The centre is the frame's and is not searched for.
    """
    both = torch.cat([(images - images.flip((1, 2))).abs(), images.abs()])
    difference, total = in_whole_annuli(images, reach)(both)[:, 0].chunk(2)
    noise = math.pi * reach**2 * 2 / math.sqrt(math.pi) * sky_rms
    return torch.where(total > 0, (difference - noise) / torch.where(total > 0, total, 1), 0)


def gini(pixels: Float[Tensor, "n p"]) -> Float[Tensor, " n"]:
    """Gini coefficient of |I|: 0 of an even (or blank) image, 1 if one pixel has all the light.

    Lotz, Primack & Madau 2004, equation 6. White noise alone has 0.41.
    """
    ascending = pixels.abs().sort(dim=1).values
    number = ascending.shape[1]
    rank = 2 * torch.arange(1, number + 1, device=pixels.device, dtype=pixels.dtype) - number - 1
    total = ascending.sum(dim=1)
    return torch.where(total > 0, ascending @ rank / torch.where(total > 0, (number - 1) * total, 1), 0)


def m20(pixels: Float[Tensor, "n p"], x: Float[Tensor, " p"], y: Float[Tensor, " p"]) -> Float[Tensor, " n"]:
    """log10 of the second moment of the brightest pixels, which have 20 per cent of the flux, over that of all.

    Lotz, Primack & Madau 2004, equations 7 and 8, about the centroid, where the moment of all is least. It is 0, its
    value for brightest pixels as spread as the rest, where noise leaves one of the moments no positive number.
    """
    ascending = pixels.sort(dim=1).values
    growth = ascending.cumsum(dim=1)
    total = growth[:, -1:]
    lit = total > 0
    share = growth / torch.where(lit, total, 1)
    faintest = ascending.gather(1, (share >= 1 - BRIGHTEST).int().argmax(dim=1, keepdim=True))
    weights = pixels / torch.where(lit, total, 1)
    distance = (x - weights @ x[:, None]).square() + (y - weights @ y[:, None]).square()
    moments = weights * distance
    everything, brightest = moments.sum(dim=1), (moments * (pixels >= faintest)).sum(dim=1)
    sound = lit[:, 0] & (everything > 0) & (brightest > 0)
    return torch.log10(torch.where(sound, brightest, 1) / torch.where(sound, everything, 1))
