"""Averages of weights, against torch's own."""

import io
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

import models
from models.training.averages import Average, build

STEPS = 20


def network() -> nn.Module:
    torch.manual_seed(0)
    return models.build("cnn", 1, 1, widths=[4, 8])


def trained(model: nn.Module, steps: int = STEPS, seed: int = 0) -> Iterator[int]:
    """Steps of gradient descent on noise, large enough to move weights and running statistics."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(steps):
        optimiser.zero_grad()
        model.train()(3 * torch.randn(8, 1, 8, 8, generator=generator)).square().mean().backward()
        optimiser.step()
        yield step


def copied(model: nn.Module) -> dict[str, Tensor]:
    return deepcopy(model.state_dict())


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def inside(average: Average) -> dict[str, Tensor]:
    with average.swapped():
        return copied(average.model)


def close(found: dict[str, Tensor], expected: dict[str, Tensor], names: list[str] | None = None) -> None:
    for name in names or found:
        if found[name].is_floating_point():
            torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-6, msg=name)


def test_ema_is_torch_s_buffers_included() -> None:
    model = network()
    average = build("ema", model, STEPS, decay=0.8, warmup=False)
    oracle = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.8), use_buffers=True)
    for _ in trained(model):
        average.update()
        oracle.update_parameters(model)
    close(inside(average), oracle.module.state_dict())
    counts = [name for name in inside(average) if name.endswith("num_batches_tracked")]
    assert counts
    assert all(inside(average)[name] == STEPS for name in counts)  # whole numbers have no average
    assert not torch.allclose(inside(average)["head.last.weight"], model.head.last.weight, rtol=0.01)


@pytest.mark.parametrize("decay", [0.999, 0.5])
def test_warmup_forgets_the_beginning_faster(decay: float) -> None:
    """By hand: weights that count the steps."""
    model = nn.Linear(1, 1, bias=False).double()
    average = build("ema", model, STEPS, decay=decay)
    expected = 0.0
    for t in range(STEPS):
        model.weight.data.fill_(t)
        average.update()
        kept = min(decay, (1 + t) / (10 + t)) if t else 0.0
        expected = kept * expected + (1 - kept) * t
    assert inside(average)["weight"].item() == pytest.approx(expected, rel=1e-12)
    assert expected > STEPS / 2


@pytest.mark.parametrize(("start", "every", "taken"), [(0.75, 1, range(15, 20)), (0.5, 3, [10, 13, 16, 19])])
def test_swa_is_torch_s_over_the_steps_it_takes(start: float, every: int, taken: Any) -> None:
    model = network()
    average = build("swa", model, STEPS, start=start, every=every)
    oracle = AveragedModel(model)
    for step in trained(model):
        average.update()
        assert average.active == (step >= taken[0])
        if step in taken:
            oracle.update_parameters(model)
    close(inside(average), oracle.module.state_dict(), [name for name, _ in model.named_parameters()])


def test_even_the_shortest_run_has_an_average() -> None:
    model = network()
    average = build("swa", model, 1, start=0.99)
    average.update()
    assert average.active


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_the_model_is_itself_again_after_a_swap(kind: str) -> None:
    """To the bit, even if something goes wrong inside; an optimiser goes on with the same parameters."""
    model = network()
    average = build(kind, model, STEPS)
    for _ in trained(model):
        average.update()
    own, parameters = copied(model), [id(p) for p in model.parameters()]
    swapped: list[bool] = []

    def wrong() -> None:
        with average.swapped():
            swapped.append(not equal(copied(model), own))
            model.train()(torch.randn(8, 1, 8, 8))  # moves running statistics
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        wrong()
    assert swapped == [True]
    assert equal(copied(model), own)
    assert [id(p) for p in model.parameters()] == parameters


def test_averaging_does_not_change_the_training() -> None:
    ends = []
    for kind in ("none", "ema", "swa"):
        model = network()
        average = build(kind, model, STEPS)
        for _ in trained(model):
            average.update()
            inside(average)
        ends.append(copied(model))
    assert equal(ends[0], ends[1])
    assert equal(ends[0], ends[2])


def test_without_an_average_there_is_nothing_to_swap() -> None:
    model = network()
    average = build("none", model, STEPS)
    for _ in trained(model):
        average.update()
    assert not average.active
    assert equal(inside(average), copied(model))


# statistics of batch normalisation


def batches(count: int = 4) -> list[tuple[Tensor, ...]]:
    generator = torch.Generator().manual_seed(7)
    return [(5 * torch.randn(8, 1, 8, 8, generator=generator) + 1,) for _ in range(count)]


def test_swa_measures_statistics_anew_as_torch_does() -> None:
    model = network()
    average, oracle = build("swa", model, STEPS), AveragedModel(model)
    for step in trained(model):
        average.update()
        if step >= 15:
            oracle.update_parameters(model)
    own = copied(model.eval())
    stale = inside(average)
    average.refresh(iter(batches()))
    assert equal(copied(model), own)
    assert not model.training
    update_bn([maps for (maps,) in batches()], oracle.module)
    found = inside(average)
    close(found, oracle.module.state_dict())
    statistics = [name for name in found if "running" in name]
    assert statistics
    assert not any(torch.allclose(found[name], stale[name]) for name in statistics)
    momenta = {module.momentum for module in model.modules() if isinstance(module, nn.BatchNorm2d)}
    assert momenta == {0.1}


def test_statistics_are_measured_with_vectors_too() -> None:
    torch.manual_seed(0)
    model = models.build("cnn", 1, 1, 3, widths=[4], fusion="concat", head={"widths": [4], "norm": "batch"})
    average = build("swa", model, 1)
    average.update()
    vectors = torch.randn(8, 3)
    average.refresh([(torch.randn(8, 1, 8, 8), vectors)])
    once = inside(average)
    average.refresh([(torch.randn(8, 1, 8, 8), vectors + 5)])
    name = next(name for name in once if name.startswith("head") and "running_mean" in name)
    assert not torch.allclose(once[name], inside(average)[name], rtol=0.01)


@pytest.mark.parametrize("kind", ["none", "ema"])
def test_others_leave_their_statistics_alone(kind: str) -> None:
    model = network()
    average = build(kind, model, STEPS)
    for _ in trained(model):
        average.update()
    before = inside(average)
    average.refresh(batches())
    assert equal(inside(average), before)


# resuming


@pytest.mark.parametrize("kind", ["none", "ema", "swa"])
@pytest.mark.parametrize("stop", [3, 17])
def test_goes_on_from_a_file_as_if_nothing_had_been(kind: str, stop: int) -> None:
    model = network()
    average = build(kind, model, STEPS)
    later: Average | None = None
    for step in trained(model):
        average.update()
        if later:
            later.update()
        if step == stop:
            torch.save(average.state_dict(), file := io.BytesIO())
            file.seek(0)
            later = build(kind, model, STEPS)
            later.load_state_dict(torch.load(file, weights_only=True))
    assert later
    assert later.active == average.active == (kind != "none")
    assert equal(inside(later), inside(average))


def test_a_state_does_not_change_with_later_steps() -> None:
    model = network()
    average = build("ema", model, STEPS)
    steps = trained(model)
    next(steps)
    average.update()
    state = average.state_dict()
    before = deepcopy(state["mean"])
    other = build("ema", model, STEPS)
    other.load_state_dict(state)
    for _ in steps:
        average.update()
        other.update()
    assert equal(state["mean"], before)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("emma", {}, r"^average: no 'emma'; there are none, ema, swa$"),
        ("ema", {"start": 0.5}, r"^average: no option 'start' for ema; there are decay, warmup$"),
        ("none", {"decay": 0.5}, r"^average: no option 'decay' for none; it has none$"),
        ("ema", {"decay": 1.0}, r"^average\.decay: 1; it must be at least 0 and below 1$"),
        ("swa", {"start": 1.0}, r"^average\.start: 1; it must be at least 0 and below 1$"),
        ("swa", {"every": 0}, r"^average\.every: 0; it must be at least 1$"),
    ],
)
def test_what_cannot_be_is_refused(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(kind, network(), STEPS, **options)
