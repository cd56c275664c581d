"""What studies/params.yaml asks for, as checked values: budgets, sets of problems, and studies made of arms.

A *problem* is a data set, made by the pipeline's own stages; a *set* is the problems that a study is about. A study
trains every *arm* on each of its problems, at each training size and with each seed, all at one budget. What an arm
does differently it says in the stages' own words, as dotted keys of the root's params.yaml.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML

from pipeline import params
from pipeline.errors import InputError
from pipeline.places import place

Changes = Mapping[str, Any]  # dotted key of params.yaml: its value


def _dotted(changes: Changes) -> Changes:
    for key in changes:
        if "." not in key:
            raise ValueError(f"{key!r} is no dotted key of params.yaml, such as train.fit.batch_size")
        if key.startswith("backbones.") and not (key.count(".") == 1 and isinstance(changes[key], Mapping)):
            raise ValueError(f"{key}: the options of a network stand together, as in backbones.cnn: {{width: 0.5}}")
    return changes


def _growing(sizes: Sequence[Any]) -> Sequence[Any]:
    numbers = [float("inf") if size == "all" else size for size in sizes]
    if numbers != sorted(set(numbers)):
        raise ValueError(f"{', '.join(map(str, sizes))}: sizes are to grow, and `all` is the last")
    return sizes


def _named(things: Mapping[str, Any]) -> Mapping[str, Any]:
    """Names are parts of paths and of DVC's keys."""
    for name in things:
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise ValueError(f"{name!r}: a name is of small letters, digits and _")
    return things


def _of_normalise(changes: Changes) -> Changes:
    """A variant is made of what the other stages have made."""
    for key in changes:
        if not key.startswith("normalise."):
            raise ValueError(f"{key}: a variant is another normalisation, and differs in keys of normalise alone")
    return changes


Dotted = Annotated[dict[str, Any], AfterValidator(_dotted)]


class Part(BaseModel):
    """A block of studies/params.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Budget(Part):
    """What everything is scaled by; results of two budgets never meet in one table."""

    images: int  # of a problem, before its own factor
    size: int  # pixels a side, where the preset leaves that open
    epochs: int
    seeds: list[int]
    sizes: Annotated[list[int | Literal["all"]], AfterValidator(_growing)]  # training rows, of studies that vary them
    range_test: int  # steps


class Problem(Part):
    """A data set: what differs from params.yaml, and what has been published on it."""

    differs: Dotted
    images: float = 1.0  # of the budget's: not every simulated image has the label
    published: dict[str, dict[Literal["mae", "rmse", "r2"], float]] = {}  # by whom: metrics, in the target's unit


def _problem(value: Any) -> Any:
    """Dotted keys differ; the rest are fields."""
    if not isinstance(value, Mapping):
        return value
    fields = {key: each for key, each in value.items() if "." not in key}
    return {**fields, "differs": {key: each for key, each in value.items() if "." in key}}


class Variant(Part):
    """An input of a set, normalised in another way: the same lenses in the same roles, and the same channels."""

    input: str = "raw"
    differs: Annotated[Dotted, AfterValidator(_of_normalise)]


class Set(Part):
    """Problems, and the inputs that are made of each."""

    inputs: list[str] = ["raw"]
    variants: Annotated[dict[str, Annotated[Variant, BeforeValidator(_problem)]], AfterValidator(_named)] = {}
    problems: Annotated[dict[str, Annotated[Problem, BeforeValidator(_problem)]], AfterValidator(_named)]

    @model_validator(mode="after")
    def variants_are_of_inputs(self) -> "Set":
        for name, variant in self.variants.items():
            _known(f"variants.{name}.input", variant.input, self.inputs)
            if name in self.inputs:
                raise ValueError(f"variants.{name}: an input has this name; call the variant something else")
        return self

    def variants_of(self, name: str) -> list[str]:
        """The variants of an input."""
        return [variant for variant, said in self.variants.items() if said.input == name]

    @property
    def prepared(self) -> list[str]:
        """What an arm can be trained on."""
        return [*self.inputs, *self.variants]


class Arm(Part):
    """One way of training."""

    input: str
    backbone: str = "cnn"
    against: str | None = None  # the arm that it is compared with; null: the study's control
    differs: Dotted


class Study(Part):
    """Arms, compared with a control."""

    question: str
    set: str
    control: str | None = None  # null: nothing is compared, only measured
    input: str = "raw"  # of arms that name none
    seeds: Annotated[int, Field(ge=1)] | None = None  # the first so many of the budget's; null: all
    rate: Literal["given", "tuned"] = "given"  # tuned: by a range test, then half a decade either way on validation
    sizes: bool = False  # at every training size of the budget
    epochs: float = 1.0  # of the budget's
    same: Dotted = {}  # what all arms have
    arms: Annotated[dict[str, Annotated[Arm, BeforeValidator(_problem)]], AfterValidator(_named)]

    @model_validator(mode="before")
    @classmethod
    def arms_have_an_input(cls, said: Any) -> Any:
        if not isinstance(said, Mapping) or not isinstance(said.get("arms"), Mapping):
            return said
        common = {"input": said.get("input", "raw")}
        arms = {name: {**common, **arm} if isinstance(arm, Mapping) else arm for name, arm in said["arms"].items()}
        return {**said, "arms": arms}

    @model_validator(mode="after")
    def controls_exist(self) -> "Study":
        against = {f"arms.{name}.against": arm.against for name, arm in self.arms.items()}
        for key, name in {"control": self.control, **against}.items():
            if name is not None:
                _known(key, name, self.arms)
        return self

    def against(self, arm: str) -> str | None:
        """The arm that one is compared with, if it is."""
        control = self.arms[arm].against or self.control
        return None if control == arm else control


@dataclass(frozen=True)
class Cell:
    """An arm on a problem with so many training rows: what is trained with every seed."""

    problem: str
    arm: str
    size: str

    @property
    def name(self) -> str:
        return f"{self.problem}-{self.arm}-{self.size}"


class Plan(Part):
    budget: str
    budgets: dict[str, Budget]
    recipes: dict[str, dict[str, Any]] = {}  # inputs, beside those of params.yaml
    sets: Annotated[dict[str, Set], AfterValidator(_named)]
    studies: Annotated[dict[str, Study], AfterValidator(_named)] = Field(min_length=1)

    @model_validator(mode="after")
    def names_exist(self) -> "Plan":
        _known("budget", self.budget, self.budgets)
        for name, study in self.studies.items():
            _known(f"studies.{name}.set", study.set, self.sets)
            for arm, each in study.arms.items():
                _known(f"studies.{name}.arms.{arm}.input", each.input, self.sets[study.set].prepared)
        return self

    @property
    def spends(self) -> Budget:
        return self.budgets[self.budget]

    def set(self, name: str) -> Set:
        if name not in self.sets:
            raise InputError(f"sets: no set {name!r}; there are {', '.join(self.sets)}")
        return self.sets[name]

    def study(self, name: str) -> Study:
        if name not in self.studies:
            raise InputError(f"studies: no study {name!r}; there are {', '.join(self.studies)}")
        return self.studies[name]

    def seeds(self, name: str) -> list[int]:
        """That every cell of a study is trained with."""
        return self.spends.seeds[: self.study(name).seeds]

    def epochs(self, name: str) -> int:
        """Of every run of a study."""
        return max(1, round(self.spends.epochs * self.study(name).epochs))

    def cells(self, name: str) -> Iterator[Cell]:
        """All that a study trains, but for seeds."""
        study = self.study(name)
        sizes = [str(size) for size in self.spends.sizes] if study.sizes else ["all"]
        for problem in self.sets[study.set].problems:
            for arm in study.arms:
                yield from (Cell(problem, arm, size) for size in sizes)

    def of_problem(self, name: str, problem: str) -> list[str]:
        """The overrides that make a problem of a set."""
        own, said, spent = self.sets[name], self.sets[name].problems[problem], self.spends
        recipes = params.plain(params.read((), "features"))["recipes"] | self.recipes
        budget = {
            "ingest.source": "simulation",
            "simulation.priors": {},
            "simulation.images": round(spent.images * said.images),
            "simulation.size": spent.size,
            "features.recipes": recipes,
            "train.inputs": own.inputs,
        }
        return overrides(budget | said.differs)

    def of_variant(self, name: str, problem: str, variant: str) -> list[str]:
        """The overrides that normalise an input of a problem as a variant says."""
        return self.of_problem(name, problem) + overrides(self.sets[name].variants[variant].differs)

    def of_arm(self, name: str, arm: str) -> list[str]:
        """The overrides that train an arm of a study."""
        study, epochs = self.study(name), self.epochs(name)
        budget = {
            "train.fit.epochs": epochs,
            "train.fit.patience": epochs,  # nobody stops early: the budget is the same for all
            "train.fit.range_test.steps": self.spends.range_test,
        }
        return overrides(_merged(budget, study.same, study.arms[arm].differs))


def _known(key: str, name: str, there: Iterable[str]) -> None:
    if name not in there:
        raise ValueError(f"{key}: no {name!r}; there are {', '.join(there)}")


def _merged(*parts: Changes) -> dict[str, Any]:
    """One after the other. What is said of a network is added to what params.yaml and earlier parts say of it; any
    other value takes the place of the one before."""
    networks = params.read((), "backbones")
    made: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            room, _, name = key.partition(".")
            made[key] = {**made.get(key, networks.get(name, {})), **value} if room == "backbones" else value
    return made


def overrides(changes: Changes) -> list[str]:
    """As they stand on a stage's command line; JSON is YAML."""
    return [f"{key}={json.dumps(value)}" for key, value in changes.items()]


def read(path: str) -> Plan:
    """The plan in a file. Raises `InputError` naming what is wrong with it."""
    tree = YAML(typ="safe").load(place(path).read_text())
    try:
        return Plan.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
