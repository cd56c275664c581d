"""Initialisations: the spread their papers give, branches that begin at zero, unit variance on data."""

import math

import pytest
import torch
from scipy.stats import truncnorm
from torch import Tensor, nn

import models
from models.network.initial import initialise, lsuv
from models.network.residual import branch_ends
from models.timm_cpu import import_timm


def two_layers() -> tuple[nn.Sequential, nn.Conv2d, nn.Linear]:
    """A convolution with a fan of 144 in and 576 out, and a matrix with 256 and 100."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(16, 64, 3), nn.GroupNorm(4, 64), nn.Flatten(), nn.Linear(256, 100))
    conv, linear = net[0], net[3]
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(linear, nn.Linear)
    return net, conv, linear


STD = {
    "kaiming": lambda into, out: math.sqrt(2 / into),
    "lecun": lambda into, out: math.sqrt(1 / into),
    "xavier": lambda into, out: math.sqrt(2 / (into + out)),
    "truncated_normal": lambda into, out: 0.02 * truncnorm(-2, 2).std(),
}


@pytest.mark.parametrize("name", STD)
def test_the_spread_is_the_formula_s(name: str) -> None:
    net, conv, linear = two_layers()
    initialise(net, name)
    for layer, fan in ((conv, (144, 576)), (linear, (256, 100))):
        expected = STD[name](*fan)
        error = 4 / math.sqrt(2 * layer.weight.numel())  # four standard errors of a standard deviation
        assert layer.weight.std().item() == pytest.approx(expected, rel=error)
        assert abs(layer.weight.mean().item()) < 4 * expected / math.sqrt(layer.weight.numel())
        assert layer.bias is not None
        assert not layer.bias.any()
    assert (net[1].weight == 1).all()


@pytest.mark.parametrize(("name", "limit"), [("xavier", math.sqrt(6 / 720)), ("truncated_normal", 0.04)])
def test_bounded_distributions_end_where_they_should(name: str, limit: float) -> None:
    net, conv, _ = two_layers()
    initialise(net, name)
    assert 0.95 * limit < conv.weight.abs().max().item() <= limit * (1 + 1e-6)


def test_orthogonal_is_orthogonal() -> None:
    net, conv, linear = two_layers()
    initialise(net, "orthogonal")
    for rows in (conv.weight.flatten(1), linear.weight):
        torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows)), rtol=0, atol=1e-5)


def test_default_leaves_every_layer_as_it_came() -> None:
    nets = []
    for options in ({}, {"init": "default"}, {"init": []}):
        torch.manual_seed(0)
        nets.append(models.build("cnn", 1, 1, widths=[8], **options).state_dict())
    assert all(torch.equal(nets[0][key], net[key]) for net in nets[1:] for key in nets[0])


def test_the_seed_decides() -> None:
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        weights.append(models.build("cnn", 1, 1, widths=[8], init=["orthogonal"]).head.last.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            "kaimin",
            r"^init: no 'kaimin'; there are default, kaiming, lecun, xavier, orthogonal, truncated_normal, zero",
        ),
        (["default", "zero"], r"^init: no 'zero'; there are default"),
        (["kaiming", "zero_gamma", "xavier"], r"^init: kaiming and xavier set the same weights; choose one"),
        (["orthogonal", "lsuv"], r"^init: 'lsuv' needs training images; .* call models.network.initial.lsuv\(network"),
        ("zero_gamma", r"^init: 'zero_gamma' finds no residual branch in this network; leave it out"),
    ],
)
def test_what_cannot_be_is_an_error_that_says_what_can(names: str | list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.build("cnn", 1, 1, widths=[8], init=names)


# residual branches


class Block(nn.Module):
    """A residual block of any shape: a branch, a shortcut, and how they meet."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module, inplace: bool = False) -> None:
        super().__init__()
        self.branch, self.shortcut, self.inplace = branch, shortcut, inplace

    def forward(self, maps: Tensor) -> Tensor:
        shortcut, branch = self.shortcut(maps), self.branch(maps)
        if self.inplace:
            branch += shortcut
            return branch
        return shortcut + branch


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return maps * self.excite(self.squeeze(maps.mean((2, 3), keepdim=True)).relu()).sigmoid()


def conv() -> nn.Conv2d:
    return nn.Conv2d(8, 8, 3, padding=1)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize(
    ("branch", "shortcut", "last"),
    [
        ([conv, nn.BatchNorm2d, nn.ReLU, conv, nn.BatchNorm2d], [], 4),
        ([conv, nn.BatchNorm2d, nn.ReLU, conv, nn.BatchNorm2d], [conv, nn.BatchNorm2d], 4),
        ([conv, nn.BatchNorm2d, Gate], [conv], 1),
        ([conv, nn.BatchNorm2d, nn.Dropout], [], 1),
        ([nn.BatchNorm2d, nn.ReLU, conv, nn.BatchNorm2d, nn.ReLU, conv], [], 5),
        ([conv, nn.PReLU], [], 0),
    ],
    ids=["post-activation", "projection", "squeeze and excitation", "dropout", "pre-activation", "prelu"],
)
def test_finds_where_a_branch_ends(branch: list, shortcut: list, last: int, inplace: bool) -> None:
    def made(parts: list) -> nn.Sequential:
        return nn.Sequential(*(part(8) if part in (nn.BatchNorm2d, Gate) else part() for part in parts))

    block = Block(made(branch), made(shortcut), inplace)
    net = nn.Sequential(conv(), block, conv())
    maps = torch.randn(2, 8, 6, 6)
    assert branch_ends(net, maps) == [block.branch[last]]
    initialise(net, "zero_gamma", maps)
    between = net[0](maps)
    torch.testing.assert_close(block(between.clone()), block.shortcut(between), rtol=0, atol=0)
    assert net.training


@pytest.mark.parametrize(
    ("name", "size", "last"),
    [
        ("resnet18d", 64, "layer{}.{}.bn2"),
        ("resnet50d", 64, "layer{}.{}.bn3"),
        ("resnetv2_18", 64, "stages.{}.blocks.{}.conv2"),
        ("test_vit", 160, "blocks.{}.mlp.fc2"),
    ],
)
def test_finds_them_in_timm_s_networks(name: str, size: int, last: str) -> None:
    net = import_timm().create_model(name, in_chans=1, num_classes=1)
    paths = {layer: path for path, layer in net.named_modules()}
    found = [paths[layer] for layer in branch_ends(net, torch.zeros(1, 1, size, size))]
    ranges = {"resnet18d": (2, 2, 2, 2), "resnet50d": (3, 4, 6, 3), "resnetv2_18": (2, 2, 2, 2), "test_vit": (6,)}
    start = 1 if "layer" in last else 0
    if name == "test_vit":
        expected = [path.format(block) for block in range(6) for path in ("blocks.{}.attn.proj", last)]
    else:
        expected = [last.format(s + start, b) for s, blocks in enumerate(ranges[name]) for b in range(blocks)]
    assert found == expected


def test_zero_gamma_is_what_timm_does_to_a_residual_network() -> None:
    create = import_timm().create_model
    net = create("resnet10t", in_chans=1, num_classes=1, zero_init_last=False)
    theirs = create("resnet10t", in_chans=1, num_classes=1, zero_init_last=True)
    initialise(net, ["kaiming", "zero_gamma"], torch.zeros(1, 1, 64, 64))
    zero = [name for name, parameter in theirs.named_parameters() if "bn2.weight" in name and not parameter.any()]
    assert len(zero) == 4
    assert [name for name, p in net.named_parameters() if name.endswith("weight") and not p.any()] == zero


@pytest.mark.parametrize("norm", ["batch", "proxy_group"])
def test_a_branch_that_began_at_zero_learns(norm: str) -> None:
    """Of a pre-activation block with ReLU too, in which a scale of zero would have no gradient."""
    branch = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), conv(), nn.BatchNorm2d(8), nn.ReLU(), conv())
    net = Block(branch, nn.Sequential())
    maps = torch.randn(4, 8, 6, 6)
    initialise(net, "zero_gamma", maps)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(2):
        optimiser.zero_grad()
        (net(maps) * torch.randn(maps.shape)).sum().backward()
        optimiser.step()
    assert all(p.grad is not None and p.grad.any() for name, p in net.named_parameters() if name.endswith("weight"))


# layer-sequential unit variance


def variances(network: nn.Module, *inputs: Tensor) -> dict[str, float]:
    """Of what each convolution and linear layer gives, in a training pass."""
    found: dict[str, float] = {}
    hooks = [
        layer.register_forward_hook(
            lambda layer, _, output, name=name: found.update({name: float(output.var(correction=0))})
        )
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        network.train()(*inputs)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("norm", ["none", "batch", "proxy_group"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_every_layer_gives_unit_variance(norm: str, activation: str) -> None:
    torch.manual_seed(0)
    network = models.build("cnn", 3, 2, widths=[8, 16], norm=norm, activation=activation, init="orthogonal")
    maps = 5 + 3 * torch.randn(32, 3, 12, 12)
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    assert max(abs(variance - 1) for variance in variances(network, maps).values()) > 0.1
    for name, buffer in network.named_buffers():
        buffer.copy_(before[name])
    lsuv(network, maps)
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())  # nothing remembered
    found = variances(network, maps)
    assert len(found) == 5
    assert list(found.values()) == pytest.approx([1.0] * 5, abs=1e-4)


def test_unit_variance_with_biases_vectors_and_shortcuts() -> None:
    torch.manual_seed(0)
    network = models.build("resnet", 1, 1, 4, width=0.125, fusion="concat")
    inputs = torch.randn(16, 1, 48, 48), 7 * torch.randn(16, 4)
    lsuv(network.eval(), *inputs)
    assert not network.training
    found = variances(network, *inputs)
    assert list(found.values()) == pytest.approx([1.0] * len(found), abs=1e-3)


def test_scales_a_layer_and_does_not_turn_it() -> None:
    """Weights and bias by one factor; a layer called twice once; one that gives zero not at all."""
    torch.manual_seed(0)
    shared, dead = nn.Linear(8, 8), nn.Linear(8, 8)
    nn.init.zeros_(dead.weight)
    nn.init.zeros_(dead.bias)
    weight, bias = shared.weight.detach().clone(), shared.bias.detach().clone()
    inputs = torch.randn(64, 8)
    lsuv(nn.Sequential(shared, shared, dead), inputs)
    factor = 1 / float(nn.functional.linear(inputs, weight, bias).std(correction=0))
    torch.testing.assert_close(shared.weight, factor * weight)
    torch.testing.assert_close(shared.bias, factor * bias)
    assert not dead.weight.any()
