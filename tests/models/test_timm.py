"""The backbones that are timm's: published sizes, timm's own answers, and no pixel or layer lost on the way."""

import io
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import models
from models.blocks.borrowed import exchange_norms
from models.blocks.pad import Pad
from models.network import Network
from models.timm_cpu import import_timm

SMALL: dict[str, dict[str, Any]] = {
    "resnet": {"width": 0.25},
    "efficientnetv2": {"width": 0.25},
    "convnext": {"width": 0.2},
    "vit": {"depth": 4},
}
ON_MAPS = ("resnet", "efficientnetv2", "convnext")
every_backbone = pytest.mark.parametrize("name", SMALL)


def small(name: str, in_channels: int = 1, num_targets: int = 2, **options: Any) -> Network:
    torch.manual_seed(0)
    return models.build(name, in_channels, num_targets, **SMALL[name] | options)


def shaken(model: nn.Module) -> nn.Module:
    """The model with noise on its parameters: branches that start at zero, or nearly so, count like the others."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for values in model.parameters():
            noise = torch.randn(values.shape, generator=generator)
            values.add_(0.2 * noise if values.ndim == 1 else 0.02 * noise)
    return model


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def of_timm(theirs: str, ours: nn.Module, in_channels: int, **options: Any) -> nn.Module:
    """timm's own model with our weights and statistics: as many of them, in the same order, of the same shapes."""
    model = import_timm().create_model(theirs, in_chans=in_channels, num_classes=2, **options)
    mine, own = ours.state_dict(), model.state_dict()
    assert [values.shape for values in mine.values()] == [values.shape for values in own.values()]
    model.load_state_dict(dict(zip(own, mine.values(), strict=True)))
    return model


@pytest.mark.parametrize(
    ("name", "options", "published"),
    [
        # torchvision's tables
        ("resnet", {"depth": 18}, 11_689_512),
        ("resnet", {"depth": 34}, 21_797_672),
        ("resnet", {"depth": 50}, 25_557_032),
        ("resnet", {"depth": 50, "wide": 2}, 68_883_240),
        ("efficientnetv2", {"variant": "s"}, 21_458_488),
        ("convnext", {"variant": "tiny"}, 28_589_128),
        # timm's
        ("efficientnetv2", {"variant": "b0"}, 7_139_704),
        ("efficientnetv2", {"variant": "rw_t"}, 13_649_388),
        ("convnext", {"variant": "atto"}, 3_695_520),
        ("vit", {"patch": 16, "size": 224, "pool": "token"}, 5_717_416),
        ("vit", {"variant": "small", "patch": 16, "size": 224, "pool": "token"}, 22_050_664),
    ],
)
def test_has_the_published_parameters(name: str, options: Mapping[str, Any], published: int) -> None:
    with torch.device("meta"):  # sizes without numbers
        assert count(models.build(name, 3, 1000, **options)) == published


@pytest.mark.parametrize(("variant", "parameters"), [("s", 20_178_337), ("b0", 5_859_409), ("rw_t", 12_624_981)])
def test_efficientnetv2_of_one_channel_and_one_target(variant: str, parameters: int) -> None:
    with torch.device("meta"):
        assert count(models.build("efficientnetv2", 1, 1, variant=variant)) == parameters


@pytest.mark.parametrize(
    ("name", "options", "theirs", "same"),
    [
        ("resnet", {}, "resnet18", {}),
        ("resnet", {"width": 0.25}, "resnet18", {"channels": (16, 32, 64, 128)}),
        ("resnet", {"depth": 50, "width": 0.25, "wide": 2}, "wide_resnet50_2", {"channels": (16, 32, 64, 128)}),
        ("resnet", {"width": 0.25, "activation": "mish"}, "resnet18",
         {"channels": (16, 32, 64, 128), "act_layer": "mish"}),
        ("efficientnetv2", {}, "tf_efficientnetv2_b0", {"pad_type": ""}),
        ("efficientnetv2", {"variant": "s", "width": 0.25}, "efficientnetv2_s", {"channel_multiplier": 0.25}),
        ("efficientnetv2", {"width": 0.25, "activation": "gelu"}, "tf_efficientnetv2_b0",
         {"pad_type": "", "channel_multiplier": 0.25, "act_layer": "gelu"}),
        ("convnext", {}, "convnext_atto", {}),
        ("convnext", {"variant": "tiny", "width": 0.25}, "convnext_tiny", {"dims": (24, 48, 96, 192)}),
        ("vit", {}, "vit_tiny_patch16_224",
         {"img_size": 64, "patch_size": 8, "class_token": False, "global_pool": "avg"}),
        ("vit", {"variant": "small", "pool": "token", "depth": 5}, "vit_small_patch16_224",
         {"img_size": 64, "patch_size": 8, "depth": 5}),
        ("vit", {"norm": "rms", "depth": 4}, "vit_tiny_patch16_224",
         {"img_size": 64, "patch_size": 8, "depth": 4, "class_token": False, "global_pool": "avg",
          "norm_layer": "rmsnorm"}),
    ],
)  # fmt: skip
def test_answers_as_timm_s_own_does(
    name: str, options: Mapping[str, Any], theirs: str, same: Mapping[str, Any]
) -> None:
    ours = shaken(models.build(name, 3, 2, **options))
    peer = of_timm(theirs, ours, 3, **same)
    maps = torch.randn(2, 3, 64, 64)
    for training in (True, False):  # the statistics that the first has left serve the second
        with torch.no_grad():
            expected = peer.train(training)(maps)
            answer = ours.train(training)(maps)
        torch.testing.assert_close(answer, expected, rtol=1e-4, atol=1e-4 * float(expected.std()))
        assert expected.std() > 0


@pytest.mark.parametrize("pool", ["mean", "token"])
@pytest.mark.parametrize(("sides", "padded"), [((48, 96), (48, 96)), ((75, 101), (80, 104))])
def test_the_vit_places_tokens_of_other_frames_as_timm_does(
    pool: str, sides: tuple[int, int], padded: tuple[int, int]
) -> None:
    ours = shaken(small("vit", pool=pool)).eval()
    other = {"class_token": False, "global_pool": "avg"} if pool == "mean" else {}
    peer = of_timm(
        "vit_tiny_patch16_224", ours, 1, img_size=64, patch_size=8, depth=4, dynamic_img_size=True, **other
    ).eval()
    maps = torch.randn(2, 1, *sides)
    frame = torch.zeros(2, 1, *padded)
    top, left = (padded[0] - sides[0]) // 2, (padded[1] - sides[1]) // 2
    frame[:, :, top : top + sides[0], left : left + sides[1]] = maps
    with torch.no_grad():
        torch.testing.assert_close(ours(maps), peer(frame), rtol=1e-4, atol=1e-5)


@every_backbone
@pytest.mark.parametrize(("size", "in_channels"), [(48, 1), (64, 3), (75, 7), (101, 32), (150, 1)])
def test_any_frame_and_any_number_of_channels(name: str, size: int, in_channels: int) -> None:
    answer = small(name, in_channels)(torch.randn(2, in_channels, size, size))
    assert answer.shape == (2, 2)
    assert torch.isfinite(answer).all()
    assert (answer.std(dim=0) > 0).all()


@every_backbone
@pytest.mark.parametrize("size", [75, 150])
def test_no_pixel_is_lost_at_the_edge(name: str, size: int) -> None:
    """timm's convnext_atto sees the first 128 of 150 px, and would fail here."""
    model = shaken(small(name)).eval()
    maps = torch.randn(1, 1, size, size, requires_grad=True)
    model(maps).sum().backward()
    assert maps.grad is not None
    seen = maps.grad[0, 0] != 0
    assert seen.any(dim=0).all()
    assert seen.any(dim=1).all()


def test_padding_is_of_zeros_and_even_on_both_sides() -> None:
    maps = torch.arange(1.0, 31.0).reshape(1, 1, 5, 6)
    out = Pad(4)(maps)
    assert out.shape == (1, 1, 8, 8)
    assert torch.equal(out[:, :, 1:6, 1:7], maps)
    assert out.sum() == maps.sum()
    assert torch.equal(Pad(2)(out), out)
    assert torch.equal(Pad(4)(maps[..., :4].mT).mT, Pad(4)(maps[..., :4]))


@every_backbone
def test_every_stage_gives_the_channels_it_says(name: str) -> None:
    trunk = small(name).trunk
    seen: list[int] = []

    def look(state: Tensor) -> Tensor:
        seen.append(state.shape[trunk.axis])
        return state

    features = trunk(torch.randn(2, 1, 64, 64), [look] * len(trunk.stages))
    assert tuple(seen) == trunk.widths
    assert features.shape == (2, trunk.width)


@pytest.mark.parametrize(("stride", "side"), [(2, 2), (1, 4)])
def test_the_stem_of_efficientnetv2_can_keep_the_frame(stride: int, side: int) -> None:
    trunk = small("efficientnetv2", stem_stride=stride).trunk
    last = trunk.stem(torch.randn(1, 1, 64, 64))
    for stage in trunk.stages:
        last = stage(last)
    assert last.shape[2:] == (side, side)


@pytest.mark.parametrize("name", ON_MAPS)
@pytest.mark.parametrize("norm", ["layer", "group", "instance", "none"])
def test_without_batch_normalisation_images_are_alone_in_training(name: str, norm: str) -> None:
    model = shaken(small(name, norm=norm))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())
    maps = torch.randn(3, 1, 48, 48)
    others = torch.cat([maps[:1], torch.randn(2, 1, 48, 48)])
    with torch.no_grad():
        torch.testing.assert_close(model(others)[0], model(maps)[0])


def test_convnext_takes_batch_normalisation() -> None:
    model = small("convnext", norm="batch")
    layers = sum(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())
    assert layers == 1 + 3 + 12  # stem, three downsamplings, a block each
    assert count(model) == count(small("convnext"))


@pytest.mark.parametrize("theirs", ["resnet18", "tf_efficientnetv2_b0"])
def test_exchanging_a_norm_for_its_like_changes_nothing(theirs: str) -> None:
    """Batch by batch normalisation: activations and scales are where they were."""
    narrow = {"channels": (16, 16, 16, 16)} if theirs == "resnet18" else {"channel_multiplier": 0.25, "bn_eps": 1e-5}
    net = import_timm().create_model(theirs, num_classes=2, **narrow)
    before = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    maps = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = shaken(net)(maps)
        exchange_norms(net, "batch")
        torch.testing.assert_close(net(maps), expected)
    assert not set(before) & set(net.modules())


def test_a_branch_that_started_at_zero_still_does() -> None:
    trunk = small("resnet", norm="group").trunk
    blocks = [block for stage in trunk.stages for block in stage.children()]
    assert all(not block.get_parameter("bn2.weight").any() for block in blocks)
    assert all((block.get_parameter("bn1.weight") == 1).all() for block in blocks)


@every_backbone
def test_branches_are_dropped_in_training_alone_and_the_last_most(name: str) -> None:
    import_timm()
    from timm.layers import DropPath

    model, plain = shaken(small(name, stochastic_depth=0.5)), shaken(small(name))
    rates = [layer.drop_prob for layer in model.modules() if isinstance(layer, DropPath)]
    assert rates == sorted(rates)
    assert rates[-1] > 0.4
    maps = torch.randn(4, 1, 48, 48)
    with torch.no_grad():
        assert not torch.equal(model(maps), model(maps))
        plain.load_state_dict(model.state_dict())  # running statistics have moved
        assert torch.equal(model.eval()(maps), plain.eval()(maps))


@every_backbone
def test_every_parameter_has_a_finite_gradient_through_an_activation_in_place(name: str) -> None:
    """Mish needs its input backwards, which timm lets it overwrite."""
    model = shaken(small(name, activation="mish"))
    model(torch.randn(4, 1, 48, 48)).square().mean().backward()
    for parameter, values in model.named_parameters():
        assert values.grad is not None, parameter
        assert torch.isfinite(values.grad).all(), parameter
        assert values.grad.any(), parameter


@every_backbone
def test_in_evaluation_an_image_does_not_see_the_rest_of_its_batch(name: str) -> None:
    model = shaken(small(name))
    maps = torch.randn(4, 1, 75, 75)
    with torch.no_grad():
        model(maps)
        model.eval()
        torch.testing.assert_close(model(maps[:1]), model(maps)[:1])


@every_backbone
def test_half_precision_is_finite_and_close(name: str) -> None:
    model = shaken(small(name))
    maps = torch.randn(4, 1, 64, 64)
    with torch.no_grad():
        model(maps)
        model.eval()
        exact = model(maps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = model(maps)
    assert torch.isfinite(rounded).all()
    assert (rounded.float() - exact).abs().max() < 0.05 * exact.abs().max()


@every_backbone
def test_weights_survive_a_file(name: str) -> None:
    model, other = shaken(small(name)).eval(), small(name).eval()
    maps, file = torch.randn(2, 1, 64, 64), io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    with torch.no_grad():
        expected = model(maps)
        assert not torch.equal(other(maps), expected)
        other.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(other(maps), expected)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet", {"depth": 19}, r"^depth: no 19; there are 18, 34, 50, 101, 152$"),
        ("resnet", {"width": 0.0}, r"^width: 0.0 is not positive; 1.0 is the published network$"),
        ("resnet", {"wide": 2}, r"^wide: 2 has no bottleneck to widen at depth 18; depth 50 has, or take width$"),
        ("resnet", {"wide": 0}, r"^wide: 0 is below 1, the published network$"),
        ("resnet", {"norm": "bach"}, r"^norm: no 'bach'; there are batch, "),
        ("resnet", {"activation": "rellu"}, r"^activation: no 'rellu'; there are relu, "),
        ("resnet", {"stochastic_depth": 1.0}, r"^stochastic_depth: 1.0; it must be at least 0 and less than 1$"),
        ("efficientnetv2", {"variant": "xs"}, r"^variant: no 'xs'; there are s, m, l, rw_t, "),
        ("efficientnetv2", {"variant": "rw_t", "width": 0.5}, r"^width: 0.5 cannot be, rw_t has a width of its own; "),
        ("efficientnetv2", {"stem_stride": 4}, r"^stem_stride: no 4; there are 1, 2$"),
        ("convnext", {"variant": "base"}, r"^variant: no 'base'; there are atto, femto, pico, nano, tiny$"),
        ("convnext", {"norm": "bach"}, r"^norm: no 'bach'; there are "),
        ("vit", {"norm": "batch"}, r"^norm: 'batch' does not act on tokens; there are layer, rms$"),
        ("vit", {"pool": "max"}, r"^pool: no 'max'; there are mean, token$"),
        ("vit", {"depth": 3}, r"^depth: 3 blocks do not make 4 stages; 12 is the published depth$"),
        ("vit", {"patch": 80}, r"^patch: 80 px does not fit in a frame of 64 px; 8 does from 48 px on$"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.build(name, 1, 1, **options)
