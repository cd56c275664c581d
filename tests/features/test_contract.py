"""The contract itself: every question finds the fault that it is about."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from features.contract import QUESTIONS, Asked, complaints
from features.feature import INVARIANT, Feature


def twice(images: Tensor) -> Tensor:
    """A feature without fault."""
    return 2 * images


def logarithm(images: Tensor) -> Tensor:
    return images.log()


def doubled(images: Tensor) -> Tensor:
    return images.double()


def cropped(images: Tensor) -> Tensor:
    return images[:, 1:]


def normalised_over_the_batch(images: Tensor) -> Tensor:
    return images - images.mean()


def in_place(images: Tensor) -> Tensor:
    return images.mul_(2)


def cancelling(images: Tensor) -> Tensor:
    return (images + 1e6) - 1e6


def shifted(images: Tensor) -> Tensor:
    return images.roll(1, dims=2)


def squared(images: Tensor) -> Tensor:
    return images**2


def in_arcsec(images: Tensor, *, pixel_scale: float) -> Tensor:
    return images * pixel_scale


def out_of_sight(images: Tensor) -> Tensor:
    return torch.compiler.disable(twice)(images)


def detached(images: Tensor) -> Tensor:
    return images + images.detach()


def misnamed(images: Tensor) -> tuple[Tensor, list[str]]:
    return images.mean(dim=(1, 2))[:, None], ["brightness"]


def nameless(images: Tensor) -> tuple[Tensor, list[str]]:
    return images.mean(dim=(1, 2))[:, None], []


def broken(images: Tensor) -> Tensor:
    raise RuntimeError("this one never worked")


def asked(compute: Callable[..., Any], **declared: Any) -> Asked:
    return Asked(Feature(compute, keeps="all", loses="nothing", **declared), compute not in (misnamed, nameless))


def test_a_feature_without_fault_has_no_complaints() -> None:
    assert list(complaints(asked(twice))) == []


@pytest.mark.parametrize(
    ("wrong", "question", "answer"),
    [
        (asked(logarithm), "survives", "image 0 is not finite"),
        (asked(doubled), "survives", "torch.float64 on cpu of images in torch.float32"),
        (asked(cropped), "survives", "a map of shape (9, 47, 48) of images of shape (9, 48, 48)"),
        (asked(misnamed, turns=INVARIANT), "has_named_columns", "'brightness' does not begin with misnamed"),
        (asked(nameless, turns=INVARIANT), "has_named_columns", "1 columns, 0 names"),
        (asked(normalised_over_the_batch), "sees_no_company", "differs beside an image of NaN"),
        (asked(in_place), "leaves_its_input", "the images have been changed"),
        (asked(cancelling), "single_precision_is_enough", "float32 is off by"),
        (asked(shifted), "turns_as_declared", "not covariant under"),
        (asked(twice, turns=INVARIANT), "turns_as_declared", "not invariant under"),
        (asked(squared), "grows_with_flux_as_declared", "does not grow with flux to the power of 1"),
        (asked(in_arcsec), "grows_with_scale_as_declared", "does not grow with scale to the power of 0"),
        (asked(detached), "has_the_declared_derivative", "slopes of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_planted_fault_is_found(wrong: Asked, question: str, answer: str) -> None:
    assert answer in QUESTIONS[question](wrong)
    assert question.replace("_", " ") in dict(complaints(wrong))


def test_a_feature_that_does_not_compile_must_say_so() -> None:
    assert [question for question, _ in complaints(asked(out_of_sight))] == ["compiles as declared"]
    assert list(complaints(asked(out_of_sight, compiles="a library does it, out of torch's sight"))) == []


def test_what_a_feature_raises_is_shown() -> None:
    answers = dict(complaints(asked(broken)))
    assert answers["survives"] == "RuntimeError: this one never worked"


def test_a_missing_value_must_be_declared() -> None:
    def unknown(images: Tensor) -> Tensor:
        return torch.where(images.abs().amax(dim=(1, 2), keepdim=True) == 0, torch.nan, images)

    assert "not finite" in QUESTIONS["survives"](asked(unknown))
    assert QUESTIONS["survives"](asked(unknown, missing="of a blank frame")) == ""
