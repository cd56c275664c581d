"""Augmentation: what moves, moves as it says; what would change the label or break its input is refused."""

import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from models.training.augment import build, d4
from models.training.augment.geometry import rotated
from models.training.augment.items import OWN
from models.training.augment.verdicts import ALLOWED, REASONS, REFUSED

STATISTICS = {"mean": [0.4], "std": [2.5]}
OBSERVATION = {"sky_rms": 0.5, "pixel_scale": 0.1, "psf_fwhm": 0.16}
GEOMETRY = ["d4", "rotate", "shift"]
BORROWED = [{"Rotate": {"limit": 90, "p": 1.0}}, {"HorizontalFlip": {"p": 0.5}}]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=seeded(99))


def lens(degrees: float = 0.0, height: int = 48, width: int = 48) -> np.ndarray:
    """A galaxy and an arc, well sampled and well inside the frame, turned counter-clockwise about its middle."""
    turn = np.deg2rad(degrees)
    down, along = np.mgrid[:height, :width] - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    y, x = np.cos(turn) * down + np.sin(turn) * along, np.cos(turn) * along - np.sin(turn) * down
    arc = np.exp(-(((np.hypot(y, x) - 7) / 1.7) ** 2) / 2) * np.exp(x / 7 - 1)
    return arc + 2 * np.exp(-(y**2 + (x / 1.4) ** 2) / 8)


def apply(items: list[Any], maps: Tensor, seed: int = 0, magnitude: float = 1.0, **known: Any) -> Tensor:
    channels = ["pixels"] if maps.shape[1] == 1 else [f"pixels_{band}" for band in range(maps.shape[1])]
    given = {"statistics": {"std": [2.5] * maps.shape[1]}, "observation": OBSERVATION} | known
    return build(items, channels, **given)(maps, seeded(seed), magnitude)


# turns


@pytest.mark.parametrize("degrees", [10.0, 33.0, -135.0])
@pytest.mark.parametrize(("height", "width"), [(48, 48), (47, 53)])
def test_a_turn_is_the_lens_turned(degrees: float, height: int, width: int) -> None:
    """Against the lens at that angle and SciPy's splines: within .7 % of the peak, flux within .2 %."""
    maps = torch.tensor(lens(0, height, width)).float()[None, None]
    made = rotated(maps, torch.tensor([degrees]))[0, 0].numpy()
    np.testing.assert_allclose(made, lens(degrees, height, width), atol=0.007 * 2)
    splined = ndimage.rotate(maps[0, 0].numpy(), degrees, reshape=False, order=5, mode="reflect")
    np.testing.assert_allclose(made, splined, atol=0.007 * 2)
    assert made.sum() == pytest.approx(float(maps.sum()), rel=2e-3)


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_quarter_turns_are_exact(quarter: int) -> None:
    maps = noise(2, 3, 24, 24)
    made = rotated(maps, torch.full((2,), 90.0 * quarter))
    torch.testing.assert_close(made, maps.rot90(quarter, dims=(2, 3)), rtol=0, atol=1e-4)


def test_each_image_has_its_own_angle_and_its_channels_share_it() -> None:
    maps = torch.tensor(lens()).float().expand(2, 3, 48, 48)
    made = rotated(maps, torch.tensor([20.0, 200.0]))
    assert torch.equal(made[:, 0], made[:, 2])
    np.testing.assert_allclose(made[1, 0], lens(200.0), atol=0.014)
    assert not torch.allclose(made[0], made[1], atol=0.1)


def test_a_turn_leaves_white_noise_as_strong_and_the_corners_filled() -> None:
    """Torch's own cubic interpolation would leave three quarters of the variance, bilinear under a half."""
    made = apply(["rotate"], noise(1000, 1, 24, 24))
    assert 0.97 < float(made[:, :, 4:-4, 4:-4].var()) < 1.01
    assert 0.9 < float(made[:, :, :2, :2].var()) < 1.3
    constant = torch.full((2, 1, 24, 24), 3.0)
    torch.testing.assert_close(apply(["rotate"], constant), constant)


def test_angles_are_even_within_their_limits_and_magnitude_scales_them() -> None:
    """Told from a picture of a slope, whose rise and run are the cosine and the sine."""
    slope = torch.arange(9.0).sub(4).expand(2000, 1, 9, 9)
    for magnitude, most in ((1.0, 40.0), (0.5, 20.0), (0.0, 0.0)):
        made = apply([{"rotate": {"degrees": 40}}], slope, magnitude=magnitude)[:, 0]
        rise, run = made[:, 3, 4] - made[:, 5, 4], made[:, 4, 5] - made[:, 4, 3]
        angle = torch.atan2(rise, run).rad2deg()
        assert angle.abs().max() == pytest.approx(most, rel=0.06, abs=0.01)
        assert angle.std() == pytest.approx(most / 3**0.5, rel=0.06, abs=0.01)
        assert float(angle.mean()) == pytest.approx(0, abs=0.05 * most + 0.01)


# shifts


def test_shifts_are_even_within_their_limits() -> None:
    spot = torch.zeros(2000, 1, 16, 16)
    spot[:, :, 8, 8] = 1
    blob = torch.tensor(ndimage.gaussian_filter(spot[0, 0].numpy(), 1.5)).expand(2000, 1, 16, 16)
    made = apply([{"shift": {"pixels": 2.0}}], blob, magnitude=0.5)[:, 0]
    at = torch.arange(16.0) - 8
    for moved in ((made.sum(2) * at).sum(1), (made.sum(1) * at).sum(1)):
        assert moved.abs().max() == pytest.approx(1.0, rel=0.05)
        assert moved.std() == pytest.approx(3**-0.5, rel=0.05)


# the observation


def test_noise_is_in_units_of_the_sky_s_rms() -> None:
    """Of sigma times .5 / 2.5 in normalised units, times an even draw: a mean square of a third of it."""
    maps = torch.zeros(500, 2, 16, 16)
    known = {"statistics": {"std": [2.5, 0.5]}}
    made = apply([{"noise": {"sigma": 2}}], maps, **known)
    assert made.square().mean(dim=(0, 2, 3)).mul(3).sqrt().tolist() == pytest.approx([0.4, 2.0], rel=0.06)
    each = made[:, 1].flatten(1).std(dim=1)
    assert each.max() < 2.3
    assert each.min() < 0.1
    half = apply([{"noise": {"sigma": 2}}], maps, magnitude=0.5, **known)
    torch.testing.assert_close(half, made / 2)


def test_sky_is_one_constant_for_all_of_an_image() -> None:
    maps = noise(400, 2, 8, 8)
    added = apply([{"sky": {"level": 3.0}}], maps, statistics={"std": [2.5, 0.5]}) - maps
    torch.testing.assert_close(added, added[:, :, :1, :1].expand_as(added), rtol=0, atol=1e-5)
    torch.testing.assert_close(added[:, 1], 5 * added[:, 0], rtol=1e-4, atol=1e-5)
    assert added[:, 0, 0, 0].abs().max() == pytest.approx(3 * 0.5 / 2.5, rel=0.03)
    assert float(added[:, 0, 0, 0].mean()) == pytest.approx(0, abs=0.06)


def test_psf_adds_up_to_its_fwhm_in_arcsec_and_keeps_the_flux() -> None:
    spot = torch.zeros(300, 1, 33, 33)
    spot[:, :, 16, 16] = 1
    made = apply([{"psf": {"fwhm": 0.4}}], spot)[:, 0]
    torch.testing.assert_close(made.sum(dim=(1, 2)), torch.ones(300), rtol=0, atol=1e-4)
    at = torch.arange(33.0) - 16
    fwhm = (made.sum(2) * at**2).sum(1).clamp_min(0).sqrt() * 2.3548 * 0.1
    assert fwhm.max() == pytest.approx(0.4, rel=0.03)
    assert fwhm.mean() == pytest.approx(0.2, rel=0.1)


# all of them


ALL = [*GEOMETRY, {"noise": {"sigma": 0.5}}, {"psf": {"fwhm": 0.1}}, {"sky": {"level": 1.0}}, *BORROWED]


@pytest.mark.parametrize("item", ALL, ids=str)
@pytest.mark.parametrize("channels", [1, 5])
def test_every_item_keeps_its_input_type_and_shape_and_is_its_generator_s(item: Any, channels: int) -> None:
    maps = 3 * noise(6, channels, 16, 16)
    before = maps.clone()
    made = apply([item], maps)
    assert torch.equal(maps, before)
    assert made.shape == maps.shape
    assert made.dtype == torch.float32
    assert made.isfinite().all()
    assert not torch.equal(made, maps)
    assert torch.equal(made, apply([item], maps))
    assert not torch.equal(made, apply([item], maps, seed=1))


@pytest.mark.parametrize("item", ALL, ids=str)
def test_the_draws_do_not_depend_on_the_magnitude(item: Any) -> None:
    """Or a stage of progressive learning would change the order of all later rows."""
    states = []
    for magnitude in (0.0, 0.3, 1.0):
        generator = seeded()
        build([item], ["pixels"], STATISTICS, OBSERVATION)(noise(4, 1, 8, 8), generator, magnitude)
        states.append(generator.get_state())
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])


@pytest.mark.parametrize("item", [item for item in ALL if item != "d4"], ids=str)
def test_a_magnitude_of_zero_changes_nothing(item: Any) -> None:
    maps = noise(4, 1, 16, 16)
    torch.testing.assert_close(apply([item], maps, magnitude=0.0), maps, rtol=0, atol=1e-4)


def test_items_run_in_order() -> None:
    maps = noise(3, 1, 16, 16)
    generator = seeded()
    expected = build(["rotate"], ["pixels"])(d4(maps, generator), generator)
    assert torch.equal(apply(["d4", "rotate"], maps), expected)
    assert build([], ["pixels"])(maps, seeded()) is maps


def test_an_augment_can_be_sent_to_a_worker() -> None:
    augment = build(ALL, ["pixels"], STATISTICS, OBSERVATION)
    there = pickle.loads(pickle.dumps(augment))
    maps = noise(3, 1, 16, 16)
    assert torch.equal(there(maps, seeded()), augment(maps, seeded()))


# albumentations


def test_a_borrowed_flip_is_the_flip_and_its_chance_is_its_own_times_the_magnitude() -> None:
    maps = 5 * noise(600, 2, 4, 6) - 3  # far outside [0, 1]
    for p, magnitude in ((1.0, 1.0), (0.5, 0.5)):
        made = apply([{"HorizontalFlip": {"p": p}}], maps, magnitude=magnitude)
        flipped = (made == maps.flip(3)).flatten(1).all(dim=1)
        assert torch.equal(made[~flipped], maps[~flipped])
        assert flipped.float().mean() == pytest.approx(p * magnitude, abs=0.06)


def test_a_borrowed_turn_is_the_lens_turned_with_all_its_channels() -> None:
    maps = torch.tensor(lens()).float().expand(2, 5, 48, 48)
    made = apply([{"Rotate": {"limit": (30, 30), "p": 1.0}}], maps)
    np.testing.assert_allclose(made[1, 4], lens(30.0), atol=0.1)  # bilinear
    assert torch.equal(made[0], made[1])


def test_only_the_borrowed_run_image_by_image() -> None:
    assert build(ALL[:-2], ["pixels"], STATISTICS, OBSERVATION).per_image is None
    augment = build(["d4", "VerticalFlip"], ["pixels"])
    assert augment.turns
    assert augment.per_image is not None
    assert [item.name for item in augment.without(turns=True, per_image=False).items] == ["VerticalFlip"]
    assert [item.name for item in augment.without(turns=False, per_image=True).items] == ["d4"]


def test_workers_do_to_an_image_what_its_seed_says() -> None:
    image = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    both = build([{"VerticalFlip": {"p": 1.0}}, {"HorizontalFlip": {"p": 0.5}}], ["pixels"]).per_image
    assert both is not None
    made = [both(image, seed) for seed in range(40)]
    flipped = [np.array_equal(one, image[::-1, ::-1]) for one in made]
    assert 5 < sum(flipped) < 35
    assert all(np.array_equal(one, image[::-1]) for one, other in zip(made, flipped, strict=True) if not other)
    assert all(np.array_equal(both(image, seed), one) for seed, one in enumerate(made))


def test_every_transform_that_exists_has_one_verdict() -> None:
    import albumentations

    bases = {"BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D"}
    kinds = {name: kind for name, kind in vars(albumentations).items() if isinstance(kind, type)}
    there = {name for name, kind in kinds.items() if issubclass(kind, albumentations.BasicTransform)} - bases
    assert sorted([*ALLOWED, *REASONS]) == sorted(there)
    assert len(REASONS) == sum(len(names.split()) for names in REFUSED.values())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Affine", "changes theta_E, and with it the label"),
        ("ShiftScaleRotate", "changes theta_E, and with it the label"),
        ("RandomResizedCrop", "changes theta_E, and with it the label"),
        ("Perspective", "changes theta_E"),
        ("ElasticTransform", "changes theta_E"),
        ("GaussNoise", r"clips float32 to \[0, 1\].*; use noise, psf or sky"),
        ("RandomBrightnessContrast", r"clips float32 to \[0, 1\].*; use noise, psf or sky"),
        ("CoarseDropout", "hides light that the label is read from"),
        ("Mosaic", "use mixup"),
    ],
)
def test_what_changes_the_label_is_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^augment: {name} .*{reason}"):
        build(["d4", {name: {"p": 0.5}}], ["pixels"])


def test_albumentations_does_clip_as_the_table_says() -> None:
    """The reason for which ours exist; should it stop, the table can be kinder."""
    import albumentations

    image = (5 * noise(16, 16, 1) - 3).numpy()
    blurred = albumentations.GaussNoise(p=1.0)(image=image)["image"]
    assert blurred.min() >= 0
    assert blurred.max() <= 1


# what is refused


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["rotat"], rf"^augment: no 'rotat'; there are {', '.join(OWN)}, and of albumentations NoOp, HorizontalFlip"),
        ([{"rotate": {"degree": 9}}], r"^augment: no option 'degree' for rotate; there are degrees$"),
        ([{"noise": {"rms": 9}}], r"^augment: no option 'rms' for noise; there are sigma$"),
        ([{"d4": {"p": 1}}], r"^augment: no option 'p' for d4; it has none$"),
        ([{"shift": {"pixels": -1}}], r"^augment\.shift\.pixels: -1; it must be a number, and at least 0"),
        ([{"shift": {"pixels": "1"}}], r"^augment\.shift\.pixels: '1'; it must be a number"),
        ([{"shift": {"pixels": True}}], r"^augment\.shift\.pixels: True; it must be a number"),
        ([{"shift": {"pixels": float("nan")}}], r"^augment\.shift\.pixels: nan; it must be a number"),
        ([{"Rotate": {"limits": 9}}], r"^augment: no option 'limits' for Rotate; there are limit, interpolation"),
        ([{"Rotate": {"p": 9}}], r"^augment\.Rotate: \{'p': 9\} cannot be: "),
        ([{"Rotate": {"crop_border": True}}], r"^augment\.Rotate: crop_border: cuts the frame down"),
        ([{"d4": {}, "shift": {}}], r"^augment: \{'d4': \{\}, 'shift': \{\}\} is no augmentation; write a name"),
        ([{"shift": 1}], r"^augment: \{'shift': 1\} is no augmentation; write a name, or one with options"),
    ],
)
def test_what_cannot_be_is_refused(items: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(items, ["pixels"], STATISTICS, OBSERVATION)


@pytest.mark.parametrize("item", ["noise", "sky", "psf"])
@pytest.mark.parametrize("observation", [{}, {"sky_rms": float("nan"), "pixel_scale": float("nan")}, None])
def test_what_the_observation_does_not_say_is_missed_by_name(item: str, observation: Mapping[str, float]) -> None:
    needed = "the pixel scale" if item == "psf" else "the rms of the sky"
    with pytest.raises(ValueError, match=f"^augment: {item} needs {needed}.* it is not known"):
        build([item], ["pixels"], STATISTICS, observation)


@pytest.mark.parametrize("item", ["noise", "sky", "psf"])
def test_new_pixels_are_refused_beside_channels_made_of_the_old(item: str) -> None:
    statistics = {"std": [1.0, 1.0]}
    build([item], ["pixels_0", "pixels_1"], statistics, OBSERVATION)
    with pytest.raises(ValueError, match=f"^augment: {item} changes the pixels, of which the channel ridge was made"):
        build([item], ["pixels", "ridge"], statistics, OBSERVATION)


@pytest.mark.parametrize("channel", ["log_power", "log_power_1", "phase"])
def test_spectra_turn_exactly_or_not_at_all(channel: str) -> None:
    build(["d4", "HorizontalFlip"], ["intensity", channel])
    for item in ("rotate", "shift", "Rotate"):
        with pytest.raises(
            ValueError, match=f"^augment: {item} does not suit the channel {channel}, which has a value"
        ):
            build([item], ["intensity", channel])


@pytest.mark.parametrize("item", ["d4", "rotate", "shift", "Transpose"])
def test_polar_channels_do_not_turn(item: str) -> None:
    build([item], ["intensity", "radial_residual"])
    with pytest.raises(ValueError, match=f"^augment: {item} does not suit the channel polar, whose axes are radius"):
        build([item], ["intensity", "polar"])


@pytest.mark.parametrize(
    ("item", "symmetries", "stays"),
    [
        ("d4", (), "under nothing"),
        ("rotate", ("d4",), "only under d4"),
        ("shift", ("d4", "rotation"), "only under d4, rotation"),
        ("noise", ("d4", "rotation", "shift", "flux"), "only under d4, rotation, shift, flux"),
        ("Rotate", ("d4",), "only under d4"),
    ],
)
def test_a_vector_that_would_no_longer_be_its_image_s_is_named(item: str, symmetries: tuple, stays: str) -> None:
    build(["d4", "NoOp"], ["pixels"], columns={"safe": ("d4",)})
    with pytest.raises(
        ValueError, match=f"^augment: {item} changes the image, but not the vector profile.*{stays}; drop"
    ):
        build([item], ["pixels"], STATISTICS, OBSERVATION, {"profile": symmetries})


def test_statistics_of_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^augment: statistics of 2 channels; there are 1"):
        build(["noise"], ["pixels"], {"std": [1.0, 2.0]}, OBSERVATION)


@pytest.mark.parametrize("name", ["d4", "Transpose", "RandomRotate90", "D4", "SquareSymmetry"])
def test_the_symmetries_of_the_square_need_square_frames(name: str) -> None:
    augment = build([name], ["pixels"])
    augment.check(48, 48)
    with pytest.raises(ValueError, match=rf"^augment: {name} needs square frames, not 48 x 40; choose none"):
        augment.check(48, 40)


def test_a_shift_out_of_sight_is_refused() -> None:
    augment = build([{"shift": {"pixels": 12}}], ["pixels"])
    augment.check(48, 64)
    with pytest.raises(
        ValueError, match=r"^augment\.shift\.pixels: 12 moves the ring .*; 11 is the most in frames of 44"
    ):
        augment.check(44, 64)


@pytest.mark.parametrize("magnitude", [-0.1, float("nan"), float("inf")])
def test_a_magnitude_that_cannot_be_is_refused(magnitude: float) -> None:
    with pytest.raises(ValueError, match=r"^augment: a magnitude of .*; it must be at least 0"):
        apply(["rotate"], noise(1, 1, 8, 8), magnitude=magnitude)
