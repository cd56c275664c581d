"""A training on several ranks, for tests: `python -m tests.training.learner OUT NORM [EPOCHS]` under a launcher."""

import sys
from pathlib import Path

import torch

from models.training.loop import fit
from pipeline import ranks
from tests.training.miniature import Steps, cnn, lenses, settings

if __name__ == "__main__":
    ranks.follow()
    out, norm = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    chosen = settings(augment=["d4"], epochs=3, accumulate=2)
    model, world = cnn(norm=norm), ranks.world()
    record = fit(model, lenses(128, seed=0), lenses(64, seed=1), chosen, 0, watcher=Steps(), ranks=world.size)
    if world.rank == 0:
        torch.save({"weights": model.state_dict(), "epochs": [vars(epoch) for epoch in record.epochs]}, out)
