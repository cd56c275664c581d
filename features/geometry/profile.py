"""Radial profiles as maps: a value for every radius, spread over the frame without steps.

What a galaxy looks like from its annuli, for whoever wants it out of the way: `radial_quantile` is not drawn up by arcs
and rings, which fill a part of an annulus, as a mean is.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from features.filters import ordered, remembered, sorted_quantile
from features.geometry.annuli import annulus
from features.geometry.frame import radius

LIKE = torch.empty(0, dtype=torch.float64)


def radial_quantile(
    images: Float[Tensor, "n h w"], width: float = 1.0, quantile: float = 0.3
) -> Float[Tensor, "n h w"]:
    """The `quantile` of every annulus `width` pixels wide, through which a spline runs over radius, as a map.

    Each annulus speaks for the radius that `1 - quantile` of its pixels lie within: a round galaxy that falls outwards
    has its quantile just there, so that none of its slope is left however wide the annuli are. Where there is only
    noise the quantile lies below the mean, by 0.52 of the noise's rms for 0.3. An annulus of very few pixels, near
    the centre or in the corners, takes what is there as its own.
    """
    if not 0 <= quantile <= 1:
        raise ValueError(f"quantile: {quantile:g} must be from 0 to 1")
    height, columns = images.shape[1], images.shape[2]
    order, counts = sorted_into_annuli(height, columns, width)
    pixels = images.flatten(1)[:, order.to(images.device)].split(counts, dim=1)  # r times (n, pixels)
    profile = torch.stack([sorted_quantile(ordered(ring), quantile) for ring in pixels], dim=1)  # (n, r)
    spread = spline(height, columns, width, quantile).to(images.device, images.dtype)
    return (profile @ spread).unflatten(1, (height, columns))


@remembered
def sorted_into_annuli(height: int, columns: int, width: float) -> tuple[Tensor, list[int]]:
    """The pixels of a flat frame, annulus by annulus, and how many there are in each."""
    rings = annulus(height, columns, width, LIKE).flatten()
    return rings.argsort(stable=True), rings.bincount().tolist()


@remembered
def spline(height: int, columns: int, width: float, quantile: float) -> Float[Tensor, "r p"]:
    """What each annulus adds to each pixel of the natural cubic spline through all of them; level beyond both ends."""
    from scipy.interpolate import CubicSpline  # only here: its import takes longer than a stage's own

    order, counts = sorted_into_annuli(height, columns, width)
    distance = radius(height, columns, LIKE).flatten().numpy()
    nodes = np.array([np.quantile(ring, 1 - quantile) for ring in np.split(distance[order], np.cumsum(counts)[:-1])])
    if len(nodes) == 1:
        return torch.ones(1, len(distance), dtype=torch.float64)
    inside = distance.clip(nodes[0], nodes[-1])
    return torch.from_numpy(CubicSpline(nodes, np.eye(len(nodes)), bc_type="natural")(inside).T.copy())
