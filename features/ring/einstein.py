"""The Einstein radius, from the image, the pixel scale and the PSF alone.

Two readings of every image are tried. The dark one takes all light for the source's, and the lens to be in the middle
of the frame; it holds if the ring it finds is hollow. Otherwise the light one finds the lensing galaxy, takes it away
and looks in what is left. Either looks for the radius about which opposite sides mirror each other (`mirror.py`) and
which light covers all around.

Not found are rings that no eye sees under a galaxy's light, lone arcs beside one, and, without lens light, doubles
so uneven that the inner image lies within half the radius. A neighbour as near as the ring can be taken for part of it.

EVIDENCE is a logistic regression (scikit-learn, C = 5) of "within 20 % of the truth" on 400 to 600 images each, of 64
pixels, of blank sky and of `python -m pipeline.simulate --arrays` with simulation.preset=lens64 (seed 101), the same
off centre by up to 0.3 arcsec (102) and without a source (103), and of axion_free without a lens (104); rounded.
HOLLOW and the constants of `mirror.py` and `lens_light.py` were chosen by hand on those and on axion, axion_free and
substructure (101). `tests/features/test_einstein.py` draws from 301 on.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from features.ring import lens_light, mirror
from features.ring.unwrap import QUIET, binning, coarse, radii, smooth, unwrap

COLUMNS = ["einstein_radius", "einstein_radius_error", "einstein_radius_found"]
SMALLEST = 24  # pixels a side
HOLLOW = 0.05  # compressed flux that a ring must have more than its inside
EVIDENCE = {"covered": 30.0, "bright": -4.5, "constant": -15.0}  # of a ring around a galaxy's light: logistic
CORE_LEAST, CORE_PSFS = 3.0, 1.5  # where a profile can be convex: pixels, widths of the PSF
SECTORS = 8  # of opposite angles, left out one by one for the error
WIDEN, FLOOR = 1.0, 0.03  # of the error: factor, and what is never known better [share of the radius]
MOST_SIGNAL = 1e12  # sky rms: beyond it, squares would not fit


class Ring(NamedTuple):
    """A ring in every image; lengths in pixels."""

    radius: Float[Tensor, " n"]
    error: Float[Tensor, " n"]  # about one standard deviation
    centre: Float[Tensor, "n 2"]  # (x, y) from the middle of the frame
    found: Bool[Tensor, " n"]  # else the rest means nothing


def einstein_radius(
    images: Float[Tensor, "n h w"], *, sky_rms: float, pixel_scale: float, psf_fwhm: float
) -> tuple[Float[Tensor, "n 3"], list[str]]:
    """Einstein radius [arcsec], its error (about one standard deviation) and 1 where there is a ring.

    Where there is none, or an image is not finite, the first two are NaN and the last is 0. An elliptical lens has the
    mean of its radii, as if it were round. Everything else is lost.
    """
    ring = located(images, sky_rms=sky_rms, pixel_scale=pixel_scale, psf_fwhm=psf_fwhm)
    lengths = torch.stack([ring.radius, ring.error], dim=1) * pixel_scale
    values = torch.where(ring.found[:, None], lengths, torch.nan)
    return torch.cat([values, ring.found[:, None].to(images.dtype)], dim=1), list(COLUMNS)


def located(images: Float[Tensor, "n h w"], *, sky_rms: float, pixel_scale: float, psf_fwhm: float) -> Ring:
    """The Einstein ring of every image, in its own pixels."""
    side = min(images.shape[1:])
    if side < SMALLEST:
        raise ValueError(f"images: {side} pixels a side; an Einstein radius needs at least {SMALLEST}")
    block = binning(*images.shape[1:])
    finite = images.isfinite().all(dim=2).all(dim=1)
    clean = torch.where(finite[:, None, None], images, 0)
    frame = (smooth(coarse(clean)) * (block / (QUIET * sky_rms))).clamp(-MOST_SIGNAL, MOST_SIGNAL)
    fwhm = psf_fwhm / (pixel_scale * block)
    dark, light = dark_reading(frame, fwhm), light_reading(frame, fwhm)
    is_dark = dark.found
    return Ring(
        radius=torch.where(is_dark, dark.radius, light.radius) * block,
        error=torch.where(is_dark, dark.error, light.error) * block,
        centre=torch.where(is_dark[:, None], dark.centre, light.centre) * block,
        found=(is_dark | light.found) & finite,
    )


def dark_reading(frame: Float[Tensor, "n h w"], fwhm: float) -> Ring:
    """If the lens gives no light. Images are in units of the sky rms, lengths in pixels of the coarse frame."""
    centre = frame.new_zeros(len(frame), 2)
    flux = mirror.compressed(unwrap(frame, centre))
    radius, error = searched(flux, fwhm)
    hollow = between(flux, 0.8 * radius, 1.2 * radius) - between(flux, 0 * radius, 0.5 * radius)
    return Ring(radius, error, centre, hollow > HOLLOW)


def light_reading(frame: Float[Tensor, "n h w"], fwhm: float) -> Ring:
    """If the lens gives light.

    The ring is looked for above the convex hull of the galaxy's profile, which shows it best, and is believed if it
    also shows above the profile itself: where a profile is not convex, the hull leaves a ring that is none.
    """
    centre, ellipse = lens_light.shape(frame)
    light = lens_light.falling(unwrap(frame, centre, ellipse))
    circles = unwrap(frame, centre)
    hull = lens_light.convex(light, max(CORE_LEAST, CORE_PSFS * fwhm))
    radius, error = searched(mirror.compressed(lens_light.without(circles, hull, ellipse)), fwhm)
    above = mirror.compressed(lens_light.without(circles, light, ellipse))
    near = between(above, (1 - mirror.SIDES) * radius, (1 + mirror.SIDES) * radius, angles=True)
    covered = (near / (near + mirror.HALF)).mean(1)
    bright = (between(above, 0.8 * radius, 1.2 * radius) + 0.1).log()
    evidence = EVIDENCE["covered"] * covered + EVIDENCE["bright"] * bright + EVIDENCE["constant"]
    return Ring(radius, error, centre, evidence > 0)


def searched(flux: Float[Tensor, "n r a"], fwhm: float) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """The best trial radius and its error: from how far it moves when one sector of angles is left out (jackknife)."""
    trial, reach = mirror.trials(flux), float(radii(flux.shape[1], flux)[-1])
    match = mirror.mirrored(flux) * (trial > max(mirror.LEAST, fwhm))[:, None]  # (n, k, p)
    match, cover = (score.unflatten(2, (SECTORS, -1)).sum(3) for score in (match, mirror.covered(flux)))
    radius = mirror.highest(match.sum(2) * cover.sum(2), trial, reach)
    near = (trial - radius[:, None]).abs() < 0.3 * radius[:, None]
    without = (match.sum(2, keepdim=True) - match) * (cover.sum(2, keepdim=True) - cover) * near[:, :, None]
    moved = mirror.highest(without.mT.flatten(0, 1), trial, reach).unflatten(0, (-1, SECTORS))
    spread = ((moved - moved.mean(1, keepdim=True)) ** 2).sum(1) * ((SECTORS - 1) / SECTORS)
    return radius, (WIDEN**2 * spread + (FLOOR * radius) ** 2).sqrt()


def between(
    flux: Float[Tensor, "n r a"], near: Float[Tensor, " n"], far: Float[Tensor, " n"], angles: bool = False
) -> Tensor:
    """Mean flux at radii between the two, at every angle or over all of them."""
    r = radii(flux.shape[1], flux)
    inside = ((r >= near[:, None]) & (r <= far[:, None])).to(flux.dtype)
    along = torch.einsum("nr,nra->na", inside, flux) / inside.sum(1, keepdim=True).clamp_min(1)
    return along if angles else along.mean(1)
