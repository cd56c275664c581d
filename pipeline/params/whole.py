"""The whole of params.yaml: its sections, and what must agree between them."""

from typing import Any

from pydantic import model_validator

from pipeline.params.basis import Section
from pipeline.params.features import Features, ablated, part
from pipeline.params.ingest import Ingest
from pipeline.params.simulation import Simulation
from pipeline.params.split import Audit, Normalise, Split
from pipeline.params.stages import Baselines, Compare, Engine, Predict, Report, Shift
from pipeline.params.train import Train


class Params(Section):
    engine: Engine
    ingest: Ingest
    simulation: Simulation
    audit: Audit
    split: Split
    features: Features
    normalise: Normalise
    backbones: dict[str, dict[str, Any]]
    train: Train
    predict: Predict
    shift: Shift
    baselines: Baselines
    compare: Compare
    report: Report

    @model_validator(mode="before")
    @classmethod
    def with_ablations(cls, tree: Any) -> Any:
        """Inputs that are parts of a recipe need no recipe of their own."""
        try:
            recipes = tree["features"]["recipes"]
            asked = [name for name in tree["train"]["inputs"] if name not in recipes]
            parts = {name: found for name in asked if (found := ablated(recipes, name))}
            made = {name: part(recipes[recipe], kind, feature) for name, (recipe, kind, feature) in parts.items()}
        except (AttributeError, KeyError, TypeError):
            return tree  # it is not what it should be, and is refused by whoever knows what that is
        return {**tree, "features": {**tree["features"], "recipes": {**recipes, **made}}}

    @model_validator(mode="after")
    def names_exist(self) -> "Params":
        recipes, placebos = self.features.recipes, self.features.placebos
        for name in recipes:
            if name in placebos:
                recipe, kind = placebos[name]
                raise ValueError(
                    f"features.recipes.{name}: a placebo of {recipe} has this name (its features {kind}); "
                    "call the recipe something else"
                )
        for key, names, known in (
            ("inputs", self.train.inputs, [*recipes, *placebos]),
            ("backbones", self.train.backbones, list(self.backbones)),
        ):
            for name in names:
                if name not in known:
                    raise ValueError(f"train.{key}: no {key[:-1]} {name!r}; there are {', '.join(known)}")
        if "shortcuts" in self.train.inputs:
            raise ValueError("train.inputs: 'shortcuts' is what the shortcut baselines are called; rename the recipe")
        raw = recipes.get("raw")
        if raw and (raw.maps != {"pixels": {}} or raw.vectors):
            raise ValueError("features.recipes.raw: the control is {maps: {pixels: {}}} and nothing else")
        return self
