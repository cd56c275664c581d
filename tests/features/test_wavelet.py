"""Starlet and scattering: scipy's convolutions and kymatio's wavelets, exact sums, and noise of rms 1."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from scipy.signal import fftconvolve
from torch import Tensor

from features.geometry import offsets
from features.wavelet.scattering import morlets, scattering
from features.wavelet.starlet import starlet, starlet_gain, starlet_planes, starlet_significance

PUBLISHED = [0.8908, 0.2007, 0.0855, 0.0412, 0.0204, 0.0102]  # Starck & Murtagh, of white noise in planes 1 ... 6


def smoothed(image: np.ndarray, step: int) -> np.ndarray:
    """By the B3-spline with holes, by scipy."""
    kernel = np.zeros(4 * step + 1)
    kernel[::step] = np.array([1, 4, 6, 4, 1]) / 16
    return correlate1d(correlate1d(image, kernel, axis=0, mode="mirror"), kernel, axis=1, mode="mirror")


@pytest.fixture(params=[(64, 64), (47, 40)], ids=str)
def images(request: pytest.FixtureRequest, generator: np.random.Generator) -> Tensor:
    return torch.from_numpy(generator.normal(1, 1, (3, *request.param)))


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5])
def test_a_plane_is_what_scipy_loses_by_smoothing_once_more(scale: int, images: Tensor) -> None:
    finer = images[1].numpy()
    for step in range(scale - 1):
        finer = smoothed(finer, 2**step)
    coarser = smoothed(finer, 2 ** (scale - 1))
    torch.testing.assert_close(starlet(images, scale)[1], torch.from_numpy(finer - coarser), rtol=0, atol=1e-13)
    torch.testing.assert_close(starlet(images, scale, smooth=True)[1], torch.from_numpy(coarser), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float64, 1e-14), (torch.float32, 2e-6)], ids=str)
def test_the_planes_add_up_to_the_image(dtype: torch.dtype, rounding: float, images: Tensor) -> None:
    planes = starlet_planes(images.to(dtype), 5)
    torch.testing.assert_close(planes.sum(dim=1), images.to(dtype), rtol=0, atol=rounding)
    for scale in range(1, 6):
        assert torch.equal(planes[:, scale - 1], starlet(images.to(dtype), scale))
    assert torch.equal(planes[:, 5], starlet(images.to(dtype), 5, smooth=True))


def test_the_gains_of_the_planes_are_the_published_ones_and_those_of_one_pixel() -> None:
    """Published to four digits; the energy of one bright pixel, far from the edges, is the same to rounding."""
    gains = [starlet_gain(scale) for scale in range(1, 7)]
    assert gains == pytest.approx(PUBLISHED, abs=5.1e-5)
    pixel = torch.zeros(1, 401, 401, dtype=torch.float64)
    pixel[0, 200, 200] = 1
    energies = starlet_planes(pixel, 6).square().sum(dim=(0, 2, 3)).sqrt().tolist()
    assert energies == pytest.approx([*gains, starlet_gain(6, True)], rel=1e-12)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_white_noise_has_rms_one_in_units_of_its_own(scale: int, generator: np.random.Generator) -> None:
    """Within 2 %: 10 x 200^2 pixels, of which 4^scale share their noise in plane `scale`."""
    noise = torch.from_numpy(generator.normal(0, 0.3, (10, 200, 200)))
    inside = (slice(None), slice(16, -16), slice(16, -16))  # a mirror image repeats its noise
    assert starlet_significance(noise, scale, sky_rms=0.3)[inside].std().item() == pytest.approx(1, abs=0.02)


def test_a_clump_is_brightest_in_the_plane_of_its_size() -> None:
    y, x = offsets(65, 65, torch.empty(0, dtype=torch.float64))
    peaks = []
    for sigma in (0.6, 1.5, 3.0, 6.0):
        clump = torch.exp(-(x**2 + y**2) / (2 * sigma**2))[None]
        peaks.append(int(starlet_planes(clump, 5)[0, :5, 32, 32].argmax()))
    assert peaks == [0, 1, 2, 3]


@pytest.mark.parametrize("scale", [0, -1, 6, 10**6])
def test_a_scale_that_does_not_suit_the_frame_is_refused(scale: int) -> None:
    with pytest.raises(ValueError, match=f"^scale: {scale} "):
        starlet(torch.zeros(1, 64, 80), scale)
    assert starlet(torch.zeros(1, 65, 80), 6).shape == (1, 65, 80)


@pytest.mark.parametrize("angles", [4, 8])
def test_the_wavelets_are_kymatios(angles: int) -> None:
    """To 4e-5, because kymatio divides by 3.1415 for pi and works in float32. Its angles start from the other axis."""
    bank = pytest.importorskip("kymatio.scattering2d.filter_bank")
    ours = morlets(64, 48, 3, angles).numpy()
    for wavelet in bank.filter_bank(64, 48, 3, angles)["psi"]:
        own = ours[wavelet["j"], (wavelet["theta"] + 1) % angles]
        either = [own, np.roll(own[::-1, ::-1], (1, 1), (0, 1))]  # a wave may run to either side: one modulus
        assert min(np.abs(wavelet["levels"][0] - one).max() for one in either) < 4e-5


@pytest.mark.parametrize("angles", [4, 8])
def test_the_coefficients_are_the_means_of_kymatios(angles: int, generator: np.random.Generator) -> None:
    """On a periodic frame, within 1 %, of the second order 3 %: kymatio takes the modulus of every so many-th pixel."""
    frontend = pytest.importorskip("kymatio.scattering2d.frontend.torch_frontend")
    images = torch.from_numpy(generator.normal(1, 1, (3, 64, 64))).float()
    transform = frontend.ScatteringTorch2D(3, (48, 48), L=angles, pre_pad=True, out_type="list")  # 48 padded to 64
    transform.unpad = lambda padded: padded.squeeze(-1)  # all of the frame
    values, names = scattering(images, 3, angles, oriented=True, edges="periodic")
    columns = dict(zip(names, values.T, strict=True))
    theirs = transform(images)
    assert len(theirs) == len(columns)
    for one in theirs:
        turns = [(turn + 1) % angles for turn in one["theta"]]
        ours = columns["_".join(map(str, ("scattering", len(turns), *one["j"], *turns)))]
        loss = 0.03 if len(turns) == 2 else 0.01
        torch.testing.assert_close(ours, one["coef"].mean(dim=(1, 2)), rtol=loss, atol=0)


def test_a_first_coefficient_is_the_mean_modulus_of_a_convolution(generator: np.random.Generator) -> None:
    """With the wavelet made in pixels from its formula, by scipy, on the mirrored frame: to its cut at 12 pixels."""
    image = generator.normal(1, 1, (48, 40))
    y, x = np.mgrid[-12:13, -12:13]
    for turn, (along, across) in enumerate([(x, y), ((x + y) / 2**0.5, (y - x) / 2**0.5), (y, -x)]):
        envelope = np.exp(-(along**2 + across**2) / (2 * 0.8**2)) / (2 * np.pi * 0.8**2)  # 4 angles: a round one
        wave = envelope * np.exp(0.75j * np.pi * along)
        wavelet = wave - wave.sum() / envelope.sum() * envelope
        strength = np.abs(fftconvolve(np.pad(image, 12, mode="reflect"), wavelet, mode="valid"))
        values, names = scattering(torch.from_numpy(image)[None], 3, 4, oriented=True)
        ours = values[0, names.index(f"scattering_1_0_{turn}")].item()
        assert ours == pytest.approx(strength.mean(), rel=1e-9)


def test_stripes_answer_at_their_scale_and_angle(generator: np.random.Generator) -> None:
    """A wave of the second wavelet's frequency along the columns' axis, the mean kept apart in order 0."""
    stripes = 5 + torch.sin(0.375 * np.pi * torch.arange(64, dtype=torch.float64)).expand(1, 64, 64)
    values, names = scattering(stripes, 3, 4, oriented=True)
    columns = dict(zip(names, values[0].tolist(), strict=True))
    assert columns["scattering_0"] == pytest.approx(stripes.mean().item())
    first = {name: value for name, value in columns.items() if name.startswith("scattering_1_")}
    assert max(first, key=lambda name: first[name]) == "scattering_1_1_0"
    assert first["scattering_1_1_2"] < 0.05 * first["scattering_1_1_0"]


def test_averages_are_over_angles_and_over_pairs_of_them(images: Tensor) -> None:
    """By the columns' names: the average has no angle in the first order and their distance in the second."""
    full, full_names = scattering(images, 2, 4, oriented=True)
    averaged, names = scattering(images, 2, 4)
    assert names == ["scattering_0", "scattering_1_0", "scattering_1_1", *(f"scattering_2_0_1_{d}" for d in range(3))]
    pairs = [[int(i) for i in name.split("_")[4:]] for name in full_names[9:]]
    for turn in range(3):
        chosen = [9 + i for i, (one, other) in enumerate(pairs) if min((one - other) % 4, (other - one) % 4) == turn]
        torch.testing.assert_close(averaged[:, 3 + turn], full[:, chosen].mean(dim=1))
    torch.testing.assert_close(averaged[:, 1], full[:, 1:5].mean(dim=1))


def test_a_periodic_frame_sees_a_step_at_its_edge_and_a_mirrored_one_does_not() -> None:
    slope = torch.linspace(0, 1, 64, dtype=torch.float64).expand(1, 64, 64)
    mirrored, _ = scattering(slope)
    periodic, _ = scattering(slope, edges="periodic")
    assert (mirrored[0, 1:4] < 0.5 * periodic[0, 1:4]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": 6}, "scales: 6 of a frame of 48 pixels; it must be 1 or more, and 2^scales below that"),
        ({"scales": 0}, "scales: 0 of a frame of 48 pixels; it must be 1 or more, and 2^scales below that"),
        ({"angles": 3}, "angles: 3; an even number, or a quarter turn would not take one to another"),
        ({"edges": "zero"}, "edges: no continuation 'zero'; there are mirror, periodic"),
    ],
)
def test_an_option_of_scattering_that_cannot_be_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match="^" + message.replace("^", r"\^") + "$"):
        scattering(torch.zeros(1, 48, 50), **options)
