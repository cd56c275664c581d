"""A training on several ranks, for tests: `python -m tests.training.learner FOLDER SETTINGS`, under a launcher.

SETTINGS are JSON, with `norm` for the network's, `nan` for a row of which the image is spoilt and `infinite` for one
whose target is. Each rank leaves its weights, and how many wrapped networks there were when it left the group.
"""

import faulthandler
import gc
import json
import sys
from pathlib import Path
from unittest.mock import patch

import torch
from torch.nn.parallel import DistributedDataParallel

from models.training.loop import fit
from models.training.record import NotFinite
from pipeline import ranks
from tests.training.miniature import cnn, lenses, settings


def wrapped() -> int:
    """How many networks are wrapped for several ranks."""
    return sum(type(each) is DistributedDataParallel for each in gc.get_objects())


if __name__ == "__main__":
    ranks.follow()
    faulthandler.dump_traceback_later(60, exit=True)  # a rank that waits for ever says where
    folder, given = Path(sys.argv[1]), json.loads(sys.argv[2])
    torch.set_num_threads(1)
    train, world = lenses(128, seed=0), ranks.world()
    model = cnn(norm=given.pop("norm"), head={"dropout": given.pop("dropout", 0.0)})
    if "nan" in given:
        train[0][given.pop("nan")] = torch.nan
    if "infinite" in given:
        train[1][given.pop("infinite")] = torch.inf
    chosen = settings(**{"augment": ["d4"], "epochs": 3, "accumulate": 2, **given})
    gc.disable()  # what is left over is to be seen
    left, leave = [], torch.distributed.destroy_process_group
    try:
        with patch("torch.distributed.destroy_process_group", lambda: (left.append(wrapped()), leave())):
            record = fit(model, train, lenses(64, seed=1), chosen, 0, ranks=world.size)
    except NotFinite as error:
        sys.exit(f"train: {error.rows}")
    torch.save(
        {
            "weights": model.state_dict(),
            "epochs": [vars(epoch) for epoch in record.epochs],
            "said": record.said,
            "left": left,
            "mask": torch.nn.functional.dropout(torch.ones(64)),
        },
        folder / f"{world.rank}-of-{world.size}.pt",
    )
