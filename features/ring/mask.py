"""The ring mask: an image in a soft annulus about its own Einstein radius."""

import torch
from jaxtyping import Float
from torch import Tensor

from features.geometry import offsets
from features.ring.einstein import located


def ring_mask(
    images: Float[Tensor, "n h w"],
    width: float = 0.3,
    psfs: float = 2.0,
    *,
    sky_rms: float,
    pixel_scale: float,
    psf_fwhm: float,
) -> Float[Tensor, "n h w"]:
    """Image times exp(-(r - theta_E)^2 / 2 w^2), w the larger of `width` theta_E and `psfs` times the PSF's FWHM.

    Radius and centre are those that `einstein_radius` estimates from the image itself; where it finds no ring, the
    image stays as it is. What lies far from the ring is lost. Between 0.5 and 1.6 theta_E is nearly all that an image
    knows of subhalos, and three quarters of what it knows of theta_E.
    """
    if not width > 0:
        raise ValueError(f"width: {width:g} of the Einstein radius; a mask needs a width above zero")
    if not psfs >= 0:
        raise ValueError(f"psfs: {psfs:g}; a mask cannot be less than zero PSFs wide")
    # in double precision: of a broad maximum, single gives the place to a few 1e-5, which shows where the mask is steep
    ring = located(images.double(), sky_rms=sky_rms, pixel_scale=pixel_scale, psf_fwhm=psf_fwhm)
    radius, x0, y0 = (own.to(images)[:, None, None] for own in (ring.radius, *ring.centre.unbind(1)))
    y, x = offsets(images.shape[1], images.shape[2], images)
    soft = (width * radius).clamp_min(psfs * psf_fwhm / pixel_scale)
    away = (torch.hypot(x - x0, y - y0) - radius) / soft.clamp_min(torch.finfo(images.dtype).tiny)
    return torch.where(ring.found[:, None, None], images * torch.exp(-(away**2) / 2), images)
