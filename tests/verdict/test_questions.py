"""Questions: every one that can be asked, once, in the family that it was declared in; like with like."""

from itertools import product

import numpy as np
import pytest

from pipeline.contrasts.families import benjamini_hochberg, holm
from pipeline.verdict.questions import PRIMARY, Arm, between, families, interactions
from tests.verdict.fabricated import cell

PLACEBOS = {f"{recipe}_{kind}": (recipe, kind) for recipe in ("engineered", "radial") for kind in ("shuffled", "noise")}
INPUTS = ("raw", "engineered", "radial", "engineered_shuffled", "engineered_noise", "radial_noise")
RECIPES = ("engineered", "radial")
ARMS: list[Arm] = list(product(INPUTS, ("cnn", "resnet"), ("all", "100"), ("mass", "slope")))


def cells(arms: list[Arm]) -> list:
    return [cell(np.zeros((1, 2)), *arm) for arm in arms]


def raw(arm: Arm) -> Arm:
    return ("raw", *arm[1:])


def test_the_declared_family_is_every_recipe_against_raw_at_the_largest_size() -> None:
    asked = families(cells(ARMS), PLACEBOS, {})
    expected = {arm: (arm, raw(arm)) for arm in ARMS if arm[0] in RECIPES and arm[2] == "all"}
    assert asked[PRIMARY].pairs == expected
    assert len(expected) == 8
    assert next(iter(asked)) == PRIMARY
    assert asked[PRIMARY].correct is holm


def test_the_other_families_ask_the_rest_and_explore() -> None:
    asked = families(cells(ARMS), PLACEBOS, {})
    assert asked["sizes"].pairs == {arm: (arm, raw(arm)) for arm in ARMS if arm[0] in RECIPES and arm[2] == "100"}
    assert asked["placebos"].pairs == {arm: (arm, raw(arm)) for arm in ARMS if arm[0] in PLACEBOS}
    assert asked["signal"].pairs == {arm: ((PLACEBOS[arm[0]][0], *arm[1:]), arm) for arm in ARMS if arm[0] in PLACEBOS}
    assert {name for name, family in asked.items() if family.correct is benjamini_hochberg} == set(asked) - {PRIMARY}


def test_no_pair_is_asked_about_twice() -> None:
    asked = families(cells(ARMS[::-1]), PLACEBOS, {})
    pairs = [pair for family in asked.values() for pair in family.pairs.values()]
    assert len(pairs) == len(set(pairs))
    assert all(one[0] != control[0] and one[1:] == control[1:] for one, control in pairs)


@pytest.mark.parametrize(("sizes", "largest"), [(("1000", "200"), "1000"), (("900", "all"), "all"), (("5",), "5")])
def test_the_largest_size_is_by_number_and_all_is_beyond_any(sizes: tuple[str, ...], largest: str) -> None:
    arms = [(name, "cnn", size, "mass") for name in ("raw", "engineered") for size in sizes]
    asked = families(cells(arms), {}, {})
    assert set(asked[PRIMARY].pairs) == {("engineered", "cnn", largest, "mass")}
    assert set(asked) == ({PRIMARY, "sizes"} if len(sizes) > 1 else {PRIMARY})


def test_without_raw_only_the_placebos_of_recipes_are_left_to_ask() -> None:
    asked = families(cells([arm for arm in ARMS if arm[0] != "raw"]), PLACEBOS, {})
    assert set(asked) == {"signal"}
    assert families(cells([arm for arm in ARMS if arm[0] == "raw"]), PLACEBOS, {}) == {}


def test_a_missing_arm_takes_its_own_questions_along_and_no_other() -> None:
    gone = ("radial", "cnn", "all", "mass")
    whole, less = (
        families(cells(ARMS), PLACEBOS, {}),
        families(cells([arm for arm in ARMS if arm != gone]), PLACEBOS, {}),
    )
    for name, family in whole.items():
        assert less[name].pairs == {arm: pair for arm, pair in family.pairs.items() if gone not in pair}


def test_interactions_are_of_two_backbones_and_nothing_else() -> None:
    pairs = families(cells([*ARMS, *(("raw", "vit", "all", "mass"), ("radial", "vit", "all", "mass"))]), PLACEBOS, {})[
        PRIMARY
    ].pairs
    found = interactions(pairs)
    for (one, other), four in found.items():
        assert four == (one, raw(one), other, raw(other))
        assert one[1] != other[1]
        assert (one[0], *one[2:]) == (other[0], *other[2:])
    # two recipes x two targets of two backbones, and one of these with a third backbone as well
    assert len(found) == 3 * 1 + 3


def test_experiments_are_compared_input_by_input_with_the_first() -> None:
    arms = [
        (f"{name}:{recipe}", backbone, "all", "mass")
        for name, recipe, backbone in product(("main", "a", "b"), ("raw", "engineered"), ("cnn", "resnet"))
        if (name, recipe) != ("b", "raw")
    ]
    family = between(["main", "a", "b"], cells(arms))[PRIMARY]
    assert family.pairs == {
        arm: (arm, (f"main:{arm[0].partition(':')[2]}", *arm[1:])) for arm in arms if not arm[0].startswith("main:")
    }
    assert family.correct is holm
    assert between(["main", "c"], cells(arms)) == {}


def test_parts_of_a_recipe_are_held_against_what_they_lack_or_stand_alone_beside() -> None:
    """The declared family is as it was: a part is no recipe that anybody asked about."""
    parts = {
        "engineered_without_ridge": ("engineered", "without", "ridge"),
        "radial_only_log": ("radial", "only", "log"),
    }
    arms = [*ARMS, *((name, "cnn", "all", "mass") for name in parts)]
    asked = families(cells(arms), PLACEBOS, parts)
    end = ("cnn", "all", "mass")
    assert asked["ablations"].pairs == {
        ("engineered_without_ridge", *end): (("engineered_without_ridge", *end), ("engineered", *end)),
        ("radial_only_log", *end): (("radial_only_log", *end), ("raw", *end)),
    }
    assert asked[PRIMARY].pairs == families(cells(ARMS), PLACEBOS, {})[PRIMARY].pairs
