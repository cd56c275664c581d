"""Stage `runs`: every run of a study, through the functions of the stages `find_lr`, `train` and `predict`.

    python -m studies.runs studies/params.yaml loss data/studies/cpu/sets/tuning data/studies/cpu/runs/loss

A cell (a problem, an arm, a training size) is trained with every seed. What a finished run was made of lies beside its
answers, and it is kept as long as that is what is asked for: a study that was killed goes on where it stopped, in the
middle of a run from its checkpoint, and a new arm trains no other again. With engine.kind=processes as many cells as
engine.workers run at once, each on engine.threads.

Where the study says `rate: tuned`, a cell's rate is that of a range test, or that half a decade below or above it,
whichever run with the first seed has the smallest error on the validation rows. Where the range test finds no rate (the
loss of a hard problem falls only after epochs, and there are none in a range test), whole runs at each of `DECADES`
take its place. Weights are not kept: no table reads them.
"""

import json
import multiprocessing
import os
import platform
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from models.training.record import NotFinite
from pipeline import answering, atomic, fingerprint, fitting, params, tables
from pipeline.command import run
from pipeline.errors import InputError
from pipeline.find_lr import find_lr
from pipeline.params import Engine
from pipeline.predict import predict
from pipeline.store import Store
from pipeline.train import surroundings, train
from studies import plan
from studies.plan import Arm, Cell, Plan

HALF = 10**0.5  # a decade
DECADES = (1e-4, 1e-3, 1e-2, 1e-1)
CODE = (
    *(f"pipeline/{name}.py" for name in ("train", "find_lr", "predict", "answering", "permuting", "tables", "scaling")),
    *fitting.CODE,
)


def runs(source: str, study: str, made: str, target: str, overrides: Iterable[str] = ()) -> None:
    """Train the study of the plan `source` on the set in the folder `made`, into the folder `target`."""
    asked = plan.read(source)
    check_budget(Path(made), asked.budget)
    how = params.read(overrides, "engine")
    cells = trainings(asked, study, Path(made), Path(target))
    _clear(Path(target), {training.cell.name for training in cells})
    began = time.perf_counter()
    for done, said in enumerate(_finished(cells, how), 1):
        print(f"{study}: {done}/{len(cells)}  {said}  {time.perf_counter() - began:.0f} s", flush=True)
    atomic.write(Path(target) / "budget.json", json.dumps({"budget": asked.budget}) + "\n")


def trainings(asked: Plan, study: str, made: Path, target: Path) -> "list[Training]":
    """Every cell of a study. The code is looked at once: in hours it may not be what is running any more."""
    arms = asked.study(study).arms
    code = {name: fingerprint.code(*CODE, f"models/{name}.py") for name in {arm.backbone for arm in arms.values()}}
    return [Training(asked, study, cell, made, target, code[arms[cell.arm].backbone]) for cell in asked.cells(study)]


def _finished(cells: "list[Training]", how: Engine) -> Iterator[str]:
    """Finish every cell, with processes as many at once as there are workers; what each says. One that cannot be
    trained ends all, for a study without it is none."""
    if how.kind != "processes":
        yield from (cell.finish() for cell in cells)
        return
    os.environ["OMP_NUM_THREADS"] = str(how.threads)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(how.workers, context, torch.set_num_threads, (how.threads,)) as pool:
        try:
            yield from (future.result() for future in as_completed([pool.submit(cell.finish) for cell in cells]))
        finally:
            pool.shutdown(cancel_futures=True)


def check_budget(folder: Path, budget: str) -> None:
    """Refuse what was made at another budget."""
    file = folder / "budget.json"
    if not file.is_file():
        raise InputError(f"{file}: no such file; run the stage that writes it (dvc repro studies/dvc.yaml)")
    found = json.loads(file.read_text())["budget"]
    if found != budget:
        raise InputError(f"{folder}: made at the budget {found}, and {budget} is asked for; budgets are never mixed")


def _clear(target: Path, names: set[str]) -> None:
    """Cells that the plan no longer has."""
    for folder in target.glob("*-*-*"):
        if folder.name not in names:
            shutil.rmtree(folder)


@dataclass(frozen=True)
class Training:
    """A cell of a study, and where it is read and written."""

    plan: Plan
    study: str
    cell: Cell
    made: Path
    target: Path
    code: dict[str, str]  # digests of the files that decide what comes out

    @property
    def arm(self) -> Arm:
        return self.plan.study(self.study).arms[self.cell.arm]

    @property
    def folder(self) -> Path:
        return self.target / self.cell.name

    @property
    def prepared(self) -> Path:
        return self.made / self.cell.problem / "prepared" / self.arm.input

    @cached_property
    def said(self) -> list[str]:
        return self.plan.of_arm(self.study, self.cell.arm)

    def finish(self) -> str:
        """Whatever of the cell is not there yet; says in a line how it ended."""
        try:
            return self._finish()
        except InputError as error:
            raise InputError(f"{self.study}, {self.cell.name}: {error}") from error

    def _finish(self) -> str:
        first, *others = self.plan.seeds(self.study)
        tried = self._tried(first)
        best = min(tried, key=lambda run: run["validation_rmse"])
        runs = [best, *(self._run(best["rate"], seed) for seed in others)]
        atomic.write(self.folder / "cell.json", json.dumps({"tried": tried, "runs": runs}, indent=1) + "\n")
        return f"{self.cell.name}: at {best['learning_rate']:.2g}"

    def _tried(self, seed: int) -> list[dict[str, Any]]:
        """The runs that the rate is chosen from: one, where it is given."""
        tuned = self.plan.study(self.study).rate == "tuned"
        found = self._found(tuned)
        if not tuned:
            return [self._run(found, seed)]
        if found["learning_rate"] is not None:
            tried = [self._run(found, seed)]
        else:
            tried = [self._run({**found, "learning_rate": rate, "edge": None}, seed) for rate in DECADES]
        best = min(tried, key=lambda run: run["validation_rmse"])["rate"]
        either = [{**best, "learning_rate": best["learning_rate"] * by} for by in (1 / HALF, HALF)]
        return tried + [self._run(rate, seed) for rate in either]

    def _found(self, tuned: bool) -> dict[str, Any]:
        """What find_lr writes; without a rate where the range test found none."""
        scratch = self.folder / "find_lr"
        said = [*self.said, 'train.fit.learning_rate="auto"', 'train.fit.scaling.rule="none"'] if tuned else self.said
        made_of = self.made_of({"find_lr": said})
        known = scratch / "made_of.json"
        if not (known.is_file() and known.read_text() == made_of):
            try:
                find_lr(self.arm.backbone, str(self.prepared / "fit.zarr"), str(scratch), said)
            except InputError as error:
                if not tuned or "range test" not in str(error):
                    raise
                none = {"learning_rate": None, "edge": None, "rule": "decades"}
                atomic.write(scratch / "rate.json", json.dumps(none))
            atomic.write(known, made_of)
        found: dict[str, Any] = json.loads((scratch / "rate.json").read_text())
        return found

    def _run(self, rate: dict[str, Any], seed: int) -> dict[str, Any]:
        """One run, or what is known of it if it is finished."""
        name = f"rate_{rate['learning_rate']:.2e}"
        run_name = f"{self.arm.input}-{self.arm.backbone}-{self.cell.size}-{seed}"
        folder, made_of = self.folder / name, self.made_of({"rate": rate, "seed": seed})
        record = folder / "records" / f"{run_name}.json"
        if record.is_file():
            known: dict[str, Any] = json.loads(record.read_text())
            if known["made_of"] == made_of:
                return known
        own = self._trained(folder, run_name, rate, seed)
        told = {"seed": seed, "rate": rate, "learning_rate": rate["learning_rate"], "folder": name}
        known = {**told, **own, "made_of": made_of}
        atomic.write(record, json.dumps(known, indent=1) + "\n")
        return known

    def _trained(self, folder: Path, name: str, rate: dict[str, Any], seed: int) -> dict[str, Any]:
        """Train and predict. A run whose loss is not finite is one whose error is infinite."""
        run_folder, answers = folder / "runs" / name, folder / "predictions" / f"{name}.parquet"
        clock, rates = folder / "clock" / f"{name}.json", folder / "rate.json"
        atomic.write(rates, json.dumps(rate))
        words = (self.arm.backbone, self.cell.size, str(seed), str(self.prepared / "fit.zarr"), str(rates))
        try:
            train(*words, str(run_folder), str(clock), self.said)
        except InputError as error:
            if not isinstance(error.__cause__, NotFinite):
                raise
            return {"failed": str(error), "validation_rmse": float("inf")}
        predict(str(run_folder), str(self.prepared), str(answers), self.said)
        weights = run_folder / "weights.pt"
        size = sum(each.numel() for each in answering.load(weights).parameters())
        weights.unlink()
        epochs = len(pd.read_csv(run_folder / "history.csv"))
        spent = json.loads(clock.read_text())
        return {
            "failed": "",
            "validation_rmse": _validation(answers),
            "parameters": size,
            "epochs": epochs,
            "seconds": round(spent["seconds"], 2),
            "machine": machine(),
        }

    def made_of(self, more: dict[str, Any]) -> str:
        """A digest of all that decides a run, or the range test before it."""
        return fingerprint.digest(*self._shared, more)

    @cached_property
    def _shared(self) -> tuple[Any, ...]:
        """What all runs of the cell are made of."""
        fit, options, answer = params.read(self.said, "train.fit", f"backbones.{self.arm.backbone}", "predict")
        asked = [self.plan.budget, asdict(self.cell), params.plain(fit), options, params.plain(answer)]
        stores = [Store(self.prepared / name).attributes for name in ("fit.zarr", "test.zarr")]
        return asked, stores, self.code, surroundings(fit, 1)


def _validation(answers: Path) -> float:
    """Root mean square error on the validation rows, of targets each in units of its spread; infinite for no answer."""
    table = tables.read(answers, role="validation")
    error = (table["prediction"] - table["truth"]) / table.groupby("target")["truth"].transform("std")
    value = float(np.sqrt((error**2).mean(skipna=False)))
    return value if np.isfinite(value) else float("inf")


def machine() -> str:
    """What a run was trained on, in a word or two."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    run(runs, "PLAN STUDY SET FOLDER")
