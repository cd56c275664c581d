"""What is measured means what it says: known noise, known slopes, known rings."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.checks import frame, greylevels, labels, light, noise, photons, shortcuts
from pipeline.checks.measured import Measured
from tests.checks.planted import Lenses, measured


def seen(path: Path, images: np.ndarray, units: str = "", **columns: np.ndarray) -> Measured:
    ids = np.arange(len(images)).astype(str)
    lenses = Lenses({"images": images[:, None].astype(np.float32), "id": ids} | columns, {"units": units})
    return measured(lenses.write(path / "images.zarr"))


def arcs(count: int, generator: np.random.Generator, peak: float, size: int = 48) -> np.ndarray:
    """Smooth rings, brighter on one side."""
    y, x = np.indices((size, size)) - (size - 1) / 2
    angle = generator.uniform(0, 2 * np.pi, (count, 1, 1))
    ring = np.exp(-0.5 * ((np.hypot(x, y) - 11) / 2.0) ** 2)
    return peak * ring * (1 + 0.7 * np.cos(np.arctan2(y, x) - angle))


def test_white_noise_keeps_its_rms_in_the_fine_noise(generator: np.random.Generator) -> None:
    assert noise.fine_noise(generator.normal(0, 3.0, (4, 100, 100))).std() == pytest.approx(3.0, rel=0.02)


def test_a_parabola_has_no_fine_noise() -> None:
    y, x = np.indices((20, 20)).astype(float)
    assert np.abs(noise.fine_noise((1 + x + y + x * y + x**2 * y**3)[None])).max() < 1e-9


def test_sky_level_and_rms_are_those_of_the_sky(generator: np.random.Generator) -> None:
    images = arcs(20, generator, 30.0) + generator.normal(5.0, 2.0, (20, 48, 48))
    found = noise.measure(images)
    assert found["level"].mean() == pytest.approx(5.0, abs=0.1)
    assert found["rms"].mean() == pytest.approx(2.0, rel=0.06)
    assert found["skewness"].mean() == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_variance_per_mean_is_one_for_photons_and_two_for_photons_drawn_twice(
    gain: float, tmp_path: Path, generator: np.random.Generator
) -> None:
    """In adu of a known gain as in electrons."""
    counts = generator.poisson(arcs(60, generator, 200.0) + 50)
    observed = np.tile([np.nan, np.nan, np.nan, gain, np.nan], (60, 1))
    for drawn, expected in ((counts, 1.0), (generator.poisson(counts), 2.0)):
        said = {"units": "adu", "observed": ["pixel_scale", "psf_fwhm", "exposure", "gain", "zero_point"]}
        columns = {"images": (drawn / gain)[:, None].astype(np.float32), "observed": observed}
        columns["id"] = np.arange(60).astype(str)
        found = photons.slope(measured(Lenses(columns, said).write(tmp_path / f"{expected}.zarr")))
        assert found.value == pytest.approx(expected, abs=4 * found.error)
        assert found.error < 0.2


def test_the_slope_of_a_rate_without_an_exposure_is_not_known(tmp_path: Path, generator: np.random.Generator) -> None:
    images = generator.poisson(arcs(20, generator, 200.0) + 50) / 100
    assert np.isnan(photons.slope(seen(tmp_path, images, "electron / s")).value)


@pytest.mark.parametrize("sky", [0.02, 0.3, 3.0, 100.0])
def test_honest_photon_counts_are_no_grey_levels_and_no_cut_sky(
    sky: float, tmp_path: Path, generator: np.random.Generator
) -> None:
    """Even where nearly every sky pixel is empty."""
    found = seen(tmp_path, generator.poisson(arcs(40, generator, 15.0) + sky).astype(float))
    assert not greylevels.check(found)
    assert "clipped_sky" not in {one.code for one in noise.check(found)}


@pytest.mark.parametrize(("sigma", "coarse"), [(0.0, True), (0.2, True), (1.0, False), (5.0, False)])
def test_rounding_matters_where_there_is_less_than_half_a_step_of_noise(
    sigma: float, coarse: bool, tmp_path: Path, generator: np.random.Generator
) -> None:
    images = np.rint(arcs(40, generator, 20.0) + generator.normal(0, 1, (40, 48, 48)) * sigma)
    assert bool(greylevels.check(seen(tmp_path, images))) == coarse


@pytest.mark.parametrize("size", [40, 41])
@pytest.mark.parametrize("radius", [6.0, 9.5, 13.25])
def test_the_profile_is_highest_at_a_rings_radius(size: int, radius: float) -> None:
    ring = np.exp(-0.5 * ((frame.radius(size, size) - radius) / 1.5) ** 2)[None]
    found = light.measure(ring, np.zeros(1), np.full(1, 0.01))["profile"]
    first = 0 if size % 2 else 1  # of an even frame no pixel is nearer to the middle than 0.7
    assert found[0].argmax() + first == pytest.approx(radius, abs=0.8)


def test_the_centroid_is_where_the_light_is() -> None:
    image = np.zeros((1, 31, 31))
    image[0, 18, 11] = 1.0
    found = light.measure(image, np.zeros(1), np.full(1, 0.01))["centroid"]
    np.testing.assert_allclose(found, [[3.0, -4.0]])


@pytest.mark.parametrize(("shift", "side"), [(4, "higher"), (-4, "lower")])
def test_light_off_centre_is_told_by_its_side(
    shift: int, side: str, tmp_path: Path, generator: np.random.Generator
) -> None:
    """In words, which have no sign to write one way here and another in the verdict."""
    images = arcs(40, generator, 50.0) + generator.normal(0, 1, (40, 48, 48))
    (found,) = light.check(seen(tmp_path, np.roll(images, shift, axis=-1)))
    assert found.evidence["mean_x"] == pytest.approx(shift, abs=0.5)
    assert found.summary.endswith(f" and {abs(found.evidence['mean_x']):.1f} pixels {side} in x than the middle")
    assert "-" not in found.summary


def test_a_shortcut_is_measured_by_held_out_groups(tmp_path: Path, generator: np.random.Generator) -> None:
    """A label that each group has by chance cannot be read, though rows of one group share it."""
    group = np.repeat(np.arange(40), 5)
    flux = np.repeat(generator.uniform(1, 2, 40), 5)
    images = flux[:, None, None] * arcs(200, generator, 50.0) + generator.normal(0, 1, (200, 48, 48))
    by_chance = np.repeat(generator.normal(size=40), 5)
    columns = {"group": group, "targets": np.stack([by_chance, flux], axis=1), "id": np.arange(200).astype(str)}
    lenses = Lenses(columns | {"images": images[:, None].astype(np.float32)}, {"target_names": ["chance", "flux"]})
    found = {(s.label, s.source): s.value for s in shortcuts.skills(measured(lenses.write(tmp_path / "images.zarr")))}
    assert found["chance", "flux"] < 0.1
    assert found["flux", "flux"] > 0.9


def test_a_shortcut_that_few_images_have_stops_no_other(tmp_path: Path, generator: np.random.Generator) -> None:
    """A ring is found in one group alone: where that is held out, there is none to learn from."""
    n = 100
    radius = np.where(np.arange(n) < 10, 1.0, np.nan)
    label = generator.normal(size=n)
    numbers = {"flux": label, "signal_to_noise": np.full(n, np.nan), "ring_radius": radius, "level": np.zeros(n)}
    numbers |= {"profile": generator.normal(size=(n, 3)), "top": np.ones(n), "bottom": np.zeros(n)}
    numbers |= {"group": np.arange(n) // 10, "targets": label[:, None]}
    store = Lenses({"images": np.ones((n, 1, 4, 4))}, {"target_names": ["label"]}).write(tmp_path / "images.zarr")
    found = {one.source: one.value for one in shortcuts.skills(Measured(store, numbers))}
    assert found["flux"] > 0.9
    assert max(found[name] for name in ("signal_to_noise", "ring_radius", "level", "profile")) < 0.1
    few = Measured(store, numbers | {"group": np.arange(n) // 25})
    assert shortcuts.skills(few) == [], "four groups say too little of others"


def test_the_labels_of_the_public_mass_set_are_sound(shared_data: Path, tmp_path: Path) -> None:
    masses = np.load(shared_data / "deeplense" / "test3_masses.npy")[:, None]
    columns = {"images": np.ones((len(masses), 1, 8, 8), dtype=np.float32), "targets": masses}
    columns["id"] = np.arange(len(masses)).astype(str)
    store = Lenses(columns, {"target_names": ["fraction"]}).write(tmp_path / "images.zarr")
    assert labels.check(measured(store)) == []
