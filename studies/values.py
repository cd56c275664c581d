"""Single values of a study, in the words and with the digits in which its table has them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pipeline.errors import InputError
from pipeline.verdict.words import HEADLINE, number, with_interval
from studies import text
from studies.text import WORDS, Tree

Say = Callable[[Tree], str]


def value(tree: Tree, words: list[str]) -> str:
    """What `words` ask for: [PROBLEM [ARM | shortcut NAME | published NAME]] WHAT. Raises `InputError` with what there
    is."""
    if not words:
        raise InputError(f"of {tree['study']} what? There are {', '.join(OF_STUDY)}, and its problems")
    *middle, what = words
    if not middle:
        return _named("value", OF_STUDY, what)(tree)
    name, *whose = middle
    one = panel(tree, name)
    if not whose:
        return _named("value of a problem", OF_PROBLEM, what)(one)
    if whose[0] in ("shortcut", "published") and len(whose) > 1:
        return _of_others(one, whose[0], " ".join(whose[1:]), what)
    return _of_arm(one, " ".join(whose), what)


def panel(tree: Tree, name: str) -> Tree:
    """The panel of `PROBLEM` or `PROBLEM@SIZE`, at all training rows if nothing else is said."""
    there = {called(one): one for one in tree["panels"]}  # a problem has one target
    return dict(_named("problem", there, name))


def called(one: Tree) -> str:
    """A panel as a mark names it."""
    return str(one["problem"]) + ("" if one["size"] == "all" else f"@{one['size']}")


def _named(kind: str, there: Mapping[str, Any], name: str) -> Any:
    if name not in there:
        raise InputError(f"no {kind} {name!r}; there are {', '.join(there)}")
    return there[name]


def _of_arm(one: Tree, name: str, what: str) -> str:
    arms = {arm["arm"]: arm for arm in one["arms"]}
    arm = text.best(one) if name == "best" and name not in arms else _named("arm", arms, name)
    if arm["failed"]:
        raise InputError(f"arm {name!r} has no result: {arm['failed']}")
    say: Say = _named("value of an arm", OF_ARM, what)
    if say in COMPARED and "rmse_difference" not in arm:
        raise InputError(f"arm {name!r} is compared with none, and has no {what}")
    return say(arm | {"digits": text.decimals(one), "control": arms.get(arm["against"])})


def _of_others(one: Tree, kind: str, name: str, what: str) -> str:
    there = one["shortcuts"] if kind == "shortcut" else one["published"]
    if kind == "shortcut" and name == "best":
        name = text.hardest(one)
    found = _named(f"value of {kind} {name!r}", _named(kind, there, name), what)
    digits = 4 if what == "r2" else text.decimals(one)
    return number(found, f".{digits}f") if kind == "shortcut" else f"{found:g}"


def _score(metric: str, arm: Tree) -> str:
    return text.score(arm, metric, arm["digits"])


def _in_interval(metric: str, arm: Tree) -> str:
    return text.in_interval(arm, metric, arm["digits"])


def _difference(metric: str, interval: str = "interval") -> Say:
    def say(arm: Tree) -> str:
        found = arm[f"{metric}_difference"]
        return with_interval(found["value"], (*found[interval],), arm["digits"])

    return say


def _relative(arm: Tree) -> list[float]:
    """How much larger the RMSE is than the control's, in per cent of the control's, and the ends of its interval.

    The control's RMSE is taken as known: how uncertain it is changes the interval by as small a part of its length as
    the difference is of the RMSE.
    """
    found, unit = arm["rmse_difference"], arm["control"]["rmse"] / 100
    return [each / unit for each in (found["value"], *found["interval"])]


def _ratio(arm: Tree) -> str:
    middle, low, high = (number(each, "+.1f") for each in _relative(arm))
    return f"{middle} % [{low} %, {high} %]"


def _at_most(arm: Tree, limit: float = 5.0) -> str:
    """Whether the RMSE is at most so many per cent above the control's."""
    middle, _, high = _relative(arm)
    if high <= limit:
        return f"at most {limit:g} % above it"
    if middle > limit:
        return f"more than {limit:g} % above it"
    return f"at most {limit:g} % above it in the mean, but not by the interval"


def _halved(arm: Tree) -> str:
    """The epochs, of the earliest and the latest seed, at which the training loss had fallen to half."""
    epochs = [epoch for epoch in arm["halved"] if epoch is not None]
    latest = max(epochs, default=0) if len(epochs) == len(arm["halved"]) else "never"
    return f"{min(epochs)} to {latest}" if epochs else "never"


def _of_contrast(key: str) -> Say:
    return lambda arm: str(arm["rmse_difference"][key])


def _listed(word: str) -> Say:
    def say(one: Tree) -> str:
        named = [arm["arm"] for arm in text.compared(one) if arm["rmse_difference"]["word"] == word]
        return ", ".join(text.ticked(named)) or "none"

    return say


OF_STUDY: dict[str, Say] = {
    "question": lambda tree: tree["question"],
    "images": lambda tree: f"{tree['images']:,}",
    "epochs": lambda tree: str(tree["epochs"]),
    "seeds": lambda tree: str(len(tree["seeds"])),
    "seconds": lambda tree: f"{tree['seconds']:,}",
    "hours": lambda tree: f"{tree['seconds'] / 3600:.1f}",
    "machine": lambda tree: tree["machine"],
    "command": lambda tree: f"`{tree['command']}`",
    "answer": text.answer,
}
OF_PROBLEM: dict[str, Say] = {
    "lenses": lambda one: f"{one['lenses']:,}",
    "arms": lambda one: str(len(one["arms"])),
    "target": lambda one: one["target"],
    "best": lambda one: f"`{text.best(one)['arm']}`",
    **{word: _listed(word) for word in WORDS},
}
_contrasts: dict[str, Say] = {
    "rmse_difference": _difference("rmse"),
    "mae_difference": _difference("mae"),
    "rmse_difference_corrected": _difference("rmse", "corrected"),
    "mae_difference_corrected": _difference("mae", "corrected"),
    "ratio": _ratio,
    "at_most_5": _at_most,
    "verdict": _of_contrast("word"),
    "reason": _of_contrast("reason"),
    "p_corrected": lambda arm: f"{arm['rmse_difference']['p']:.2g}",
    "against": lambda arm: f"`{arm['against']}`",
}
COMPARED = set(_contrasts.values())
OF_ARM: dict[str, Say] = {
    **{metric: partial(_score, metric) for metric in HEADLINE},
    **{f"{metric}_interval": partial(_in_interval, metric) for metric in HEADLINE},
    "learning_rate": lambda arm: f"{arm['learning_rate']:.2g}",
    "tried": lambda arm: str(arm["tried"]),
    "parameters": lambda arm: f"{arm['parameters']:,}",
    "seconds": lambda arm: f"{arm['seconds']:.1f}",
    "halved": _halved,
    **_contrasts,
}
