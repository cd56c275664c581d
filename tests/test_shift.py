"""Shift: the same lenses under other conditions, each different in what its name says and in nothing else."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from pipeline import degraded
from pipeline.errors import InputError
from pipeline.ingest import ingest
from pipeline.lensing import shifts
from pipeline.params import SHIFTS, Conditions, Simulation
from pipeline.shift import shift
from pipeline.sources import Lenses
from pipeline.sources import simulation as source
from pipeline.store import Store

ROWS = [7, 2, 11, 3]  # of the test role, in no order
DARK = "einstein_radius: 1.0e-3, source_radius: 0.1, source_index: 0.5, source_x: 0.0, source_y: 0.0"
EVERYTHING = [  # light, subhalos and a source: every shift makes a difference
    "simulation.preset=lens64",
    "simulation.images=12",
    "simulation.priors={substructure_fraction: 0.02, log10_least_mass: 8.5}",
]


def data_set(overrides: list[str]) -> Store:
    """An ingested store in the working folder, and a split of it."""
    ingest("images.zarr", "quarantine.csv", overrides)
    images = Store("images.zarr")
    Path("split.json").write_text(json.dumps({"rows": images.rows, "roles": {"test": ROWS}}))
    return images


def shifted(name: str, overrides: list[str], target: str = "shifted.zarr") -> Store:
    shift(name, "images.zarr", "split.json", target, overrides)
    return Store(target)


def pair(chosen: Simulation, name: str, lenses: int = 4) -> tuple[Lenses, Lenses]:
    """Some lenses as they are, and under a shift."""
    return source.read(chosen, np.arange(lenses)), source.shifted(chosen, "", name)(np.arange(lenses))


@pytest.fixture
def simulation(section: Callable[..., Any]) -> Callable[..., Simulation]:
    """The parameters of the miniature with these priors and words, on a camera that samples well."""

    def made(priors: str, *words: str) -> Simulation:
        camera = ("simulation.pixel_scale=0.1", "simulation.size=48", "simulation.supersampling=2")
        return section("simulation", f"simulation.priors={{{priors}}}", *camera, *words)

    return made


NOISE_FREE = ("simulation.noise=none", "simulation.accept_noise_free=true")


# sameness


@pytest.mark.parametrize("preset", ["axion", "lens64", "wdm"])
def test_without_a_shift_the_test_rows_are_those_of_ingest_to_the_byte(tiny: Path, preset: str) -> None:
    words = [f"simulation.preset={preset}", "simulation.images=12", "simulation.supersampling=auto"]
    images, again = data_set(words), shifted("identity", words)
    assert [array.name for array in again.arrays] == [*(array.name for array in images.arrays), "row"]
    assert again.read("row").tolist() == ROWS
    for array in images.arrays:
        assert again.read(array.name).tobytes() == images.take(array.name, np.array(ROWS)).tobytes(), array.name
    for name in ("target_names", "target_units", "pixel_scale", "psf_fwhm", "units", "observed"):
        assert again.attributes[name] == images.attributes[name]


@pytest.mark.parametrize("name", [name for name in SHIFTS if name != "identity"])
def test_a_shift_changes_the_images_and_no_truth(tiny: Path, name: str) -> None:
    images, again = data_set(EVERYTHING), shifted(name, EVERYTHING)
    assert again.attributes["provenance"]["shift"] == name
    for kept in ("targets", "id", "kind", "group", "noise_known"):
        np.testing.assert_array_equal(again.read(kept), images.take(kept, np.array(ROWS)))
    before, after = images.take("images", np.array(ROWS)), again.read("images")
    assert all(not np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    np.testing.assert_array_equal(again.read("peak"), after.max(axis=(1, 2, 3)))


@pytest.mark.parametrize("name", SHIFTS)
def test_no_shifted_lens_depends_on_its_company(name: str, section: Callable[..., Any]) -> None:
    read = source.shifted(section("simulation", *EVERYTHING), "", name)
    together = read(np.arange(6)).images
    for lens in (1, 4):
        np.testing.assert_array_equal(read(np.array([lens])).images[0], together[lens])


def test_other_lenses_than_those_of_the_store_are_refused(tiny: Path) -> None:
    data_set(["simulation.images=12"])
    with pytest.raises(InputError, match=r"^images\.zarr: its lenses are not those that simulation describes"):
        shifted("psf_wide", ["simulation.seed=2"])
    with pytest.raises(InputError, match="its lenses are not those"):
        shifted("psf_wide", ["simulation.priors={log10_axion_mass: {uniform: [-24.5, -23.1]}}"])
    assert not Path("shifted.zarr").exists()


# what each does


def second_moment(images: np.ndarray) -> np.ndarray:
    """Mean square distance from the centroid along x, pixels, of light on a dark sky."""
    x = np.arange(images.shape[-1])
    light = images.sum(axis=(1, 2)) / images.sum(axis=(1, 2, 3))[:, None]  # along x, of one band
    return light @ x**2 - (light @ x) ** 2


@pytest.mark.parametrize(("name", "factor"), shifts.PSF.items())
def test_a_point_is_as_much_wider_as_the_psf(name: str, factor: float, simulation: Callable[..., Simulation]) -> None:
    """Second moments of what is convolved add up, whatever the source is."""
    usual, other = pair(simulation(DARK, *NOISE_FREE), name, 2)
    grown = second_moment(other.images) - second_moment(usual.images)
    expected = (factor**2 - 1) * (0.3 / 0.1 / 2.3548) ** 2
    np.testing.assert_allclose(grown, expected, rtol=5e-3)  # the PSF is cut off at four standard deviations
    np.testing.assert_allclose(other.observed["psf_fwhm"], factor * usual.observed["psf_fwhm"])
    np.testing.assert_allclose(other.images.sum(axis=(1, 2, 3)), usual.images.sum(axis=(1, 2, 3)), rtol=1e-4)


@pytest.mark.parametrize(("name", "factor"), shifts.NOISE.items())
def test_the_noise_of_an_empty_pixel_is_multiplied(
    name: str, factor: float, simulation: Callable[..., Simulation]
) -> None:
    usual, other = pair(simulation("source_magnitude: 40"), name, 8)
    pixels = usual.images.size
    ratio = other.images.std(dtype=float) / usual.images.std(dtype=float)
    assert ratio == pytest.approx(factor, rel=4 / np.sqrt(pixels))  # each is known to 1 / sqrt(2 pixels)
    np.testing.assert_allclose(other.noise, factor * usual.noise, rtol=1e-6)


@pytest.mark.parametrize(("name", "factor"), shifts.NOISE.items())
def test_the_photon_noise_of_what_shines_stays(name: str, factor: float, simulation: Callable[..., Simulation]) -> None:
    """Of a bright source, where the sky does not matter; the excess over the sky is that of the source's photons."""
    chosen = simulation("source_magnitude: 19.0")
    setting = shifts.Setting(chosen, source.camera(chosen).instrument, {})
    drawn = source.draw(chosen, [0])
    usual, other = (source.noise_maps(one, drawn) for one in (chosen, shifts.seen(name, setting)))
    dark = [source.camera(one).sky_rms() ** 2 for one in (chosen, shifts.seen(name, setting))]
    assert dark[1] == pytest.approx(factor**2 * dark[0])
    assert usual.max() > 3 * usual.min()  # there are photons to speak of
    np.testing.assert_allclose(other**2 - dark[1], usual**2 - dark[0], atol=1e-6 * float(usual.max()) ** 2)  # float32


def test_half_the_exposure_is_half_the_photons(simulation: Callable[..., Simulation]) -> None:
    chosen = simulation("source_magnitude: 40")
    usual, other = pair(chosen, "exposure_short", 8)
    own = source.camera(chosen)
    np.testing.assert_allclose(other.observed["exposure"], usual.observed["exposure"] / 2)
    expected = own.sky_rms(own.instrument.exposure / 2)
    np.testing.assert_allclose(other.noise, expected, rtol=1e-6)
    assert other.images.std(dtype=float) == pytest.approx(expected, rel=4 / np.sqrt(2 * usual.images.size))
    free = simulation(DARK, *NOISE_FREE)
    setting = shifts.Setting(free, source.camera(free).instrument, {})
    same = source.read(free, np.arange(2), partial(shifts.drawn, "exposure_short", setting))
    np.testing.assert_array_equal(same.images, source.read(free, np.arange(2)).images)  # in electrons per second


LENS_LIGHT = "light_magnitude: 19, light_radius: 0.25, light_index: 1.0, light_axis_ratio: 0.7, light_angle: 0.3"


def test_the_lens_s_light_is_a_pixel_off(simulation: Callable[..., Simulation]) -> None:
    chosen = simulation(f"source_magnitude: 40, {LENS_LIGHT}", *NOISE_FREE)
    usual, other = pair(chosen, "light_offset", 8)
    at = np.arange(chosen.size)
    centres = [
        np.stack([one.images[:, 0].sum(axis=axis) @ at for axis in (1, 2)], 1) / one.images.sum(axis=(1, 2, 3))[:, None]
        for one in (usual, other)
    ]
    moved = centres[1] - centres[0]
    np.testing.assert_allclose(np.hypot(*moved.T), 1.0, rtol=0.01)
    assert np.ptp(np.arctan2(*moved.T)) > 1  # in no common direction


def test_the_ring_stays_where_the_lens_s_light_moves(simulation: Callable[..., Simulation]) -> None:
    chosen = simulation(f"{LENS_LIGHT.replace('19', '40')}, source_magnitude: 22", *NOISE_FREE)
    usual, other = pair(chosen, "light_offset")
    np.testing.assert_allclose(other.images, usual.images, atol=1e-6 * usual.images.max())


def test_clumps_take_their_light_from_the_source(section: Callable[..., Any], simulation: Callable[..., Any]) -> None:
    chosen = section("simulation", *EVERYTHING)
    setting = shifts.Setting(chosen, source.camera(chosen).instrument, {})
    smooth = source.draw(chosen.model_copy(update={"priors": {}}), range(40)).scene
    scene = source.draw(chosen, range(40), partial(shifts.drawn, "clumpy", setting)).scene
    before = smooth.galaxies[0]["flux"] + smooth.clumps["flux"].sum(1)
    clumped = scene.clumps["flux"].sum(1)
    np.testing.assert_allclose(scene.galaxies[0]["flux"] + clumped, before, rtol=1e-12)
    np.testing.assert_allclose(clumped, shifts.CLUMPED * before, rtol=1e-12)
    number = (scene.clumps["flux"] > 0).sum(1).tolist()
    assert (min(number), max(number)) == shifts.CLUMPS
    usual, other = pair(
        simulation(f"{DARK}, source_radius: 0.3".replace("source_radius: 0.1, ", ""), *NOISE_FREE), "clumpy"
    )
    np.testing.assert_allclose(other.images.sum(axis=(1, 2, 3)), usual.images.sum(axis=(1, 2, 3)), rtol=0.01)
    assert (abs(other.images - usual.images).max(axis=(1, 2, 3)) > 0.05 * usual.images.max(axis=(1, 2, 3))).all()


@pytest.mark.parametrize(("own", "other"), [("tnfw", "spheres"), ("sis", "halos"), ("point", "halos")])
def test_subhalos_bend_light_by_another_law(own: str, other: str, section: Callable[..., Any]) -> None:
    chosen = section("simulation", *EVERYTHING, f"simulation.subhalos.profile={own}")
    setting = shifts.Setting(chosen, source.camera(chosen).instrument, {})
    usual, drawn = (source.draw(one, range(3)) for one in (chosen, shifts.seen("subhalo_profile", setting)))
    assert [name for name in ("points", "spheres", "halos") if getattr(drawn.scene, name)] == [other]
    assert usual.population is not None
    assert drawn.population is not None
    np.testing.assert_array_equal(drawn.population.mass, usual.population.mass)
    np.testing.assert_array_equal(getattr(drawn.scene, other)["x"], usual.population.x)


# what cannot be


def test_the_names_are_those_of_the_parameters() -> None:
    assert set(SHIFTS) == set(get_args(Conditions)) == {"identity", *shifts.SEEN, *shifts.DRAWN}


def test_an_unknown_shift_lists_the_known(tiny: Path) -> None:
    data_set(["simulation.images=12"])
    with pytest.raises(
        InputError, match=r"^shift\.kinds: no shift 'psf_huge'; there are identity, psf_narrow, psf_wide"
    ):
        shifted("psf_huge", [])
    with pytest.raises(InputError, match=r"^shift\.kinds\.0: 'psf_huge' is not valid: .*'psf_narrow', 'psf_wide'"):
        shifted("psf_wide", ["shift.kinds=[psf_huge]"])


@pytest.mark.parametrize(
    ("name", "words", "reason"),
    [
        ("light_offset", (), "preset axion has no light of the lens"),
        ("subhalo_profile", (), "preset axion has no subhalos"),
        ("noise_high", NOISE_FREE, "simulation.noise: none takes no notice"),
        ("exposure_short", NOISE_FREE, "simulation.noise: none looks the same"),
    ],
)
def test_what_makes_no_difference_is_refused_and_the_others_named(
    name: str, words: tuple[str, ...], reason: str, section: Callable[..., Any]
) -> None:
    with pytest.raises(
        InputError, match=rf"^shift\.kinds: {name}: {reason}.* is identity, psf_narrow, psf_wide"
    ) as told:
        source.shifted(section("simulation", *words), "", name)
    assert name not in str(told.value).split("what can be made of it is ")[1]


# images of other sources


def files(folder: Path, generator: np.random.Generator, *words: str) -> list[str]:
    """A user's images: white noise of rms 2.5 around a point, and the words that ingest them."""
    (folder / "lenses").mkdir()
    y, x = np.mgrid[:64, :64] - 32.0
    point = 500 * np.exp(-0.5 * (x**2 + y**2) / 1.5**2)
    for i in range(12):
        np.save(folder / "lenses" / f"{i:02d}.npy", point + generator.normal(0, 2.5, (64, 64)))
    return ["ingest.source=deeplense", "ingest.path=lenses", *words]


KNOWN = ("ingest.pixel_scale=0.1", "ingest.psf_fwhm=0.35")
CORNER = np.s_[:, 0, :20, :20]


def test_noise_is_added_to_any_images(tiny: Path, generator: np.random.Generator, capsys: Any) -> None:
    words = files(tiny, generator)
    images, again = data_set(words), shifted("noise_high", words)
    assert "the sky rms of 4 images is as it was estimated" in capsys.readouterr().out
    before = images.take("images", np.array(ROWS))
    added = (again.read("images") - before)[:, 0].astype(float)
    expected = np.sqrt(3) * images.read("noise")[ROWS]
    np.testing.assert_allclose(added.std(axis=(1, 2)), expected, rtol=4 / np.sqrt(2 * 64**2))
    ratio = again.read("images")[CORNER].std() / before[CORNER].std()
    assert ratio == pytest.approx(2, rel=4 / np.sqrt(4 * 400))
    np.testing.assert_allclose(again.read("noise"), 2 * images.read("noise")[ROWS], rtol=1e-6)
    whitened = added / added.std(axis=(1, 2))[:, None, None]
    assert abs((whitened[0] * whitened[1]).mean()) < 5 / 64  # every image has noise of its own
    assert abs((whitened[:, 1:] * whitened[:, :-1]).mean()) < 5 / 128  # white


def test_the_psf_of_any_images_is_widened_and_their_noise_with_it(tiny: Path, generator: np.random.Generator) -> None:
    words = files(tiny, generator, *KNOWN)
    images, again = data_set(words), shifted("psf_wide", words)
    sky = again.read("images")[:, 0, 6:-6, 6:20].astype(float)  # at the frame's edge noise meets its mirror image
    assert sky.std() == pytest.approx(again.read("noise").mean(), rel=0.15)  # of 200 independent patches
    assert (again.read("noise") < 0.6 * images.read("noise")[ROWS]).all()
    assert (sky[:, 1:] * sky[:, :-1]).mean() > 0.5 * sky.var()  # neighbours go together
    assert again.attributes["psf_fwhm"] == pytest.approx(1.25 * 0.35)


def test_a_widened_gaussian_is_the_wider_gaussian() -> None:
    """Between pixels that sample it well; the widths add in squares."""
    y, x = np.mgrid[:48, :48] - 23.5

    def gaussian(fwhm: float) -> np.ndarray:
        variance = (fwhm / 2.3548200450309493) ** 2
        return np.exp(-0.5 * (x**2 + y**2) / variance) / (2 * np.pi * variance)

    widths = np.array([3.0, 5.0])
    images = np.stack([gaussian(width) for width in widths])[:, None].astype(np.float32)
    made, left = degraded.wider(images, widths, 1.25)
    for one, width in zip(made[:, 0], widths, strict=True):
        np.testing.assert_allclose(one, gaussian(1.25 * width), atol=2e-7)
    between = widths * 0.75 / 2.3548200450309493  # sqrt(1.25^2 - 1) = 0.75; white noise keeps 1 / (2 sqrt(pi) sigma)
    np.testing.assert_allclose(left, 1 / (2 * np.sqrt(np.pi) * between), rtol=1e-3)


def test_what_was_not_measured_stays_without_noise(generator: np.random.Generator) -> None:
    images = generator.normal(size=(2, 1, 16, 16)).astype(np.float32)
    mask = generator.random(images.shape) < 0.3
    made = degraded.noisier(images, np.ones(2), 2.0, [4, 5], mask)
    np.testing.assert_array_equal(made != images, ~mask)
    alone = degraded.noisier(images[1:], np.ones(1), 2.0, [5], mask[1:])
    np.testing.assert_array_equal(alone, made[1:])


def test_of_other_images_the_rest_cannot_be_and_is_told(tiny: Path, generator: np.random.Generator) -> None:
    words = files(tiny, generator)
    images = data_set(words)
    for name in set(SHIFTS) - {"identity", "noise_high", "psf_wide"}:
        with pytest.raises(InputError, match=rf"^shift\.kinds: {name}: .* there can be identity, psf_wide, noise_high"):
            shifted(name, words)
    with pytest.raises(InputError, match=r"psf_wide: images\.zarr: row 7 has no psf_fwhm; ingest\.psf_fwhm is it"):
        shifted("psf_wide", words)
    assert shifted("identity", words).read("images").tobytes() == images.take("images", np.array(ROWS)).tobytes()


def test_images_without_noise_have_none_to_double(tiny: Path) -> None:
    (tiny / "lenses").mkdir()
    for i in range(12):
        np.save(tiny / "lenses" / f"{i:02d}.npy", np.pad(np.full((8, 8), i + 1.0), 12))
    words = ["ingest.source=deeplense", "ingest.path=lenses"]
    data_set(words)
    with pytest.raises(InputError, match=r"noise_high: images\.zarr: row 7 has no sky noise"):
        shifted("noise_high", words)
