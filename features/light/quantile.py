"""The galaxy as the low quantile of its annuli."""

from jaxtyping import Float
from torch import Tensor

from features.geometry import radial_quantile


def minus_quantile(images: Float[Tensor, "n h w"], width: float = 1.0, quantile: float = 0.3) -> Float[Tensor, "n h w"]:
    """Image minus the `quantile` of its annuli, `width` pixels wide: arcs and clumps, and what is not round.

    A ring or an arc stays where it fills less than `1 - quantile` of its annuli; a complete ring goes with the galaxy,
    but for what is brighter than its faintest part. Of an elliptical galaxy a positive cross along its long axis
    stays. The sky is raised by 0.52 of its rms (for 0.3), and the innermost annuli, of few pixels, lose their noise.
    """
    return images - radial_quantile(images, width, quantile)
