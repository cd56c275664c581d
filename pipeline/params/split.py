"""`audit`, `split` and `normalise`: what is tolerated of the images, who is in which role, and in what units."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.params.basis import Count, Fraction, Names, Section, Seed, Unique


class Fractions(Section):
    train: Fraction
    validation: Fraction
    calibration: Fraction
    test: Fraction

    @model_validator(mode="after")
    def whole(self) -> "Fractions":
        total = self.train + self.validation + self.calibration + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, validation, calibration and test add up to {total:g}; they must add up to 1")
        return self


class Audit(Section):
    """What is tolerated."""

    accept: Annotated[list[str], Unique]


class Split(Section):
    targets: Names
    scheme: Literal["holdout", "kfold", "group-out"]
    fractions: Fractions
    folds: Annotated[int, Field(ge=2)]
    fold: Annotated[int, Field(ge=0)]
    held_out: Annotated[list[str], Unique]
    strata: Count
    seed: Seed


class Normalise(Section):
    """Shift and scale of the targets (`pipeline/scaling.py`)."""

    target: Literal["standard", "robust", "range", "none"]
