"""Proxy normalisation: the constants of its paper's code, its meaning, and what it makes of built networks."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import erfinv
from scipy.stats import norm
from torch import Tensor, nn

import models
from models.blocks.activation import activation
from models.blocks.borrowed import exchange_norms
from models.blocks.normalisation import AwaitsProxy, normalisation
from models.blocks.proxy import ProxyActivation, join_proxies
from models.timm_cpu import import_timm

# at the outset, ε = 0.03 and 200 quantiles: mean, variance, 1 / √(variance + ε)
CONSTANTS = {
    "relu": (0.39845, 0.33803, 1.64837),
    "silu": (0.20605, 0.31000, 1.71498),
    "gelu": (0.28159, 0.34271, 1.63801),
}
every_constant = pytest.mark.parametrize("name", CONSTANTS)


def drawn(layer: ProxyActivation) -> ProxyActivation:
    """The layer with parameters that are not those of the outset."""
    torch.manual_seed(3)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 0.3, 0.4)
    return layer


@every_constant
def test_moments_are_those_of_the_paper_s_code(name: str) -> None:
    mean, variance = ProxyActivation(activation(name), 2).moments()
    found = [mean[0].item(), variance[0].item(), (variance[0] + 0.03).rsqrt().item()]
    assert found == pytest.approx(CONSTANTS[name], abs=6e-6)


@every_constant
def test_moments_tend_to_the_integrals(name: str) -> None:
    """Of φ and φ² over the proxy's density, for parameters of any value."""
    layer = drawn(ProxyActivation(activation(name), 3, quantiles=20_000))
    found_mean, found_variance = (moment.detach() for moment in layer.moments())
    for c in range(3):
        gamma, beta, spread, centre = (
            parameter[c].item() for parameter in (layer.gamma, layer.beta, layer.proxy_gamma, layer.proxy_beta)
        )

        def power(order: int, gamma: float, beta: float, spread: float, centre: float) -> float:
            def integrand(y: float) -> float:
                x = torch.tensor(gamma * (centre + (1 + spread) * y) + beta, dtype=torch.float64)
                return float(layer.activation(x)) ** order * float(norm.pdf(y))

            return quad(integrand, -8, 8, limit=200)[0]

        mean = power(1, gamma, beta, spread, centre)
        variance = power(2, gamma, beta, spread, centre) - mean**2
        assert float(found_mean[c]) == pytest.approx(mean, abs=2e-4)
        assert float(found_variance[c]) == pytest.approx(variance, abs=1e-3 * (1 + variance))


def test_is_the_formula_written_out() -> None:
    """In numpy, with the quantiles of the paper's code, in double precision."""
    layer = drawn(ProxyActivation(nn.ReLU(inplace=True), 4)).double()
    maps = torch.randn(3, 4, 5, 6).double()
    gamma, beta, spread, centre = (
        parameter.detach().numpy() for parameter in (layer.gamma, layer.beta, layer.proxy_gamma, layer.proxy_beta)
    )
    r = np.sqrt(2) * erfinv(2 * (np.arange(200) + 0.5) / 200 - 1)
    proxy = np.maximum(gamma[:, None] * (centre[:, None] + (1 + spread[:, None]) * r) + beta[:, None], 0)
    z = np.maximum(gamma[:, None, None] * maps.numpy() + beta[:, None, None], 0)
    expected = (z - proxy.mean(1)[:, None, None]) / np.sqrt(proxy.var(1) + 0.03)[:, None, None]
    np.testing.assert_allclose(layer(maps).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


@every_constant
def test_standardises_a_channel_that_is_standard_normal(name: str) -> None:
    layer = ProxyActivation(activation(name), 8)
    grid = layer.quantiles[torch.randperm(200)].reshape(1, 1, 10, 20).expand(2, 8, 10, 20)
    answer = layer(grid).detach()
    _, variance, _ = CONSTANTS[name]
    torch.testing.assert_close(answer.mean((2, 3)), torch.zeros(2, 8), rtol=0, atol=1e-5)
    expected = torch.full((2, 8), variance / (variance + 0.03))
    torch.testing.assert_close(answer.var((2, 3), correction=0), expected, rtol=1e-4, atol=0)


def test_has_four_parameters_a_channel_and_all_learn() -> None:
    layer = drawn(ProxyActivation(nn.SiLU(), 16))
    assert sum(parameter.numel() for parameter in layer.parameters()) == 4 * 16
    assert sum(parameter.numel() for parameter in normalisation("group", 16).parameters()) == 2 * 16
    layer(torch.randn(2, 16, 4, 4)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.all() for parameter in layer.parameters())
    assert set(layer.state_dict()) == {"gamma", "beta", "proxy_gamma", "proxy_beta"}  # the quantiles are no weights


def test_gradients_go_through_the_moments() -> None:
    layer = drawn(ProxyActivation(nn.SiLU(), 2)).double()
    maps = torch.randn(1, 2, 2, 2).double()
    values = [parameter.detach().clone().requires_grad_() for parameter in layer.parameters()]
    names = [name for name, _ in layer.named_parameters()]

    def answer(*values: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), maps)

    assert torch.autograd.gradcheck(answer, values)


def test_keeps_half_precision_half() -> None:
    layer, maps = ProxyActivation(nn.GELU(), 8), torch.randn(2, 8, 6, 6)
    half = layer(maps.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), layer(maps), rtol=0.02, atol=0.02)


# built networks


def kinds(network: nn.Module, kind: type[nn.Module]) -> list[str]:
    return [name for name, layer in network.named_modules() if type(layer) is kind]


@pytest.mark.parametrize("name", ["proxy_layer", "proxy_group"])
def test_cnn_s_images_do_not_see_each_other_even_in_training(name: str) -> None:
    model = models.build("cnn", 2, 1, widths=[8, 16], norm=name)
    assert len(kinds(model, ProxyActivation)) == 4
    assert not kinds(model, AwaitsProxy)
    maps = torch.randn(5, 2, 17, 17)
    torch.testing.assert_close(model.train()(maps)[:1], model(maps[:1]))


def test_cnn_has_four_for_two_parameters() -> None:
    counts = [
        sum(parameter.numel() for parameter in models.build("cnn", 1, 1, norm=norm).parameters())
        for norm in ("batch", "proxy_group")
    ]
    assert counts == [293_841, 293_841 + 2 * 2 * (16 + 32 + 64 + 128)]


class PreActivation(nn.Module):
    """Two pre-activation layers and a shortcut (He et al. 2016, ECCV)."""

    def __init__(self, channels: int, norm: str, inplace: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = normalisation(norm, channels), normalisation(norm, channels)
        self.act1, self.act2 = nn.ReLU(inplace), nn.ReLU(inplace)
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.conv2(self.act2(self.norm2(self.conv1(self.act1(self.norm1(maps))))))


@pytest.mark.parametrize("inplace", [False, True])
def test_fits_pre_activation_blocks_everywhere(inplace: bool) -> None:
    block = PreActivation(8, "proxy_layer", inplace)
    join_proxies(block, torch.zeros(1, 8, 6, 6))
    assert kinds(block, ProxyActivation) == ["act1", "act2"]
    assert block.norm1.weight is block.norm1.bias is block.norm2.weight is None
    maps = torch.randn(2, 8, 6, 6)
    standard = nn.functional.layer_norm(maps, (8, 6, 6), eps=1e-3)
    first = (standard.relu() - 0.39845) * 1.64837
    torch.testing.assert_close(block.act1(block.norm1(maps)), first, rtol=1e-4, atol=1e-4)
    assert block.training


@pytest.mark.parametrize(
    ("name", "stage", "last", "count"),
    [("resnet18d", "layer2.0", "bn2", 11), ("resnet50d", "layer2.0", "bn3", 35)],
)
def test_fits_post_activation_blocks_of_timm_but_for_their_last(name: str, stage: str, last: str, count: int) -> None:
    """Stem: 3; a block: all but the last of its normalisations, to whose output timm adds the shortcut in place."""
    net = import_timm().create_model(name, in_chans=1, num_classes=1)
    affine = sum(2 * layer.num_features for layer in net.modules() if isinstance(layer, nn.BatchNorm2d))
    before = sum(parameter.numel() for parameter in net.parameters())
    exchange_norms(net, "proxy_group")
    join_proxies(net, torch.zeros(1, 1, 64, 64))
    assert len(kinds(net, ProxyActivation)) == count
    assert not kinds(net, AwaitsProxy)
    block = net.get_submodule(stage)
    assert type(block.get_submodule(last.replace("bn", "act"))) is nn.ReLU
    for layer in (block.get_submodule(last), block.downsample[-1]):
        assert layer.bias is None
        assert layer.weight is not None
    assert not block.get_submodule(last).weight.any()  # timm's residual branches begin at zero, and still do
    kept = [net.get_submodule(path) for path in kinds(net, nn.GroupNorm)]
    scale = sum(layer.num_channels for layer in kept if layer.weight is not None)
    joined = sum(layer.num_channels for layer in kept if layer.weight is None)
    assert affine == 2 * (scale + joined)
    assert sum(parameter.numel() for parameter in net.parameters()) == before - scale + 2 * joined
    with torch.no_grad():
        maps = torch.randn(2, 1, 64, 64)
        torch.testing.assert_close(net(maps)[:1], net(maps[:1]), rtol=1e-4, atol=1e-5)


def test_fits_timm_s_layers_of_normalisation_and_activation_in_one() -> None:
    """EfficientNet: not inside squeeze and excitation, and not where a block ends without an activation."""
    net = import_timm().create_model("test_efficientnet", in_chans=1, num_classes=1)
    fused = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    acting = sum(not isinstance(layer.get_submodule("act"), nn.Identity) for layer in fused)
    exchange_norms(net, "proxy_group")
    join_proxies(net, torch.zeros(1, 1, 64, 64))
    assert len(kinds(net, ProxyActivation)) == acting < len(fused)
    assert not [name for name in kinds(net, ProxyActivation) if ".se." in name]


def test_is_refused_where_no_activation_follows() -> None:
    net = nn.Sequential(nn.Conv2d(1, 8, 3), normalisation("proxy_group", 8), nn.Conv2d(8, 8, 3), nn.ReLU())
    with pytest.raises(ValueError, match=r"^norm: proxy normalisation needs an activation right after it"):
        join_proxies(net, torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match=r"^norm: .* here is none; choose group"):
        models.build("cnn", 1, 1, norm="proxy_group", activation="identity")


def test_an_activation_that_serves_two_layers_is_refused() -> None:
    act = nn.ReLU()
    net = nn.Sequential(normalisation("proxy_layer", 4), act, nn.Conv2d(4, 4, 1), normalisation("proxy_layer", 4), act)
    with pytest.raises(ValueError, match=r"^norm: .* an activation of its own for each layer; one here is shared"):
        join_proxies(net, torch.zeros(1, 4, 8, 8))


def test_a_network_that_asks_for_no_proxy_is_left_alone() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(1, 4), nn.ReLU())
    join_proxies(net, torch.zeros(1, 1, 8, 8))
    assert type(net[1]) is nn.GroupNorm
    assert type(net[2]) is nn.ReLU


def constant_share(norm: str, depth: int) -> float:
    """How much of the power before the last activation of a deep plain network is in channels' means over the data."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Conv2d(16, 16, 3, padding=1, bias=False), normalisation(norm, 16), nn.ReLU()]
    net = nn.Sequential(*layers)
    maps = torch.randn(16, 16, 8, 8)
    join_proxies(net, maps)
    with torch.no_grad():
        last = net[:-1](maps)
    return float(last.mean((0, 2, 3)).square().sum() / last.square().mean((0, 2, 3)).sum())


def test_keeps_channels_of_a_deep_network_from_becoming_constants() -> None:
    """The failure that the paper is about, and its remedy."""
    for kind in ("layer", "group"):
        assert constant_share(kind, 16) > 0.2
        assert constant_share(f"proxy_{kind}", 16) < 0.02
    assert constant_share("batch", 16) < 1e-6
