"""The same verdict across DVC experiments: what each of them predicted, against the first.

    python -m pipeline.compare --experiments main exp-a exp-b

Experiments are named as for `dvc metrics diff`: branches, tags, commits or names of experiments. Their predictions come
from DVC's cache or remote; nothing in the workspace is touched.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from pipeline import findings, params, tables
from pipeline.errors import InputError
from pipeline.places import place
from pipeline.verdict import cells as reading
from pipeline.verdict.cells import Cell
from pipeline.verdict.judging import judged
from pipeline.verdict.questions import between

NEEDED = ("params.yaml", "data/predictions", "data/baselines", "data/lenses.parquet", "data/split.json")


def main(names: Sequence[str]) -> None:
    """Print the verdict; exit 1 with one line on a user's mistake."""
    if len(names) < 2:
        sys.exit("usage: python -m pipeline.compare --experiments FIRST OTHER [OTHER ...]")
    try:
        print(verdict(names))
    except InputError as error:
        sys.exit(f"compare: {error}")


def verdict(names: Sequence[str]) -> str:
    """The verdict on every later experiment against the first, as Markdown. `compare` is the workspace's own."""
    chosen = params.read([], "compare")
    with TemporaryDirectory() as folder:
        there = {name: _fetched(name, Path(folder) / str(i)) for i, name in enumerate(names)}
        cells: list[Cell] = []
        said: list[str] = []
        for name, where in there.items():
            own, missing = _cells(where)
            cells += [replace(cell, input=f"{name}:{cell.input}") for cell in own]
            said += [f"{name}: {line}" for line in missing]
        first = there[names[0]]
        plain = {"shortcuts": tables.read(first / "data/baselines/shortcuts.parquet", role="test")}
        images = json.loads((first / "data/split.json").read_text())["counts"]["train"]
        lenses = pd.read_parquet(first / "data/lenses.parquet")
        found = judged(cells, said, plain, lenses, between(names, cells), images, chosen)
        return found.markdown(findings.read(str(first / "data/audit.json")))


def _cells(where: Path) -> tuple[list[Cell], list[str]]:
    keys: Any = ("train.inputs", "train.backbones", "train.sizes", "train.seeds")
    inputs, backbones, sizes, seeds = params.read([], *keys, path=where / "params.yaml")
    names = list(product(inputs, backbones, map(str, sizes)))
    return reading.read(place(str(where / "data/predictions")), names, seeds)


def _fetched(name: str, folder: Path) -> Path:
    """What the comparison needs of an experiment, in a folder of its own."""
    from dvc.api import DVCFileSystem  # takes a second to import, and only this command needs it
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import RevError, resolve_rev

    try:
        with Repo() as repo:
            revision = resolve_rev(repo.scm, name)
        files = DVCFileSystem(rev=revision)
        for path in (*NEEDED, "data/audit.json"):
            if not files.exists(path):
                raise InputError(f"{name}: it has no {path}; run that experiment with this version of the pipeline")
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            files.get(path, str(target), recursive=True)
    except RevError as error:
        raise InputError(f"{name}: no branch, tag, commit or experiment of that name; see dvc exp show") from error
    except (DvcException, OSError) as error:
        raise InputError(f"{name}: cannot be fetched: {error}; dvc pull or dvc exp pull may have it") from error
    return folder
