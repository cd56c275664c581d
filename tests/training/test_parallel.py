"""Two processes that share each step learn what one does, and the same."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline import ranks
from pipeline.errors import InputError
from tests.training.miniature import distance


def learnt(folder: Path, size: int, **given: Any) -> list[dict[str, Any]]:
    """What each rank ended with."""
    ranks.launch(size, [sys.executable, "-m", "tests.training.learner", str(folder), json.dumps(given)])
    return [torch.load(folder / f"{rank}-of-{size}.pt", weights_only=True) for rank in range(size)]


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """With group normalisation; the rows, their turns and the micro-batches are those of one process."""
    (one,), (two, other) = (learnt(tmp_path, size, norm="group") for size in (1, 2))
    for alone, shared in zip(one["epochs"], two["epochs"], strict=True):
        for name in ("train_loss", "validation_loss", "gradient_norm"):
            assert shared[name] == pytest.approx(alone[name], rel=1e-3)
    assert distance(one["weights"], two["weights"]) < 1e-2
    assert distance(two["weights"], other["weights"]) == 0.0


def test_the_wrapped_network_is_gone_before_the_group_of_ranks_is(tmp_path: Path) -> None:
    """Were it the last to hold the group, its rank could wait for ever: it did, in one of some 20 runs."""
    for each in learnt(tmp_path, 2, norm="group", dropout=0.5, schedule={"kind": "autowu"}):
        assert each["left"] == [0]


def test_batch_normalisation_sees_the_part_of_its_own_process(tmp_path: Path) -> None:
    """Which is the difference that the documentation tells of: losses are close, and not the same."""
    first = [learnt(tmp_path, size, norm="batch")[0]["epochs"][0]["train_loss"] for size in (1, 2)]
    assert first[0] == pytest.approx(first[1], rel=0.3)
    assert first[0] != pytest.approx(first[1], rel=1e-4)


def test_ranks_decide_alike_and_drop_out_by_themselves(tmp_path: Path) -> None:
    """AutoWU sees the losses of all; a test every second step has it switch early. Masks are each rank's own."""
    autowu = {"kind": "autowu", "every": 2, "patience": 1, "confidence": 0.7}
    one, two = learnt(tmp_path, 2, norm="group", dropout=0.5, schedule=autowu, epochs=6, learning_rate=0.1)
    assert one["said"] == two["said"]
    assert one["said"]["schedule"]["found"]
    assert distance(one["weights"], two["weights"]) == 0.0
    assert not torch.equal(one["mask"], two["mask"])


@pytest.mark.parametrize("what", ["nan", "infinite"])
@pytest.mark.parametrize("row", [5, 100])
def test_a_row_that_is_not_finite_is_named_whoever_had_it(tmp_path: Path, what: str, row: int) -> None:
    """Of an infinite target Huber's loss is infinite, and its gradient is not: the other ranks see nothing of it."""
    with pytest.raises(InputError, match=rf"^\[{row}\]$"):
        learnt(tmp_path, 2, norm="group", **{what: row})
