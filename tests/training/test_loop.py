"""Training: the loop does what its schedule, its loss and its seed say, and can be stopped anywhere."""

import io
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR

import models
from models.training.device import pick_device
from models.training.loop import fit
from models.training.predict import predict
from models.training.record import Epoch, NotFinite, State
from models.training.settings import Settings

Rows = tuple[Tensor, Tensor]
SETTINGS = Settings(
    epochs=5, batch_size=8, learning_rate=1e-2, patience=100, augment=[], device="cpu", precision="32-true"
)


class Watch:
    """Calls `ended` after every epoch, with the state made; `stepped` after every step, with how to make it."""

    def __init__(
        self,
        ended: Callable[[Epoch, State], object] = lambda epoch, state: None,
        stepped: Callable[[int, Callable[[], State]], object] = lambda step, state: None,
    ) -> None:
        self._ended, self.stepped = ended, stepped

    def ended(self, epoch: Epoch, state: Callable[[], State]) -> None:
        self._ended(epoch, state())


def linear(pixels: int = 16) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 1))


def cnn() -> nn.Module:
    torch.manual_seed(0)
    return models.build("cnn", 1, 1, widths=[4, 8], head={"dropout": 0.3})


def rows(count: int, of: Callable[[Tensor], Tensor] | None = None, seed: int = 0) -> Rows:
    """Images of noise with labels that are a function of them, or noise too."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, 1, 4, 4, generator=generator)
    return maps, of(maps) if of else torch.randn(count, 1, generator=generator)


def slope(maps: Tensor) -> Tensor:
    """A label that a linear network can learn: a weighted sum of pixels, of unit variance."""
    weights = torch.linspace(-1, 1, maps[0].numel())
    return maps.flatten(1) @ (weights / weights.norm())[:, None]


def epochs(*arguments: Any, **options: Any) -> list[Epoch]:
    return fit(*arguments, **options).epochs


def equal(first: State, second: State) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def validation_loss(model: nn.Module, validation: Rows) -> float:
    with torch.no_grad():
        return float(huber_loss(model.eval()(validation[0]), validation[1]))


# augmentation


def test_fit_augments_when_it_is_asked_to() -> None:
    """A label that turns with the image cannot be learnt from turned images."""
    train, validation = rows(64, slope), rows(64, slope, seed=1)
    losses: dict[int, float] = {}
    for augment in ([], ["d4"]):
        settings = replace(SETTINGS, augment=augment, epochs=20, learning_rate=0.1)
        losses[len(augment)] = epochs(linear(), train, validation, settings, seed=0)[-1].train_loss
    assert losses[0] < 0.1 < losses[1]


# learning


def test_learns_a_linear_label() -> None:
    train, validation = rows(256, slope), rows(64, slope, seed=1)
    model = linear()
    history = epochs(model, train, validation, replace(SETTINGS, epochs=15, learning_rate=0.1), seed=0)
    constant = float(huber_loss(torch.zeros_like(validation[1]), validation[1]))
    assert validation_loss(model, validation) < 0.2 * constant
    assert history[-1].train_loss < 0.2 * history[0].train_loss


def test_ends_with_the_weights_of_its_best_epoch() -> None:
    train, validation = rows(16), rows(16, seed=1)  # noise: whoever learns it does worse on other noise
    model, states = cnn(), []
    settings = replace(SETTINGS, epochs=12, learning_rate=0.05)
    history = epochs(
        model, train, validation, settings, seed=0, watcher=Watch(lambda epoch, state: states.append(state["model"]))
    )
    losses = [epoch.validation_loss for epoch in history]
    best = int(np.argmin(losses))
    assert 0 < best < 11
    assert validation_loss(model, validation) == pytest.approx(losses[best], rel=1e-6)
    assert equal(model.state_dict(), states[best])
    assert not equal(states[best], states[-1])
    assert [epoch.best for epoch in history] == [loss < min([torch.inf, *losses[:i]]) for i, loss in enumerate(losses)]
    assert [epoch.epoch for epoch in history] == list(range(12))


def test_the_losses_are_huber_losses() -> None:
    """Steps too small to matter: both losses are the first network's, with the asked-for knee."""
    train, validation = rows(16, lambda maps: 3 * slope(maps)), rows(8, slope, seed=1)
    model = linear()
    with torch.no_grad():
        expected = [float(huber_loss(model(maps), target, delta=0.3)) for maps, target in (train, validation)]
    settings = replace(SETTINGS, epochs=1, learning_rate=1e-12, loss={"kind": "huber", "delta": 0.3})
    (epoch,) = epochs(model, train, validation, settings, seed=0)
    assert [epoch.train_loss, epoch.validation_loss] == pytest.approx(expected, rel=1e-5)


def test_the_seed_decides_the_weights() -> None:
    train, validation = rows(32), rows(16, seed=1)
    ends = []
    for seed in (0, 0, 1):
        model = linear()
        fit(model, train, validation, replace(SETTINGS, augment=["d4"]), seed)
        ends.append(model.state_dict())
    assert equal(ends[0], ends[1])
    assert not equal(ends[0], ends[2])


@pytest.mark.parametrize("augment", [[], ["d4"]], ids=["as they are", "turned"])
@pytest.mark.parametrize("stop", [0, 2, 4], ids=["after the first epoch", "half way", "after the last epoch"])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(augment: list[str], stop: int) -> None:
    """To the bit, with dropout, from a file."""
    train, validation = rows(30), rows(16, seed=1)
    settings = replace(SETTINGS, augment=augment, learning_rate=0.05)
    files: list[io.BytesIO] = []

    def watch(epoch: Epoch, state: State) -> None:
        files.append(io.BytesIO())
        torch.save(state, files[-1])

    whole = cnn()
    history = epochs(whole, train, validation, settings, seed=0, watcher=Watch(watch))
    files[stop].seek(0)
    resumed = cnn()
    torch.manual_seed(123)  # another process would be elsewhere
    torch.rand(7)
    state = torch.load(files[stop], weights_only=True)
    later: list[Epoch] = []
    watcher = Watch(lambda epoch, state: later.append(epoch))
    assert epochs(resumed, train, validation, settings, 5, state, watcher) == history
    assert later == history[stop + 1 :]
    assert equal(resumed.state_dict(), whole.state_dict())


@pytest.mark.parametrize("patience", [1, 3])
def test_stops_after_so_many_epochs_without_a_better_one(patience: int) -> None:
    """What training teaches, validation punishes: every epoch is worse than the first."""
    blank = torch.zeros(16, 1, 4, 4)
    model, states = linear(), []
    settings = replace(SETTINGS, epochs=10, patience=patience)
    history = epochs(
        model,
        (blank, torch.ones(16, 1)),
        (blank, -torch.ones(16, 1)),
        settings,
        seed=0,
        watcher=Watch(lambda epoch, state: states.append(state)),
    )
    losses = [epoch.validation_loss for epoch in history]
    assert losses == sorted(losses)
    assert [epoch.best for epoch in history] == [True] + [False] * patience
    assert equal(model.state_dict(), states[0]["model"])
    again = epochs(linear(), (blank, torch.ones(16, 1)), (blank, -torch.ones(16, 1)), settings, 0, resume=states[-1])
    assert again == history  # a run that had stopped stays stopped


def test_a_better_epoch_gives_new_patience() -> None:
    train = rows(64, slope)
    history = epochs(linear(), train, train, replace(SETTINGS, epochs=12, patience=1, learning_rate=1e-3), seed=0)
    assert len(history) == 12


# the optimiser


def one_cycle(steps: int, settings: Settings) -> list[float]:
    """Torch's learning rate at every step, and after the last."""
    optimiser = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps, pct_start=settings.schedule.get("warmup", 0.3)
    )
    rates = [schedule.get_last_lr()[0]]
    for _ in range(steps):
        optimiser.step()
        schedule.step()
        rates.append(schedule.get_last_lr()[0])
    return rates


@pytest.mark.parametrize(("count", "batch_size"), [(32, 8), (30, 8), (8, 8)])
def test_the_learning_rate_is_one_cycle_of_torch(count: int, batch_size: int) -> None:
    settings = replace(SETTINGS, batch_size=batch_size, epochs=6, schedule={"kind": "one_cycle", "warmup": 0.4})
    history = epochs(linear(), rows(count), rows(8, seed=1), settings, seed=0)
    steps = max(1, count // batch_size)
    rates = one_cycle(6 * steps, settings)
    assert [epoch.learning_rate for epoch in history] == pytest.approx(rates[steps - 1 :: steps][:6], rel=1e-12)


@pytest.mark.parametrize(("count", "warmup"), [(16, 0.5), (80, 0.1)])
def test_a_warmup_of_exactly_one_step_is_possible(count: int, warmup: float) -> None:
    """Torch's one-cycle schedule divides by the steps of the warm-up less one."""
    model = linear()
    fit(
        model,
        rows(count),
        rows(8, seed=1),
        replace(SETTINGS, epochs=1, schedule={"kind": "one_cycle", "warmup": warmup}),
        seed=0,
    )
    assert not equal(model.state_dict(), linear().state_dict())


class Indifferent(nn.Module):
    """Answers zero and has a gradient of zero: what changes its weights is weight decay alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return 0 * self.head(self.norm(self.conv(maps)).mean(dim=(2, 3)))


def test_weight_decay_takes_from_matrices_what_adamw_says_and_spares_the_rest() -> None:
    model = Indifferent()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    before = deepcopy(dict(model.named_parameters()))
    settings = replace(SETTINGS, epochs=1, learning_rate=0.5, weight_decay=0.3)
    fit(model, rows(32), rows(8, seed=1), settings, seed=0)
    left = np.prod([1 - 0.3 * rate for rate in one_cycle(4, settings)[:4]])  # Loshchilov & Hutter 2019, eq. 12
    assert left < 0.9
    for name, parameter in model.named_parameters():
        matrix = name in ("conv.weight", "head.weight")
        torch.testing.assert_close(parameter, before[name] * (left if matrix else 1.0), rtol=1e-5, atol=0.0, msg=name)


class Recorder(nn.Module):
    """A network that writes down which images it was trained on; image i holds the number i."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.seen = nn.Parameter(torch.zeros(1)), list[list[int]]()

    def forward(self, maps: Tensor) -> Tensor:
        if self.training:
            self.seen.append(maps[:, 0, 0, 0].int().tolist())
        return self.scale * maps[:, 0, 0]


def numbered(count: int) -> Rows:
    return torch.arange(count).float()[:, None, None, None].expand(-1, 1, 1, 1), torch.zeros(count, 1)


def test_an_epoch_is_whole_batches_of_different_rows_and_no_row_is_left_out_for_good() -> None:
    model = Recorder()
    fit(model, numbered(10), numbered(4), replace(SETTINGS, batch_size=4, epochs=8), seed=0)
    assert [len(batch) for batch in model.seen] == [4] * 16
    epochs = [first + second for first, second in zip(model.seen[::2], model.seen[1::2], strict=True)]
    assert all(len(set(epoch)) == 8 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 8
    assert set().union(*epochs) == set(range(10))


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^batch_size: 16 is more than the 12 training rows; choose at most 12"):
        fit(linear(), rows(12), rows(8, seed=1), replace(SETTINGS, batch_size=16), seed=0)


# faults


@pytest.mark.parametrize("part", [0, 1], ids=["maps", "target"])
def test_a_nan_in_training_names_its_row(part: int) -> None:
    train = rows(32)
    train[part][3] = torch.nan
    with pytest.raises(NotFinite, match=r"^step \d: the loss is nan.* of rows not finite themselves") as caught:
        fit(linear(), train, rows(8, seed=1), SETTINGS, seed=0)
    assert caught.value.rows == [3]


def test_weights_that_run_away_are_blamed_on_the_rate_and_no_state_is_given_out_of_them() -> None:
    states: list[State] = []
    settings = replace(SETTINGS, loss={"kind": "mse"}, optimiser={"kind": "sgd"}, learning_rate=1e12)
    watcher = Watch(stepped=lambda step, state: states.append(state()))
    with pytest.raises(NotFinite, match=r"rows finite, so the weights have run away: try a lower train\.fit") as caught:
        fit(linear(), rows(64), rows(8, seed=1), settings, seed=0, watcher=watcher)
    assert len(set(caught.value.rows)) == 8
    assert all(state["record"]["trace"]["losses"].isfinite().all() for state in states)


def test_a_nan_that_comes_later_is_an_error_that_names_its_epoch() -> None:
    validation = rows(8, seed=1)

    def spoil(epoch: Epoch, state: State) -> None:
        if epoch.epoch == 1:
            validation[1][0] = torch.nan

    with pytest.raises(NotFinite, match=r"^epoch 2: the loss on validation is nan; try a lower"):
        fit(linear(), rows(32), validation, SETTINGS, seed=0, watcher=Watch(spoil))


# prediction


@pytest.fixture
def module() -> ModuleType:
    return import_module("models.training.predict")  # the package's name for it is the function


def test_predict_is_the_network_s_own_answer_whatever_the_batch(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = torch.randn(23, 1, 8, 8)
    model = cnn().train()
    found = predict(model, maps)
    assert not model.training
    with torch.no_grad():
        expected = model(maps)
    assert found.shape == (23, 1)
    assert not found.requires_grad
    assert torch.equal(found, expected)
    for batch in (1, 7, 23):
        monkeypatch.setattr(module, "BATCH", batch)
        torch.testing.assert_close(predict(model, maps), expected)


def test_predict_asks_for_no_more_than_a_batch_at_a_time(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 4)
    model = linear()
    sizes: list[int] = []
    model.register_forward_pre_hook(lambda model, inputs: sizes.append(len(inputs[0])))
    predict(model, rows(10)[0])
    assert sizes == [4, 4, 2]


def test_a_gpu_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^'cuda:99' is not there; torch sees \d+ GPUs \(try auto\)"):
        pick_device("cuda:99")


def test_auto_is_a_device_that_works() -> None:
    assert torch.ones(2, device=pick_device("auto")).sum().item() == 2
    assert pick_device("cpu") == "cpu"
    history = epochs(linear(), rows(16), rows(8), replace(SETTINGS, epochs=1, device="auto", precision="auto"), seed=0)
    assert len(history) == 1


# heads and vectors


def beside(count: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Images that know nothing; the target is the first of three vectors."""
    vectors = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return torch.zeros(count, 1, 8, 8), vectors[:, :1], vectors


@pytest.mark.parametrize("kind", ["point", "gaussian", "quantiles", "flow"])
@pytest.mark.parametrize("augment", [[], ["d4"]], ids=["as they are", "turned"])
def test_learns_from_vectors_with_the_loss_of_any_head(kind: str, augment: list[str]) -> None:
    train, validation = beside(256), beside(64, seed=1)
    torch.manual_seed(0)
    model = models.build("cnn", 1, 1, 3, widths=[8], fusion="concat", head={"kind": kind, "widths": [16]})
    settings = replace(SETTINGS, epochs=10, batch_size=32, learning_rate=0.03, augment=augment)
    history = epochs(model, train, validation, settings, seed=0)
    found = predict(model, validation[0], validation[2])
    assert found.shape == (64, 1)
    assert (found - validation[1]).square().mean() < 0.1 * validation[1].var()
    assert history[-1].train_loss < history[0].train_loss


def test_the_losses_are_the_head_s_own_and_in_validation_unweighted() -> None:
    """Steps too small to matter; in training the beta-NLL weighs by the spread, in evaluation it does not."""
    train, validation = rows(16), rows(8, seed=1)
    torch.manual_seed(0)
    model = models.build("cnn", 1, 1, widths=[8], head={"kind": "gaussian", "beta": 1.0})
    model.head.last.bias.data[1] = 1.0
    untouched = deepcopy(model)
    with torch.no_grad():
        mean, std = untouched.train()(train[0]).unbind(2)
        taught = (std**2 * (std.log() + (train[1] - mean) ** 2 / std**2 / 2)).mean()
    settings = replace(SETTINGS, epochs=1, batch_size=16, learning_rate=1e-12)
    (epoch,) = epochs(model, train, validation, settings, seed=0)
    with torch.no_grad():
        mean, std = model.eval()(validation[0]).unbind(2)
        validated = nn.GaussianNLLLoss()(mean, validation[1], std**2)
    assert [epoch.train_loss, epoch.validation_loss] == pytest.approx([float(taught), float(validated)], rel=1e-4)


def test_predict_gives_vectors_to_the_rows_they_belong_to(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = models.build("cnn", 1, 1, 3, widths=[8], fusion="concat")
    maps, vectors = torch.randn(23, 1, 8, 8), torch.randn(23, 3)
    monkeypatch.setattr(module, "BATCH", 7)
    found = predict(model, maps, vectors)
    with torch.no_grad():
        torch.testing.assert_close(found, model(maps, vectors))


def test_answers_reads_what_it_is_asked_of_every_batch(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = models.build("cnn", 1, 2, widths=[8], head={"kind": "gaussian"})
    monkeypatch.setattr(module, "BATCH", 7)
    maps, levels = torch.randn(23, 1, 8, 8), torch.tensor([0.16, 0.84])
    found = module.answers(model, maps, read=lambda outputs: model.head.quantile(outputs, levels))
    assert found.shape == (23, 2, 2)
    mean, std = module.answers(model, maps).unbind(2)
    torch.testing.assert_close(found.diff(dim=2)[..., 0], 2 * 0.994458 * std, rtol=1e-4, atol=1e-5)
    assert torch.equal(predict(model, maps), mean)
