"""Every loss and schedule that has a name trains the default network; each lever does what it says."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.training import averages, losses, optimisers, schedules
from models.training.loop import Run, fit
from models.training.predict import predict
from models.training.preparation import prepared
from models.training.settings import Settings, scaled
from pipeline import params
from tests.conftest import ROOT
from tests.training.miniature import Steps, cnn, distance, lenses, settings
from tests.training.test_optimisers import RATES

TRAIN, VALIDATION = lenses(128, seed=0), lenses(64, seed=1)
CONSTANT = float((VALIDATION[1] - TRAIN[1].mean()).square().mean())
HEADS = {"gaussian": "gaussian", "pinball": "quantiles"}
DESCENT = {
    "optimiser": {"kind": "sgd", "momentum": 0.0},
    "schedule": {"kind": "constant"},
    "weight_decay": 0.0,
    "epochs": 1,
}


def error(model: nn.Module) -> float:
    return float((predict(model, VALIDATION[0]) - VALIDATION[1]).square().mean())


@pytest.fixture
def one_layer() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(144, 1))


# names


@pytest.mark.parametrize("kind", [*losses.KINDS, *HEADS])
def test_every_loss_learns(kind: str) -> None:
    model = cnn(head={"kind": HEADS.get(kind, "point")})
    fit(model, TRAIN, VALIDATION, settings(loss={"kind": kind}), seed=0)
    assert error(model) < 0.5 * CONSTANT


@pytest.mark.parametrize("kind", optimisers.KINDS)
def test_every_optimiser_learns(kind: str) -> None:
    """At a rate that is its own; of L-BFGS a lower one than for whole data, whose curvature batches only guess."""
    model = cnn()
    rate = 0.05 if kind == "lbfgs" else RATES[kind]
    fit(model, TRAIN, VALIDATION, settings(optimiser={"kind": kind}, learning_rate=rate), seed=0)
    assert error(model) < 0.7 * CONSTANT


@pytest.mark.parametrize("kind", schedules.KINDS)
def test_every_schedule_learns_and_its_rates_are_those_of_its_formula(kind: str) -> None:
    """Plateau and AutoWU have none: theirs are those of a schedule told the same losses."""
    model, chosen = cnn(), settings(schedule={"kind": kind}, epochs=8)
    record = fit(model, TRAIN, VALIDATION, chosen, seed=0)
    assert error(model) < 0.5 * CONSTANT
    told = schedules.build(kind, chosen.learning_rate, 64)
    expected = []
    for step, loss in enumerate(record.trace.losses):
        expected.append(told.rate(step))
        if told.watches:
            told.observe(step, loss)
        if step % 8 == 7:
            told.validated(record.epochs[step // 8].validation_loss)
    assert record.trace.rates == expected


@pytest.mark.parametrize("kind", schedules.KINDS)
def test_a_schedule_goes_by_steps_whatever_they_are_made_of(kind: str) -> None:
    """The same losses, and so the same rates, from batches in one part and in three, which do not divide them."""
    chosen = settings(schedule={"kind": kind}, epochs=2)
    runs = [fit(cnn(norm="group"), TRAIN, VALIDATION, replace(chosen, accumulate=n), seed=0).trace for n in (1, 3)]
    assert runs[0].rates == runs[1].rates
    np.testing.assert_allclose(runs[0].losses, runs[1].losses, rtol=1e-3)
    np.testing.assert_allclose(runs[0].norms, runs[1].norms, rtol=1e-2)


@pytest.mark.parametrize(
    ("section", "known"),
    [
        (params.Loss, [*losses.KINDS, *HEADS]),
        (params.Schedule, schedules.KINDS),
        (params.Average, averages.KINDS),
    ],
)
def test_params_know_every_kind_there_is(section: type[params.Kind], known: Any) -> None:
    assert set(get_args(section.model_fields["kind"].annotation)) == set(known)


def test_the_settings_are_those_of_params() -> None:
    """Of the same names, and params.yaml's values are the defaults."""
    given = params.plain(params.read([], "train.fit", path=ROOT / "params.yaml"))
    for name, default in vars(Settings()).items():
        assert given[name] == (list(default) if isinstance(default, tuple) else default), name


# what is added to a step, or taken from it


def test_a_gradient_longer_than_clip_is_cut_to_it(one_layer: nn.Sequential) -> None:
    """Steps of gradient descent are then rate x clip long; the record has the length that was."""
    steps = Steps()
    record = fit(one_layer, TRAIN, VALIDATION, settings(**DESCENT, clip=0.01), seed=0, watcher=steps)
    assert min(record.trace.norms) > 0.01
    for step in range(1, 8):
        assert distance(steps[step]["model"], steps[step - 1]["model"]) == pytest.approx(1e-4, rel=1e-3)


def test_l1_takes_from_weights_and_is_not_in_the_losses(one_layer: nn.Sequential) -> None:
    """Where the data say nothing, a step of gradient descent takes rate x strength of every weight."""
    nn.init.zeros_(one_layer[1].bias)
    blank = torch.zeros(32, 1, 12, 12), torch.zeros(32, 1)
    before = one_layer[1].weight.detach().clone()
    record = fit(one_layer, blank, blank, settings(**{**DESCENT, "learning_rate": 1e-3}, l1=0.1), seed=0)
    after = one_layer[1].weight.detach()
    far = before.abs() > 3e-4
    torch.testing.assert_close(after[far], (before - 2e-4 * before.sign())[far], rtol=1e-4, atol=1e-7)
    assert record.trace.losses == [0.0, 0.0]


def test_label_noise_is_as_strong_as_it_is_said_to_be(one_layer: nn.Sequential) -> None:
    """A network that says zero of targets of zero loses the noise's variance, in training alone."""
    for parameter in one_layer.parameters():
        nn.init.zeros_(parameter)
    blank = torch.zeros(4096, 1, 12, 12), torch.zeros(4096, 1)
    chosen = settings(epochs=1, loss={"kind": "mse"}, label_noise=0.3, learning_rate=1e-12, batch_size=2048)
    (epoch,) = fit(one_layer, blank, blank, chosen, seed=0).epochs
    assert epoch.train_loss == pytest.approx(0.09, rel=0.1)
    assert epoch.validation_loss < 1e-6


def test_a_target_without_weight_is_not_learnt() -> None:
    train, validation = [(maps, torch.cat([target, -target], dim=1)) for maps, target in (TRAIN, VALIDATION)]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(144, 2))
    before = model[1].weight.detach().clone()
    fit(model, train, validation, settings(target_weights=[1.0, 0.0], weight_decay=0.0), seed=0)
    assert torch.equal(model[1].weight.detach()[1], before[1])
    assert not torch.equal(model[1].weight.detach()[0], before[0])


def test_delta_follows_the_residuals_after_the_first_epoch() -> None:
    steps, model = Steps(), cnn()
    fit(model, TRAIN, VALIDATION, settings(epochs=2, loss={"kind": "huber", "delta": "mad"}), seed=0, watcher=steps)
    model.load_state_dict(steps[7]["model"])
    residuals = (TRAIN[1] - predict(model, TRAIN[0])).numpy()
    mad = np.median(abs(residuals - np.median(residuals)))
    assert steps[7]["parts"]["objective"]["delta"].tolist() == pytest.approx([1.345])
    assert steps[8]["parts"]["objective"]["delta"].tolist() == pytest.approx([1.345 * 1.4826 * mad], rel=0.02)


@pytest.mark.parametrize(("rule", "times"), [("none", 1.0), ("linear", 4.0), ("sqrt", 2.0)])
def test_a_rate_is_scaled_with_the_batch(rule: str, times: float) -> None:
    assert scaled(3e-3, 256, rule, 64) == pytest.approx(3e-3 * times)


# weights


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_the_average_is_what_is_validated_and_kept(kind: str) -> None:
    steps, model = Steps(), cnn()
    record = fit(
        model, TRAIN, VALIDATION, settings(average={"kind": kind}, epochs=4, learning_rate=1e-3), seed=0, watcher=steps
    )
    best = max(epoch.epoch for epoch in record.epochs if epoch.best)
    share, means = averages.KINDS[kind](32), dict(steps[0]["model"])
    for step in range(8 * (best + 1)):
        now = steps[step]["model"]
        means = {name: mean + share(step) * (now[name] - mean) for name, mean in means.items()}
    assert best == 3
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), means[name], rtol=1e-4, atol=1e-6)
    validated = losses.objective("huber", model)(predict(model, VALIDATION[0]), VALIDATION[1])
    assert float(validated) == pytest.approx(record.epochs[best].validation_loss, rel=1e-5)


class Wishes(schedules.Schedule):
    """Wants the weights of step 2 back after step 5."""

    watches = True  # type: ignore[assignment]

    def _rate(self, step: int) -> float:
        return 1e-2

    def observe(self, step: int, loss: float) -> str:
        return {2: "keep", 5: "restore"}.get(step, "")


def test_a_schedule_can_have_weights_kept_and_put_back() -> None:
    """As AutoWU does: weights and optimiser are those of the keep, and steps go on counting."""
    steps, model, chosen = Steps(), cnn(), settings(epochs=1)
    parts = prepared(model, TRAIN, chosen, 0)
    parts.schedule = Wishes(8)
    Run(model, parts, VALIDATION, chosen).through(steps)
    kept, restored = steps[2], steps[5]
    assert distance(kept["model"], restored["model"]) == 0.0
    assert distance(steps[4]["model"], restored["model"]) > 0.0
    first, second = (state["parts"]["optimiser"]["optimiser"]["state"][0] for state in (kept, restored))
    assert torch.equal(first["exp_avg"], second["exp_avg"])
    assert len(steps) == 8


class Bursts(nn.Module):
    """A network whose answers become infinite once, at the given step of training, and leave its weights so."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.network, self.step, self.seen = cnn(), step, 0

    def forward(self, maps: Tensor) -> Tensor:
        self.seen += self.training
        outputs = self.network(maps)
        return outputs * torch.inf if self.training and self.seen == self.step else outputs


@pytest.mark.parametrize("step", [18, 22, 24])
@pytest.mark.parametrize("average", ["none", "ema"])
def test_autowu_outlives_a_loss_that_is_not_finite_wherever_it_comes(step: int, average: str) -> None:
    """In the middle of an epoch and right before validation; the average of weights comes back with the weights."""
    model, schedule = Bursts(step), {"kind": "autowu", "every": 2}
    record = fit(model, TRAIN, VALIDATION, settings(schedule=schedule, average={"kind": average}, epochs=10), seed=0)
    assert record.said["schedule"]["switch"] >= step - 1
    assert not np.isfinite(record.trace.losses[step - 1])
    assert np.isfinite(record.trace.losses[-8:]).all()
    assert np.isfinite(record.epochs[-1].validation_loss)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


# images


class Sizes(nn.Module):
    """A network that writes down the frames it is trained on, and its rate of dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.dropout, self.seen = nn.Linear(1, 1), nn.Dropout(0.9), list[tuple[int, float]]()

    def forward(self, maps: Tensor) -> Tensor:
        if self.training:
            self.seen.append((maps.shape[-1], round(self.dropout.p, 6)))
        return self.linear(maps.mean(dim=(2, 3)))


def test_progressive_learning_begins_small_and_ends_with_whole_frames() -> None:
    model = Sizes()
    given = {"stages": 3, "size": 6, "multiple": 2, "dropout": [0.1, 0.3], "mixup": [0.0, 0.2], "magnitude": [0.5, 1.0]}
    fit(model, TRAIN, VALIDATION, settings(progressive=given, epochs=3), seed=0)
    assert model.seen == [(6, 0.1)] * 8 + [(8, 0.2)] * 8 + [(12, 0.3)] * 8


@pytest.mark.parametrize(
    ("augment", "workers"),
    [([{"rotate": {"degrees": 180}}], 0), ([{"HorizontalFlip": {"p": 0.5}}], 0), ([{"HorizontalFlip": {"p": 0.5}}], 2)],
)
def test_what_turns_with_the_image_cannot_be_learnt_from_turned_ones(augment: list[Any], workers: int) -> None:
    """Such as where a gradient of brightness points; whoever turns the images, the loop or workers beside it."""
    maps = torch.randn(128, 1, 12, 12, generator=torch.Generator().manual_seed(3))
    target = (maps * torch.linspace(-1, 1, 12)).mean(dim=(2, 3)) * 20
    rates = {}
    for name, items in (("as it is", []), ("turned", augment)):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(144, 1))
        chosen = settings(augment=items, workers=workers, epochs=10, learning_rate=0.03)
        rates[name] = fit(model, (maps, target), (maps, target), chosen, seed=0).epochs[-1].train_loss
    assert rates["as it is"] < 0.1 < rates["turned"]


def test_a_run_from_streamed_blocks_learns_as_one_from_memory() -> None:
    train = lenses(4096, seed=2)  # 2.3 MiB
    errors = []
    for memory in (1, 64):
        model = cnn()
        fit(model, train, VALIDATION, settings(memory=memory, epochs=1, batch_size=32), seed=0)
        errors.append(error(model))
    assert max(errors) < 0.3 * CONSTANT


# everything at once


EVERYTHING = {
    "optimiser": {"kind": "radam"},
    "schedule": {"kind": "plateau", "warmup": 0.2},
    "loss": {"kind": "huber", "delta": "mad"},
    "average": {"kind": "swa", "start": 0.3},
    "augment": ["d4", {"rotate": {"degrees": 20}}, {"shift": {"pixels": 0.5}}],
    "label_noise": 0.1,
    "l1": 1e-5,
    "clip": 1.0,
    "accumulate": 2,
    "discriminative": 0.7,
    "progressive": {
        "stages": 2,
        "size": 8,
        "multiple": 4,
        "dropout": [0.1, 0.3],
        "mixup": [0.1, 0.2],
        "magnitude": [0.5, 1.0],
    },
}
RUNS: dict[str, dict[str, Any]] = {
    "default": {},
    "everything": EVERYTHING,
    "autowu": {"schedule": {"kind": "autowu", "every": 2}, "epochs": 6},
    "schedule-free": {"optimiser": {"kind": "schedulefreeadamw"}},
    "streamed": {"memory": 1, "batch_size": 512},
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on_from_any_step_and_ends_with_the_same_bits(name: str) -> None:
    """From a file, with dropout, in the middle of an epoch and at its end."""
    train = lenses(4096, seed=2) if name == "streamed" else TRAIN
    chosen, steps = settings(**{"epochs": 3, "augment": ["d4"], **RUNS[name]}), Steps()
    whole = cnn(head={"dropout": 0.3})
    record = fit(whole, train, VALIDATION, chosen, seed=0, watcher=steps)
    for step in (0, 6, 7, 11, len(steps) - 1):
        resumed = cnn(seed=5, head={"dropout": 0.3})  # other weights and another state of chance
        again = fit(resumed, train, VALIDATION, chosen, 0, steps[step])
        assert again.epochs == record.epochs
        assert again.trace == record.trace
        assert distance(resumed.state_dict(), whole.state_dict()) == 0.0


def test_a_schedule_free_run_is_judged_by_statistics_of_the_weights_it_is_judged_at() -> None:
    """The mean that the first normalisation ends with is that of what the first convolution gives it."""
    model = cnn()
    fit(model, TRAIN, VALIDATION, settings(epochs=1, optimiser={"kind": "schedulefreeadamw"}, learning_rate=0.1), 0)
    layers = list(model.modules())
    first, norm = (next(one for one in layers if isinstance(one, kind)) for kind in (nn.Conv2d, nn.BatchNorm2d))
    with torch.no_grad():
        mean = first(TRAIN[0]).mean(dim=(0, 2, 3))
    torch.testing.assert_close(norm.running_mean, mean, rtol=1e-4, atol=1e-5)
