"""Normalisations and activations by name: what they mean, against definitions and timm."""

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

import models
from models.blocks.activation import ACTIVATIONS, activation, is_activation
from models.blocks.borrowed import exchange_norms
from models.blocks.normalisation import NORMALISATIONS, groups, normalisation
from models.timm_cpu import import_timm

every_norm = pytest.mark.parametrize("name", NORMALISATIONS)


@pytest.fixture
def maps() -> Tensor:
    """Four images of 24 channels, each image and each channel with a mean and a spread of its own."""
    torch.manual_seed(0)
    noise = torch.randn(4, 24, 6, 5)
    scale, shift = 1 + torch.rand(4, 24, 1, 1), torch.randn(4, 24, 1, 1)
    return (scale * noise + shift).double()


AXES = {
    "batch": (24, (0, 3, 4)),
    "layer": (1, (1, 2, 3, 4)),
    "group": (3, (2, 3, 4)),
    "instance": (24, (3, 4)),
    "proxy_layer": (1, (1, 2, 3, 4)),
    "proxy_group": (4, (2, 3, 4)),
}


@pytest.mark.parametrize("name", AXES)
def test_takes_mean_and_variance_of_what_it_says(name: str, maps: Tensor) -> None:
    """By its definition, with a scale and a shift a channel after it."""
    count, axes = AXES[name]
    parts = maps.reshape(4, count, 24 // count, 6, 5)
    eps = 1e-3 if name.startswith("proxy") else 1e-5
    mean, variance = parts.mean(axes, keepdim=True), parts.var(axes, correction=0, keepdim=True)
    standard = ((parts - mean) / (variance + eps).sqrt()).reshape(maps.shape)
    layer = normalisation(name, 24).double()
    torch.testing.assert_close(layer(maps), standard)
    weight, bias = torch.rand(24).double(), torch.randn(24).double()
    layer.load_state_dict({"weight": weight, "bias": bias}, strict=False)
    torch.testing.assert_close(layer.train()(maps), weight[:, None, None] * standard + bias[:, None, None])


def test_none_is_none(maps: Tensor) -> None:
    assert torch.equal(normalisation("none", 24)(maps), maps)


@every_norm
def test_only_batch_normalisation_lets_images_see_each_other(name: str, maps: Tensor) -> None:
    layer = normalisation(name, 24).double()
    alone, together = layer(maps[:1]), layer(maps)[:1]
    assert torch.allclose(alone, together) == (name != "batch")
    layer.eval()
    torch.testing.assert_close(layer(maps[:1]), layer(maps)[:1])


@pytest.mark.parametrize(
    ("channels", "most", "at_least", "expected"),
    [
        *[(64, 32, 8, 8), (512, 32, 8, 32), (24, 32, 8, 3), (8, 32, 8, 1), (3, 32, 8, 1), (17, 32, 8, 1)],
        *[(64, 4, 1, 4), (6, 4, 1, 3), (1, 4, 1, 1), (7, 4, 1, 1)],
    ],
)
def test_groups_are_equal_and_no_narrower_than_asked(channels: int, most: int, at_least: int, expected: int) -> None:
    assert groups(channels, most, at_least) == expected


@every_norm
@pytest.mark.parametrize("channels", [1, 5, 8])
def test_any_number_of_channels(name: str, channels: int) -> None:
    assert normalisation(name, channels)(torch.randn(2, channels, 4, 4)).shape == (2, channels, 4, 4)


def test_unknown_names_are_errors_that_list_the_known() -> None:
    with pytest.raises(ValueError, match=r"^norm: no 'bacth'; there are batch, layer, group, instance, none, proxy_"):
        normalisation("bacth", 8)
    with pytest.raises(ValueError, match=r"^activation: no 'rulu'; there are relu, relu6, leaky_relu"):
        activation("rulu")


# timm's networks


@pytest.mark.parametrize("name", ["resnet10t", "test_efficientnet"])
def test_batch_normalisation_replaced_by_itself_changes_no_answer(name: str) -> None:
    """So activations and dropouts that timm hides in its layers are where they were."""
    torch.manual_seed(0)
    net = import_timm().create_model(name, in_chans=1, num_classes=3)
    for parameter in net.parameters():  # scales and shifts that would be missed
        nn.init.normal_(parameter, std=0.3)
    maps = torch.randn(4, 1, 48, 48)
    with torch.no_grad():
        expected = net.eval()(maps)
        net.train()
        exchange_norms(net, "batch")
        torch.testing.assert_close(net.eval()(maps), expected)
    assert expected.std() > 0


@pytest.mark.parametrize("name", ["layer", "group", "instance"])
def test_resnet18d_keeps_its_parameters_and_its_zero_scales(name: str) -> None:
    net = import_timm().create_model("resnet18d", in_chans=1, num_classes=1)
    exchange_norms(net, name)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())
    assert sum(parameter.numel() for parameter in net.parameters()) == 11_195_681
    assert not net.layer3[1].bn2.weight.any()
    with torch.no_grad():
        maps = torch.randn(3, 1, 64, 64)
        torch.testing.assert_close(net(maps)[:1], net(maps[:1]))  # in training


# activations

TIMM = sorted(set(ACTIVATIONS) - {"softplus"})  # which timm does not have


@pytest.mark.parametrize("name", TIMM)
def test_is_what_timm_calls_by_that_name(name: str) -> None:
    import_timm()
    from timm.layers import create_act_layer

    values = torch.linspace(-6, 6, 241).reshape(1, 1, 1, -1)
    theirs = create_act_layer(name, inplace=False)
    assert theirs is not None
    torch.testing.assert_close(activation(name)(values), theirs(values), rtol=1e-5, atol=1e-5)
    assert is_activation(theirs) == is_activation(activation(name)) == (name != "identity")


def test_softplus_is_its_formula() -> None:
    values = torch.linspace(-6, 6, 241)
    torch.testing.assert_close(activation("softplus")(values), torch.log1p(values.exp()))


@pytest.mark.parametrize("name", ["softmax", "norm", "linear"])
def test_what_mixes_channels_is_no_activation(name: str) -> None:
    layers = {"softmax": nn.Softmax(dim=1), "norm": nn.GroupNorm(1, 8), "linear": nn.Linear(8, 8)}
    assert not is_activation(layers[name])


# in a network


def small(**options: Any) -> models.Network:
    torch.manual_seed(0)
    return models.build("cnn", 3, 2, widths=[8, 16], **options)


@pytest.mark.parametrize("option", [f"norm={n}" for n in NORMALISATIONS] + [f"activation={a}" for a in ACTIVATIONS])
def test_cnn_with_every_name_learns_and_survives_a_file(option: str) -> None:
    name, _, value = option.partition("=")
    model = small(**{name: value})
    maps, target = torch.randn(16, 3, 16, 16), torch.randn(16, 2)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = mse_loss(model(maps), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = small(**{name: value})
    other.load_state_dict(torch.load(file, weights_only=True))
    with torch.no_grad():
        assert torch.equal(other.eval()(maps), model.eval()(maps))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.testing.assert_close(model(maps).float(), other(maps.float()).float(), rtol=0.05, atol=0.05)


@pytest.mark.parametrize(("width", "expected"), [(1.0, (8, 16)), (2.0, (16, 32)), (0.25, (2, 4)), (0.01, (1, 1))])
def test_width_multiplies_every_stage(width: float, expected: tuple[int, int]) -> None:
    assert small(width=width).trunk.widths == expected


def test_cnn_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"^width: 0.0 is not positive; 1.0 is the network as it stands"):
        small(width=0.0)
    with pytest.raises(ValueError, match=r"^norm: no 'x'"):
        small(norm="x")
    with pytest.raises(ValueError, match=r"^no option 'nrom'; there are widths, width, norm, activation, fusion"):
        small(nrom="batch")


def test_a_convolution_has_a_bias_where_no_normalisation_brings_one() -> None:
    assert [layer.bias is not None for layer in small(norm="none").modules() if isinstance(layer, nn.Conv2d)] == [
        True
    ] * 4
    assert not any(layer.bias is not None for layer in small().modules() if isinstance(layer, nn.Conv2d))
