"""Network deconvolution: it whitens, it is what it says when written out, and evaluation looks at one image."""

import copy

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, unfold

from models.blocks.deconvolution import EPSILON, FastDeconv, inverse_root


def correlated(size: int = 60) -> Tensor:
    """Three channels of smooth noise that say nearly the same, far from zero."""
    generator = torch.Generator().manual_seed(3)
    smooth = 5 * avg_pool2d(torch.randn(24, 1, size, size, generator=generator), 5, stride=1, padding=2)
    grain = torch.randn(24, 3, size, size, generator=generator)
    return 2 + smooth + torch.tensor([0.1, 0.2, 0.4])[:, None, None] * grain


def white(size: int = 60) -> Tensor:
    return torch.randn(24, 3, size, size, generator=torch.Generator().manual_seed(4))


def departure(layer: FastDeconv, maps: Tensor) -> float:
    """The largest entry of the covariance of whitened patches, less the identity."""
    patches = layer.patches(maps).double()  # (m, s, f)
    whitened = (patches - layer.running_mean[:, None].double()) @ layer.running_root.double()
    assert whitened.mean(dim=1).abs().max() < 1e-3
    covariance = whitened.mT @ whitened / whitened.shape[1]
    return float((covariance - torch.eye(covariance.shape[-1])).abs().max())


def seen(maps: Tensor, batches: int = 1, **options: int) -> FastDeconv:
    """A layer that has seen the same maps so many times in training."""
    torch.manual_seed(0)
    layer = FastDeconv(maps.shape[1], 8, 3, **options)
    for _ in range(batches):
        layer(maps)
    return layer


def test_whitens_strongly_correlated_patches_given_the_iterations() -> None:
    maps = correlated()
    patches = FastDeconv(3, 8, 3).patches(maps)[0]
    assert np.linalg.cond(np.cov(patches.T)) > 500
    assert departure(seen(maps, iterations=15), maps) < 2e-3
    assert departure(seen(maps, iterations=60), maps) < 2e-3  # nothing grows
    assert 0.1 < departure(seen(maps, iterations=5), maps) < 1  # quiet directions stay quiet, none gets too loud


def test_five_iterations_whiten_what_is_well_conditioned() -> None:
    maps = white() * torch.tensor([1.0, 1.25, 1.5])[:, None, None]
    assert departure(seen(maps), maps) < 0.02


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 3])
def test_is_the_convolution_of_whitened_patches(stride: int, groups: int) -> None:
    """Every patch less the mean, times the root, times the weights: written out, group by group."""
    maps = correlated(48)
    layer = FastDeconv(3, 6, 3, stride, groups)
    answer = layer(maps)
    each = 27 // groups
    columns = unfold(maps, 3, padding=1, stride=stride).unflatten(1, (groups, each))  # (n, g, f, p)
    outputs = []
    for group, weight in enumerate(layer.weight.reshape(groups, 6 // groups, each)):
        centred = columns[:, group] - layer.running_mean[group, :, None]
        outputs.append(weight @ (layer.running_root[group] @ centred))
    expected = torch.cat(outputs, dim=1) + layer.bias[:, None]
    torch.testing.assert_close(answer.flatten(2), expected, atol=1e-4, rtol=1e-4)


def test_the_covariance_is_that_of_every_third_patch() -> None:
    maps = correlated(48).double()
    layer = FastDeconv(3, 8, 3, iterations=40).double()
    layer(maps)
    patches = unfold(maps, 3, padding=1).view(24, 27, 48, 48)[:, :, ::3, ::3].permute(0, 2, 3, 1).reshape(-1, 27)
    covariance = np.cov(patches.numpy().T, bias=True) + EPSILON * np.eye(27)
    expected = scipy.linalg.inv(scipy.linalg.sqrtm(covariance))
    np.testing.assert_allclose(layer.running_mean[0].numpy(), patches.mean(dim=0).numpy(), rtol=1e-10)
    np.testing.assert_allclose(layer.running_root[0].numpy(), expected, rtol=1e-8, atol=1e-8)


def test_the_root_is_scipy_s() -> None:
    factors = torch.randn(2, 20, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    matrices = factors @ factors.mT + 0.01 * torch.eye(20)
    for matrix, root in zip(matrices, inverse_root(matrices, 40), strict=True):
        expected = scipy.linalg.inv(scipy.linalg.sqrtm(matrix.numpy()))
        np.testing.assert_allclose(root.numpy(), expected, rtol=1e-8, atol=1e-8)


def test_the_root_has_the_right_gradient() -> None:
    factors = torch.randn(1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    matrices = (factors @ factors.mT + torch.eye(4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda m: inverse_root(m, 5), matrices)


def test_blocks_of_whole_channels_share_the_root_of_their_mean_covariance() -> None:
    """128 channels in two blocks of 64: swap the blocks in maps and weights, and nothing changes."""
    torch.manual_seed(0)
    layer = FastDeconv(128, 8, 1)
    assert layer.running_root.shape == (1, 64, 64)
    maps = torch.randn(8, 128, 8, 8)
    swapped = copy.deepcopy(layer)
    with torch.no_grad():
        swapped.weight.copy_(layer.weight.roll(64, dims=1))
        torch.testing.assert_close(swapped(maps.roll(64, dims=1)), layer(maps))


@pytest.mark.parametrize(("channels", "block"), [(5, 5), (64, 64), (96, 32), (100, 4), (128, 64)])
def test_block_divides_the_channels(channels: int, block: int) -> None:
    assert FastDeconv(channels, 8, 1).running_mean.shape == (1, block)


def test_running_estimates_are_the_mean_of_ten_batches_and_then_forget() -> None:
    batches = correlated(24).split(2)  # twelve
    layer = FastDeconv(3, 8, 3)
    roots = []
    for number, maps in enumerate(batches):
        roots.append(seen(maps).running_root)
        layer(maps)
        if number == 9:
            torch.testing.assert_close(layer.running_root, torch.stack(roots).mean(dim=0))
    ten = torch.stack(roots[:10]).mean(dim=0)
    torch.testing.assert_close(layer.running_root, 0.81 * ten + 0.09 * roots[10] + 0.1 * roots[11])


def test_evaluation_is_training_once_frozen() -> None:
    layer = FastDeconv(3, 8, 3, freeze=4)
    for maps in correlated(24).split(4):  # six batches
        layer(maps)
    assert int(layer.batches) == 4
    before = copy.deepcopy(layer.state_dict())
    maps = 3 * white(24)
    answer = layer(maps)
    assert all(torch.equal(before[key], value) for key, value in layer.state_dict().items())
    assert torch.equal(layer.eval()(maps), answer)


def test_training_on_one_batch_again_and_again_becomes_evaluation() -> None:
    maps = correlated(24)
    layer = seen(maps, batches=3)
    torch.testing.assert_close(layer.eval()(maps), layer.train()(maps))


def test_an_image_in_evaluation_does_not_see_its_batch() -> None:
    maps = correlated(24)
    layer = seen(maps).eval()
    others = maps.clone()
    others[1:] = torch.nan
    torch.testing.assert_close(layer(others)[:1], layer(maps[:1]))


def test_brightness_and_contrast_do_not_matter_in_training() -> None:
    """With a 1 x 1 kernel, that is: around the frame of a larger one are zeros, which stay dark."""
    maps = correlated(48).double()
    layer = FastDeconv(3, 8, 1, iterations=30).double()
    torch.testing.assert_close(layer(7 * maps + 4), layer(maps), atol=1e-3, rtol=1e-3)


def test_gradients_flow_through_the_whitening() -> None:
    """Those of the maps are right, mean and root included."""
    maps = torch.randn(2, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5), requires_grad=True)
    layer = FastDeconv(2, 3, 3).double()

    def first_batch(x: Tensor) -> Tensor:
        layer.batches.zero_()
        return layer(x)

    assert torch.autograd.gradcheck(first_batch, maps, atol=1e-4)
    layer(maps).square().sum().backward()
    for values in layer.parameters():
        assert values.grad is not None
        assert torch.isfinite(values.grad).all()
        assert values.grad.any()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("iterations", [5, 15])
def test_bfloat16_autocast_is_close(training: bool, iterations: int) -> None:
    maps = correlated(48)
    layer = seen(maps, iterations=iterations).train(training)
    with torch.no_grad():
        exact = layer(maps)
        with torch.autocast("cpu", torch.bfloat16):
            answer = layer(maps)
    assert answer.dtype == torch.bfloat16
    assert layer.running_root.dtype == torch.float32
    assert (answer - exact).square().mean().sqrt() < 0.05 * exact.std()


@pytest.mark.parametrize("level", [0.0, 3.0])
@pytest.mark.parametrize("iterations", [5, 20])
def test_a_blank_batch_leaves_everything_finite(level: float, iterations: int) -> None:
    maps = torch.full((4, 3, 48, 48), level, requires_grad=True)
    layer = FastDeconv(3, 8, 3, iterations=iterations)
    answer = layer(maps)
    answer.sum().backward()
    assert layer.weight.grad is not None
    assert maps.grad is not None
    for values in (answer, layer.eval()(maps), maps.grad, layer.weight.grad, layer.running_root):
        assert torch.isfinite(values).all()


def test_a_blank_frame_among_others_is_answered() -> None:
    maps = correlated(48)
    maps[3] = 0
    layer = seen(maps)
    assert torch.isfinite(layer(maps)).all()
    assert torch.isfinite(layer.eval()(maps[3:4])).all()


@pytest.mark.parametrize("side", [1, 2, 3, 9])
def test_a_small_frame_is_seen_beyond_its_corner(side: int) -> None:
    """As many patches as there are pixels, where there are few."""
    assert FastDeconv(3, 8, 3).patches(torch.randn(2, 3, side, side)).shape == (1, 2 * side**2, 27)


def test_adds_no_parameters_to_a_convolution() -> None:
    assert sum(p.numel() for p in FastDeconv(5, 32, 3).parameters()) == 5 * 32 * 9 + 32
