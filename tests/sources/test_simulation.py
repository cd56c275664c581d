"""Source `simulation`: lens i is always the same lens, and its labels and noise are what they say."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.params import Prior, Simulation
from pipeline.sources import OBSERVED
from pipeline.sources import simulation as source


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


@pytest.mark.parametrize("preset", get_args(Simulation.model_fields["preset"].annotation))
def test_no_lens_depends_on_its_company(preset: str, section: Callable[..., Any]) -> None:
    """Of no preset, however much differs between the lenses of a batch."""
    words = ("simulation.priors={}", "simulation.supersampling=auto", "simulation.variant=legacy")
    chosen = section("simulation", f"simulation.preset={preset}", "simulation.accept_noise_free=true", *words)
    opened = source.open_source(chosen)
    together = opened.read(np.arange(12))
    for lens in (3, 7, 11):
        alone = opened.read(np.array([lens]))
        np.testing.assert_array_equal(alone.images[0], together.images[lens])
        for name, values in alone.targets.items():
            np.testing.assert_array_equal(values[0], together.targets[name][lens])


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
    lenses = source.read(simulation, np.arange(0, 64))
    noise = lenses.images[:, 0] - source.rates(simulation, source.draw(simulation, range(64)))
    corners = noise[:, [0, 0, 1, -1, -1, -2], [0, 1, 0, -1, -2, -1]]
    assert corners.std() == pytest.approx(lenses.noise[0], rel=0.1)


def test_noise_free_images_need_consent(simulation: Simulation) -> None:
    silent = simulation.model_copy(update={"noise": "none"})
    with pytest.raises(InputError, match=r"^simulation\.noise: none; .*simulation\.accept_noise_free: true"):
        source.open_source(silent)
    lenses = source.read(silent.model_copy(update={"accept_noise_free": True}), np.arange(2))
    np.testing.assert_array_equal(lenses.noise, 0)
    np.testing.assert_array_equal(lenses.images[:, 0], source.rates(silent, source.draw(silent, range(2))))


@pytest.mark.parametrize("preset", get_args(Simulation.model_fields["preset"].annotation))
def test_every_preset_comes_with_targets_that_vary_and_with_its_class(preset: str, section: Callable[..., Any]) -> None:
    chosen = section("simulation", f"simulation.preset={preset}", "simulation.priors={}")
    lenses = source.open_source(chosen).read(np.arange(12))
    assert np.isfinite(lenses.images).all()
    assert set(lenses.targets) == set(source.open_source(chosen).target_units)
    assert lenses.targets
    for name, values in lenses.targets.items():
        assert len(np.unique(values[np.isfinite(values)])) > 1, name
    kind = {
        "axion": "vortex",
        "axion_free": "vortex",
        "substructure": "subhalos",
        "wdm": "subhalos",
        "test3": "subhalos",
    }
    assert kind.get(preset, "none") in lenses.kind
    assert set(lenses.observed) == set(OBSERVED)


def test_a_prior_that_is_changed_leaves_what_others_draw(simulation: Simulation) -> None:
    before = source.draw(simulation, range(5)).parameters
    changed = simulation.model_copy(update={"priors": simulation.priors | {"slope": Prior(normal=[2.0, 0.1])}})
    after = source.draw(changed, range(5)).parameters
    assert {name for name in after if not np.array_equal(after[name], before[name])} == {"slope"}


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        (
            {"slop": Prior(fixed=2.0)},
            r"^simulation\.priors: no parameter 'slop'; there are log10_axion_mass, vortex_angle",
        ),
        ({"axis_ratio": Prior(uniform=[0.5, 1.2])}, r"^simulation\.priors\.axis_ratio: 1\.2 is not between 0\.2 and 1"),
        ({"source_radius": Prior(fixed=-0.1)}, r"^simulation\.priors\.source_radius: -0\.1 arcsec is not between"),
        ({"redshift_source": Prior(uniform=[0.4, 2.0])}, r"^simulation\.priors\.redshift_source: reaches down to 0\.4"),
        ({"log10_least_mass": Prior(fixed=10.0)}, r"^simulation\.priors\.log10_most_mass: reaches down to 10 where"),
    ],
)
def test_priors_that_make_no_sense_are_refused(simulation: Simulation, priors: dict[str, Prior], message: str) -> None:
    with pytest.raises(InputError, match=message):
        source.open_source(simulation.model_copy(update={"priors": priors}))


def test_an_undersampled_psf_is_warned_of_with_its_number(
    simulation: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    source.open_source(simulation)
    assert "the PSF is 1.50 pixels wide; below 2 it is undersampled" in capsys.readouterr().out
    source.open_source(simulation.model_copy(update={"psf_fwhm": 0.4}))
    assert not capsys.readouterr().out


def test_a_vortex_leaves_its_mark(simulation: Simulation) -> None:
    """The label is in the image: without the vortex the same lens looks different by more than its noise."""
    strong = simulation.priors | {"log10_axion_mass": Prior(uniform=[-23.8, -23.4])}
    vortex = simulation.model_copy(update={"priors": strong})
    bare = simulation.model_copy(update={"priors": strong | {"vortex_fraction": Prior(fixed=0.0)}})
    images = [source.rates(chosen, source.draw(chosen, range(8))) for chosen in (vortex, bare)]
    change = np.abs(images[0] - images[1]).max(axis=(1, 2))
    assert change.min() > 3 * source.read(simulation, np.arange(0, 1)).noise[0]


RAYS = "simulation.supersampling=9"


def test_a_source_that_is_not_lensed_has_the_electrons_of_its_magnitude(section: Callable[..., Any]) -> None:
    """Twenty-fifth magnitude behind next to no lens, and the zero point of Euclid VIS: 10^(0.4 0.72) a second."""
    alone = "{einstein_radius: 0.001, shear: 0, vortex_fraction: 0, source_magnitude: 25, source_radius: 0.15}"
    words = (f"simulation.priors={alone}", "simulation.noise=none", "simulation.accept_noise_free=true", RAYS)
    chosen = section("simulation", *words, "simulation.pixel_scale=0.1", "simulation.size=48")
    images = source.read(chosen, np.arange(3)).images
    assert images.sum(axis=(1, 2, 3)) == pytest.approx([10 ** (0.4 * 0.72)] * 3, rel=6e-3)  # the least ring adds 0.3 %
    brighter = section("simulation", *words[1:], f"simulation.priors={alone.replace('25', '22.5')}").model_copy(
        update={"pixel_scale": 0.1, "size": 48}
    )
    np.testing.assert_allclose(source.read(brighter, np.arange(3)).images, 10 * images, rtol=1e-5)
