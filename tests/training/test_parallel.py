"""Two processes that share each step learn what one does."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline import ranks
from tests.training.miniature import distance


def learnt(out: Path, norm: str, size: int) -> dict[str, Any]:
    ranks.launch(size, [sys.executable, "-m", "tests.training.learner", str(out), norm])
    return torch.load(out, weights_only=True)


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """With group normalisation; the rows, their turns and the micro-batches are those of one process."""
    one, two = (learnt(tmp_path / f"{size}.pt", "group", size) for size in (1, 2))
    for alone, shared in zip(one["epochs"], two["epochs"], strict=True):
        for name in ("train_loss", "validation_loss", "gradient_norm"):
            assert shared[name] == pytest.approx(alone[name], rel=1e-3)
    assert distance(one["weights"], two["weights"]) < 1e-2


def test_batch_normalisation_sees_the_part_of_its_own_process(tmp_path: Path) -> None:
    """Which is the difference that the documentation tells of: losses are close, and not the same."""
    one, two = (learnt(tmp_path / f"{size}.pt", "batch", size) for size in (1, 2))
    first = [found["epochs"][0]["train_loss"] for found in (one, two)]
    assert first[0] == pytest.approx(first[1], rel=0.3)
    assert first[0] != pytest.approx(first[1], rel=1e-4)
