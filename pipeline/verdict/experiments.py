"""The same verdict across DVC experiments: what each of them predicted, against the first.

    python -m pipeline.compare --experiments main exp-a exp-b

Experiments are named as for `dvc metrics diff`: branches, tags, commits or names of experiments. Their predictions come
from DVC's cache or remote; nothing in the workspace is touched. Where they lie is read from the `compare` stage of each
experiment's own dvc.yaml.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from pipeline import findings, lenses, params, tables
from pipeline.errors import InputError
from pipeline.verdict import cells as reading
from pipeline.verdict import text
from pipeline.verdict.cells import Cell
from pipeline.verdict.judging import SHORTCUTS, judged
from pipeline.verdict.questions import between

READ = ("predictions", "baselines", "lenses", "runs", "split", "audit")  # the first words of `compare`, in their order


class Experiment(NamedTuple):
    """Copies of what the comparison reads of one experiment."""

    params: Path
    predictions: Path
    baselines: Path
    lenses: Path
    split: Path
    audit: Path


def main(names: Sequence[str]) -> None:
    """Print the verdict; exit 1 with one line on a user's mistake."""
    if len(names) < 2 or len(set(names)) < len(names):
        sys.exit("usage: python -m pipeline.compare --experiments FIRST OTHER [OTHER ...], each of them once")
    try:
        print(verdict(names))
    except InputError as error:
        sys.exit(f"compare: {error}")


def verdict(names: Sequence[str]) -> str:
    """The verdict on every later experiment against the first, as Markdown.

    How it is judged (`compare`) is the workspace's; lenses, shortcuts and what the audit found are the first's.
    """
    chosen = params.read([], "compare")
    with TemporaryDirectory() as folder:
        there = {name: _fetched(name, Path(folder) / str(i)) for i, name in enumerate(names)}
        cells, said = list[Cell](), list[str]()
        for name, experiment in there.items():
            own, missing = _cells(experiment)
            cells += [replace(cell, input=f"{name}:{cell.input}") for cell in own]
            said += [f"{name}: {line}" for line in missing]
        first = there[names[0]]
        asked = between(names, cells)
        if not asked:
            raise InputError(f"{', '.join(names)}: no input, backbone and size in common; there is nothing to compare")
        plain = {SHORTCUTS: tables.read(first.baselines / f"{SHORTCUTS}.parquet", role="test")}
        dealt = json.loads(first.split.read_text())
        described = lenses.read(first.lenses, dealt["rows"])
        found = judged(cells, said, plain, described, asked, dealt["counts"]["train"], chosen)
        return text.markdown(found, findings.read(first.audit))


def _cells(where: Experiment) -> tuple[list[Cell], list[str]]:
    keys: Any = ("train.inputs", "train.backbones", "train.sizes", "train.seeds")
    inputs, backbones, sizes, seeds = params.read([], *keys, path=where.params)
    return reading.read(where.predictions, list(product(inputs, backbones, map(str, sizes))), seeds)


def _fetched(name: str, folder: Path) -> Experiment:
    """What the comparison needs of an experiment, copied to a folder of its own."""
    from dvc.api import DVCFileSystem  # takes a second to import, and only this command needs it

    folder.mkdir()
    with _explained(name):
        files = DVCFileSystem(rev=_revision(name))
        places = {"params": "params.yaml"} | _places(name, files)
        for part, path in places.items():
            if not files.exists(path):
                raise InputError(f"{name}: it has no {path}; run that experiment with this version of the pipeline")
            files.get(path, str(folder / part), recursive=True)
    return Experiment(**{part: folder / part for part in places})


def _revision(name: str) -> str:
    """The commit of a branch, tag, commit or experiment."""
    from dvc.repo import Repo
    from dvc.scm import resolve_rev

    with Repo() as repo:
        return str(resolve_rev(repo.scm, name))


def _places(name: str, files: Any) -> dict[str, str]:
    """Where an experiment has what `compare` reads, but for the runs: their weights are not asked for."""
    try:
        words = YAML(typ="safe").load(files.read_text("dvc.yaml"))["stages"]["compare"]["cmd"].split()
        places = dict(zip(READ, words[words.index("pipeline.compare") + 1 :], strict=False))
    except (FileNotFoundError, KeyError, ValueError):
        places = {}
    if len(places) < len(READ):
        raise InputError(f"{name}: its dvc.yaml has no stage that runs pipeline.compare {' '.join(READ).upper()} ...")
    return {part: path for part, path in places.items() if part != "runs"}


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Whatever DVC has against an experiment, as an `InputError` that names it."""
    from dvc.exceptions import DvcException
    from dvc.scm import RevError

    try:
        yield
    except RevError as error:
        raise InputError(
            f"{name}: no branch, tag, commit or experiment of that name ({error}); see dvc exp show -A"
        ) from error
    except (DvcException, OSError) as error:
        raise InputError(f"{name}: cannot be fetched: {error}; dvc pull or dvc exp pull may have it") from error
