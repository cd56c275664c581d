"""The verdict, and everything else that `compare` asked: contrasts, images saved, robustness."""

from collections.abc import Mapping
from typing import Any

from pipeline.verdict.judging import NO_INPUT
from pipeline.verdict.measures import hardest
from pipeline.verdict.questions import PERMUTATION, PRIMARY
from pipeline.verdict.robustness import NOMINAL
from pipeline.verdict.words import RELIANCE, SHORTCUTS

Details = Mapping[str, Any]  # of `compare`: data/verdict.json
PARTS = ("ablations", PERMUTATION)  # the families about single features: a chapter of their own
CENTRAL = NOMINAL  # of the intervals that are shown: those whose coverage under a shift is asked


def verdict(details: Details, cautions: list[str]) -> dict[str, Any]:
    """Sentences, one line a cell and baseline, and the contrasts that are not of a cell with its control."""
    primary = _contrasts(details, PRIMARY)
    others = [name for name in details["families"] if name not in (PRIMARY, *PARTS)]
    return {
        "sentences": [sentence.replace("**", "") for sentence in details["sentences"]],
        "rows": [*_plain(details), *(_row(details, cell, primary) for cell in details["cells"])],
        "cautions": [*cautions, *details["said"]],
        "contrasts": [one for name in others for one in _contrasts(details, name).values()],
        "note": _skills(details),
    }


def _row(details: Details, cell: Mapping[str, Any], primary: Mapping[str, Any]) -> dict[str, Any]:
    name, backbone, size, target = cell["arm"]
    found = {"input": name, "backbone": backbone, "size": size, "target": target, "unit": unit(details, target)}
    metrics = cell["metrics"]
    figures = {"rmse": "rmse", "mae": "mae", "r2": "r2", "skill": f"skill_{shortcut(details, target)}"}
    contrast = primary.get(_label(cell["arm"]))
    return found | {key: metrics[metric] for key, metric in figures.items()} | {"contrast": contrast}


def _plain(details: Details) -> list[dict[str, Any]]:
    """What is no network; it has no interval, because it has no seed."""
    unknown = {"value": None}
    return [
        {
            "input": name,
            "backbone": SHORTCUTS.get(model, f"{model} on vectors"),
            "size": "all",
            "target": target,
            "unit": unit(details, target),
            **{metric: {"value": figures[metric]} for metric in ("rmse", "mae", "r2")},
            "skill": unknown,
        }
        for name, by_model in details["plain"].items()
        for model, by_target in by_model.items()
        for target, figures in by_target.items()
    ]


def _skills(details: Details) -> str:
    """What the column of skills says."""
    best = {target: SHORTCUTS[shortcut(details, target)] for target in details["units"]}
    of = "; ".join(f"{name} for {target}" for target, name in best.items())
    return f"Skill is the part of the squared error of the best shortcut that is gone. That shortcut is: {of}."


def _contrasts(details: Details, family: str) -> dict[str, dict[str, Any]]:
    """By the arm asked about. `p` is corrected for the family."""
    asked = details["families"].get(family, {"title": "", "contrasts": []})
    found = {}
    for one in asked["contrasts"]:
        arm, control = one["pair"]
        low, high = one["corrected"]
        found[_label(one["arm"])] = {
            "against": "-".join(control[:3]),
            "difference": {"value": one["difference"], "low": low, "high": high},
            "p": one["p_corrected"],
            "word": one["word"],
            "reason": one["reason"],
            "name": f"{asked['title']}: {'-'.join(arm[:3])} minus {'-'.join(control[:3])}, {arm[3]}",
        }
    return found


def _label(arm: list[str]) -> str:
    return "/".join(arm)


def unit(details: Details, target: str) -> str:
    """Without the brackets that it has in a table's head."""
    return str(details["units"][target]).strip(" []")


def common_unit(details: Details) -> str:
    """What a figure over all targets is in."""
    units = {unit(details, target) for target in details["units"]}
    return units.pop() if len(units) == 1 else "each target's own unit"


def shortcut(details: Details, target: str) -> str:
    """The shortcut baseline that is hardest to beat."""
    return hardest(details["plain"][NO_INPUT], target)


def ablation(details: Details) -> dict[str, Any]:
    """What a feature left out, let in alone or permuted changes in the RMSE; nothing where none was asked about."""
    asked = [details["families"][name] for name in PARTS if name in details["families"]]
    rows = [
        {
            "name": f"{'-'.join(one['pair'][0][:3])} minus {'-'.join(one['pair'][1][:3])}, {one['arm'][3]}",
            "family": family["title"],
            "difference": {"value": one["difference"], "low": one["corrected"][0], "high": one["corrected"][1]},
            "p": one["p_corrected"],
            "word": one["word"],
        }
        for family in asked
        for one in family["contrasts"]
    ]
    note = {"note": RELIANCE} if PERMUTATION in details["families"] else {}
    return {"unit": common_unit(details), "rows": rows, **note} if rows else {}


def efficiency(details: Details, images: int) -> dict[str, Any]:
    """The error at each training size, the area under that curve, and images saved; nothing from one size."""
    sizes = {cell["arm"][2] for cell in details["cells"]}
    if len(sizes) < 2:
        return {}
    arms: dict[str, list[tuple[int, Any]]] = {}
    for cell in details["cells"]:
        name, backbone, size, target = cell["arm"]
        number = images if size == "all" else int(size)
        arms.setdefault(f"{name}-{backbone}, {target}", []).append((number, cell["metrics"]["rmse"]))
    return {
        "unit": common_unit(details),
        "arms": [
            {"run": run, "sizes": [size for size, _ in sorted(points, key=_first)], "errors": _errors(points)}
            for run, points in arms.items()
        ],
        "saved": [
            {"name": f"{'-'.join(one['arm'][:2])}, {one['arm'][3]}", "ratio": _ratio(one), "said": one["reason"]}
            for one in details["saved"]
        ],
        "areas": [
            {"name": f"{'-'.join(one['arm'][:2])}, {one['arm'][3]}", "area": _area(one)} for one in details["areas"]
        ],
    }


def _errors(points: list[tuple[int, Any]]) -> list[Any]:
    return [figure for _, figure in sorted(points, key=_first)]


def _first(point: tuple[int, Any]) -> int:
    return point[0]


def _area(one: Mapping[str, Any]) -> dict[str, Any]:
    low, high = one["interval"]
    return {"value": one["value"], "low": low, "high": high}


def _ratio(saved: Mapping[str, Any]) -> dict[str, Any]:
    low, high = saved["interval"] or (None, None)
    return {"value": saved["ratio"], "low": low, "high": high}


def robustness(details: Details) -> dict[str, Any]:
    """What every shift adds to the RMSE; nothing where none was asked for."""
    told = ("run", "target", "shift", "change", "coverage")
    rows = [{name: one[name] for name in told} for one in details.get("robustness", ())]
    return {"unit": common_unit(details), "nominal": CENTRAL, "rows": rows} if rows else {}
