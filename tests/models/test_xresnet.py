"""XResNet and its deconvolving hybrid: published counts, timm as the oracle, and what the options mean."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import models
from models.blocks.channel_attention import SimpleSelfAttention, SqueezeExcitation
from models.blocks.deconvolution import FastDeconv
from models.timm_cpu import import_timm

PLAIN = {"groups": 1, "reduction": 0, "attention": False}


def count(name: str, in_channels: int, num_targets: int, **options: Any) -> int:
    with torch.device("meta"):  # shapes without values
        model = models.build(name, in_channels, num_targets, **options)
    return sum(parameter.numel() for parameter in model.parameters())


def small(**options: Any) -> nn.Module:
    torch.manual_seed(0)
    return models.build("xresnet_hybrid", 3, 2, **{"width": 0.125, "groups": 8, **options})


@pytest.mark.parametrize(("deconvolution", "published"), [("stem", 6734743), ("none", 6734871), ("all", 6730007)])
def test_has_the_parameters_of_wu_and_peek(deconvolution: str, published: int) -> None:
    """Five bands, six principal components of spectra: what their notebook prints for its three networks."""
    assert count("xresnet_hybrid", 5, 6, deconvolution=deconvolution) == published


@pytest.mark.parametrize(
    ("depth", "xresnet", "hybrid"),
    [
        (18, (11_708_744, 11_195_681), (11_708_616, 11_195_553)),
        (34, (21_816_904, 21_303_841), (21_816_776, 21_303_713)),
        (50, (25_576_264, 23_528_737), (25_576_136, 23_528_609)),
    ],
)
def test_has_the_published_parameters(depth: int, xresnet: tuple[int, int], hybrid: tuple[int, int]) -> None:
    """Three channels and a thousand classes; one and one."""
    for number, shape in enumerate(((3, 1000), (1, 1))):
        assert count("xresnet", *shape, depth=depth) == xresnet[number]
        assert count("xresnet_hybrid", *shape, depth=depth, **PLAIN) == hybrid[number]


@pytest.mark.parametrize(("depth", "published"), [(18, 11_703_880), (34, 21_808_328), (50, 25_549_640)])
def test_has_the_published_parameters_when_every_layer_deconvolves(depth: int, published: int) -> None:
    assert count("xresnet_hybrid", 3, 1000, depth=depth, deconvolution="all", **PLAIN) == published


def filled(target: nn.Module, source: nn.Module) -> None:
    """The source's state in the target, in the order of their layers, of whose names they think differently."""
    theirs, ours = source.state_dict(), target.state_dict()
    assert [value.shape for value in theirs.values()] == [value.shape for value in ours.values()]
    target.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))


@pytest.mark.parametrize(("depth", "side"), [(18, 75), (50, 48)])
def test_without_its_extras_the_hybrid_is_timm_s_resnet_d(depth: int, side: int) -> None:
    """Our own blocks against an independent library's, in training mode, with no scale at zero."""
    theirs = import_timm().create_model(f"resnet{depth}d", in_chans=3, num_classes=2, zero_init_last=False)
    ours = models.build("xresnet_hybrid", 3, 2, depth=depth, activation="relu", deconvolution="none", **PLAIN)
    filled(ours, theirs)
    maps = torch.randn(3, 3, side, side)
    with torch.no_grad():
        torch.testing.assert_close(ours(maps), theirs(maps))


def test_xresnet_is_timm_s_resnet_d() -> None:
    theirs = import_timm().create_model("resnet18d", in_chans=3, num_classes=2, zero_init_last=False)
    ours = models.build("xresnet", 3, 2)
    filled(ours, theirs)
    maps = torch.randn(3, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(ours(maps), theirs(maps))


@pytest.mark.parametrize("name", ["xresnet", "xresnet_hybrid"])
@pytest.mark.parametrize("side", [48, 64, 75, 101, 150])
@pytest.mark.parametrize("in_channels", [1, 32])
def test_takes_any_frame_and_any_channels(name: str, side: int, in_channels: int) -> None:
    options: dict[str, Any] = {"groups": 8} if name == "xresnet_hybrid" else {}
    model = models.build(name, in_channels, 3, width=1 / 16, **options)
    assert model(torch.randn(2, in_channels, side, side)).isfinite().all()
    assert model.eval()(torch.randn(2, in_channels, side, side - 1)).shape == (2, 3)


@pytest.mark.parametrize("deconvolution", ["none", "stem", "all"])
@pytest.mark.parametrize("depth", [18, 50])
def test_deconvolves_where_it_is_told(deconvolution: str, depth: int) -> None:
    trunk = small(depth=depth, deconvolution=deconvolution).trunk
    convolutions = [module for module in trunk.modules() if isinstance(module, nn.Conv2d)]
    white = [module for module in convolutions if isinstance(module, FastDeconv)]
    norms = [module for module in trunk.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(white) == {"none": 0, "stem": 3, "all": len(convolutions)}[deconvolution]
    assert len(norms) == len(convolutions) - len(white)


def test_options_of_the_deconvolution_arrive() -> None:
    layers = [m for m in small(iterations=9, freeze=7, deconvolution="all").modules() if isinstance(m, FastDeconv)]
    assert {(layer.iterations, layer.freeze) for layer in layers} == {(9, 7)}


def test_the_level_of_the_input_does_not_matter_to_the_stem() -> None:
    """The first whitening takes out gain and, but for the zeros around the frame, offset of every channel."""
    model = small(iterations=25).double()
    maps = torch.randn(4, 3, 64, 64, dtype=torch.float64)
    stem = model.trunk.stem
    with torch.no_grad():
        torch.testing.assert_close(stem(5 * maps), stem(maps), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("deconvolution", ["stem", "none"])
def test_blocks_begin_as_the_identity(deconvolution: str) -> None:
    """Zero-gamma: of a block is left, at first, the activation of its shortcut."""
    model = small(deconvolution=deconvolution, norm="batch", activation="relu")
    state = model.trunk.stem(torch.randn(2, 3, 48, 48))
    torch.testing.assert_close(model.trunk.stages[0](state), state)


def test_attention_closes_the_first_stage_alone() -> None:
    trunk = small(depth=34).trunk
    places = [name for name, module in trunk.named_modules() if isinstance(module, SimpleSelfAttention)]
    assert [place.split(".")[:3] for place in places] == [["stages", "0", "2"]]


def test_simple_self_attention_is_its_formula() -> None:
    """x + gain (x x^T) W x, W over its largest singular value; nothing at first."""
    torch.manual_seed(0)
    layer = SimpleSelfAttention(8)
    maps = torch.randn(2, 8, 5, 7)
    assert torch.equal(layer(maps), maps)
    layer.gain.data.fill_(0.3)
    for _ in range(200):
        layer(maps)  # a power iteration each
    weight = layer.mixing.parametrizations["weight"].original  # type: ignore[union-attr,index]
    weight = weight / torch.linalg.matrix_norm(weight, 2)
    expected = torch.stack([image + 0.3 * image @ image.T @ weight @ image for image in maps.flatten(2).unbind()])
    torch.testing.assert_close(layer.eval()(maps).flatten(2), expected, atol=1e-4, rtol=1e-4)


def test_simple_self_attention_does_not_care_where_pixels_are() -> None:
    layer = SimpleSelfAttention(4).eval()
    layer.gain.data.fill_(1.0)
    maps, order = torch.randn(2, 4, 6, 6), torch.randperm(36)

    def shuffled(images: Tensor) -> Tensor:
        return images.flatten(2)[:, :, order]

    torch.testing.assert_close(shuffled(layer(maps)), layer(shuffled(maps)[..., None])[..., 0])


def test_squeeze_excitation_is_timm_s() -> None:
    """Where both round the width alike: 64 channels over 8 are 8."""
    import_timm()
    from timm.layers import SqueezeExcite

    ours, theirs = SqueezeExcitation(64, 8, "relu"), SqueezeExcite(64, rd_ratio=1 / 8)
    with torch.no_grad():
        for a, b in zip(theirs.parameters(), ours.parameters(), strict=True):
            a.copy_(b.view_as(a))
    maps = torch.randn(2, 64, 5, 5)
    torch.testing.assert_close(ours(maps), theirs(maps))


@pytest.mark.parametrize(("channels", "hidden"), [(64, 8), (128, 16), (100, 16), (8, 8), (4, 8)])
def test_squeeze_excitation_rounds_its_width_to_eights(channels: int, hidden: int) -> None:
    assert SqueezeExcitation(channels, 8, "mish").gate[0].out_features == hidden


@pytest.mark.parametrize("deconvolution", ["stem", "all"])
def test_blank_frames_are_answered(deconvolution: str) -> None:
    model = small(deconvolution=deconvolution, width=1 / 16)
    maps = torch.randn(4, 3, 48, 48)
    maps[1] = 0
    assert model(maps).isfinite().all()
    assert model.eval()(maps).isfinite().all()
    everything_blank = small(deconvolution=deconvolution, width=1 / 16)(torch.zeros(4, 3, 48, 48))
    everything_blank.sum().backward()
    assert everything_blank.isfinite().all()


@pytest.mark.parametrize("name", ["xresnet", "xresnet_hybrid"])
def test_norm_activation_and_width_reach_every_layer(name: str) -> None:
    options: dict[str, Any] = {**PLAIN, "deconvolution": "none"} if name == "xresnet_hybrid" else {}
    trunk = models.build(name, 1, 1, width=0.25, norm="none", activation="gelu", **options).trunk
    assert trunk.widths == (16, 32, 64, 128)
    assert not any(isinstance(module, nn.BatchNorm2d | nn.ReLU | nn.Mish) for module in trunk.modules())
    assert sum(isinstance(module, nn.GELU) for module in trunk.modules()) == 3 + 2 * 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 101}, r"^depth: 101 is not published; there are 18, 34, 50$"),
        ({"width": 0.0}, r"^width: 0.0 is no multiple of the channels; it would be above 0, 1 is as published$"),
        ({"norm": "bacth"}, r"^norm: no 'bacth'; there are batch"),
        ({"activation": "mesh"}, r"^activation: no 'mesh'; there are relu"),
    ],
)
@pytest.mark.parametrize("name", ["xresnet", "xresnet_hybrid"])
def test_a_wrong_value_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.build(name, 1, 1, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deconvolution": "full"}, r"^deconvolution: no 'full'; there are none, stem, all$"),
        ({"iterations": 0}, r"^iterations: 0 would whiten nothing; it would be 1 or more, 5 as published$"),
        ({"freeze": -1}, r"^freeze: -1 is no number of batches; it would be 0 \(never\) or more$"),
        ({"groups": 48}, r"^groups: 48 does not divide the channels \[64, 128, 256, 512\]"),
        ({"reduction": -8}, r"^reduction: -8 is no ratio; it would be 0 \(none\) or more, 8 as published$"),
    ],
)
def test_a_wrong_value_of_the_hybrid_s_own_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.build("xresnet_hybrid", 1, 1, **options)
