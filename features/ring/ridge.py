"""Ring features: what a thin bright curve, such as an Einstein ring or an arc, does to its neighbourhood."""

from jaxtyping import Float
from torch import Tensor

from features.filters import gaussian_derivative, separable


def ring(images: Float[Tensor, "n h w"], sigma: float = 1.5) -> Float[Tensor, "n h w"]:
    """Response to bright ridges about `sigma` pixels wide: sigma^2 max(0, -l), l the lower eigenvalue of the Hessian.

    The Hessian is that of the image blurred by a Gaussian of that width. A ridge is positive, a valley, a slope and a
    flat sky are zero; a complete ring stays, unlike in `radial_residual`. Signs and faint extended light are lost.
    Sato et al. 1998, Medical Image Analysis 2, 143, for one scale.
    """
    side = min(images.shape[1], images.shape[2])
    if not 0 < 4 * sigma <= side - 1:
        raise ValueError(f"sigma: {sigma:g} pixels; it must be above zero, and four of it within the frame's {side}")
    kernel = [gaussian_derivative(sigma, order, images) for order in range(3)]
    yy = separable(images, kernel[2], kernel[0])
    xx = separable(images, kernel[0], kernel[2])
    xy = separable(images, kernel[1], kernel[1])
    lower = (xx + yy) / 2 - (((xx - yy) / 2) ** 2 + xy**2).sqrt()
    return sigma**2 * (-lower).clamp_min(0)
