"""The source behind a lens: every pixel's light traced back to where a lens of estimated mass has it from.

The lens is isothermal and in the middle of the frame; its Einstein radius, axis ratio and direction are estimated from
the image, never given. Nothing models the PSF or the lens's own light, which is traced back as if it were lensed:
it is best taken away first.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from features.geometry import angle, offsets, radius
from features.ring.einstein import einstein_radius
from features.ring.ridge import ridge

Map = Float[Tensor, "n h w"]
Each = Float[Tensor, " n"]

LEAST = 0.1  # rays: a pixel of the source that gets fewer is dimmed towards nothing, so that no ray alone decides it
NEAR = 0.5  # of the Einstein radius: how far from it light is still the ring's
PRIOR = 0.02  # how strongly a ring is held to be a centred circle, against what a fully covered one says
FLATTEST = 0.3


def source_plane(
    images: Map, lens: str = "sie", zoom: float = 1.0, *, sky_rms: float, pixel_scale: float, psf_fwhm: float
) -> Map:
    """The image as its source would look unlensed, `zoom` of its pixels to one of the image's, in the same frame.

    Each pixel is traced back through a singular isothermal sphere (`sis`) or ellipsoid (`sie`) of the image's own
    `einstein_radius`, whose shape its ring gives (`shaped`); see `reconstructed`. The geometry of the ring, and with
    it the mass, is lost, but for what the estimate got wrong. Where no ring is found it is the image itself.
    """
    if not 1 <= zoom <= 8:
        raise ValueError(f"zoom: {zoom:g} pixels of the source to one of the image; it must be from 1 to 8")
    found, model = estimated(images, lens, sky_rms, pixel_scale, psf_fwhm)
    return torch.where(found, reconstructed(images, model, zoom), images)


def relensed_residual(images: Map, lens: str = "sie", *, sky_rms: float, pixel_scale: float, psf_fwhm: float) -> Map:
    """The image less the source of `source_plane` lensed again: what such a smooth lens cannot have made.

    Light that is not lensed, clumps of mass, and every error of the estimate stay; detail of the source smaller than
    a pixel stays too. What counter-images agree on is lost. Zero where no ring is found. Compare the residuals that
    networks see in LensPINN (Ojha et al. 2024), which traces to the nearest pixel and takes a radius for all.
    """
    found, model = estimated(images, lens, sky_rms, pixel_scale, psf_fwhm)
    return torch.where(found, residual(images, model), 0)


def estimated(
    images: Map, lens: str, sky_rms: float, pixel_scale: float, psf_fwhm: float
) -> tuple[Bool[Tensor, "n 1 1"], "Lens"]:
    """Whether there is a ring, and the lens that would make it: in double precision whatever the image's, because
    a ray that moves by a thousandth of a pixel picks up as much of the noise."""
    if lens not in MODELS:
        raise ValueError(f"lens: no model {lens!r}; there are {', '.join(MODELS)}")
    precise = images.double()
    values, _ = einstein_radius(precise, sky_rms=sky_rms, pixel_scale=pixel_scale, psf_fwhm=psf_fwhm)
    found = values[:, 2] > 0
    clean = torch.where(found[:, None, None], precise, 0)  # an image that is not finite has no ring
    model = MODELS[lens](clean, torch.where(found, values[:, 0] / pixel_scale, 0))
    return found[:, None, None], Lens(*(own.to(images.dtype) for own in model))


class Lens(NamedTuple):
    """A singular isothermal ellipsoid: mean radius [pixels], axis ratio and position angle of the major axis [rad]."""

    radius: Each
    axis_ratio: Each
    angle: Each


class Rays(NamedTuple):
    """For every pixel and each of the four source pixels around its ray: that pixel's number, and its share of it."""

    to: Int[Tensor, "n four p"]
    share: Float[Tensor, "n four p"]


def reconstructed(images: Map, lens: Lens, zoom: float = 1.0) -> Map:
    """The source on a grid of the frame's shape and centre, `zoom` of its pixels to one of the image's.

    Brightness is conserved by lensing, so a source pixel is the mean over the rays that come from it, each shared
    out bilinearly: a mean weighted by magnification. Where no ray comes from it is zero.
    """
    return gathered(images, traced(images, lens, zoom))


def residual(images: Map, lens: Lens) -> Map:
    """The image less its own reconstructed source, lensed again: what this lens cannot have made out of one source."""
    rays = traced(images, lens, 1.0)
    source = gathered(images, rays).flatten(1)
    again = (source[:, None].expand(-1, 4, -1).gather(2, rays.to) * rays.share).sum(1)
    return images - again.view_as(images)


def deflection(x: Tensor, y: Tensor, lens: Lens) -> tuple[Map, Map]:
    """By how many pixels light seen at (x, y) was bent. Kormann, Schneider & Bartelmann 1994, A&A 284, 285, eq. 27a,
    with the radius of the circle of the critical ellipse's area; zero in the very middle, where it has no direction."""
    size, q, cos, sin = (
        own[:, None, None] for own in (lens.radius, lens.axis_ratio, lens.angle.cos(), lens.angle.sin())
    )
    along, across = cos * x + sin * y, cos * y - sin * x
    f = (1 - q**2).clamp_min(1e-12).sqrt()  # below 1e-6 the limit: a sphere
    psi = (q**2 * along**2 + across**2).clamp_min(1e-12).sqrt()
    strength = size * q.sqrt() / f
    bent, raised = strength * torch.atan(f * along / psi), strength * torch.atanh(f * across / psi)
    return cos * bent - sin * raised, sin * bent + cos * raised


def traced(images: Map, lens: Lens, zoom: float) -> Rays:
    """Every pixel's ray, with the share that each source pixel near its end has in it; none beyond the grid."""
    height, width = images.shape[1], images.shape[2]
    y, x = offsets(height, width, images)
    bent, raised = deflection(x, y, lens)
    column, row = (x - bent) * zoom + (width - 1) / 2, (y - raised) * zoom + (height - 1) / 2
    left, top = column.floor(), row.floor()
    lit = radius(height, width, images) > 0  # a singular lens has no image in its middle
    to, share = [], []
    for i in (top, top + 1):
        for j in (left, left + 1):
            inside = lit & (i >= 0) & (i < height) & (j >= 0) & (j < width)
            part = (1 - (row - i).abs()) * (1 - (column - j).abs()) * inside
            to.append((i.clamp(0, height - 1) * width + j.clamp(0, width - 1)).long().flatten(1))
            share.append(part.flatten(1))
    return Rays(torch.stack(to, dim=1), torch.stack(share, dim=1))


def gathered(images: Map, rays: Rays) -> Map:
    """Mean over the rays from every source pixel."""
    light = (images.flatten(1)[:, None] * rays.share).flatten(1)
    none, to = torch.zeros_like(images.flatten(1)), rays.to.flatten(1)
    total, number = none.scatter_add(1, to, light), none.scatter_add(1, to, rays.share.flatten(1))
    return (total / number.clamp_min(LEAST)).view_as(images)


def shaped(images: Map, size: Each) -> Lens:
    """The ellipsoid whose ring has mean radius `size` [pixels], from how that ring is bent.

    Its ridge is fitted by r(phi) = size (1 + c0 + c1 cos phi + s1 sin phi + c2 cos 2 phi + s2 sin 2 phi), brighter
    pixels counting more. The first order is the source off the centre; the second that of the ellipsoid, whose ring
    about a centred source is longer across its mass than along: the radii on its axes are those of `deflection`,
    sqrt(q) / f atan(f / q) and sqrt(q) / f atanh(f), so that the second order's amplitude a gives
    1 - q = 6 a / (1 + 3 a), within 0.02 for q from 0.4, and their mean the Einstein radius. A ring that covers few
    angles says little, and is held to be round.
    """
    height, width = images.shape[1], images.shape[2]
    r, phi = radius(height, width, images), angle(height, width, images)
    far = r / size.clamp_min(1e-3)[:, None, None] - 1
    bright = ridge(images, (1.5,)) ** 2 * (1 - (far / NEAR) ** 2).clamp_min(0)
    weight = (bright / bright.sum(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(images.dtype).tiny)).flatten(1)
    order = torch.stack([torch.ones_like(phi), phi.cos(), phi.sin(), (2 * phi).cos(), (2 * phi).sin()]).flatten(1)
    pairs = (order[:, None] * order).flatten(0, 1)  # (25, p)
    system = (weight @ pairs.T).unflatten(1, (5, 5)) + PRIOR * torch.eye(5, dtype=images.dtype, device=images.device)
    fitted = torch.linalg.solve(system, (weight * far.flatten(1)) @ order.T)
    amplitude = torch.hypot(fitted[:, 3], fitted[:, 4])
    flat = (1 - 6 * amplitude / (1 + 3 * amplitude)).clamp(FLATTEST, 1)
    f = (1 - flat**2).clamp_min(1e-12).sqrt()
    mean = flat.sqrt() / f * (torch.atan(f / flat) + torch.atanh(f)) / 2  # of the ring, over the Einstein radius
    return Lens(size / mean, flat, torch.atan2(fitted[:, 4], fitted[:, 3]) / 2 + torch.pi / 2)


def circular(images: Map, size: Each) -> Lens:
    """A singular isothermal sphere of that radius."""
    return Lens(size, torch.ones_like(size), torch.zeros_like(size))


MODELS: dict[str, Callable[[Map, Each], Lens]] = {"sis": circular, "sie": shaped}
