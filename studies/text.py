"""A study in words: its table, and what it tells apart."""

from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.verdict.words import HEADLINE, SHORTCUTS, bracketed, decimals_of, number, plain, scores, with_interval

Tree = dict[str, Any]
NAMES = {"rmse": "RMSE", "mae": "MAE", "r2": "R²"}
WORDS = ("better", "worse", "equivalent", "undecided")
SAID = {
    "better": "better than",
    "worse": "worse than",
    "equivalent": "equivalent to",
    "undecided": "not told apart from",
}


def page(tree: Tree) -> str:
    """The page of a study."""
    lines = [f"# {tree['question']}", "", spent(tree), "", legend(tree), ""]
    for panel in tree["panels"]:
        lines += [f"## {title(panel)}", "", *table(panel), "", paragraph(panel), ""]
    return "\n".join(lines)


def title(panel: Tree) -> str:
    size = "" if panel["size"] == "all" else f", {panel['size']} training images"
    return f"{panel['problem']}: {panel['target']}{size}"


def spent(tree: Tree) -> str:
    """The budget, the machine and the command, in a sentence or two."""
    seeds = len(tree["seeds"])
    rate = (
        "each arm at the learning rate of its own range test (where that found none, at the best of four decades) or "
        "half a decade above or below it, whichever did best on the validation rows with the first seed"
        if tree["rate"] == "tuned"
        else "all at the learning rate of params.yaml but where an arm says otherwise"
    )
    return (
        f"Budget `{tree['budget']}`: {tree['images']} images with a label, {tree['epochs']} epochs, {seeds} "
        f"seed{'s' * (seeds != 1)}, {rate}. {tree['seconds']} s of training on {tree['machine']}; again by "
        f"`{tree['command']}`."
    )


def legend(tree: Tree) -> str:
    """What stands behind ± and in brackets, table and paragraph apart."""
    panel = tree["panels"][0]
    level, family = panel["confidence"], max(len(compared(each)) for each in tree["panels"])
    if not family:
        return f"Brackets are {level:.0%} intervals for other seeds and other lenses."
    most = f"{family}{' or fewer' * (len(tree['panels']) > 1)}"
    return (
        f"± is the standard deviation over seeds. Brackets in a table are {level:.0%} intervals, each as if it were "
        f"the only one; those in the paragraphs are widened for all comparisons of their table ({most}), as is the p "
        f"that *better* and *worse* need. *Equivalent* rests on the {2 * level - 1:.0%} interval within the margin, "
        "and is not widened."
    )


def table(panel: Tree) -> list[str]:
    """Every arm, the best first, and what costs no network or was published, in the same unit."""
    unit, several = panel["unit"], any(arm.get("tried", 1) > 1 for arm in panel["arms"])
    level = f"{panel['confidence']:.0%} interval"
    ranked = sorted(panel["arms"], key=lambda arm: arm.get("rmse", float("inf")))
    if not compared(panel):
        head = [
            f"| arm | MAE{unit}, {level} | RMSE{unit}, {level} | R², {level} | rate | s a run |",
            "|---|---|---|---|--:|--:|",
        ]
        return head + [_measured(arm, decimals(panel)) for arm in ranked] + _others(panel, 2)
    head = [
        f"| arm | verdict | MAE{unit} | RMSE{unit} | R² | against | ΔRMSE{unit}, {level} | ΔMAE{unit}, {level} "
        f"| rate{', of so many tried' if several else ''} | s a run |",
        "|---|---|---|---|---|---|---|---|--:|--:|",
    ]
    return head + [_line(arm, decimals(panel)) for arm in ranked] + _others(panel, 5, before=1)


def _others(panel: Tree, behind: int, before: int = 0) -> list[str]:
    """What costs no network, and what others have said of theirs, which are other images and other budgets; with so
    many empty cells behind and before."""
    named = {SHORTCUTS.get(name, name): scores(said, decimals(panel)) for name, said in panel["shortcuts"].items()}
    for name, said in panel["published"].items():
        named[f"published: {name}"] = [f"{said[metric]:g}" if metric in said else "" for metric in HEADLINE]
    return [f"| {name} |{' |' * before} {' | '.join(shown)} |{' |' * behind}" for name, shown in named.items()]


def decimals(panel: Tree) -> int:
    """Digits after the point of a panel's errors."""
    return decimals_of(panel["shortcuts"]["constant"]["rmse"])


def _line(arm: Tree, digits: int) -> str:
    if arm["failed"]:
        return f"| `{arm['arm']}` | {arm['failed']} |" + " |" * 8
    found = " | ".join(scores(_numbers(arm), digits))
    rate = f"{arm['learning_rate']:.2g}" + (f" of {arm['tried']}" if arm["tried"] > 1 else "")
    word = f"**{arm['rmse_difference']['word']}**" if "rmse_difference" in arm else ""
    return f"| `{arm['arm']}` | {word} | {found} | {_difference(arm, digits)} | {rate} | {arm['seconds']:.1f} |"


def _measured(arm: Tree, digits: int) -> str:
    """A line of a table that compares nothing."""
    if arm["failed"]:
        return f"| `{arm['arm']}` | {arm['failed']} |" + " |" * 4
    found = " | ".join(in_interval(arm, metric, digits) for metric in HEADLINE)
    return f"| `{arm['arm']}` | {found} | {arm['learning_rate']:.2g} | {arm['seconds']:.1f} |"


def in_interval(arm: Tree, metric: str, digits: int) -> str:
    """The mean over seeds, and where it would lie for other seeds and lenses."""
    return bracketed(arm[metric], (*arm[f"{metric}_interval"],), ".3f" if metric == "r2" else f".{digits}f")


def score(arm: Tree, metric: str, digits: int) -> str:
    """Mean ± standard deviation over seeds."""
    return scores(_numbers(arm), digits)[HEADLINE.index(metric)]


def _numbers(arm: Tree) -> dict[str, float]:
    return {key: value for key, value in arm.items() if isinstance(value, float)}


def _difference(arm: Tree, digits: int) -> str:
    if "rmse_difference" not in arm:
        return " | |"
    both = (arm["rmse_difference"], arm["mae_difference"])
    shown = (with_interval(each["value"], (*each["interval"],), digits) for each in both)
    return f"`{arm['against']}` | {' | '.join(shown)}"


def paragraph(panel: Tree) -> str:
    """What was compared, what is told apart, and what is not."""
    against, digits = compared(panel), decimals(panel)
    failed = [arm["arm"] for arm in panel["arms"] if arm["failed"]]
    parts = [_skill(panel)]
    for control in dict.fromkeys(arm["against"] for arm in against):
        own = [arm for arm in against if arm["against"] == control]
        for word in WORDS:
            having = [arm for arm in own if arm["rmse_difference"]["word"] == word]
            if having:
                named = _and([_with_change(arm, panel["unit"], word, digits) for arm in having])
                parts.append(f"{named} {'is' if len(having) == 1 else 'are'} {SAID[word]} `{control}`{_why(having)}.")
    if failed:
        parts.append(f"Without a result, because a loss was not finite: {_and(ticked(failed))}.")
    return " ".join(parts)


def _why(having: Sequence[Tree]) -> str:
    """The reasons why nothing is decided of these arms, where that is so."""
    reasons = dict.fromkeys(arm["rmse_difference"]["reason"] for arm in having if _open(arm))
    return f": {'; '.join(reasons)}" if reasons else ""


def compared(panel: Tree) -> list[Tree]:
    """The arms that stand against another."""
    return [arm for arm in panel["arms"] if "rmse_difference" in arm]


def _open(arm: Tree) -> bool:
    return bool(arm["rmse_difference"]["word"] == "undecided")


def answer(tree: Tree) -> str:
    """The study's question answered in a line, problem by problem, at the largest size of each."""
    largest = {panel["problem"]: panel for panel in tree["panels"]}  # sizes grow from panel to panel
    parts = [_shortest(panel) for panel in largest.values()]
    if len(parts) == 1:
        return parts[0]
    return "; ".join(f"{name}: {part}" for name, part in zip(largest, parts, strict=True))


def _shortest(panel: Tree) -> str:
    """The best arm, whether it is told apart from its control, and of how many arms that can be said."""
    arm, digits = best(panel), decimals(panel)
    said = [each["rmse_difference"]["word"] for each in compared(panel)]
    head = f"`{arm['arm']}`, RMSE {score(arm, 'rmse', digits)}{plain(panel['unit'])}"
    if not said:
        return f"{head}, R² {score(arm, 'r2', digits)}"
    apart = sum(word in ("better", "worse") for word in said)
    standing = "compared with none" if arm["against"] else "the control"
    if "rmse_difference" in arm:
        standing = f"{SAID[arm['rmse_difference']['word']]} `{arm['against']}`"
    return f"{head}, {standing}; of {len(said)} arms {apart or 'none'} told apart from their control"


def best(panel: Tree) -> Tree:
    """The arm of the smallest RMSE."""
    there = [arm for arm in panel["arms"] if not arm["failed"]]
    return dict(min(there, key=lambda arm: arm["rmse"]))


def hardest(panel: Tree) -> str:
    """The shortcut that is hardest to beat."""
    return str(max(panel["shortcuts"], key=lambda name: panel["shortcuts"][name]["r2"]))


def short(tree: Tree) -> list[str]:
    """A table of a line a problem: the best arm beside the best shortcut and what has been published."""
    level = f"{tree['panels'][0]['confidence']:.0%} interval"
    names = ("problem", "arm", f"MAE, {level}", f"R², {level}", "best shortcut", "its MAE", "its R²", "published")
    head = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return head + [_short_line(panel) for panel in tree["panels"]]


def _short_line(panel: Tree) -> str:
    arm, name = best(panel), hardest(panel)
    mae, _, r2 = scores(panel["shortcuts"][name], decimals(panel))
    cells = [
        title(panel) + panel["unit"],
        f"`{arm['arm']}`",
        in_interval(arm, "mae", decimals(panel)),
        in_interval(arm, "r2", decimals(panel)),
        SHORTCUTS.get(name, name),
        mae,
        r2,
        "; ".join(f"{who}: {_metrics(said)}" for who, said in panel["published"].items()),
    ]
    return f"| {' | '.join(cells)} |"


def _metrics(said: Tree) -> str:
    return ", ".join(f"{NAMES[metric]} {value:g}" for metric, value in said.items())


def _skill(panel: Tree) -> str:
    """The best arm beside the constant and the best shortcut."""
    there = [arm for arm in panel["arms"] if not arm["failed"]]
    arm, name = best(panel), hardest(panel)
    own, constant, shortcut = (
        number(each["rmse"], f".{decimals(panel)}f")
        for each in (arm, panel["shortcuts"]["constant"], panel["shortcuts"][name])
    )
    return (
        f"{len(there)} arm{'s' * (len(there) != 1)} on {panel['lenses']} test lenses. "
        f"The smallest RMSE is that of `{arm['arm']}`, "
        f"{own}{plain(panel['unit'])} (R² {number(arm['r2'], '.3f')}); a constant has "
        f"{constant}, the best shortcut ({SHORTCUTS.get(name, name)}) {shortcut}."
    )


def _with_change(arm: Tree, unit: str, word: str, digits: int) -> str:
    if word in ("equivalent", "undecided"):
        return f"`{arm['arm']}`"
    change = arm["rmse_difference"]
    return f"`{arm['arm']}` (RMSE {with_interval(change['value'], (*change['corrected'],), digits)}{plain(unit)})"


def ticked(names: Iterable[str]) -> list[str]:
    """Names of arms, as code."""
    return [f"`{name}`" for name in names]


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
