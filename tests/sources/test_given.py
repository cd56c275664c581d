"""Galaxies and a PSF that the user gives to the simulation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from astropy.io import fits

from pipeline.errors import InputError
from pipeline.lensing import imaging, light, populations, presets, psf
from pipeline.lensing.imaging import Camera
from pipeline.lensing.instruments import INSTRUMENTS
from pipeline.params import Prior
from pipeline.sources import simulation as source

CAMERA = Camera(INSTRUMENTS["euclid_vis"], 32)
SCALE, SIDE = 0.01, 301


def exponential() -> np.ndarray:
    """A round galaxy as a picture: of the profile that presets have, half of whose light is within 0.25 arcsec."""
    axis = (torch.arange(SIDE, dtype=torch.float64) - SIDE // 2) * SCALE
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    one = torch.ones((), dtype=torch.float64)
    return light.sersic(x, y, one, 0.25 * one, one, 0 * one, one).numpy()


def test_a_picture_of_a_galaxy_is_lensed_like_the_galaxy() -> None:
    given = presets.priors("axion", {"source_radius": Prior(fixed=0.25), "source_axis_ratio": Prior(fixed=1.0)})
    drawn = populations.draw(given, 1, range(4)) | {"picture_scale": np.full(4, SCALE)}
    pictures = exponential()[None]
    analytic = populations.scene(drawn, 1, range(4), 25.0)
    pictured = populations.scene(drawn, 1, range(4), 25.0, pictures=pictures)
    expected = imaging.render(analytic, CAMERA, 3)
    for drawn_by in (imaging.render(pictured, CAMERA, 3).numpy(), imaging.rates(pictured, CAMERA, 3, [1.0] * 4)):
        assert np.abs(drawn_by - expected.numpy()).max() < 5e-3 * expected.max()  # what the picture's pixels smear


def test_the_kernel_shows_pictures_as_torch_does(generator: np.random.Generator) -> None:
    """Turned, off the axis, not square, and with an edge that is not dark."""
    drawn = populations.draw(presets.priors("lens64", {"psf_factor": Prior(fixed=1.0)}), 1, range(4))
    pictures = generator.random((3, 21, 30))
    lenses = populations.scene(drawn, 1, range(4), 25.0, pictures=pictures)
    exact, fast = imaging.render(lenses, CAMERA, 2).numpy(), imaging.rates(lenses, CAMERA, 2, [1.0] * 4)
    assert (np.abs(fast - exact).max(axis=(1, 2)) / exact.max(axis=(1, 2))).max() < 1e-4
    assert np.abs(exact[0] - exact[1]).max() > 0.1 * exact.max()


def test_who_shares_a_picture_is_one_group(section: Callable[..., Any], tmp_path: Path) -> None:
    np.save(tmp_path / "galaxies.npy", np.stack([exponential(), exponential()[::-1] + 1e-3]).astype(np.float32))
    chosen = section("simulation", "simulation.pictures=galaxies.npy")
    opened = source.open_source(chosen, str(tmp_path))
    lenses = opened.read(np.arange(20))
    assert lenses.identities is not None
    assert sorted(set(lenses.group.tolist())) == [0, 1]
    assert lenses.identities[:, 0].tolist() == [f"picture {number}" for number in lenses.group]
    assert opened.identities == ("source",)
    assert opened.provenance["simulation"]["pictures"] == "galaxies.npy"  # no absolute path
    np.testing.assert_array_equal(opened.read(np.array([7])).images[0], lenses.images[7])


@pytest.mark.parametrize("ending", ["npy", "fits"])
def test_a_picture_of_the_psf_blurs_like_the_psf(ending: str, section: Callable[..., Any], tmp_path: Path) -> None:
    """A Gaussian in three steps a pixel, in place of the Gaussian that the instrument has."""
    chosen = section("simulation", "simulation.noise=none", "simulation.accept_noise_free=true")
    plane = psf.gaussian(chosen.psf_fwhm, chosen.pixel_scale / 3, 12).plane
    if ending == "npy":
        np.save(tmp_path / "psf.npy", plane)
    else:
        fits.writeto(tmp_path / "psf.fits", plane)
    own = chosen.model_copy(update={"psf_image": f"psf.{ending}", "psf_sampling": 3, "supersampling": 3})
    opened = source.open_source(own, str(tmp_path))
    assert opened.psf_fwhm == pytest.approx(chosen.psf_fwhm, rel=1e-3)
    expected = source.read(chosen.model_copy(update={"supersampling": 3}), np.arange(3)).images
    np.testing.assert_allclose(opened.read(np.arange(3)).images, expected, atol=2e-4 * expected.max())


def test_a_finer_psf_is_interpolated_and_stays_whole() -> None:
    plane = psf.gaussian(0.3, 0.1, 8).plane
    for supersampling, factor in ((1, 1.0), (2, 1.0), (4, 1.0), (2, 1.3)):
        found = Camera(CAMERA.instrument, 32, plane, 1).psf(supersampling, factor).plane
        assert found.sum() == pytest.approx(1)
        at = np.arange(len(found)) - len(found) // 2
        width = np.sqrt((found * at[None] ** 2).sum()) * 0.1 / supersampling * psf.FWHM
        assert width == pytest.approx(0.3 * factor, rel=0.06)  # linear interpolation widens it a little


@pytest.mark.parametrize(
    ("key", "array", "message"),
    [
        ("psf_image", np.full((5, 5), 0.05), r"psf_image\.npy: this PSF adds up to 1\.25; divide it by that"),
        ("psf_image", np.full((4, 4), 1 / 16), r"square with odd sides, not \(4, 4\)"),
        ("psf_image", np.eye(3) / 3 + np.array([[0.1, 0, 0], [0, -0.1, 0], [0, 0, 0]]), "peak of this PSF is not in"),
        ("psf_image", np.full((3, 3), np.nan), "this PSF adds up to nan"),
        ("pictures", np.ones((5, 5)), r"pictures\.npy: pictures are a cube .*not \(5, 5\)"),
        ("pictures", np.stack([np.ones((3, 3)), np.zeros((3, 3))]), "picture 1 has a NaN or no light"),
        ("pictures", np.array(["a"]), r"not an array of real numbers \(simulation\.pictures\)"),
    ],
)
def test_files_that_make_no_sense_are_refused(
    key: str, array: np.ndarray, message: str, section: Callable[..., Any], tmp_path: Path
) -> None:
    np.save(tmp_path / f"{key}.npy", array)
    with pytest.raises(InputError, match=message):
        source.open_source(section("simulation", f"simulation.{key}={key}.npy"), str(tmp_path))


def test_files_that_are_not_there_or_elsewhere_are_refused(section: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"galaxies\.npy: no such file \(simulation\.pictures is inside"):
        source.open_source(section("simulation", "simulation.pictures=galaxies.npy"), str(tmp_path))
    with pytest.raises(InputError, match=r"simulation\.psf_image: \.\./psf\.npy lies outside"):
        source.open_source(section("simulation", "simulation.psf_image=../psf.npy"), str(tmp_path))
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY rubbish")
    with pytest.raises(InputError, match=r"broken\.npy: not a readable \.npy array"):
        source.open_source(section("simulation", "simulation.pictures=broken.npy"), str(tmp_path))
