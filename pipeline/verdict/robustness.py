"""What other conditions cost: the same networks on the same test lenses, seen through another telescope.

Each seed's answers for the shifted images are held against its own for the images as they were, lens by lens, so that
only the shift differs. Two things are told. How much the RMSE changes, judged like every other contrast and corrected
(Benjamini and Hochberg) for all shifts and cells together. And how often the intervals still hold the truth that were
calibrated before anybody knew of a shift: a network that is worse and says so has lost less than one that does not.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from pipeline import tables
from pipeline.contrasts.families import benjamini_hochberg
from pipeline.contrasts.verdict import Contrast, judge
from pipeline.errors import InputError
from pipeline.params import Compare
from pipeline.places import Place
from pipeline.scores import conformal, distribution
from pipeline.scores.intervals import Interval, of_hits
from pipeline.verdict import cells as reading
from pipeline.verdict import measures, words
from pipeline.verdict.answers import answered, silent
from pipeline.verdict.cells import Cell
from pipeline.verdict.judging import how

NOMINAL = 0.68  # how often the intervals are meant to hold the truth
REMEDY = "run dvc repro predict_shifted"
Pair = tuple[Cell, Cell]  # as it was, and under a shift


@dataclass(frozen=True)
class Shifted:
    """What a shift does to one cell."""

    shift: str
    cell: Cell  # as it was
    change: Contrast  # of the RMSE: shifted minus as it was, so above zero is worse
    coverage: Interval | None  # None where too few calibration rows promise anything


@dataclass(frozen=True)
class Robustness:
    """What was found of every shift and cell, and which answers are missing."""

    rows: Sequence[Shifted]
    said: Sequence[str]


def robustness(
    folder: Place,
    shifts: Sequence[str],
    cells: Sequence[Cell],
    recipes: Collection[str],
    lenses: pd.DataFrame,
    chosen: Compare,
) -> Robustness:
    """Every shift of every cell whose input is a recipe, from the tables `folder`/<shift>/<run>.parquet.

    A lens that some run has no finite answer for under some shift is left out of all, and counted; a run that has none
    at all is named and left out with its seed, and a cell of such runs alone under that shift. Raises `InputError`
    where a table is missing or is of other lenses, and where the cells have no seed in common.
    """
    asked = [cell for cell in cells if cell.input in recipes]
    if not asked or not shifts:
        return Robustness([], [])
    seeds = reading.common_seeds(asked)
    if not seeds:
        raise InputError("train.seeds: no seed is common to all that is shifted; train all on the same")
    pairs = [(cell.of_seeds(seeds), read(folder, shift, cell.of_seeds(seeds))) for shift in shifts for cell in asked]
    pairs, said = _that_answer(pairs)
    if not pairs:
        return Robustness([], said)
    if any(cell.seeds != pairs[0][0].seeds for cell in asked):
        said = [_fewer(pairs[0][0].seeds), *said]
    before = {cell.key: cell for cell, _ in pairs}
    there, lost = answered([*before.values(), *(shifted for _, shifted in pairs)])
    arms = {cell.key: cell for cell in there}
    groups = reading.groups(lenses, there[0])
    family = {shifted.key: (shifted.key, cell.key) for cell, shifted in pairs}
    errors = {key: cell.errors for key, cell in arms.items()}
    changes = judge(errors, family, groups, how(chosen, "rmse"), benjamini_hochberg)
    rows = [
        Shifted(_shift(arms[key]), arms[cell], changes[key], coverage(arms[key], groups, chosen.confidence))
        for key, cell in family.values()
    ]
    return Robustness(rows, [*said, *lost])


def _that_answer(pairs: Sequence[Pair]) -> tuple[list[Pair], list[str]]:
    """The pairs with an answer of some seed, on the seeds that answer in all of them; and what that leaves out."""
    dead = {shifted.key: silent(shifted) for _, shifted in pairs}
    alive = [pair for pair in pairs if len(dead[pair[1].key]) < len(pair[1].seeds)]
    said = [_silent(shifted, dead[shifted.key]) for _, shifted in pairs if dead[shifted.key]]
    lost = {seed for _, shifted in alive for seed in dead[shifted.key]}
    kept = [seed for seed in pairs[0][0].seeds if seed not in lost]
    if not kept:
        return [], [*said, "Under other conditions: no seed is left that answers in every run; nothing is compared."]
    return [(cell.of_seeds(kept), shifted.of_seeds(kept)) for cell, shifted in alive], said


def _silent(shifted: Cell, dead: Sequence[int]) -> str:
    nothing = f"no finite {shifted.target} for any of the {len(shifted.id)} test lenses"
    if len(dead) == len(shifted.seeds):
        return f"`{shifted.name}`: {nothing}, with any seed; left out."
    seeds = f"seed {dead[0]} is" if len(dead) == 1 else f"seeds {', '.join(map(str, dead))} are"
    return f"`{shifted.name}`: {nothing} with seed {', '.join(map(str, dead))}; {seeds} left out of every run."


def _shift(shifted: Cell) -> str:
    return shifted.input.partition("/")[0]


def _fewer(seeds: Sequence[int]) -> str:
    return f"Under other conditions: the runs do not have the same seeds; compared on {', '.join(map(str, seeds))}."


def read(folder: Place, shift: str, cell: Cell) -> Cell:
    """The cell under a shift. Its residuals stay those of the calibration rows as they were.

    Its input is <shift>/<input>, so that it is called what its tables are called below the folder.
    """
    name = f"{shift}/{cell.name}"
    levels = [] if cell.quantiles is None else [f"q{level:g}" for level in tables.LEVELS]
    runs = [_lines(folder / f"{name}-{seed}.parquet", cell, levels) for seed in cell.seeds]
    unknown: dict[str, Any] = dict.fromkeys(reading.SCORES)
    return replace(
        cell,
        input=f"{shift}/{cell.input}",
        prediction=np.stack([lines["prediction"].to_numpy(dtype=float) for lines in runs]),
        quantiles=np.stack([lines[levels].to_numpy(dtype=float) for lines in runs]) if levels else None,
        permuted={},  # of the images as they were
        **unknown,
    )


def _lines(path: Place, cell: Cell, levels: Sequence[str]) -> pd.DataFrame:
    """One seed's lines for the cell's lenses, in their order."""
    table = tables.read(path, role="test", target=cell.target)
    lines = reading.lined_up(table, cell.id, str(path), REMEDY)
    if not np.array_equal(lines["truth"], cell.truth):
        raise InputError(f"{path}: other truths than those of {cell.name}; {REMEDY}")
    if not set(levels) <= set(lines):
        raise InputError(f"{path}: it lacks quantiles, which the predictions of {cell.name} have; {REMEDY}")
    return lines


def coverage(cell: Cell, groups: Int[np.ndarray, " n"], confidence: float) -> Interval | None:
    """How often the central intervals hold the truth, of a cell under a shift: the network's own where it says a
    distribution, else prediction ± the split-conformal width of its residuals. None where they are too few for that.
    """
    held = _held(cell)
    return None if held is None else of_hits(held, groups, confidence)


def _held(cell: Cell) -> Bool[np.ndarray, "s n"] | None:
    if cell.quantiles is not None:
        return distribution.covered(cell.quantiles, measures.LEVELS, cell.truth, NOMINAL)
    half: Float[np.ndarray, " s"] = conformal.half_width(np.abs(cell.residuals), NOMINAL)
    return np.abs(cell.errors) <= half[:, None] if np.isfinite(half).all() else None


def record(found: Robustness) -> list[dict[str, Any]]:
    """For verdict.json. Intervals of the change, and its p, are corrected for all of the rows."""
    return [
        {
            "run": row.cell.name,
            "target": row.cell.target,
            "shift": row.shift,
            "change": dict(zip(("value", "low", "high"), (row.change.difference, *row.change.corrected), strict=True)),
            "coverage": None if row.coverage is None else measures.figure(row.coverage),
            "word": row.change.word,
            "p": row.change.p_corrected,
        }
        for row in found.rows
    ]


def markdown(found: Robustness, units: Mapping[str, str], confidence: float) -> str:
    """One table a target, as they stand at the end of the verdict; nothing where no shift was asked for."""
    lines: list[str] = []
    for target in dict.fromkeys(row.cell.target for row in found.rows):
        own = [row for row in found.rows if row.cell.target == target]
        several = len({row.cell.size for row in own}) > 1
        lines += ["", f"**{target}**, the same lenses under other conditions, of which no network was told", ""]
        lines += [
            f"| shift | input | backbone | ΔRMSE{units[target]}, corrected {confidence:.0%} interval | "
            f"coverage of {NOMINAL:.0%} intervals | corrected p | verdict |",
            "|---|---|---|---|---|---|---|",
            *(_line(row, several) for row in own),
        ]
    lines += ["", *(f"- {line}" for line in found.said)] if found.said else []
    return "\n".join([*lines, ""]) if lines else ""


def _line(row: Shifted, several_sizes: bool) -> str:
    one, held = row.change, row.coverage
    cells = [
        row.shift,
        row.cell.input,
        words.named(row.cell.key, several_sizes),
        words.with_interval(one.difference, one.corrected, words.decimals_of(row.cell.truth.std())),
        "too few calibration lenses" if held is None else f"{held.value:.0%} [{held.low:.0%}, {held.high:.0%}]",
        f"{one.p_corrected:.2g}",
        f"**{one.word}**",
    ]
    return f"| {' | '.join(cells)} |"
