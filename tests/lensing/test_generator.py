"""The variants of DeepLense against files that its public generator wrote, and against its published labels."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import ks_2samp

from pipeline.lensing import deeplense, imaging, populations, presets
from pipeline.lensing.scene import Scene
from pipeline.params import Simulation
from pipeline.sources import simulation as source

PLAIN = ("simulation.accept_noise_free=true", "simulation.priors={}")


@pytest.fixture
def legacy(section: Callable[..., Any]) -> Callable[[str], Simulation]:
    def of(preset: str) -> Simulation:
        return presets.applied(
            section("simulation", f"simulation.preset={preset}", "simulation.variant=legacy", *PLAIN)
        )

    return of


def truth(folder: Path, model: str, label: str) -> list[dict[str, str]]:
    with (folder / "deeplense" / model / "truth.csv").open() as table:
        return [row for row in csv.DictReader(table) if row["label"] == label]


def written(folder: Path, row: dict[str, str]) -> np.ndarray:
    found = np.load(folder / "deeplense" / row["path"], allow_pickle=row["label"] == "axion")
    return np.asarray(found[0] if row["label"] == "axion" else found, dtype=np.float64)


def drawn_as(rows: list[dict[str, str]], simulation: Simulation) -> dict[str, np.ndarray]:
    """Parameters of the preset, with those of the truth table in their place."""
    given = presets.priors(simulation.preset, {}, "legacy")
    drawn = populations.draw(given, 1, range(len(rows)))
    drawn |= {f"source_{axis}": np.array([float(row[f"src_{axis}_arcsec"]) for row in rows]) for axis in "xy"}
    if rows[0]["label"] == "axion":
        return drawn | {"log10_axion_mass": np.log10([float(row["axion_mass_eV"]) for row in rows])}
    return drawn | {"vortex_fraction": np.zeros(len(rows))}


def scene_of(drawn: dict[str, np.ndarray], simulation: Simulation) -> Scene:
    zero_point = source.camera(simulation).instrument.zero_point
    return populations.scene(drawn, 1, range(len(drawn["shear"])), zero_point)


def test_the_wrong_einstein_radius_is_the_one_of_the_truth_tables(shared_data: Path) -> None:
    row = truth(shared_data, "Model_II", "no_sub")[0]
    assert deeplense.legacy_radius() == pytest.approx(float(row["theta_E_arcsec"]), rel=1e-5)
    scaled = deeplense.legacy_radius() * deeplense.convention()
    assert scaled == pytest.approx(float(row["theta_E_effective_arcsec"]), rel=1e-5)
    assert deeplense.right_radius() == pytest.approx(1.6645, abs=1e-4)


def test_the_smooth_lenses_of_model_2_are_drawn_to_the_last_photon(
    shared_data: Path, legacy: Callable[[str], Simulation]
) -> None:
    """Twice the image and no noise, as the generator writes: all to 1e-3 of the peak, and nearly all to 1e-5; a ray
    that falls on the cusp of the source sees any difference."""
    rows, chosen = truth(shared_data, "Model_II", "no_sub"), legacy("deeplense_2")
    lenses = scene_of(drawn_as(rows, chosen), chosen)
    ours = 2 * imaging.rates(lenses, source.camera(chosen), chosen.supersampling, [1.0] * len(rows))
    theirs = np.stack([written(shared_data, row) for row in rows])
    off = np.abs(ours - theirs).max(axis=(1, 2)) / theirs.max(axis=(1, 2))
    assert len(rows) == 200
    assert off.max() < 1e-3
    assert np.quantile(off, 0.95) < 1e-5


def test_the_vortices_of_model_2_are_its_hundred_points(shared_data: Path, legacy: Callable[[str], Simulation]) -> None:
    """Their angle is not in the table and is found; nothing else is."""
    chosen = legacy("deeplense_2")
    rows = truth(shared_data, "Model_II", "axion")
    rows = sorted(rows, key=lambda row: float(row["axion_mass_eV"]))[:: len(rows) // 8]
    for row in rows:
        drawn, theirs = drawn_as([row], chosen), written(shared_data, row)

        def off(angle: float, drawn: Any = drawn, theirs: Any = theirs) -> float:
            lens = scene_of(drawn | {"vortex_angle": np.array([angle])}, chosen)
            ours = 2 * imaging.rates(lens, source.camera(chosen), 1, [1.0])[0]
            return float(np.abs(ours - theirs).max() / theirs.max())

        start = min(np.linspace(0, math.pi, 1440, endpoint=False), key=off)
        found = minimize_scalar(off, bounds=(start - 0.003, start + 0.003), method="bounded", options={"xatol": 1e-6})
        assert found.fun < 1e-3


@pytest.mark.parametrize("label", ["no_sub", "cdm", "axion"])
def test_the_pixels_of_model_1_are_distributed_as_its_own(
    label: str, shared_data: Path, legacy: Callable[[str], Simulation]
) -> None:
    """Peaks, zeros and how the variance follows the mean: 40 files against 100 of ours, to one in a thousand."""
    kind = {"no_sub": 0, "cdm": 1, "axion": 2}[label]
    ours = source.read(legacy("deeplense_1"), np.arange(kind, 300, 3)).images[:, 0]
    theirs = np.stack([written(shared_data, row) for row in truth(shared_data, "Model_I", label)])
    for measured in (lambda image: image.max(), lambda image: (image == 0).mean(), variance_over_mean):
        a, b = ([measured(image) for image in images] for images in (ours, theirs))
        assert ks_2samp(a, b).pvalue > 1e-3


def variance_over_mean(image: np.ndarray) -> float:
    """Of the differences between neighbours where it is bright: two, where photons are drawn twice."""
    mean = (image[:, 1:] + image[:, :-1]) / 2
    bright = mean > 0.25 * image.max()
    return float(((image[:, 1:] - image[:, :-1]) ** 2 / 2)[bright].sum() / mean[bright].sum())


def test_the_labels_of_test_3_are_those_published(shared_data: Path, legacy: Callable[[str], Simulation]) -> None:
    chosen, published = legacy("test3"), np.load(shared_data / "deeplense" / "test3_masses.npy")
    labels = []
    for start in range(0, 20_000, 2000):
        lenses = range(start, start + 2000)
        drawn = populations.draw(presets.priors("test3", {}, "legacy"), 1, lenses)
        labels.append(populations.substructure(drawn, 1, lenses, chosen.subhalos).fraction)
    ours = np.concatenate(labels)
    assert ours.mean() == pytest.approx(published.mean(), rel=0.03)
    assert ours.std() == pytest.approx(published.std(), rel=0.03)


def test_lenses_are_of_three_kinds_in_turn(legacy: Callable[[str], Simulation]) -> None:
    lenses = source.read(legacy("deeplense_2"), np.arange(7, 13))
    assert lenses.kind is not None
    assert lenses.kind.tolist() == ["subhalos", "vortex", "none", "subhalos", "vortex", "none"]
    assert np.isfinite(lenses.targets["log10_axion_mass"]).tolist() == [False, True, False] * 2
    assert lenses.targets["subhalos"].tolist() == [25, 0, 0] * 2
    assert (lenses.targets["realised_fraction"] > 0).tolist() == [True, False, False] * 2


@pytest.mark.parametrize("preset", ["deeplense_1", "deeplense_2", "deeplense_3", "test3"])
def test_what_is_corrected_has_the_true_ring_and_noise_once(preset: str, section: Callable[..., Any]) -> None:
    chosen = presets.applied(section("simulation", f"simulation.preset={preset}", *PLAIN))
    lenses, drawn = source.read(chosen, np.arange(3)), source.draw(chosen, range(3))
    assert drawn.parameters["einstein_radius"] == pytest.approx([deeplense.right_radius()] * 3)
    residual = (lenses.images[:, 0] - source.rates(chosen, drawn)) / source.noise_maps(chosen, drawn)
    assert residual.std() == pytest.approx(1, abs=0.02)
    assert abs(residual.mean()) < 0.03


def test_a_vortex_of_many_points_is_the_line() -> None:
    """The points reach from end to end, so that k of them are a line that is longer by one part in k."""
    given = presets.priors("axion", {})
    drawn = populations.draw(given, 1, range(3)) | {"log10_axion_mass": np.full(3, -23.5)}
    seen = []
    for points in (0.0, 100.0, 1000.0):
        lens = populations.scene(drawn | {"vortex_points": np.full(3, points)}, 1, range(3), 25.0)
        camera = imaging.Camera(deeplense.INSTRUMENTS["euclid_vis"], 40)
        seen.append(imaging.render(lens, camera, 2).numpy())
    few, many = (np.abs(image - seen[0]).max() / seen[0].max() for image in seen[1:])
    assert many < 0.2 * few
    assert many < 5e-3
