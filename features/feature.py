"""What a feature says of itself: a line of the tables in `features/table.py`, and what its tests hold it to."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

COVARIANT = "covariant"  # turns with its image
INVARIANT = "invariant"  # does not change when its image turns


@dataclass(frozen=True)
class Feature:
    """A map feature `(images: (n, h, w), **options) -> (n, h, w)`, or a vector feature `-> ((n, k), k names)`.

    Options are keyword arguments with defaults. Keyword-only arguments without a default are what it needs to know of
    the observation, out of `OBSERVATION`; labels are not among them, and nothing else is ever supplied.
    """

    compute: Callable[..., Any]
    keeps: str  # in a sentence
    loses: str  # in a sentence
    turns: str = COVARIANT  # under the eight symmetries of the square; or INVARIANT, or why it is neither
    oriented: str = ""  # the option that, when set, makes an invariant one turn all the same; empty: none
    flux: float | str = 1.0  # the power of k that it grows with when image and sky are k times as bright, or why none
    scale: float = 0.0  # the power of k that it grows with when a pixel and the PSF are k times as large on the sky
    compiles: str = ""  # why `torch.compile` does not take it as one graph; empty: it does
    differentiable: str = ""  # why it has no derivative with respect to the image; empty: it has, under vmap too
    missing: str = ""  # when a value is NaN; empty: never
    per_image: str = ""  # what is lost because its scale is each image's own; empty: it is not

    @property
    def name(self) -> str:
        return self.compute.__name__

    @property
    def options(self) -> dict[str, Any]:
        """Its options with their defaults."""
        return {p.name: p.default for p in self._parameters if p.default is not Parameter.empty}

    @property
    def needs(self) -> list[str]:
        """What it needs to know of the observation."""
        return [p.name for p in self._parameters if p.default is Parameter.empty]

    @property
    def _parameters(self) -> list[Parameter]:
        _, *rest = signature(self.compute).parameters.values()
        return rest


OBSERVATION = {
    "sky_rms": "rms of an empty pixel, in the image's units",
    "pixel_scale": "arcsec per pixel",
    "psf_fwhm": "FWHM of the point-spread function, arcsec",
    "electrons": "detected electrons in one unit of a pixel's value (exposure x gain)",
}
