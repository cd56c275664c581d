"""Morphology: the definitions of statmorph in our aperture, and images whose numbers are known."""

import math

import numpy as np
import pytest
import torch
from statmorph import SourceMorphology

from features.geometry import radius
from features.morphology import morphology

LIKE = torch.empty(0, dtype=torch.float64)
SKY_RMS = 0.05
FRAMES = [(48, 48), (47, 47), (40, 47)]

every_frame = pytest.mark.parametrize("frame", FRAMES, ids=str)


def by_statmorph(image: np.ndarray, reach: float) -> list[float]:
    """statmorph's own formulas, in a circle about the frame's centre instead of the Petrosian apertures it finds."""
    centre = (image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2
    y, x = np.indices(image.shape)
    own = object.__new__(SourceMorphology)
    own.flag = 0
    own._cutout_stamp_maskzeroed = image
    own._mask_stamp = np.zeros(image.shape, bool)
    own._segmap_gini = np.hypot(x - centre[0], y - centre[1]) < reach
    own._petro_extent_cas, own._rpetro_circ_centroid = 1.0, reach
    own._sky_asymmetry = 2 * SKY_RMS / math.sqrt(math.pi)
    return [own._asymmetry_function(centre, image, "cas"), own.gini, own.m20]


@every_frame
@pytest.mark.parametrize("aperture", [1.0, 0.6])
def test_agrees_with_statmorph(frame: tuple[int, int], aperture: float, generator: np.random.Generator) -> None:
    """To 1e-9: the same sums in another order; its rotation is by interpolation at pixels' very centres."""
    galaxy = torch.exp(-radius(*frame, LIKE).roll((3, 2), (0, 1)) / 5).numpy()
    image = galaxy + generator.normal(0, SKY_RMS, frame)
    values, _ = morphology(torch.from_numpy(image)[None], aperture, sky_rms=SKY_RMS)
    np.testing.assert_allclose(values[0], by_statmorph(image, aperture * min(frame) / 2), rtol=1e-9)


@every_frame
def test_an_empty_sky_is_not_lopsided_and_its_light_is_spread_as_noise_is(
    frame: tuple[int, int], generator: np.random.Generator
) -> None:
    """The Gini coefficient of |x|, x normal, is sqrt(2) - 1; means of 400 images, three of their errors being 0.003."""
    sky = torch.from_numpy(generator.normal(0, SKY_RMS, (400, *frame)))
    mean = morphology(sky, sky_rms=SKY_RMS)[0].mean(dim=0)
    assert mean[:2].tolist() == pytest.approx([0, math.sqrt(2) - 1], abs=0.003)


def test_numbers_of_simple_images() -> None:
    flat, one, blank = torch.ones(3, 48, 48, dtype=torch.float64).unbind()
    blank = 0 * flat
    one = blank.clone()
    one[10, 24] = 1
    values, names = morphology(torch.stack([flat, one, blank]), sky_rms=0.0)
    assert names == ["morphology_asymmetry", "morphology_gini", "morphology_m20"]
    np.testing.assert_allclose(values, [[0, 0, 0], [2, 1, 0], [0, 0, 0]], atol=1e-12)


def test_a_bright_centre_has_a_lower_m20_than_bright_clumps_outside() -> None:
    galaxy = torch.exp(-radius(48, 48, LIKE) / 6)
    clumps = galaxy.clone()
    clumps[10:13, 24:27] += 3
    compact, scattered = morphology(torch.stack([galaxy, clumps]), sky_rms=0.0)[0][:, 2].tolist()
    assert compact < -1.5 < -1 < scattered


@pytest.mark.parametrize("aperture", [0.0, 0.04, 1.1])
def test_an_aperture_beyond_the_frame_or_a_pixel_is_refused(aperture: float) -> None:
    with pytest.raises(ValueError, match=f"^aperture: {aperture:g}; from 0.042"):
        morphology(torch.zeros(1, 48, 48), aperture, sky_rms=1.0)
