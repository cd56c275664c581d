"""Folds: parities, and that nothing is lost."""

import numpy as np
import pytest
import torch

from features.geometry.constant import constant
from features.geometry.folds import fold, half_offsets, half_weights, unfold

FRAMES = [(48, 48), (47, 47), (40, 47), (5, 4)]


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_a_sum_over_a_frame_is_a_sum_over_a_fold(frame: tuple[int, int], generator: np.random.Generator) -> None:
    images = torch.from_numpy(generator.normal(0, 1, (2, *frame)))
    y, x = np.indices(frame) - (np.array(frame)[:, None, None] - 1) / 2
    half_y, half_x = half_offsets(frame[0])[:, None].numpy(), half_offsets(frame[1]).numpy()
    counted = np.outer(half_weights(frame[0]), half_weights(frame[1]))
    for name, image in fold(images).items():
        rows, columns = name.split("_")
        wave_y, wave_x = ({"even": lambda t: np.cos(t / 9), "odd": lambda t: np.sin(t / 7)}[p] for p in (rows, columns))
        expected = (images.numpy() * wave_y(y) * wave_x(x)).sum(axis=(1, 2))
        folded = (image.numpy() * counted * wave_y(half_y) * wave_x(half_x)).sum(axis=(1, 2))
        np.testing.assert_allclose(folded, expected, atol=1e-10)


@pytest.mark.parametrize("frame", FRAMES, ids=str)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_unfolded_quarters_are_the_map(frame: tuple[int, int], sign: float, generator: np.random.Generator) -> None:
    image = torch.from_numpy(generator.normal(0, 1, (1, *frame)))
    image = image + sign * image.flip(1, 2)
    same = image[:, frame[0] // 2 :, frame[1] // 2 :]
    opposite = image.flip(2)[:, frame[0] // 2 :, frame[1] // 2 :]
    torch.testing.assert_close(unfold(same, opposite, *frame, sign), image)


def test_a_constant_that_a_derivative_asks_for_first_can_be_kept() -> None:
    """Made inside a derivative and kept, it would belong to it for ever."""

    def ramp(length: int) -> torch.Tensor:
        return torch.arange(length).double()

    images = torch.ones(3, 5)
    torch.func.vmap(torch.func.grad(lambda image: (image * constant(ramp, 5, like=image)).sum()))(images)
    with torch.inference_mode():
        constant(ramp, 6, like=images)
    (images.requires_grad_() * constant(ramp, 5, like=images)).sum().backward()
    assert images.grad is not None
    assert images.grad[1].tolist() == [0, 1, 2, 3, 4]
    assert not constant(ramp, 6, like=images).is_inference()
