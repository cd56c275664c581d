"""`d4net`: its layers turn exactly with the image, and what it says of an image does not change."""

import copy
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, mse_loss

import models
from models import d4net
from models.blocks.group import ORDER, GroupConv, GroupNorm, Halve, Lift, acted, folded, quotient, turned, unfolded
from models.blocks.group_attention import GroupWindowAttention, tiling
from models.blocks.stochastic_depth import StochasticDepth
from models.network import Network
from models.training.augment import d4

SMALL: dict[str, Any] = {"widths": (2, 3, 4), "blocks": (1, 2, 1), "attention": (False, True, True), "window": 5}
ELEMENTS = range(ORDER)
TOLERANCE = 1e-5  # of the spread of the answers, in float32


def network(seed: int = 0, in_channels: int = 1, **options: Any) -> Network:
    torch.manual_seed(seed)
    return models.build("d4net", in_channels, 1, **options)


def arcs(count: int, size: int, seed: int = 0) -> Tensor:
    """Images (n, 1, h, w) of a crooked ring each, with a little noise: nothing about them is symmetric."""
    generator = torch.Generator().manual_seed(seed)
    radius, phase, order, x, y = torch.rand(5, count, 1, 1, generator=generator)
    side = torch.linspace(-1, 1, size)
    down, right = side[:, None] - 0.3 * (y - 0.5), side[None, :] - 0.3 * (x - 0.5)
    angle = torch.atan2(down, right)
    ring = torch.exp(-(((torch.hypot(down, right) - 0.3 - 0.4 * radius) / 0.1) ** 2))
    images = 3 * ring * (1 + torch.cos((1 + (4 * order).floor()) * angle + 6 * phase))
    return (images + 0.3 * torch.randn(images.shape, generator=generator))[:, None]


def trained(model: nn.Module, steps: int, maps: Tensor) -> nn.Module:
    """After so many steps towards targets that the images know nothing of."""
    target = torch.linspace(-1.5, 1.5, len(maps))[:, None]
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        mse_loss(model(maps), target).backward()
        optimiser.step()
    return model


@torch.no_grad()
def variance(model: nn.Module, maps: Tensor) -> float:
    """The largest change of an answer under the eight symmetries, relative to the answers' standard deviation."""
    answers = model(maps)
    changes = [(model(turned(maps, element)) - answers).abs().max() for element in ELEMENTS[1:]]
    return float(torch.stack(changes).max() / answers.std())


def test_the_quotient_leads_from_one_element_to_the_other() -> None:
    image = torch.arange(12).view(1, 3, 4)
    for g, h in product(ELEMENTS, ELEMENTS):
        assert torch.equal(turned(turned(image, quotient(g, h)), g), turned(image, h))


def test_elements_have_the_numbers_of_the_augmentation() -> None:
    maps = arcs(20, 9)
    pick = torch.randint(8, (20,), generator=torch.Generator().manual_seed(3))
    seen = d4(maps, torch.Generator().manual_seed(3))
    assert torch.equal(seen, torch.stack([turned(m, int(p)) for m, p in zip(maps, pick, strict=True)]))


def test_folding_is_a_view_of_a_state_as_it_lies() -> None:
    state = GroupConv(3, 2)(unfolded(torch.randn(2, 24, 6, 5).contiguous(memory_format=torch.channels_last)))
    assert folded(state).is_contiguous(memory_format=torch.channels_last)
    assert folded(state).data_ptr() == state.data_ptr()
    assert torch.equal(unfolded(folded(state)), state)


def test_group_convolution_is_that_of_the_paper() -> None:
    """Out of g comes the sum over h of what h holds, seen with the filter of g⁻¹ h as g turns it (their eq. 11)."""
    layer, state = GroupConv(3, 2), torch.randn(2, 3, ORDER, 7, 6)
    filters = layer.weight.unflatten(1, (ORDER, 3))
    expected = [
        sum(conv2d(state[:, :, h], turned(filters[:, quotient(g, h)], g), padding=1) for h in ELEMENTS)
        for g in ELEMENTS
    ]
    torch.testing.assert_close(layer(state), torch.stack(expected, dim=2), rtol=1e-4, atol=1e-5)


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: GroupConv(4, 3),
    "wide convolution": lambda: GroupConv(4, 3, 5),
    "point convolution": lambda: GroupConv(4, 3, 1),
    "halve": Halve,
    "mean": d4net.StateMean,
    "attention": lambda: GroupWindowAttention(4, 2, 4),
    "attention in one window": lambda: GroupWindowAttention(4, 1, 20),
    "block": lambda: d4net.Block(4, 3, False, lambda c: GroupNorm("batch", c), 0.0),
    "halving block": lambda: d4net.Block(4, 4, True, lambda c: GroupNorm("layer", c), 0.0),
    **{f"{norm} norm": lambda norm=norm: GroupNorm(norm, 4) for norm in ("batch", "layer", "instance", "none")},
}


def random(layer: nn.Module) -> nn.Module:
    """With no parameter at zero, in double precision."""
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer.double()


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("frame", [(6, 6), (9, 9), (6, 11)], ids=str)
def test_every_layer_turns_with_its_state(layer: Callable[[], nn.Module], frame: tuple[int, int]) -> None:
    torch.manual_seed(0)
    made, state = random(layer()), torch.randn(2, 4, ORDER, *frame, dtype=torch.float64)
    answer = made(state)
    assert answer.std() > 1e-3
    for element in ELEMENTS:
        expected = acted(answer, element) if answer.ndim == 5 else answer
        torch.testing.assert_close(made(acted(state, element)), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [3, 5])
def test_lifting_turns_with_the_image(size: int) -> None:
    layer, maps = random(Lift(2, 3, size)), torch.randn(2, 2, 9, 8, dtype=torch.float64)
    for element in ELEMENTS:
        torch.testing.assert_close(layer(turned(maps, element)), acted(layer(maps), element))


@pytest.mark.parametrize("window", range(2, 10))
def test_windows_cover_every_side_and_overhang_alike_at_both_ends(window: int) -> None:
    for side in range(1, 160):
        count, size = tiling(side, window)
        overhang = count * size - side
        assert size <= window
        assert overhang % 2 == 0
        assert 0 <= overhang < 2 * size  # no window is empty
    assert tiling(window, window) == (1, window)


def test_a_window_sees_itself_and_nothing_else() -> None:
    """Of 5 pixels, windows of at most 4 make three of 3: 1, 3 and 1 lie in the frame. What overhangs is not seen."""
    torch.manual_seed(0)
    assert tiling(5, 4) == (3, 3)
    layer, state = random(GroupWindowAttention(4, 2, 4)), torch.randn(2, 4, ORDER, 5, 5, dtype=torch.float64)
    whole = layer(state)
    for rows in (slice(0, 1), slice(1, 4), slice(4, 5)):
        for columns in (slice(0, 1), slice(1, 4), slice(4, 5)):
            torch.testing.assert_close(layer(state[..., rows, columns]), whole[..., rows, columns])


@pytest.fixture(scope="module")
def default() -> nn.Module:
    return trained(network(), 3, arcs(8, 32))


@pytest.mark.parametrize("size", [48, 64, 75, 101, 150])
@pytest.mark.parametrize(("training", "tolerance"), [(False, TOLERANCE), (True, 10 * TOLERANCE)])
def test_the_default_network_says_the_same_of_all_eight(
    default: nn.Module, size: int, training: bool, tolerance: float
) -> None:
    """In training, rounding is what torch's sums of a batch's statistics, in single precision, make of it."""
    assert variance(copy.deepcopy(default).train(training), arcs(6, size, seed=size)) < tolerance


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("steps", "norm"), [(0, "batch"), (8, "batch"), (8, "layer")])
def test_it_is_exact_whatever_it_learnt(seed: int, steps: int, norm: str) -> None:
    """In double precision, where a network whose answers hardly differ yet can be asked as well."""
    model = trained(network(seed, norm=norm, **SMALL).double(), steps, arcs(4, 25, seed).double())
    for training in (True, False):
        assert variance(model.train(training), arcs(3, 38, seed).double()) < 1e-9  # sides 38, 19, 10 and 5


class Strided(nn.Module):
    """Every second pixel, or a mean or a maximum that starts at one edge: how others halve a frame."""

    def __init__(self, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, state: Tensor) -> Tensor:
        return unfolded(self.pool(folded(state)))


FAULTS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {  # and a size at which it shows
    "stride": (lambda maps: maps[..., ::2, ::2], 32),
    "mean of two": (lambda maps: avg_pool2d(maps, 2, ceil_mode=True), 33),
    "maximum of three": (lambda maps: max_pool2d(maps, 3, 2, 1), 32),
}


@pytest.mark.parametrize(("pool", "size"), FAULTS.values(), ids=FAULTS)
def test_a_stride_that_starts_at_an_edge_would_show(pool: Callable[[Tensor], Tensor], size: int) -> None:
    model = trained(network(**SMALL), 3, arcs(8, size))
    model.trunk.stages[1][0].halve = Strided(pool)
    assert variance(model, arcs(8, size)) > 100 * TOLERANCE


def test_a_filter_that_forgets_to_turn_would_show() -> None:
    model = trained(network(**SMALL), 3, arcs(8, 32))
    model.trunk.stages[0][0].first.source.copy_(model.trunk.stages[0][0].first.source.roll(1))
    assert variance(model, arcs(8, 32)) > 100 * TOLERANCE


def test_scaling_channels_between_stages_leaves_it_exact() -> None:
    """What FiLM does: all eight orientations of a channel alike, along `axis`."""
    trunk, maps = trained(network(**SMALL), 3, arcs(8, 32)).eval().trunk, arcs(8, 32)
    assert trunk.axis == 1
    scales = [torch.rand(8, channels, 1, 1, 1) for channels in trunk.widths]
    acts = [scale.mul for scale in scales]
    answers = trunk(maps, acts)
    assert not torch.allclose(answers, trunk(maps), rtol=0.01)
    for element in ELEMENTS:
        changes = (trunk(turned(maps, element), acts) - answers).abs().amax(dim=0)
        assert (changes < TOLERANCE * answers.std(dim=0)).all()


def test_turned_copies_teach_it_nothing() -> None:
    """Its gradients are those of the images as they were."""
    gradients = []
    for element in (0, 5):
        model, maps = network(**SMALL).double(), arcs(8, 33).double()
        trained(model, 1, turned(maps, element))
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_it_has_the_parameters_of_its_layers() -> None:
    """From i to o channels a convolution has 8 i o weights a tap, and of a norm 2 i; no biases."""

    def block(i: int, o: int) -> int:
        return 2 * i + 72 * i * i + 2 * i + 72 * i * o + (8 * i * o if i != o else 0)

    def attention(c: int, heads: int) -> int:
        return 2 * c + 4 * 8 * c * c + heads * (2 * 8 - 1) ** 2

    stages = [block(4, 4), block(4, 8) + block(8, 8), block(8, 16) + block(16, 16), block(16, 48)]
    expected = 25 * 4 + sum(stages) + attention(16, 1) + attention(48, 3) + 2 * 48
    assert parameters(d4net.build(1)) == expected == 230_184
    assert parameters(d4net.build(4)) == expected + 3 * 25 * 4
    assert 2_000_000 < parameters(d4net.build(1, width=3.0)) < 3_000_000


def test_an_image_may_pass_blocks_by_in_training_alone() -> None:
    torch.manual_seed(0)
    skip, state = StochasticDepth(0.25), torch.ones(4000, 1, ORDER, 1, 1)
    kept = skip(state)
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert kept.mean() == pytest.approx(1, abs=0.05)
    assert torch.equal(kept.amax(dim=2), kept.amin(dim=2))  # an image as a whole
    assert torch.equal(skip.eval()(state), state)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": []}, r"^widths: \[\]; there must be one or more"),
        ({"blocks": [1, 1]}, r"^blocks: \[1, 1\]; there must be 4, one a stage"),
        ({"attention": [True]}, r"^attention: \[True\]; there must be 4"),
        ({"window": 1}, r"^window: 1 pixels have no neighbours"),
        ({"norm": "bach"}, r"^norm: no 'bach'; there are batch"),
        ({"activation": "gleu"}, r"^activation: no 'gleu'; there are "),
        ({"stochastic_depth": -0.1}, r"^stochastic_depth: -0.1; it must be at least 0"),
    ],
)
def test_a_wrong_option_is_refused_with_what_would_be_right(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        d4net.build(1, **options)
