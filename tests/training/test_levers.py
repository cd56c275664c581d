"""Every optimiser, loss and schedule that has a name trains the default network; each lever does what it says."""

import numpy as np
import pytest
from torch import nn

from models.training import losses, schedules
from models.training.loop import fit
from models.training.predict import predict
from tests.training.miniature import cnn, lenses, settings

TRAIN, VALIDATION = lenses(128, seed=0), lenses(64, seed=1)
CONSTANT = float((VALIDATION[1] - TRAIN[1].mean()).square().mean())
HEADS = {"gaussian": "gaussian", "pinball": "quantiles"}
RATES = {}  # of optimisers whose steps are not those of Adam


def error(model: nn.Module) -> float:
    return float((predict(model, VALIDATION[0]) - VALIDATION[1]).square().mean())


@pytest.mark.parametrize("kind", [*losses.KINDS, *HEADS])
def test_every_loss_learns(kind: str) -> None:
    model = cnn(head={"kind": HEADS.get(kind, "point")})
    fit(model, TRAIN, VALIDATION, settings(loss={"kind": kind}), seed=0)
    assert error(model) < 0.5 * CONSTANT


@pytest.mark.parametrize("kind", schedules.KINDS)
def test_every_schedule_learns_and_its_rates_are_its_formula_s(kind: str) -> None:
    """Plateau and AutoWU have no formula: theirs are asked of a schedule told the same losses."""
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
    """The same losses, and so the same rates, from batches in one part and in four."""
    runs = [fit(cnn(), TRAIN, VALIDATION, settings(schedule={"kind": kind}, accumulate=n), seed=0) for n in (1, 4)]
    assert runs[0].trace.rates == runs[1].trace.rates or kind in ("plateau", "autowu")
    np.testing.assert_allclose(runs[0].trace.losses[:4], runs[1].trace.losses[:4], rtol=0.3)
