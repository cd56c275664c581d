"""`features`: the recipes of inputs, and the inputs that follow from a recipe: its placebos and its parts."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.errors import InputError
from pipeline.params.basis import Fraction, Positive, Section


class Recipe(Section):
    """An input: map features (channels, in order) and vector features, each with its options."""

    maps: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    vectors: dict[str, dict[str, Any]] = Field(default={})


PLACEBOS = ("shuffled", "noise", "repeated")  # pipeline/placebo.py says what they are


def ablated(recipes: Mapping[str, Any], name: str) -> tuple[str, str, str] | None:
    """What an input's name says it is, if it is a part of a recipe: the recipe, `without` or `only`, and the feature.

    `engineered_without_ridge` is the recipe but for one map or vector, `engineered_only_ridge` its first map, which is
    the image, and that one.
    """
    for recipe, asked in recipes.items():
        for kind in ("without", "only"):
            feature = name.removeprefix(f"{recipe}_{kind}_")
            if feature != name and feature in {**asked.get("maps", {}), **asked.get("vectors", {})}:
                return recipe, kind, feature
    return None


def part(asked: Mapping[str, Any], kind: str, feature: str) -> dict[str, Any]:
    """A recipe without a feature, or with only that beside the image."""
    first = next(iter(asked["maps"]), None)  # a recipe without maps is refused where all are

    def kept(label: str) -> bool:
        return label != feature if kind == "without" else label in (first, feature)

    return {part: {label: given for label, given in asked.get(part, {}).items() if kept(label)} for part in asked}


class Features(Section):
    transform: Literal["linear", "sqrt", "power", "log", "arcsinh"]
    softening: Positive
    power: Positive
    floor: Fraction
    recipes: dict[str, Recipe]

    @property
    def placebos(self) -> dict[str, tuple[str, str]]:
        """The inputs that need no recipe of their own: by name, the recipe that each is a placebo of, and its kind.

        There is one where it differs from its recipe: raw, a single map without vectors, has none.
        """
        return {
            f"{name}_{kind}": (name, kind)
            for name, recipe in self.recipes.items()
            for kind in PLACEBOS
            if len(recipe.maps) > 1 or (recipe.vectors and kind != "repeated")
        }

    @property
    def ablations(self) -> dict[str, tuple[str, str, str]]:
        """The recipes that are parts of another, by name: which one, `without` or `only`, and the feature."""
        given = {name: {"maps": one.maps, "vectors": one.vectors} for name, one in self.recipes.items()}
        return {name: found for name in given if (found := ablated(given, name))}

    def source(self, name: str) -> tuple[str, str]:
        """The recipe that an input is computed by, and the kind of placebo that it is of it: `""` for none."""
        known = {recipe: (recipe, "") for recipe in self.recipes} | self.placebos
        if name not in known:
            raise InputError(f"features.recipes: no input {name!r}; there are {', '.join(known)}")
        return known[name]
