"""params.yaml as checked values.

A stage asks for the keys it needs and gets nothing else, so that the `params:` of dvc.yaml can be held against the
code (tests/test_dvc.py does). The whole file is validated every time: a mistake in the last section stops the first
stage, not the last.

The file is read as YAML 1.2, as DVC reads it: PyYAML would take `1e-3` for a string and `on` for a boolean.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError

from pipeline.errors import InputError

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Range = Annotated[list[float], Field(min_length=2, max_length=2)]


def _no_repeats(items: list[Any]) -> list[Any]:
    repeated = [item for i, item in enumerate(items) if item in items[:i]]
    if repeated:
        raise ValueError(f"{repeated[0]!r} is there twice")
    return items


Unique = AfterValidator(_no_repeats)
Names = Annotated[list[str], Field(min_length=1), Unique]


class Section(BaseModel):
    """A block of params.yaml: no unknown key, no NaN, no string that happens to look like a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


PROBABILITY = "probability"  # the unit of a target that is 1 for the images of some classes and 0 for all others


class TargetSource(Section):
    """Where a target comes from: a column of the labels, its unit there, and what is done to it; or classes, and then
    it is 1 for their images and 0 for those of any other class."""

    column: str = ""
    unit: str = ""
    transform: Literal["none", "log10"] = "none"
    classes: Annotated[list[str], Unique] = []

    @model_validator(mode="after")
    def one_kind(self) -> "TargetSource":
        if bool(self.column) == bool(self.classes):
            raise ValueError("a target is of one column, or of classes: write {column: mass}, or {classes: [vort]}")
        if self.classes and (self.unit or self.transform != "none"):
            raise ValueError("of classes a target is 0 or 1; leave out unit and transform")
        return self


class Companions(Section):
    """Files that belong to an image, beside it; `{stem}` stands for its name without the ending. "": none."""

    noise: str = ""
    psf: str = ""
    mask: str = ""


class Cutout(Section):
    """A square of `size` pixels about the frame's centre, or about a position that columns of the labels give."""

    size: Count
    x: str = ""
    y: str = ""
    ra: str = ""
    dec: str = ""

    @model_validator(mode="after")
    def one_position(self) -> "Cutout":
        if (bool(self.x), bool(self.y), bool(self.ra), bool(self.dec)) not in POSITIONS:
            raise ValueError("name the columns x and y [pixels], or ra and dec [degrees], or none for the centre")
        return self


POSITIONS = {(False,) * 4, (True, True, False, False), (False, False, True, True)}


class Resample(Section):
    """To pixels of another size, flux conserved."""

    pixel_scale: Positive


class Step(Section):
    """One thing done to every frame."""

    cutout: Cutout | None = None
    resample: Resample | None = None

    @model_validator(mode="after")
    def one(self) -> "Step":
        if (self.cutout is None) == (self.resample is None):
            raise ValueError("one step is one of cutout and resample; write each as an item of its own")
        return self


class Ingest(Section):
    source: Literal["simulation", "deeplense", "fits", "hdf5", "npz", "zarr", "table"]
    path: str
    pattern: str
    labels: str
    label_id: str
    file_column: str
    class_column: str
    identities: Annotated[list[str], Unique]
    dataset: str
    hdus: Annotated[list[int | str], Unique]
    bands: Annotated[list[Annotated[int, Field(ge=0)]], Unique]
    companions: Companions
    pixel_scale: Positive | None
    psf_fwhm: Positive | None
    units: str
    nan: Literal["refuse", "mask", "inpaint"]
    prepare: list[Step]
    noise: Literal["border", "starlet"]
    max_quarantined: Annotated[float, Field(ge=0, le=1)]
    targets: Annotated[dict[str, TargetSource], Field(min_length=1)]


PRIORS = ("uniform", "log_uniform", "normal", "fixed")


class Prior(Section):
    """What values a parameter has among lenses, in its unit: `uniform` and `log_uniform` [from, to] (the latter uniform
    in the logarithm), `normal` [mean, standard deviation] (cut off where the parameter ends), or `fixed`."""

    uniform: Range | None = None
    log_uniform: Range | None = None
    normal: Range | None = None
    fixed: float | None = None

    @model_validator(mode="after")
    def one(self) -> "Prior":
        given = [kind for kind in PRIORS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"a prior is one of {', '.join(PRIORS)}; this is {' and '.join(given) or 'none of them'}")
        for pair in (self.uniform, self.log_uniform):
            if pair and pair[0] > pair[1]:
                raise ValueError(f"from {pair[0]:g} to {pair[1]:g} runs backwards; write [{pair[1]:g}, {pair[0]:g}]")
        if self.log_uniform and self.log_uniform[0] <= 0:
            raise ValueError(f"log_uniform needs numbers above zero, not {self.log_uniform[0]:g}")
        if self.normal and self.normal[1] <= 0:
            raise ValueError(f"normal is [mean, standard deviation], and {self.normal[1]:g} is no width")
        return self

    @property
    def varies(self) -> bool:
        """Whether two lenses can differ in it."""
        pair = self.uniform or self.log_uniform
        return pair[0] < pair[1] if pair else self.normal is not None


class Subhalos(Section):
    """How subhalos are placed and how they bend light, where `substructure_fraction` has a prior."""

    profile: Literal["point", "sis", "tnfw"]
    positions: Literal["disc", "host", "annulus"]
    number: Literal["poisson", "fixed"]
    reach: Positive
    sheet: bool
    scatter: Annotated[float, Field(ge=0)]
    truncation: Positive


def _fixed(value: Any) -> Any:
    """A bare number is a prior that is fixed."""
    return {"fixed": float(value)} if isinstance(value, int | float) and not isinstance(value, bool) else value


class Simulation(Section):
    preset: Literal[
        "axion", "axion_free", "lens64", "substructure", "halo_mass", "wdm",
        "deeplense_1", "deeplense_2", "deeplense_3", "test3",
    ]  # fmt: skip
    variant: Literal["legacy", "corrected"]
    images: Count
    seed: Seed
    size: Annotated[int, Field(ge=8)]
    supersampling: Count | Literal["auto"]
    instrument: Literal[
        "euclid_vis", "hst_wfc3_f160w", "hst_acs_f814w", "rubin_r", "rubin_i", "ideal", "deeplense_1", "deeplense_2"
    ]
    pixel_scale: Positive | None
    psf_fwhm: Positive | None
    exposure: Positive | None
    sky_brightness: float | None
    read_noise: Annotated[float, Field(ge=0)] | None
    psf_image: str
    psf_sampling: Count
    noise: Literal["poisson", "none", "poisson_twice", "doubled"]
    accept_noise_free: bool
    pictures: str
    subhalos: Subhalos
    priors: dict[str, Annotated[Prior, BeforeValidator(_fixed)]]


class Fractions(Section):
    train: Fraction
    validation: Fraction
    calibration: Fraction
    test: Fraction

    @model_validator(mode="after")
    def whole(self) -> "Fractions":
        total = self.train + self.validation + self.calibration + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, validation, calibration and test add up to {total:g}; they must add up to 1")
        return self


class Audit(Section):
    """What is tolerated."""

    accept: Annotated[list[str], Unique]


class Split(Section):
    targets: Names
    scheme: Literal["holdout", "kfold", "group-out"]
    fractions: Fractions
    folds: Annotated[int, Field(ge=2)]
    fold: Annotated[int, Field(ge=0)]
    held_out: Annotated[list[str], Unique]
    strata: Count
    seed: Seed


class Recipe(Section):
    """An input: map features (channels, in order) and vector features, each with its options."""

    maps: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    vectors: dict[str, dict[str, Any]] = {}


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


def _part(asked: Mapping[str, Any], kind: str, feature: str) -> dict[str, Any]:
    """A recipe without a feature, or with only that beside the image."""
    first = next(iter(asked["maps"]))

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


class Kind(Section):
    """A choice by name, with that choice's own options beside it; what runs it says which there are."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)
    kind: str


class Loss(Kind):
    kind: Literal[
        "auto", "mse", "mae", "huber", "smooth_l1", "log_cosh", "robust", "gaussian", "pinball"
    ]  # fmt: skip


class Schedule(Kind):
    kind: Literal[
        "constant", "step", "exponential", "polynomial", "cosine", "warm_restarts", "cyclical", "one_cycle", "plateau",
        "autowu",
    ]  # fmt: skip


class Average(Kind):
    kind: Literal["none", "ema", "swa"]


class Scaling(Section):
    """How learning_rate, set for batches of batch_size images, follows train.fit.batch_size."""

    rule: Literal["none", "linear", "sqrt"]
    batch_size: Count


class RangeTest(Section):
    """What learning_rate: auto tries."""

    lowest: Positive
    highest: Positive
    steps: Annotated[int, Field(ge=20)]

    @model_validator(mode="after")
    def upwards(self) -> "RangeTest":
        if self.lowest >= self.highest:
            raise ValueError(f"from {self.lowest:g} to {self.highest:g} does not rise; put the smaller one in lowest")
        return self


class Progressive(Section):
    """Progressive learning: stages of the run, each with larger frames and more regularisation than the one before."""

    stages: Count
    size: Count
    multiple: Count
    dropout: Range
    mixup: Range
    magnitude: Range


def _rate(value: Any) -> Any:
    """A learning rate's own complaint: pydantic's is about a union of types."""
    if value == "auto" or (isinstance(value, int | float) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f"{value!r} is not a learning rate; give a number above zero, or auto")


class Fit(Section):
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]
    accumulate: Count
    learning_rate: Annotated[float | Literal["auto"], BeforeValidator(_rate)]
    range_test: RangeTest
    scaling: Scaling
    schedule: Schedule
    optimiser: Kind
    discriminative: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    l1: Annotated[float, Field(ge=0)]
    clip: Positive | None
    loss: Loss
    target_weights: list[Annotated[float, Field(ge=0)]]
    label_noise: Annotated[float, Field(ge=0)]
    average: Average
    patience: Count
    augment: list[str | dict[str, dict[str, Any]]]
    progressive: Progressive | None
    memory: Count
    workers: Annotated[int, Field(ge=0)]
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]
    devices: Count
    precision: Literal["auto", "32-true", "bf16-mixed"]
    channels_last: bool
    compile: Literal["none", "default", "reduce-overhead", "max-autotune"]

    @model_validator(mode="after")
    def agrees(self) -> "Fit":
        if self.learning_rate == "auto" and self.scaling.rule != "none":
            raise ValueError("scaling: learning_rate: auto is found at this very batch_size; choose rule: none")
        if self.accumulate * self.devices > self.batch_size:
            raise ValueError(
                f"accumulate: {self.accumulate} parts on {self.devices} devices of a batch of {self.batch_size} leave "
                "some without an image; choose fewer"
            )
        return self


class Watch(Section):
    """What is kept and shown of a run that is going on; no byte of its weights depends on it."""

    checkpoint_minutes: Annotated[float, Field(ge=0)]
    log: Literal["none", "dvclive", "tensorboard"]


class Train(Section):
    inputs: Names
    backbones: Names
    sizes: Annotated[list[Literal["all"] | Annotated[int, Field(ge=2)]], Field(min_length=1), Unique]
    seeds: Annotated[list[Seed], Field(min_length=1), Unique]
    fit: Fit
    watch: Watch


class Predict(Section):
    symmetric: bool


class Baselines(Section):
    iterations: Count
    learning_rate: Positive
    components: Count


class Compare(Section):
    draws: Annotated[int, Field(ge=100)]
    confidence: Fraction
    margin: Positive
    bins: Count
    seed: Seed


class Report(Section):
    lenses: Count
    shown: Annotated[int, Field(ge=4, le=300)]


Conditions = Literal[
    "identity", "psf_narrow", "psf_wide", "noise_low", "noise_high", "light_offset", "clumpy", "subhalo_profile",
    "exposure_short",
]  # fmt: skip
SHIFTS: tuple[str, ...] = get_args(Conditions)


class Shift(Section):
    """Other conditions that the test lenses are seen under as well."""

    kinds: Annotated[list[Conditions], Unique]


class Engine(Section):
    """How the data stages run; no byte of what they write depends on it."""

    kind: Literal["serial", "processes", "dask"]
    workers: Count
    threads: Count
    address: str
    retries: Annotated[int, Field(ge=0)]


class Params(Section):
    engine: Engine
    ingest: Ingest
    simulation: Simulation
    audit: Audit
    split: Split
    features: Features
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
            made = {name: _part(recipes[recipe], kind, feature) for name, (recipe, kind, feature) in parts.items()}
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
        raw = self.features.recipes.get("raw")
        raw = recipes.get("raw")
        if raw and (raw.maps != {"pixels": {}} or raw.vectors):
            raise ValueError("features.recipes.raw: the control is {maps: {pixels: {}}} and nothing else")
        return self


def read(overrides: Iterable[str], *keys: str, path: str | Path = "params.yaml") -> Any:
    """The values under dotted `keys`, in their order (one key: the value itself), after `section.key=value` overrides.

    Raises `InputError`, naming the key and what it may be, if anything in the file or the overrides is not right.
    """
    tree = _parsed(Path(path))
    for override in overrides:
        _override(tree, override)
    try:
        checked = Params.model_validate(tree)
    except ValidationError as error:
        misspelt_first = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        raise InputError("; ".join(_explained(problem, path) for problem in misspelt_first)) from None
    values = [_lookup(checked, key) for key in keys]
    return values[0] if len(values) == 1 else values


def plain(value: Any) -> Any:
    """A section as dicts and lists: what a store's manifest records."""
    return value.model_dump() if isinstance(value, BaseModel) else value


def _parsed(path: Path) -> dict[str, Any]:
    try:
        tree = YAML(typ="safe").load(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run from the folder that holds it") from None
    except YAMLError as error:
        raise InputError(f"{path}: not YAML: {error}") from None
    if not isinstance(tree, dict):
        raise InputError(f"{path}: expected sections such as ingest:, split: and train:")
    return tree


def _override(tree: dict[str, Any], override: str) -> None:
    """Set one dotted key of the parsed file; it must be there already."""
    key, _, text = override.partition("=")
    *parents, leaf = key.split(".")
    for parent in parents:
        tree = tree.get(parent, {}) if isinstance(tree, dict) else {}
    if not isinstance(tree, dict) or leaf not in tree:
        raise InputError(f"{key}: no such parameter to override; there are {', '.join(tree) or 'none below it'}")
    try:
        tree[leaf] = (
            text if text.startswith("*") else YAML(typ="safe").load(text)
        )  # a glob, which YAML takes for an alias
    except YAMLError:
        raise InputError(f"{key}: {text!r} is not YAML") from None


def _lookup(checked: Params, key: str) -> Any:
    value: Any = checked
    for part in key.split("."):
        known = value if isinstance(value, Mapping) else type(value).model_fields
        if part not in known:
            raise InputError(f"{key}: no such parameter; there are {', '.join(known)}")
        value = value[part] if isinstance(value, Mapping) else getattr(value, part)
    return value


def _explained(problem: Any, path: str | Path) -> str:
    """One pydantic complaint as `key: what is wrong, and what would be right`."""
    key = ".".join(str(part) for part in problem["loc"] if not str(part).startswith(("literal[", "constrained-")))
    if problem["type"] == "extra_forbidden":
        return f"{key}: no such parameter; there are {', '.join(_siblings(problem['loc']))}"
    if problem["type"] == "missing":
        return f"{key}: missing from {path}"
    if problem["type"] == "value_error":
        return ": ".join(part for part in (key, str(problem["ctx"]["error"])) if part)
    return f"{key}: {problem['input']!r} is not valid: {problem['msg'].lower()}"


def _siblings(location: tuple[str | int, ...]) -> list[str]:
    """The parameters that exist beside a misspelt one."""
    section: Any = Params
    for part in location[:-1]:
        field = (
            section.model_fields.get(str(part))
            if isinstance(section, type) and issubclass(section, BaseModel)
            else None
        )
        annotation = field.annotation if field else section
        inner = [a for a in getattr(annotation, "__args__", ()) if isinstance(a, type) and issubclass(a, BaseModel)]
        section = inner[0] if inner else annotation
    return list(section.model_fields)
