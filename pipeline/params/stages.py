"""The sections of the stages after training, of the shifted test sets, and of what runs the data stages."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from pipeline.params.basis import Count, Fraction, Positive, Section, Seed, Unique


class Predict(Section):
    symmetric: bool
    permute: bool


class Baselines(Section):
    iterations: Count
    learning_rate: Positive
    components: Count


class Compare(Section):
    draws: Annotated[int, Field(ge=100)]
    confidence: Fraction
    margin: Positive
    bins: Count
    seed: Seed


class Report(Section):
    lenses: Count
    shown: Annotated[int, Field(ge=4, le=300)]


Conditions = Literal[
    "identity", "psf_narrow", "psf_wide", "noise_low", "noise_high", "light_offset", "clumpy", "subhalo_profile",
    "exposure_short",
]  # fmt: skip
SHIFTS: tuple[str, ...] = get_args(Conditions)


class Shift(Section):
    """Other conditions that the test lenses are seen under as well."""

    kinds: Annotated[list[Conditions], Unique]


class Engine(Section):
    """How the data stages run; no byte of what they write depends on it."""

    kind: Literal["serial", "processes", "dask"]
    workers: Count
    threads: Count
    address: str
    retries: Annotated[int, Field(ge=0)]
