"""Source `simulation`: right against lenstronomy, and lens i always the same lens."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from lenstronomy.LensModel.lens_model import LensModel

from pipeline import params
from pipeline.lensing import instrument, light, populations
from pipeline.params import Simulation
from pipeline.sources import simulation as source
from tests.conftest import ROOT


@pytest.fixture
def simulation(section: Callable[..., Any]) -> Simulation:
    return section("simulation")


def test_a_lens_does_not_depend_on_how_many_are_asked_for(simulation: Simulation) -> None:
    """Nor on where the asking starts: across the blocks in which lenses are ray-traced."""
    whole = source.read(simulation, np.arange(0, 150))
    for start, stop in ((0, 1), (63, 65), (100, 150)):
        part = source.read(simulation, np.arange(start, stop))
        np.testing.assert_array_equal(part.images, whole.images[start:stop])
        np.testing.assert_array_equal(part.targets["log10_axion_mass"], whole.targets["log10_axion_mass"][start:stop])
        assert part.id.tolist() == whole.id[start:stop].tolist()
        assert part.group.tolist() == list(range(start, stop))


def test_another_seed_is_another_sky(simulation: Simulation) -> None:
    other = simulation.model_copy(update={"seed": 2})
    assert not np.array_equal(
        source.read(simulation, np.arange(0, 1)).images, source.read(other, np.arange(0, 1)).images
    )


def test_no_two_lenses_are_alike(simulation: Simulation) -> None:
    images = source.read(simulation, np.arange(0, 60)).images.reshape(60, -1)
    assert len(np.unique(images, axis=0)) == 60


def test_the_masses_are_uniform_over_their_range(simulation: Simulation) -> None:
    masses = source.read(simulation, np.arange(0, 640)).targets["log10_axion_mass"]
    assert masses.min() >= -24.5
    assert masses.max() <= -23.0
    counts, _ = np.histogram(masses, bins=5, range=(-24.5, -23.0))
    assert ((counts - 128) ** 2 / 128).sum() < 18.5  # chi^2 of four degrees of freedom, one in a thousand


def test_the_noise_it_declares_is_the_noise_it_adds(simulation: Simulation) -> None:
    drawn = source.draw(simulation, range(64))
    lenses = source.read(simulation, np.arange(0, 64))
    noise = lenses.images[:, 0] - source.rates(simulation, drawn).numpy()
    corners = noise[:, [0, 0, 1, -1, -1, -2], [0, 1, 0, -1, -2, -1]]
    assert corners.std() == pytest.approx(lenses.noise[0], rel=0.1)


def test_the_image_is_lenstronomys() -> None:
    """Whole noise-free images of the default preset: lenstronomy bends the rays, our own light and PSF do the rest.

    The vortex is 2,000 point masses there; rays that graze one of them make the difference, so the line is kept
    inside the ring.
    """
    default = params.read([], "simulation", path=ROOT / "params.yaml")
    drawn = populations.axion(range(3), 5, (-23.5, -23.0), 0.3, (0.2, 0.3), (0.6, 1.0), (23.0, 24.0))
    ours = source.rates(default, drawn).numpy()
    margin = instrument.psf_margin(default.psf_fwhm, default.pixel_scale)
    x, y = instrument.grid(default.size, default.pixel_scale, default.supersampling, margin)
    ellipticity = (1 - default.axis_ratio) / (1 + default.axis_ratio)
    for lens in range(3):
        p = {name: values[lens] for name, values in drawn.items()}
        along = ((np.arange(2000) + 0.5) / 1000 - 1) * p["vortex_half_length"]
        element = default.einstein_radius * (default.vortex_fraction / 2000) ** 0.5
        vortex = [
            {
                "theta_E": element,
                "center_x": s * np.cos(p["vortex_angle"]),
                "center_y": s * np.sin(p["vortex_angle"]),
            }
            for s in along
        ]
        macro = [
            {"theta_E": default.einstein_radius, "e1": ellipticity, "e2": 0, "center_x": 0, "center_y": 0},
            {"gamma1": default.shear, "gamma2": 0},
        ]
        model = LensModel(["SIE", "SHEAR"] + ["POINT_MASS"] * 2000)
        bx, by = model.ray_shooting(x.flatten().numpy(), y.flatten().numpy(), macro + vortex)
        brightness = light.sersic(
            torch.from_numpy(bx).reshape(1, *x.shape) - p["source_x"],
            torch.from_numpy(by).reshape(1, *x.shape) - p["source_y"],
            *(
                torch.full((1, 1, 1), float(value), dtype=torch.float64)
                for value in (
                    10 ** (-0.4 * (p["source_magnitude"] - default.zero_point)),
                    p["source_radius"],
                    p["source_axis_ratio"],
                    p["source_angle"],
                )
            ),
            default.source_sersic_index,
        )
        theirs = instrument.expose(
            brightness, default.pixel_scale, default.supersampling, default.psf_fwhm, margin
        ).numpy()[0]
        assert np.abs(ours[lens] - theirs).max() < 2e-3 * theirs.max()


def test_a_vortex_leaves_its_mark(simulation: Simulation) -> None:
    """The label is in the image: without the vortex the same lens looks different by more than its noise."""
    drawn = populations.axion(range(8), 1, (-23.8, -23.4), 0.3, (0.2, 0.3), (0.6, 1.0), (22.0, 23.0))
    bare = simulation.model_copy(update={"vortex_fraction": 0.0})
    change = (source.rates(simulation, drawn) - source.rates(bare, drawn)).abs().amax(dim=(1, 2))
    assert float(change.min()) > 3 * source.read(simulation, np.arange(0, 1)).noise[0]
