"""Ridges: what a thin bright curve, such as an Einstein ring or an arc, does to its neighbourhood."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from features.filters import fits, plain, rounding
from features.ring import hessian

Map = Float[Tensor, "n h w"]


def ridge(images: Map, sigmas: Sequence[float] = (1.5,), definition: str = "sato") -> Map:
    """Response to bright ridges about `sigmas` pixels wide, the largest over these scales; zero where there is none.

    From the eigenvalues l <= u of the Hessian of the image blurred by a Gaussian, a bright ridge having l << 0:

    - `sato`: sigma^2 max(0, -l), in the image's units (Sato et al. 1998, Medical Image Analysis 2, 143);
    - `frangi`: exp(-2 (u / l)^2) (1 - exp(-2 s^2 / S^2)) where l + u < 0, with s^2 = l^2 + u^2 and S its largest s
      in the frame, from 0 to 1 (Frangi et al. 1998, MICCAI, eqs. 13 and 15, with beta = 1/2 and c = S / 2);
    - `meijering`: -(l + u / 3) where l + u < 0, over its largest in the frame, from 0 to 1 (Meijering et al. 2004,
      Cytometry A 58, 167, eqs. 1 and 6).

    A valley, a slope and a flat sky are zero; a complete ring stays, unlike in `radial_residual`. Signs and faint
    extended light are lost; by `frangi` and `meijering`, which each image and scale normalises by its own largest, so
    is the flux.

    scikit-image's definitions. It differs in blurring twice by sigma / sqrt 2, out to eight sigma; in mirroring the
    gradient between the two, whose sign is then wrong at the edges; and in that its `frangi` takes S from the first
    scale for all, not from each its own.
    """
    if definition not in DEFINITIONS:
        raise ValueError(f"definition: no ridge {definition!r}; there are {', '.join(DEFINITIONS)}")
    if len(sigmas) == 0:
        raise ValueError("sigmas: an empty list has no scale; give one or more, in pixels")
    for sigma in sigmas:
        fits("sigmas", sigma, (images.shape[1], images.shape[2]))
    if definition == "sato" and plain(images):
        return hessian.sato(images, sigmas)
    strongest = _at(images, sigmas[0], definition)
    for sigma in sigmas[1:]:
        strongest = torch.maximum(strongest, _at(images, sigma, definition))
    return strongest


def _at(images: Map, sigma: float, definition: str) -> Map:
    """The response at one scale."""
    lower, upper = hessian.eigenvalues(images, sigma)
    return DEFINITIONS[definition](lower * sigma**2, upper * sigma**2, rounding(images))


def sato(lower: Map, upper: Map, least: Float[Tensor, "n 1 1"]) -> Map:
    return (-lower).clamp_min(0)


def frangi(lower: Map, upper: Map, least: Float[Tensor, "n 1 1"]) -> Map:
    norm = lower**2 + upper**2
    most = norm.amax(dim=(1, 2), keepdim=True)
    bright = (lower + upper < 0) & (most > least**2)
    round_ = upper / torch.where(bright, lower, -1)  # a blob has 1, a ridge 0
    strong = norm / torch.where(most > least**2, most, 1)
    return torch.where(bright, torch.exp(-2 * round_**2) * (1 - torch.exp(-2 * strong)), 0)


def meijering(lower: Map, upper: Map, least: Float[Tensor, "n 1 1"]) -> Map:
    response = torch.where(lower + upper < 0, -(lower + upper / 3), 0)
    most = response.amax(dim=(1, 2), keepdim=True)
    return torch.where(most > least, response / torch.where(most > least, most, 1), 0)


DEFINITIONS: dict[str, Callable[[Map, Map, Tensor], Map]] = {"sato": sato, "frangi": frangi, "meijering": meijering}
