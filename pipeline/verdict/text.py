"""The verdict as Markdown: what to beware of, then one section a target."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.contrasts.verdict import ENOUGH_SEEDS
from pipeline.findings import Finding, cautions
from pipeline.verdict import classes, measures, words
from pipeline.verdict.cells import Cell
from pipeline.verdict.judging import NO_INPUT, Answered, Verdict
from pipeline.verdict.questions import CONTROL, PERMUTATION, PRIMARY, Arm


def markdown(found: Verdict, audit: Iterable[Finding]) -> str:
    """The verdict as it is printed."""
    parts = [words.cautions(cautions(audit, found.labels), found.said)]
    parts += [_section(found, target) for target in dict.fromkeys(cell.target for cell in found.cells)]
    parts += [words.joint_table(_joint(found), found.confidence, found.several_sizes)]
    return "\n".join(part for part in [*parts, classes.together(found.largest)] if part)


def _joint(found: Verdict) -> dict[Arm, Mapping[str, float]]:
    """What the joint distribution of all targets is worth, of each network that says one."""
    first = next(iter(found.units))
    return {
        cell.key: found.spreads[cell.key]["nll_joint"]
        for cell in found.cells
        if cell.target == first and "nll_joint" in found.spreads[cell.key]
    }


def sentences(found: Verdict) -> list[str]:
    """Of the family that was declared, a sentence a contrast; target by target."""
    said: list[str] = []
    for target in found.units:
        said += _sentences(found, target)
    return said


def _sentences(found: Verdict, target: str) -> list[str]:
    own = {arm: one for arm, one in found.primary.items() if arm[3] == target}
    if not own:
        return []
    pairs = found.answers[PRIMARY].family.pairs
    return words.sentences(own, pairs, found.units[target], found.several_sizes, _decimals(found, target))


def _decimals(found: Verdict, target: str) -> int:
    """Digits after the point of errors of a target."""
    return words.decimals_of(next(cell.truth.std() for cell in found.cells if cell.target == target))


def _section(found: Verdict, target: str) -> str:
    own, decimals = [cell for cell in found.cells if cell.target == target], _decimals(found, target)
    lines = [f"**{target}**, {len(own[0].id)} test lenses, {_seeds(own)}", ""]
    lines += [*words.score_table(_scores(found, own), found.units[target], decimals), ""]
    lines += [*classes.table(_as_classes(found, own)), ""] if own[0].key in found.diagrams else []
    lines += [*(f"- {line}" for line in _beyond(found, own)), ""]
    answered = {name: one for name, one in found.answers.items() if any(arm[3] == target for arm in one.family.pairs)}
    for name, one in answered.items():
        lines += [*_contrasts(found, one, target, title=name != PRIMARY), ""]
        if name == PERMUTATION:
            lines += [words.RELIANCE, ""]
        if name == PRIMARY:
            lines += [*(f"- {line}" for line in [*_sentences(found, target), *_interactions(found, target)]), ""]
    areas = {arm: one for arm, one in found.areas.items() if arm[3] == target}
    if areas:
        lines += [*words.efficiency_table(areas, found.saved, found.units[target], found.confidence, decimals), ""]
    if not answered:
        lines += [f"Nothing to compare: that takes {CONTROL} and another input.", ""]
    elif any(contrast.seeds < ENOUGH_SEEDS for one in answered.values() for contrast in one.rmse.values()):
        lines += [words.FEW, ""]
    return "\n".join(lines)


def _seeds(own: Sequence[Cell]) -> str:
    counts = sorted({len(cell.seeds) for cell in own})
    if counts == [1]:
        return "1 seed"
    return f"{' to '.join(map(str, counts[:: len(counts) - 1 or 1]))} seeds (mean ± standard deviation over seeds)"


def _scores(found: Verdict, own: Sequence[Cell]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Input, predictor and metrics of every line of the table: no network, networks, ensembles."""
    lines = _plain(found, own[0].target)
    most = max(len(cell.seeds) for cell in own)
    for cell in own:
        fewer = f" ({len(cell.seeds)} of {most} seeds)" if len(cell.seeds) < most else ""
        predictor = f"{words.named(cell.key, found.several_sizes)}{fewer}"
        lines.append((cell.input, predictor, measures.summary(cell, found.measured[cell.key])))
    return lines + [
        (
            cell.input,
            f"{words.named(cell.key, found.several_sizes)}: the {len(cell.seeds)} seeds' mean",
            measures.ensemble(cell),
        )
        for cell in own
        if len(cell.seeds) > 1
    ]


def _plain(found: Verdict, target: str) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Those of no network."""
    return [
        (name, words.SHORTCUTS[model] if name == NO_INPUT else f"{model} on vectors", by_target[target])
        for name, by_model in found.plain.items()
        for model, by_target in by_model.items()
    ]


def _as_classes(found: Verdict, own: Sequence[Cell]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """The lines of the table of a target that is a class: no network, networks."""
    networks = [(cell.input, words.named(cell.key, found.several_sizes), found.measured[cell.key]) for cell in own]
    return [*_plain(found, own[0].target), *networks]


def _beyond(found: Verdict, own: Sequence[Cell]) -> list[str]:
    """What the cells know beyond the best shortcut."""
    best = measures.hardest(found.plain[NO_INPUT], own[0].target)
    skill = {cell.key: found.measured[cell.key][f"skill_{best}"] for cell in own}
    return words.beyond(skill, best, found.several_sizes)


def _contrasts(found: Verdict, one: Answered, target: str, title: bool) -> list[str]:
    """The table of a family's contrasts for one target."""
    rmse, mae = ({arm: each for arm, each in by.items() if arm[3] == target} for by in (one.rmse, one.mae))
    table = words.contrast_table(
        rmse,
        mae,
        one.family.pairs,
        found.units[target],
        found.confidence,
        found.several_sizes,
        _decimals(found, target),
    )
    return [f"{one.family.title[0].upper()}{one.family.title[1:]}:", "", *table] if title else table


def _interactions(found: Verdict, target: str) -> list[str]:
    own = {arms: one for arms, one in found.interactions.items() if arms[0][3] == target}
    return words.interaction_lines(own, found.units[target], _decimals(found, target))
