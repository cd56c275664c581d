"""What every section of params.yaml is made of: kinds of numbers and lists, and the strictness of a block."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Range = Annotated[list[float], Field(min_length=2, max_length=2)]


def _no_repeats(items: list[Any]) -> list[Any]:
    repeated = [item for i, item in enumerate(items) if item in items[:i]]
    if repeated:
        raise ValueError(f"{repeated[0]!r} is there twice")
    return items


Unique = AfterValidator(_no_repeats)
Names = Annotated[list[str], Field(min_length=1), Unique]


class Section(BaseModel):
    """A block of params.yaml: no unknown key, no NaN, no string that happens to look like a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Kind(Section):
    """A choice by name, with that choice's own options beside it; what runs it says which there are."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)
    kind: str
