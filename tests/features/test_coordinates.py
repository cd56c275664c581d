"""Coordinates: NumPy's, on even and odd frames."""

import numpy as np
import pytest
import torch

from features.fourier import coordinates

FRAMES = [(48, 48), (47, 47), (40, 47)]

every_frame = pytest.mark.parametrize("frame", FRAMES, ids=str)


@every_frame
def test_are_those_of_the_frame(frame: tuple[int, int]) -> None:
    images = torch.full((2, *frame), torch.nan, dtype=torch.float64)
    y, x = (np.indices(frame) - (np.array(frame)[:, None, None] - 1) / 2) / (min(frame) / 2)
    r, phi = np.hypot(x, y), np.arctan2(y, x)
    for component, expected in {
        "radius": r,
        "radial_cosine": np.cos(4 * np.pi * r),
        "radial_sine": np.sin(4 * np.pi * r),
        "cosine": np.where(r > 0, np.cos(2 * phi), 0),
        "sine": np.where(r > 0, np.sin(2 * phi), 0),
        "wave_cosine": np.cos(2 * np.pi * (3 * x - 1.5 * y)),
        "wave_sine": np.sin(2 * np.pi * (3 * x - 1.5 * y)),
    }.items():
        channel = coordinates(images, component, order=2.0, wave=[3.0, -1.5])
        np.testing.assert_allclose(channel, np.stack([expected] * 2), atol=1e-12, err_msg=component)


def test_a_channel_may_be_written_to() -> None:
    images = torch.zeros(2, 48, 48)
    channel = coordinates(images)
    channel += 1
    assert not torch.equal(coordinates(images), channel)
    assert not torch.equal(coordinates(images)[0], channel[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"component": "azimuth"}, "^component: no coordinate 'azimuth'; there are radius, radial_cosine"),
        ({"component": "sine", "order": 1.5}, "^order: 1.5 does not close around the centre"),
        ({"component": "cosine", "order": 0.0}, "^order: 0 does not close"),
        ({"wave": [1.0]}, "^wave: 1 numbers; it must be cycles per half frame in x and in y"),
    ],
)
def test_a_coordinate_that_does_not_exist_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        coordinates(torch.zeros(1, 48, 48), **options)
