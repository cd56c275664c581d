"""The structure tensor: in which direction an image varies about each pixel, and how decidedly.

J = G_rho * (grad I grad I^T), the gradient of the image blurred by `sigma`, averaged over `rho` pixels. Its larger
eigenvalue belongs to the direction across an arc, its smaller one to the direction along it. Bigün & Granlund 1987,
ICCV, 433; Weickert 1998, Anisotropic Diffusion in Image Processing, section 2.2.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from features.filters import blurred, fits, rounding
from features.geometry import offsets

Map = Float[Tensor, "n h w"]


def coherence(images: Map, sigma: float = 1.0, rho: float = 2.0) -> Map:
    """((l1 - l2) / (l1 + l2))^2 of the structure tensor: 1 where the image varies in one direction, 0 where in all.

    How bright and how steep is lost: the noise of an empty sky is not zero, but what so few pixels make of it. A flat
    image is zero.
    """
    trace, along, crossed = tensor(images, sigma, rho)
    return (along**2 + crossed**2) / trace**2


def tangentiality(images: Map, sigma: float = 1.0, rho: float = 2.0) -> Map:
    """|e_theta . v| (l1 - l2) / (l1 + l2): how decidedly the image runs around the centre of the frame, 0 to 1.

    v is the direction of least variation, e_theta the tangential one; the weight is the square root of `coherence`,
    because where no direction is singled out there is no v. Arcs and rings about the centre are near 1, and so is
    the flank of a round galaxy there; spokes, knots and a flat image are 0, and the central pixel of an odd frame,
    which has no tangent. How bright and how steep is lost.
    """
    trace, along, crossed = tensor(images, sigma, rho)
    y, x = offsets(images.shape[1], images.shape[2], images)
    square = x**2 + y**2
    double_cos, double_sin = ((part / torch.where(square > 0, square, 1)) for part in (x**2 - y**2, 2 * x * y))
    radial = along * double_cos + crossed * double_sin  # J_rr - J_tt
    twisted = crossed * double_cos - along * double_sin  # 2 J_rt
    least = torch.finfo(images.dtype).tiny
    spread = (along**2 + crossed**2).clamp_min(least).sqrt()  # l1 - l2
    # |e_theta . v|^2 = (1 + radial / spread) / 2; where the sum cancels it is a quotient
    whole = spread + radial.abs()
    weighted = spread * torch.where(radial > 0, whole, twisted**2 / whole) / 2
    return torch.where(square > 0, weighted.clamp_min(least).sqrt() / trace, 0)


def tensor(images: Map, sigma: float, rho: float) -> tuple[Map, Map, Map]:
    """J_xx + J_yy, J_xx - J_yy and 2 J_xy; of a flat image 1, 0 and 0."""
    for name, width in (("sigma", sigma), ("rho", rho)):
        fits(name, width, (images.shape[1], images.shape[2]))
    dy, dx = blurred(images, sigma, 1, 0), blurred(images, sigma, 0, 1)
    steep = torch.maximum(dx.abs(), dy.abs()).amax(dim=(1, 2), keepdim=True)
    varies = steep * sigma > rounding(images)
    unit = torch.where(varies, steep, 1)
    dy, dx = torch.where(varies, dy / unit, 0), torch.where(varies, dx / unit, 0)  # squares neither vanish nor overflow
    xx, yy, xy = (blurred(product, rho) for product in (dx * dx, dy * dy, dx * dy))
    trace = xx + yy
    some = trace > LEAST
    return torch.where(some, trace, 1), torch.where(some, xx - yy, 0), torch.where(some, 2 * xy, 0)


LEAST = 1e-10  # of the squared steepest slope: below it a slope is a rounding error, and its direction none
