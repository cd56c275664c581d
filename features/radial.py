"""Radial features: the round part of an image, and the image without it.

A galaxy-scale lens is a nearly round galaxy with arcs near its Einstein radius. The mean over angle keeps the galaxy
and dilutes the arcs; what is left keeps the arcs.
"""

from jaxtyping import Float
from torch import Tensor

from features.geometry import annulus, annulus_means, whole_annuli


def radial_profile(images: Float[Tensor, "n h w"], width: float = 1.0) -> tuple[Float[Tensor, "n r"], list[str]]:
    """Mean surface brightness in annuli `width` pixels wide, centre first, as far as the frame holds them whole.

    A pixel belongs to the annulus of its centre; a partly covered pixel is not shared out. Everything that
    depends on angle is lost.
    """
    rings = annulus(images.shape[1], images.shape[2], width, images)
    inside = whole_annuli(rings, width)
    return annulus_means(images, rings)[:, :inside], [f"radial_profile_{i}" for i in range(inside)]


def radial_residual(images: Float[Tensor, "n h w"], width: float = 1.0) -> Float[Tensor, "n h w"]:
    """Image minus its radial profile: whatever is not round.

    Arcs and clumps stay and the galaxy goes; so does a complete ring, which is round too (`ridge` keeps it). Of a steep
    galaxy the slope within each annulus stays, as a faint grid. The numerator of the normalising radial gradient
    filter (Morgan, Habbal & Woo 2006, Sol. Phys. 236, 263).
    """
    rings = annulus(images.shape[1], images.shape[2], width, images)
    return images - annulus_means(images, rings)[:, rings]
