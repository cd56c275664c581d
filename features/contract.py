"""The contract: the questions that every feature of the tables is asked, the user's own included.

Each question takes a feature with its options and answers "" or with what is wrong. The tests ask them of the tables;
`python -m pipeline.check_features` asks them of whatever a user has put under `features/extra/`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from features.feature import COVARIANT, INVARIANT, Feature
from features.geometry import angle, offsets, radius

OBSERVATION = {"sky_rms": 0.2, "pixel_scale": 0.1, "psf_fwhm": 0.16, "electrons": 500.0}
FRAMES = ((48, 48), (64, 64), (101, 101), (150, 150), (47, 48), (51, 48))
TURNED = ((48, 48), (47, 47), (48, 56), (47, 56))
BRIGHTER, WIDER = 4.0, 2.0  # powers of two: not a rounding of difference
SAME = 1e-7  # relative to the rms of the feature: what another order of additions may change in float64
SINGLE = 1e-4  # and what single precision may
STEP, STEEP = 1e-6, 2e-3  # of a finite difference, and how far from it a derivative may be


@dataclass(frozen=True)
class Asked:
    """A feature and options for it, called with images alone."""

    feature: Feature
    is_map: bool
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, images: Float[Tensor, "n h w"], **changed: float) -> Tensor:
        made = self.feature.compute(images, **self.options, **self.told(changed))
        return made if self.is_map else made[0]

    def told(self, changed: Mapping[str, float]) -> dict[str, float]:
        """What it asks to know of the observation."""
        return {need: changed.get(need, OBSERVATION[need]) for need in self.feature.needs}


def lenses(height: int, width: int, dtype: torch.dtype = torch.float64) -> Float[Tensor, "3 h w"]:
    """Noise on a pedestal; a galaxy with a ring; a galaxy off the centre with an arc."""
    like = torch.empty(0, dtype=torch.float64)
    side = min(height, width)
    y, x = offsets(height, width, like)
    r, phi = radius(height, width, like), angle(height, width, like)
    near = ((x - side / 30) ** 2 + (y + side / 25) ** 2).sqrt()
    ring = 5 * torch.exp(-0.5 * ((r - side / 4) / 1.5) ** 2)
    arc = 6 * torch.exp(-0.5 * ((r - side / 3.5) / 1.5) ** 2 - 2 * (1 - torch.cos(phi - 0.7)))
    smooth = torch.stack([torch.ones_like(r), 30 * torch.exp(-r / 3) + ring, 20 * torch.exp(-near / 4) + arc])
    noise = torch.randn(3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (smooth + torch.tensor([1.0, 0.2, 0.2])[:, None, None] * noise).to(dtype)


def extremes(height: int, width: int, dtype: torch.dtype) -> Float[Tensor, "6 h w"]:
    """Blank, constant, negative and one-hot frames."""
    blank = torch.zeros(height, width, dtype=dtype)
    hot = blank.clone()
    hot[height // 2, 3] = 1
    return torch.stack([blank, hot, -hot, blank + 5, blank - 5, -lenses(height, width, dtype)[0].abs()])


def survives(asked: Asked) -> str:
    """Finite on every frame, in its shape; in its precision, on the smallest in both."""
    for height, width in FRAMES:
        for dtype in (torch.float32, torch.float64)[: 2 if (height, width) == FRAMES[0] else 1]:
            images = torch.cat([extremes(height, width, dtype), lenses(height, width, dtype)])
            made = asked(images)
            if wrong := _shape(asked, images, made):
                return f"{height} x {width}: {wrong}"
            bad = made.isinf() if asked.feature.missing else ~made.isfinite()
            if bad.any():
                return f"{height} x {width}, {dtype}: image {int(bad.nonzero()[0, 0])} is not finite"
    return ""


def _shape(asked: Asked, images: Tensor, made: Tensor) -> str:
    if asked.is_map and made.shape != images.shape:
        return f"a map of shape {tuple(made.shape)} of images of shape {tuple(images.shape)}"
    if made.ndim < 2 or len(made) != len(images):
        return f"{tuple(made.shape)} is not one row per image"
    if made.dtype != images.dtype or made.device != images.device:
        return f"{made.dtype} on {made.device} of images in {images.dtype} on {images.device}"
    return ""


def has_named_columns(asked: Asked) -> str:
    """A name for every column of a vector, each different, and beginning with the feature's, or its singular."""
    if asked.is_map:
        return ""
    values, names = asked.feature.compute(lenses(*FRAMES[0]), **asked.options, **asked.told({}))
    if values.shape[1] != len(names):
        return f"{values.shape[1]} columns, {len(names)} names"
    if len(set(names)) != len(names):
        return "two columns of one name"
    strange = [name for name in names if not name.startswith(asked.feature.name.removesuffix("s"))]
    return f"column {strange[0]!r} does not begin with {asked.feature.name}" if strange else ""


def sees_no_company(asked: Asked) -> str:
    """An image's feature does not depend on what else is in the batch, to the last bit."""
    for frame in ((48, 48), (47, 56)):
        for dtype in (torch.float32, torch.float64):
            images = lenses(*frame, dtype)
            together = asked(images)[1]
            images[0], images[2] = torch.nan, 1e30
            try:
                beside = asked(images)[1]
            except (ValueError, RuntimeError, ArithmeticError) as error:
                return f"fails beside an image of NaN: {error}"
            if not _equal(beside, together, 0.0):
                return f"{frame}: differs beside an image of NaN and one of 1e30"
            if not _equal(asked(lenses(*frame, dtype)[1:2])[0], together, SINGLE if dtype == torch.float32 else SAME):
                return f"{frame}: differs when the image is alone"
    return ""


def leaves_its_input(asked: Asked) -> str:
    images = lenses(48, 48)
    asked(images)
    return "" if torch.equal(images, lenses(48, 48)) else "the images have been changed"


def single_precision_is_enough(asked: Asked) -> str:
    """Single precision differs from double by no more than 1e-4 of the feature's rms."""
    for frame in ((48, 48), (64, 64), (47, 56)):
        images = lenses(*frame, torch.float32)
        single, double = asked(images).double(), asked(images.double())
        if not _equal(single, double, SINGLE):
            return f"{frame}: float32 is off by {_off(single, double):.1e} of the rms"
    return ""


def turns_as_declared(asked: Asked) -> str:
    """Under a quarter turn and a reflection, which make all eight symmetries of the square."""
    declared = asked.feature.turns
    if declared not in (COVARIANT, INVARIANT):
        return ""
    for frame in TURNED:
        images = lenses(*frame)
        made = asked(images)
        for turn in (_quarter, _mirror):
            expected = turn(made) if declared == COVARIANT else made
            if declared == INVARIANT and asked.is_map and turn is _quarter and frame[0] != frame[1]:
                continue  # the frame has another shape then
            if not _equal(asked(turn(images)), expected, SAME):
                return f"{frame}: not {declared} under {turn.__name__.lstrip('_')}"
    return ""


def _quarter(images: Tensor) -> Tensor:
    return images.rot90(dims=(-2, -1))


def _mirror(images: Tensor) -> Tensor:
    return images.flip(-1)


def grows_with_flux_as_declared(asked: Asked) -> str:
    """Image and sky brighter by one factor, so that the same electrons make a larger number."""
    power = asked.feature.flux
    if isinstance(power, str):
        return ""
    images = lenses(48, 48)
    sky, electrons = BRIGHTER * OBSERVATION["sky_rms"], OBSERVATION["electrons"] / BRIGHTER
    brighter = asked(BRIGHTER * images, sky_rms=sky, electrons=electrons)
    return _grows(asked(images), brighter, BRIGHTER**power, f"flux to the power of {power:g}")


def grows_with_scale_as_declared(asked: Asked) -> str:
    """Pixels and PSF larger on the sky by one factor: the same image of something as many times as large."""
    images, power = lenses(48, 48), asked.feature.scale
    wider = {name: WIDER * OBSERVATION[name] for name in ("pixel_scale", "psf_fwhm")}
    return _grows(asked(images), asked(images, **wider), WIDER**power, f"scale to the power of {power:g}")


def _grows(before: Tensor, after: Tensor, factor: float, what: str) -> str:
    """Columns that are flags or ratios may stay as they are in a vector that grows as a whole."""
    if _equal(after, factor * before, SAME):
        return ""
    if before.ndim == 2 and all(
        _equal(b, factor * a, SAME) or _equal(b, a, SAME) for a, b in zip(before.T, after.T, strict=True)
    ):
        return ""
    return f"does not grow with {what}: {after.nanmean():.4g} where {(factor * before).nanmean():.4g} was declared"


def compiles_as_declared(asked: Asked) -> str:
    """One graph for `torch.compile`, which computes the same."""
    if asked.feature.compiles:
        return ""
    images = lenses(48, 48)
    torch.compiler.reset()
    compiled = torch.compile(asked.feature.compute, fullgraph=True, backend="eager")
    made = compiled(images, **asked.options, **asked.told({}))
    values = made if asked.is_map else made[0]
    return "" if _equal(values, asked(images), SAME) else "computes something else when compiled"


def has_the_declared_derivative(asked: Asked) -> str:
    """Its gradient under `vmap` is that of finite differences along a random direction."""
    if asked.feature.differentiable:
        return ""
    images = lenses(48, 48)
    generator = torch.Generator().manual_seed(1)
    along = torch.randn(images.shape, generator=generator, dtype=images.dtype)
    weight = torch.rand(asked(images[:1]).shape, generator=generator, dtype=images.dtype)

    def total(image: Tensor) -> Tensor:
        return (weight * asked(image[None])).sum()

    slopes = torch.func.vmap(torch.func.grad(total))(images)
    slope = (slopes * along).sum(dim=(1, 2))
    ahead, behind = ((weight * asked(images + step * along)).flatten(1).sum(1) for step in (STEP, -STEP))
    expected = (ahead - behind) / (2 * STEP)
    return "" if _equal(slope, expected, STEEP) else f"slopes of {slope.tolist()} where {expected.tolist()} are right"


def _equal(one: Tensor, other: Tensor, relative: float) -> bool:
    """Equal to that fraction of the rms, and missing in the same places."""
    if not torch.equal(one.isnan(), other.isnan()):
        return False
    return bool(_off(one, other) <= relative)


def _off(one: Tensor, other: Tensor) -> float:
    there = ~other.isnan()
    rms = other[there].square().mean().sqrt()
    largest = (one - other)[there].abs().max() if there.any() else torch.zeros(())
    return float(largest / rms) if largest > 0 else 0.0


QUESTIONS: dict[str, Callable[[Asked], str]] = {
    question.__name__: question
    for question in (
        survives,
        has_named_columns,
        sees_no_company,
        leaves_its_input,
        single_precision_is_enough,
        turns_as_declared,
        grows_with_flux_as_declared,
        grows_with_scale_as_declared,
        compiles_as_declared,
        has_the_declared_derivative,
    )
}


def complaints(asked: Asked) -> Iterator[tuple[str, str]]:
    """Every question that the feature does not answer as it should, with the answer or the error that it raised."""
    for name, question in QUESTIONS.items():
        try:
            answer = question(asked)
        except Exception as error:  # whatever a user's feature raises is an answer to be shown
            answer = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'without a word'}"
        if answer:
            yield name.replace("_", " "), answer
