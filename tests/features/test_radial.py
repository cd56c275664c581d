"""Radial features: the profiles of photutils, astropy and scipy, and what is left of an image without them."""

import math

import numpy as np
import pytest
import torch
from astropy.stats import sigma_clip
from photutils.aperture import EllipticalAnnulus
from photutils.profiles import CurveOfGrowth, RadialProfile
from scipy.optimize import brentq
from scipy.signal import savgol_filter
from scipy.special import gammainc

from features.geometry import angle, radius
from features.radial import (
    STATISTICS,
    curve_of_growth,
    radial_gradient,
    radial_profile,
    radial_residual,
    radial_scatter,
    radii,
)

LIKE = torch.empty(0, dtype=torch.float64)
FRAMES = [(48, 48), (47, 47), (40, 48)]

every_frame = pytest.mark.parametrize("frame", FRAMES, ids=str)
every_width = pytest.mark.parametrize("width", [0.4, 1.0, 2.5])


def middle(frame: tuple[int, int]) -> tuple[float, float]:
    """As photutils has it: column, row."""
    return (frame[1] - 1) / 2, (frame[0] - 1) / 2


@every_frame
@every_width
def test_agrees_with_photutils(frame: tuple[int, int], width: float, generator: np.random.Generator) -> None:
    """To 1e-7: photutils tells a pixel that an edge touches from one that it cuts by less exact arithmetic."""
    image = generator.normal(1, 1, frame)
    profile, names = radial_profile(torch.from_numpy(image)[None], width)
    edges = width * np.arange(len(names) + 1)
    oracle = RadialProfile(image, middle(frame), edges, method="exact")
    np.testing.assert_allclose(profile[0], oracle.profile, rtol=1e-7, atol=1e-7)
    growth, _ = curve_of_growth(torch.from_numpy(image)[None], width)
    np.testing.assert_allclose(growth[0], CurveOfGrowth(image, middle(frame), edges[1:]).profile, rtol=1e-7, atol=1e-7)


@every_frame
@pytest.mark.parametrize("tilt", [0.0, 0.4, -1.2, math.pi / 2])
def test_an_ellipse_agrees_with_photutils(frame: tuple[int, int], tilt: float, generator: np.random.Generator) -> None:
    image = generator.normal(1, 1, frame)
    profile, _ = radial_profile(torch.from_numpy(image)[None], 2.0, axis_ratio=0.6, angle=tilt)
    inner, outer = (2.0 * edge / math.sqrt(0.6) for edge in (3, 4))
    ring = EllipticalAnnulus(middle(frame), inner, outer, 0.6 * outer, theta=tilt)
    flux = ring.do_photometry(image, method="exact")[0][0]
    assert profile[0, 3].item() == pytest.approx(flux / ring.area, rel=1e-7)


def members(frame: tuple[int, int], width: float, ring: int) -> np.ndarray:
    y, x = np.indices(frame) - (np.array(frame)[:, None, None] - 1) / 2
    return np.floor(np.hypot(x, y) / width) == ring


@every_frame
@pytest.mark.parametrize("width", [1.0, 2.5])
def test_other_statistics_are_those_of_numpy_and_astropy(
    frame: tuple[int, int], width: float, generator: np.random.Generator
) -> None:
    image = generator.standard_t(2, frame)  # with outliers
    made = {s: radial_profile(torch.from_numpy(image)[None], width, s, 0.3)[0][0].numpy() for s in STATISTICS}
    rings = [image[members(frame, width, ring)] for ring in range(len(made["mean"]))]
    for ring, own in enumerate(rings):
        assert made["median"][ring] == pytest.approx(np.median(own))
        assert made["quantile"][ring] == pytest.approx(np.quantile(own, 0.3))
        assert made["sigma_clipped"][ring] == pytest.approx(sigma_clip(own, sigma=3, maxiters=5).mean())
    assert sum(np.ma.count_masked(sigma_clip(own, sigma=3, maxiters=5)) for own in rings) > 10


@pytest.mark.parametrize("statistic", STATISTICS)
def test_thin_annuli_without_a_pixel_of_their_own_have_a_value(statistic: str) -> None:
    profile, names = radial_profile(torch.full((1, 48, 48), 3.0), 0.3, statistic)
    assert len(names) == 80
    torch.testing.assert_close(profile, torch.full((1, 80), 3.0))


def test_a_low_quantile_does_not_see_an_arc() -> None:
    r, phi = radius(48, 48, LIKE), angle(48, 48, LIKE)
    galaxy = torch.exp(-r / 6)
    arc = ((r - 14).abs() < 2) * (phi.abs() < 1.2)
    without, (lower, mean) = (
        radial_profile(galaxy[None], 1.0, "quantile")[0],
        (radial_profile((galaxy + arc)[None], 1.0, statistic)[0] for statistic in ("quantile", "mean")),
    )
    assert (lower - without).abs().max() < 0.02  # the slope of the galaxy within an annulus
    assert (mean - without)[0, 14] > 0.3


@every_frame
def test_goes_out_to_the_nearest_edge_and_no_further(frame: tuple[int, int]) -> None:
    r, half = radius(*frame, LIKE), min(frame) / 2
    corners, edge = (r >= half + 0.75).double(), (r > half - 1).double() * (r < half)  # a pixel reaches 0.71 inwards
    assert (radial_profile(corners[None])[0] == 0).all()
    assert radial_profile(edge[None])[0][0, -1] > 0


@every_frame
@pytest.mark.parametrize("size", [6.5, 12.5])
def test_a_ring_shows_at_its_radius(frame: tuple[int, int], size: float) -> None:
    image = torch.exp(-((radius(*frame, LIKE) - size) ** 2) / 2)
    profile, names = radial_profile(image[None])
    assert names[profile.argmax()] == f"radial_profile_{int(size)}"
    spread = math.sqrt(1 + 1 / 12)  # of the Gaussian by the pixels that annuli share
    mean = math.sqrt(2 * math.pi) * math.erf(0.5 / spread / math.sqrt(2))  # over its middle annulus
    assert profile.max().item() == pytest.approx(mean, abs=0.02)


def test_a_complete_ring_goes_and_an_arc_stays() -> None:
    """Half a ring on an even frame is half the pixels of its annuli: it stays half as bright, on a hole as deep."""
    r, phi = radius(48, 48, LIKE), angle(48, 48, LIKE)
    ring = ((r >= 12) & (r < 15)).double()
    arc = ring * (phi > 0)
    assert radial_residual(ring[None]).abs().max() < 1e-12
    torch.testing.assert_close(radial_residual(arc[None])[0], ring * torch.where(phi > 0, 0.5, -0.5))


@every_frame
@pytest.mark.parametrize("width", [1.0, 2.5])
def test_the_residual_has_no_mean_in_any_annulus(
    frame: tuple[int, int], width: float, generator: np.random.Generator
) -> None:
    residual = radial_residual(torch.from_numpy(generator.normal(5, 1, (1, *frame))), width)[0].numpy()
    y, x = np.indices(frame) - (np.array(frame)[:, None, None] - 1) / 2
    number = np.floor(np.hypot(x, y) / width).astype(int)
    np.testing.assert_allclose(np.bincount(number.ravel(), residual.ravel()), 0, atol=1e-10)


@every_frame
def test_the_residual_does_not_see_what_is_round(frame: tuple[int, int], generator: np.random.Generator) -> None:
    image = torch.from_numpy(generator.normal(0, 1, (1, *frame)))
    galaxy = 100 * torch.exp(-radius(*frame, LIKE).floor() / 5)  # constant within annuli of one pixel
    torch.testing.assert_close(radial_residual(image + galaxy), radial_residual(image), rtol=0, atol=1e-10)


@every_frame
def test_an_elliptical_galaxy_leaves_a_quadrupole(frame: tuple[int, int]) -> None:
    """And an octupole, and nothing odd: its light is the same at phi and at phi + 180 degrees."""
    r, phi = radius(*frame, LIKE), angle(*frame, LIKE)
    galaxy = torch.exp(-(r**2) * (0.6 * torch.cos(phi) ** 2 + 1.4 * torch.sin(phi) ** 2) / 100)
    residual = radial_residual(galaxy[None])[0] * (r < 19)
    dipole, quadrupole, sextupole, octupole = [(residual * torch.cos(m * phi)).sum().item() for m in range(1, 5)]
    assert quadrupole > 4 * abs(octupole)  # positive: the long axis is x
    assert [dipole, sextupole] == pytest.approx([0, 0], abs=1e-9)


GALAXY = 100 * torch.exp(-radius(64, 64, LIKE) / 8)


def test_scatter_is_what_was_planted_beyond_the_noise(generator: np.random.Generator) -> None:
    """A wave around the circle of amplitude A has an rms of A / sqrt(2); to 5 %, sampled by the pixels."""
    phi = angle(64, 64, LIKE)
    wave = (GALAXY + 3 * torch.cos(4 * phi))[None]
    scatter, names = radial_scatter(wave, sky_rms=1e-3)
    assert names[0] == "radial_scatter_0"
    torch.testing.assert_close(scatter[0, 6:], torch.full_like(scatter[0, 6:], 3 / math.sqrt(2)), rtol=0.05, atol=0)
    noise = torch.from_numpy(generator.normal(0, 2, (400, 64, 64)))
    squared = radial_scatter(wave + noise, sky_rms=2.0)[0].square().mean(dim=0)
    torch.testing.assert_close(squared[10:], torch.full_like(squared[10:], 4.5), rtol=0.1, atol=0)


def test_a_round_galaxy_has_no_scatter() -> None:
    """Less than a hundredth of its light, however steep: an annulus alone would have 0.036 of it, its slope."""
    scatter, profile = radial_scatter(GALAXY[None], sky_rms=1e-6)[0], radial_profile(GALAXY[None])[0]
    assert (scatter / profile)[0, 3:].max() < 0.01


@pytest.mark.parametrize(("window", "order"), [(5, 2), (7, 3), (3, 1)])
def test_the_gradient_is_that_of_scipy(window: int, order: int, generator: np.random.Generator) -> None:
    image = torch.from_numpy(generator.normal(1, 1, (1, 48, 48)))
    profile = radial_profile(image, 1.5)[0][0].numpy()
    gradient, _ = radial_gradient(image, 1.5, window, order, softening=2.0, sky_rms=0.1)
    slope = savgol_filter(np.arcsinh(profile / 0.4), window, order, deriv=1, delta=1.5, mode="interp")
    np.testing.assert_allclose(gradient[0], 1.5 * (np.arange(16) + 0.5) * slope, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_gradient_of_a_power_law_is_its_power(power: float) -> None:
    """To 0.03 from ten annuli on: over five annuli a parabola in r follows ln r no better further in."""
    image = 1e4 * radius(64, 64, LIKE) ** -power
    gradient, _ = radial_gradient(image[None], sky_rms=1e-3)
    assert (gradient[0, 10:-2] + power).abs().max() < 0.03


def test_an_empty_sky_has_no_gradient() -> None:
    assert radial_gradient(torch.zeros(1, 48, 48), sky_rms=1.0)[0].abs().max() == 0


def test_radii_of_a_flat_disc_are_exact() -> None:
    """Flux grows with the square of the radius, within annuli too."""
    values, names = radii(torch.full((1, 64, 64), 2.0, dtype=torch.float64))
    assert names == ["radii_20", "radii_50", "radii_80", "radii_concentration"]
    expected = [32 * math.sqrt(part) for part in (0.2, 0.5, 0.8)]
    assert values[0].tolist() == pytest.approx([*expected, 5 * math.log10(2)], rel=1e-9)


def test_radii_of_an_exponential_galaxy() -> None:
    """To 1 %: pixels are sampled at their centres, and a cusp within one is not seen. The frame cuts off 1e-5."""
    image = torch.exp(-radius(201, 201, LIKE) / 7)
    share = lambda r: gammainc(2, r / 7)  # noqa: E731
    expected = [brentq(lambda r, part=part: share(r) - part, 0.1, 100) for part in (0.2, 0.5, 0.8)]
    values = radii(image[None])[0][0].tolist()
    assert values == pytest.approx([*expected, 5 * math.log10(expected[2] / expected[0])], rel=0.01)


def test_light_below_zero_has_the_radii_of_light_above_and_none_has_none() -> None:
    values, _ = radii(torch.stack([GALAXY, -GALAXY, 0 * GALAXY]))
    torch.testing.assert_close(values[0], values[1])
    assert (values[2] == 0).all()


@pytest.mark.parametrize("frame", [(48, 48), (47, 40)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_what_a_gradient_goes_through_is_the_same(frame: tuple[int, int], dtype: torch.dtype) -> None:
    """The torch route against the CPU's shortcut, to the rounding of sums of thousands."""
    images = torch.rand(3, *frame, dtype=dtype)
    traced = images.clone().requires_grad_()
    for feature in (
        lambda i: radial_profile(i)[0],
        lambda i: radial_profile(i, 0.7, axis_ratio=0.8)[0],
        radial_residual,
    ):
        torch.testing.assert_close(feature(traced).detach(), feature(images))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0.0}, "width: an annulus 0 pixels wide holds nothing"),
        ({"width": math.nan}, "width: an annulus nan pixels wide holds nothing"),
        ({"width": 25.0}, "width: 25 pixels; the frame holds no annulus wider than 24 whole"),
        ({"statistic": "mode"}, "statistic: no 'mode'; there are mean, median, quantile, sigma_clipped"),
        ({"quantile": 1.2}, "quantile: 1.2 is no fraction"),
        ({"axis_ratio": 1.5}, "axis_ratio: 1.5 is no ratio"),
        ({"angle": math.inf}, "angle: inf is no angle"),
    ],
)
def test_what_makes_no_profile_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        radial_profile(torch.zeros(1, 48, 48), **options)


@pytest.mark.parametrize(("window", "order"), [(4, 2), (3, 3), (5, 0), (27, 2)])
def test_a_window_that_fits_no_polynomial_or_frame_is_refused(window: int, order: int) -> None:
    with pytest.raises(ValueError, match=f"^window: {window} annuli; "):
        radial_gradient(torch.zeros(1, 48, 48), window=window, order=order, sky_rms=1.0)
