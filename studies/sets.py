"""Stage `set`: the problems of a set, each made by the pipeline's own stages.

    python -m studies.sets studies/params.yaml tuning data/studies/cpu/sets/tuning

Of every problem there remain the prepared inputs, the split, the table of lenses, the shortcuts' answers and what the
audit found. Images and engineered stores are made on the way, and go: they can be made again.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pipeline import atomic
from pipeline.audit import audit
from pipeline.command import run
from pipeline.describe import describe
from pipeline.engineer import engineer
from pipeline.ingest import ingest
from pipeline.normalise import normalise
from pipeline.shortcuts import shortcuts
from pipeline.split import split
from studies import plan
from studies.plan import Plan


def sets(source: str, name: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Make every problem of the set `name` of the plan `source` in a folder of its own below `target`."""
    asked = plan.read(source)
    for problem in asked.set(name).problems:
        _problem(asked, name, problem, Path(target) / problem, [*overrides])
        print(f"set {name}: {problem} is ready")
    atomic.write(Path(target) / "budget.json", json.dumps({"budget": asked.budget}) + "\n")


def _problem(asked: Plan, name: str, problem: str, folder: Path, more: list[str]) -> None:
    """The stages one after the other, as dvc.yaml has them; the last once more for every variant of an input."""
    own, said = asked.sets[name], asked.of_problem(name, problem) + more
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as scratch:
        away = Path(scratch)
        images, found, dealt = str(away / "images.zarr"), str(folder / "audit.json"), str(folder / "split.json")
        lenses = str(folder / "lenses.parquet")
        ingest(images, str(away / "quarantine.csv"), said)
        describe(images, lenses, said)
        audit(images, lenses, found, str(away / "audit"), said)
        split(images, found, str(away / "audit" / "pairs.csv"), dealt, said)
        shortcuts(images, lenses, dealt, str(folder / "shortcuts.parquet"), said)
        for each in own.inputs:
            engineered = str(away / f"{each}.zarr")
            engineer(each, images, engineered, said)
            ways = {other: asked.of_variant(name, problem, other) + more for other in own.variants_of(each)}
            for prepared, how in {each: said, **ways}.items():
                normalise(images, engineered, dealt, str(folder / "prepared" / prepared), how)
            shutil.rmtree(engineered)


if __name__ == "__main__":
    run(sets, "PLAN SET FOLDER")
