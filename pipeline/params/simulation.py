"""`simulation`: which lenses are made, seen by which camera."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.params.basis import Count, Positive, Range, Section, Seed

PRIORS = ("uniform", "log_uniform", "normal", "fixed")


class Prior(Section):
    """What values a parameter has among lenses, in its unit: `uniform` and `log_uniform` [from, to] (the latter uniform
    in the logarithm), `normal` [mean, standard deviation] (cut off where the parameter ends), or `fixed`."""

    uniform: Range | None = None
    log_uniform: Range | None = None
    normal: Range | None = None
    fixed: float | None = None

    @model_validator(mode="after")
    def one(self) -> "Prior":
        given = [kind for kind in PRIORS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"a prior is one of {', '.join(PRIORS)}; this is {' and '.join(given) or 'none of them'}")
        for pair in (self.uniform, self.log_uniform):
            if pair and pair[0] > pair[1]:
                raise ValueError(f"from {pair[0]:g} to {pair[1]:g} runs backwards; write [{pair[1]:g}, {pair[0]:g}]")
        if self.log_uniform and self.log_uniform[0] <= 0:
            raise ValueError(f"log_uniform needs numbers above zero, not {self.log_uniform[0]:g}")
        if self.normal and self.normal[1] <= 0:
            raise ValueError(f"normal is [mean, standard deviation], and {self.normal[1]:g} is no width")
        return self

    @property
    def varies(self) -> bool:
        """Whether two lenses can differ in it."""
        pair = self.uniform or self.log_uniform
        return pair[0] < pair[1] if pair else self.normal is not None


class Subhalos(Section):
    """How subhalos are placed and how they bend light, where `substructure_fraction` has a prior."""

    profile: Literal["point", "sis", "tnfw"]
    positions: Literal["disc", "host", "annulus"]
    number: Literal["poisson", "fixed"]
    reach: Positive
    sheet: bool
    scatter: Annotated[float, Field(ge=0)]
    truncation: Positive


def _fixed(value: Any) -> Any:
    """A bare number is a prior that is fixed."""
    return {"fixed": float(value)} if isinstance(value, int | float) and not isinstance(value, bool) else value


class Simulation(Section):
    preset: Literal[
        "axion", "axion_free", "lens64", "substructure", "halo_mass", "wdm",
        "deeplense_1", "deeplense_2", "deeplense_3", "test3",
    ]  # fmt: skip
    variant: Literal["legacy", "corrected"]
    images: Count
    seed: Seed
    size: Annotated[int, Field(ge=8)]
    supersampling: Count | Literal["auto"]
    instrument: Literal[
        "euclid_vis", "hst_wfc3_f160w", "hst_acs_f814w", "rubin_r", "rubin_i", "ideal", "deeplense_1", "deeplense_2"
    ]
    pixel_scale: Positive | None
    psf_fwhm: Positive | None
    exposure: Positive | None
    sky_brightness: float | None
    read_noise: Annotated[float, Field(ge=0)] | None
    psf_image: str
    psf_sampling: Count
    noise: Literal["poisson", "none", "poisson_twice", "doubled"]
    accept_noise_free: bool
    pictures: str
    subhalos: Subhalos
    priors: dict[str, Annotated[Prior, BeforeValidator(_fixed)]]
