"""Window attention, the blocks around it and the two networks that have it: what they compute, where, and how large."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

import models
from models import alternet, xalternet
from models.blocks import attention as window_attention
from models.blocks.alternation import BRANCHES, Residual, alternation
from models.blocks.attention import HEAD_WIDTH, WindowAttention, join, padding, split, windows_over
from models.blocks.stochastic_depth import StochasticDepth, depth_rates
from models.timm_cpu import import_timm

SMALL: dict[str, dict[str, Any]] = {
    "alternet": {"width": 0.125},
    "xalternet": {"width": 0.25},
}
each = pytest.mark.parametrize("name", SMALL)


def small(name: str, in_channels: int = 1, num_targets: int = 1, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return models.build(name, in_channels, num_targets, **{**SMALL[name], **options})


def attention(channels: int = 8, heads: int = 2, window: int = 3) -> WindowAttention:
    """One whose table matters as much as its scores do."""
    torch.manual_seed(0)
    layer = WindowAttention(channels, channels, heads, window)
    nn.init.normal_(layer.table)
    return layer


def pixel_by_pixel(layer: WindowAttention, maps: Tensor) -> Tensor:
    """The formula, a pixel and a head at a time, over the pixels of the map that share its window: no padding."""
    n, _, h, w = maps.shape
    _, _, high, wide = windows_over(h, w, layer.window)
    q, k, v = (maps.permute(0, 2, 3, 1) @ layer.qkv.weight.T).view(n, h, w, 3, layer.heads, HEAD_WIDTH).unbind(3)
    table = layer.table.view(2 * layer.window - 1, 2 * layer.window - 1)
    seen = torch.zeros(n, h, w, layer.heads, HEAD_WIDTH)
    for y, x in torch.cartesian_prod(torch.arange(h), torch.arange(w)).tolist():
        ys = [other for other in range(h) if other // high == y // high]
        xs = [other for other in range(w) if other // wide == x // wide]
        bias = torch.stack([table[b - y + layer.window - 1, a - x + layer.window - 1] for b in ys for a in xs])
        for head in range(layer.heads):
            keys = k[:, ys][:, :, xs][..., head, :].flatten(1, 2)  # (n, pixels, 64)
            weights = (keys @ q[:, y, x, head, :, None] / math.sqrt(HEAD_WIDTH) + bias[:, None]).softmax(1)
            seen[:, y, x, head] = (weights * v[:, ys][:, :, xs][..., head, :].flatten(1, 2)).sum(1)
    return (seen.flatten(3) @ layer.out.weight.T + layer.out.bias).permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("height", "width"),
    [(6, 6), (3, 3), (6, 3), (2, 2), (1, 5), (4, 4), (5, 4), (7, 10)],
    ids=["windows divide", "one window", "not square", "smaller", "a row", "shrunk", "padded", "both"],
)
def test_attention_is_its_formula(height: int, width: int) -> None:
    layer, maps = attention(), torch.randn(2, 8, height, width)
    expected = pixel_by_pixel(layer, maps)
    torch.testing.assert_close(layer(maps), expected)
    with torch.no_grad():
        torch.testing.assert_close(layer(maps), expected)  # by another of torch's algorithms


def test_windows_fit_the_map_and_waste_little() -> None:
    """Sides of the last three stages at 64, 150 and 224 pixels; seven divides the last: the published windows."""
    fitted = [windows_over(side, side, 7)[1:3] for side in (8, 4, 2, 19, 10, 5, 28, 14, 7)]
    assert fitted == [(2, 4), (1, 4), (1, 2), (3, 7), (2, 5), (1, 5), (4, 7), (2, 7), (1, 7)]
    for side in range(1, 60):
        for largest in range(1, 9):
            windows = windows_over(side, 1, largest)
            spare = windows.sides[0] - side
            assert windows.height <= largest
            assert windows.rows == math.ceil(side / largest)
            assert 0 <= spare < windows.height  # so that no window is all padding
            assert windows.height == 1 or windows.rows * (windows.height - 1) < side  # nor could it be smaller


@pytest.mark.parametrize(("height", "width"), [(6, 9), (7, 5), (2, 4)])
def test_a_map_taken_apart_is_put_together(height: int, width: int) -> None:
    maps, windows = torch.randn(3, height, width, 5), windows_over(height, width, 3)
    tokens = split(maps, windows)
    assert tokens.shape == (3 * windows.rows * windows.columns, windows.height * windows.width, 5)
    assert torch.equal(join(tokens, windows, height, width), maps)
    assert torch.equal(tokens[0, 0], maps[0, 0, 0])
    outside = padding(windows, height, width, maps.device)
    assert int((~outside).sum()) == height * width
    assert not tokens.view(3, *outside.shape, 5)[:, outside].any()


def test_what_is_planted_in_the_padding_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers whose scores would win any softmax: had they a weight of 1e-30, they would show."""
    layer, maps = attention(), torch.randn(2, 8, 7, 5)
    zeros = window_attention.pad

    def planted(maps: Tensor, sides: tuple[int, ...]) -> Tensor:
        return zeros(maps, sides, value=0 if maps.dtype == torch.bool else 1e15)

    with torch.no_grad():
        clean = layer(maps)
        monkeypatch.setattr(window_attention, "pad", planted)
        assert torch.equal(layer(maps), clean)
        monkeypatch.setattr(layer, "bias", lambda *_: torch.zeros(1, 1, 1, 1))
        assert not torch.allclose(layer(maps), clean)  # without the mask they do


def test_weights_on_padding_are_exactly_zero() -> None:
    """A softmax of the bias alone, which is the weights' factor that does not depend on the map."""
    layer = attention()
    windows = windows_over(7, 5, 3)
    weights = layer.bias(windows, 7, 5, images=2).softmax(-1)  # (m, 1, pixels, pixels)
    outside = padding(windows, 7, 5, weights.device).repeat(2, 1)
    assert weights.shape[0] == len(outside) == 2 * 3 * 2
    assert (weights.movedim(-1, 1)[outside] == 0).all()
    assert (weights.movedim(-1, 1)[~outside] > 0).all()


def test_masked_and_unmasked_agree_where_windows_divide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask a window that hides nothing, against the one bias of all windows."""
    layer, maps = attention(), torch.randn(2, 8, 6, 6)
    with torch.no_grad():
        plain = layer(maps)
        bias = layer.bias(windows_over(6, 6, 3), 6, 6, 2)
        monkeypatch.setattr(layer, "bias", lambda *_: bias.repeat(8, 1, 1, 1))
        torch.testing.assert_close(layer(maps), plain)


def test_a_window_sees_itself_alone() -> None:
    layer, maps = attention(), torch.randn(1, 8, 6, 6)
    other = maps.clone()
    other[:, :, :3, 3:] += 1  # the upper right of four
    with torch.no_grad():
        changed = (layer(other) != layer(maps)).any(dim=1)[0]
    assert changed[:3, 3:].all()
    assert not changed[3:].any()
    assert not changed[:, :3].any()


def test_a_shift_by_whole_windows_shifts_what_comes_out() -> None:
    """Of a map that goes on periodically; a shift by anything else does not."""
    layer, maps = attention(), torch.randn(1, 8, 9, 6)
    with torch.no_grad():
        plain = layer(maps)
        torch.testing.assert_close(layer(maps.roll((6, 3), (2, 3))), plain.roll((6, 3), (2, 3)))
        assert not torch.allclose(layer(maps.roll(1, 2)), plain.roll(1, 2), atol=1e-2)


def test_a_symmetric_table_makes_it_turn_with_the_map() -> None:
    """Attention itself knows no directions: they come from the table alone."""
    layer, maps = attention(), torch.randn(1, 8, 6, 6)
    with torch.no_grad():
        assert not torch.allclose(layer(maps.rot90(1, (2, 3))), layer(maps).rot90(1, (2, 3)), atol=1e-2)
        table = layer.table.view(5, 5)
        layer.table.copy_(sum(table.rot90(turn) for turn in range(4)).flatten())
        torch.testing.assert_close(layer(maps.rot90(1, (2, 3))), layer(maps).rot90(1, (2, 3)))


def test_the_table_is_one_for_all_heads_and_sizes() -> None:
    for heads in (1, 6):
        assert WindowAttention(8, 8, heads, 7).table.numel() == 13 * 13
    layer = attention(window=7)
    layer(torch.randn(1, 8, 2, 2)).square().sum().backward()
    used = layer.table.grad.view(13, 13) != 0
    assert used[5:8, 5:8].all()
    assert used.sum() == 9  # differences of -1, 0, 1


@pytest.mark.parametrize("height", [6, 7])
def test_memory_order_does_not_matter_and_is_kept(height: int) -> None:
    block, maps = Residual(attention()), torch.randn(2, 8, height, 6)
    other = block(maps.to(memory_format=torch.channels_last))
    torch.testing.assert_close(other, block(maps))
    assert other.is_contiguous(memory_format=torch.channels_last)
    assert block(maps).is_contiguous()


@pytest.mark.parametrize(
    ("blocks", "msas", "letters"),
    [(2, 0, "cc"), (2, 1, "ca"), (4, 1, "ccca"), (6, 3, "cacaca"), (4, 2, "caca"), (3, 1, "cca")],
)
def test_attention_alternates_from_the_end_of_a_stage(blocks: int, msas: int, letters: str) -> None:
    assert ["ca"[attends] for attends in alternation(blocks, msas)] == list(letters)


@pytest.mark.parametrize(
    ("name", "depth", "letters"),
    [
        ("alternet", 18, "cc ca ca ca"),
        ("alternet", 34, "ccc ccca cacaca caca"),
        ("alternet", 50, "ccc ccca cacaca caca"),
        ("xalternet", 18, "cc ca ca ca"),
        ("xalternet", 34, "ccc ccca cacaca cca"),
    ],
)
def test_attention_is_where_it_was_published(name: str, depth: int, letters: str) -> None:
    stages = small(name, depth=depth).trunk.stages
    assert " ".join("".join("ca"[isinstance(block, Residual)] for block in stage) for stage in stages) == letters


def test_attention_can_be_left_out_or_put_elsewhere() -> None:
    for msas in ((0, 0, 0, 0), (1, 0, 0, 1)):
        parts = small("alternet", msas=msas).modules()
        assert sum(isinstance(part, WindowAttention) for part in parts) == sum(msas)


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("depth", "imagenet", "cifar"),
    [(18, 9_968_803, 9_499_063), (34, 22_833_054, 22_362_954), (50, 35_915_038, 34_062_538)],
)
def test_alternet_has_the_parameters_of_the_authors_code(depth: int, imagenet: int, cifar: int) -> None:
    with torch.device("meta"):
        assert count(models.build("alternet", 3, 1000, depth=depth)) == imagenet
        assert count(models.build("alternet", 1, 1000, depth=depth)) == imagenet - 2 * 64 * 49
        assert count(models.build("alternet", 3, 100, depth=depth, stem="cifar", window=4)) == cifar


@pytest.mark.parametrize("place", ["pre", "post"])
@pytest.mark.parametrize(("depth", "parameters"), [(18, 9_476_284), (34, 18_929_614)])
def test_xalternet_has_its_parameters(place: str, depth: int, parameters: int) -> None:
    with torch.device("meta"):
        assert count(models.build("xalternet", 1, 1, depth=depth, window=2, attention=place)) == parameters


def test_alternet_without_attention_is_the_pre_activation_resnet() -> None:
    """Of the authors' repository."""
    with torch.device("meta"):
        assert count(models.build("alternet", 3, 1000, msas=(0, 0, 0, 0))) == 11_687_720


def test_xalternet_without_attention_is_timm_s_resnet18d() -> None:
    ours = models.build("xalternet", 3, 2, msas=(0, 0, 0, 0)).trunk
    theirs = import_timm().create_model("resnet18d", num_classes=0)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    maps = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(ours(maps), theirs(maps))


@pytest.mark.parametrize("place", BRANCHES)
def test_blocks_are_what_the_paper_draws(place: str) -> None:
    """Norms, activation and convolution written out: before the attention, or around it."""
    torch.manual_seed(0)
    branch = BRANCHES[place](16, 8, 2, 3, "batch", "gelu").eval()
    maps, gelu = torch.randn(2, 16, 6, 6), nn.GELU()
    with torch.no_grad():
        for norm in (part for part in branch if isinstance(part, nn.BatchNorm2d)):
            norm.running_mean.normal_()
        conv, attend = (next(p for p in branch if isinstance(p, kind)) for kind in (nn.Conv2d, WindowAttention))
        first, second = (part for part in branch if isinstance(part, nn.BatchNorm2d))
        if place == "pre":
            expected = maps + attend(second(conv(gelu(first(maps)))))
        else:
            expected = maps + second(attend(gelu(first(conv(maps)))))
        torch.testing.assert_close(Residual(branch)(maps), expected)


@each
@pytest.mark.parametrize("size", [48, 64, 75, 101, 150])
def test_any_frame_gives_a_number_a_target(name: str, size: int) -> None:
    answer = small(name, 3, 2).eval()(torch.randn(2, 3, size, size))
    assert answer.shape == (2, 2)
    assert (answer.std(dim=0) > 0).all()


@each
@pytest.mark.parametrize(("height", "width"), [(75, 48)])
def test_a_frame_need_not_be_square(name: str, height: int, width: int) -> None:
    assert small(name)(torch.randn(2, 1, height, width)).shape == (2, 1)


def test_the_stem_for_small_frames_keeps_them_whole() -> None:
    trunk = small("alternet", stem="cifar").trunk
    assert trunk.stem(torch.randn(1, 1, 17, 17)).shape[2:] == (17, 17)
    assert trunk(torch.randn(2, 1, 17, 17)).shape == (2, trunk.width)


@each
@pytest.mark.parametrize("options", [{}, {"depth": 34}, {"depth": 50}, {"stochastic_depth": 0.1}, {"norm": "group"}])
def test_every_parameter_has_a_finite_gradient(name: str, options: dict[str, Any]) -> None:
    model, maps, target = small(name, **options), torch.randn(8, 1, 48, 48), torch.randn(8, 1)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(2):  # timm's residual branches begin at exactly zero
        optimiser.zero_grad()
        mse_loss(model(maps), target).backward()
        optimiser.step()
    for parameter, values in model.named_parameters():
        assert values.grad is not None, parameter
        assert torch.isfinite(values.grad).all(), parameter
        assert values.grad.any(), parameter


@each
def test_half_precision_is_finite_and_close(name: str) -> None:
    model, maps = small(name).eval(), torch.randn(4, 1, 75, 75)  # padded windows in it
    with torch.no_grad():
        whole = model(maps)
        with torch.autocast("cpu", torch.bfloat16):
            half = model(maps)
    torch.testing.assert_close(half.float(), whole, rtol=0.05, atol=0.05)


@each
def test_in_evaluation_an_image_does_not_see_the_rest_of_its_batch(name: str) -> None:
    model, maps = small(name).eval(), torch.randn(3, 1, 75, 75)
    others = maps.clone()
    others[1:] = torch.nan
    with torch.no_grad():
        torch.testing.assert_close(model(others)[:1], model(maps)[:1])


def test_stochastic_depth_leaves_out_whole_images_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    layer, branch = StochasticDepth(0.25), torch.ones(4000, 2, 3, 3)
    kept = layer(branch).flatten(1)
    assert (kept == kept[:, :1]).all()
    assert set(kept.unique().tolist()) == {0.0, float(torch.tensor(1.0) / 0.75)}
    assert kept.mean() == pytest.approx(1, abs=4 * math.sqrt(0.25 / 0.75 / 4000))
    assert torch.equal(layer.eval()(branch), branch)


def test_rates_of_stochastic_depth_rise_over_all_blocks() -> None:
    assert depth_rates(0.3, (2, 1, 1)) == [[0, pytest.approx(0.1)], [pytest.approx(0.2)], [pytest.approx(0.3)]]


@each
def test_every_block_has_its_rate(name: str) -> None:
    """timm leaves its module out where the rate is zero."""
    trunk = small(name, stochastic_depth=0.7).trunk
    rates = [getattr(part, "rate", getattr(part, "drop_prob", None)) for part in trunk.modules()]
    told = [rate for rate in rates if rate]
    assert told == pytest.approx([0.1 * block for block in range(1, 8)])


def test_width_multiplies_channels_and_heads() -> None:
    half = models.build("alternet", 1, 1, width=0.5).trunk
    assert half.widths == (32, 64, 128, 256)
    assert [part.heads for part in half.modules() if isinstance(part, WindowAttention)] == [3, 6, 12]
    assert small("alternet", depth=50).trunk.widths == (32, 64, 128, 256)


@pytest.mark.parametrize(
    ("build", "option", "value", "message"),
    [
        (alternet.build, "depth", 20, r"^depth: 20; there are 18, 34, 50$"),
        (alternet.build, "stem", "small", r"^stem: no 'small'; there are imagenet, cifar$"),
        (alternet.build, "msas", (0, 1, 1, 2), r"^msas: \[0, 1, 1, 2\]; .*, from 0 to \[1, 1, 1, 1\]$"),
        (alternet.build, "msas", (0, 1), r"^msas: \[0, 1\]; there must be one number a stage"),
        (xalternet.build, "msas", (0, -1, 0, 0), r"^msas: "),
        (xalternet.build, "heads", (3, 6, 0, 24), r"^heads: \[3, 6, 0, 24\]; there must be 4, .* at least 1$"),
        (alternet.build, "window", 0, r"^window: 0; it must be at least 1 pixel$"),
        (alternet.build, "width", 0.0, r"^width: 0.0; it must be more than 0$"),
        (alternet.build, "norm", "bach", r"^norm: "),
        (xalternet.build, "activation", "rely", r"^activation: "),
        (xalternet.build, "attention", "mid", r"^attention: no 'mid'; there are pre, post$"),
        (xalternet.build, "stochastic_depth", 1.0, r"^stochastic_depth: 1.0; it must be at least 0 and less than 1$"),
    ],
)
def test_a_wrong_option_is_refused(build: Any, option: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(1, **{option: value})
