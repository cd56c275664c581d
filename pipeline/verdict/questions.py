"""What is asked of the cells: which are compared with which, and which of these questions are corrected together.

The primary family is the project's question, declared before anything is trained: every recipe against the raw pixels,
with every backbone, at the largest training size, for every target. The other families explore; that of permutations
asks one network twice, where all others ask two that were trained apart.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from pipeline.contrasts.families import Correction, benjamini_hochberg, holm
from pipeline.verdict.cells import Cell

CONTROL = "raw"
PERMUTATION = "permutation"
PRIMARY = "features"  # the name of the family that was declared; the others explore
Arm = tuple[str, str, str, str]  # input, backbone, size, target
Pairs = dict[Arm, tuple[Arm, Arm]]  # by the arm that is asked about: itself, and its control


@dataclass(frozen=True)
class Family:
    """Questions that are corrected together."""

    title: str
    pairs: Pairs
    correct: Correction = benjamini_hochberg


def families(
    cells: Iterable[Cell], placebos: Mapping[str, tuple[str, str]], ablations: Mapping[str, tuple[str, str, str]]
) -> dict[str, Family]:
    """Every family with something to ask, the primary one first; `placebos` and `ablations` as in `params.Features`."""
    cells = list(cells)
    arms = [cell.key for cell in cells]
    largest = _largest([size for _, _, size, _ in arms])

    def against(control: Callable[[Arm], str | None]) -> Pairs:
        """Every arm with the one that differs from it in the input alone, where that is `control` of it."""
        found = {}
        for arm in arms:
            name = control(arm)
            other = None if name is None or name == arm[0] else (name, *arm[1:])
            if other in arms:
                found[arm] = (arm, other)
        return found

    def recipe(arm: Arm, largest_size: bool) -> str | None:
        declared = arm[0] not in placebos and arm[0] not in ablations
        return CONTROL if declared and (arm[2] == largest) == largest_size else None

    def whole(arm: Arm) -> str | None:
        """The recipe that an arm lacks one feature of; the raw pixels of one that has a single one."""
        name, kind, _ = ablations.get(arm[0], ("", "", ""))
        return {"without": name, "only": CONTROL}.get(kind)

    asked = {
        PRIMARY: Family("recipes against raw pixels", against(lambda arm: recipe(arm, True)), holm),
        "sizes": Family("the same from fewer images", against(lambda arm: recipe(arm, False))),
        "placebos": Family("placebos against raw pixels", against(lambda arm: CONTROL if arm[0] in placebos else None)),
        "ablations": Family("one feature left out of a recipe, or let in alone", against(whole)),
        PERMUTATION: Family("one feature permuted among the test lenses", _permuted(cells)),
        "signal": Family("recipes against their placebos", _signal(arms, placebos)),
    }
    return {name: family for name, family in asked.items() if family.pairs}


def _permuted(cells: Iterable[Cell]) -> Pairs:
    """Every arm that was asked with a feature permuted, once a feature: so minus as it was."""
    return {(arm := cell.with_permuted(name).key): (arm, cell.key) for cell in cells for name in cell.permuted}


def _signal(arms: list[Arm], placebos: Mapping[str, tuple[str, str]]) -> Pairs:
    """By the placebo: its recipe minus it. What the recipe gains over it is signal."""
    found = {}
    for arm in arms:
        recipe, _ = placebos.get(arm[0], ("", ""))
        if (recipe, *arm[1:]) in arms:
            found[arm] = ((recipe, *arm[1:]), arm)
    return found


def between(experiments: Iterable[str], cells: Iterable[Cell]) -> dict[str, Family]:
    """One family: every cell of the later experiments against the same of the first. Inputs are `experiment:input`."""
    first, *others = experiments
    arms = [cell.key for cell in cells]
    pairs: Pairs = {}
    for experiment in others:
        for arm in arms:
            name, _, own = arm[0].partition(":")
            control = (f"{first}:{own}", *arm[1:])
            if name == experiment and control in arms:
                pairs[arm] = (arm, control)
    return {PRIMARY: Family(f"experiments against {first}", pairs, holm)} if pairs else {}


def interactions(pairs: Pairs) -> dict[tuple[Arm, Arm], tuple[Arm, Arm, Arm, Arm]]:
    """Does an input help one backbone more than another? By the two arms: each with its control."""
    return {
        (one, other): (*pairs[one], *pairs[other])
        for one, other in combinations(pairs, 2)
        if (one[0], one[2], one[3]) == (other[0], other[2], other[3])
    }


def _largest(sizes: list[str]) -> str:
    return "all" if "all" in sizes else max(sizes, key=int)
