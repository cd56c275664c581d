"""Shortcuts: how much of the label can be read without looking at the lens?

A tree ensemble, cross-validated by whole groups, is given one number of every image: the flux, the signal-to-noise or
the ring radius of the table of lenses, or the level of the sky. They say nothing of dark matter that a telescope's zero
point, its sky and the halo's mass would not say as well: a label that they give away is read from how the set was made.
(The substructure fraction of DeepLense's test set is: its macro halo is fixed, and R2 of 0.4 falls to 0 with 0.05 dex
of scatter in the halo mass.) The ring has to be measured well to be judged: the axion's mass behind one macro model
moves it by a hundredth, which is R2 0.78 to the Einstein radius of features/ring/einstein.py and 0.06 to the annulus
where the radial profile is highest. The radial profile itself is a lawful source of information; it is measured, and
judged by the reader.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Shaped

from pipeline.checks.measured import Measured
from pipeline.checks.values import constant
from pipeline.findings import Finding, finding

INPUTS = {  # of `Measured`, and in words
    "flux": "total flux",
    "signal_to_noise": "signal-to-noise",
    "ring_radius": "ring radius",
    "level": "sky level",
    "profile": "radial profile",
}
JUDGED = ("flux", "signal_to_noise", "ring_radius", "level")
HIGH = 0.3  # R2, or balanced accuracy above chance: the DeepLense f_sub shortcut has 0.38
SAMPLE = 5000  # images; R2 is then known to about 0.01
LEAST = 60  # images with the label, and no class below LEAST_OF_CLASS; with fewer, chance alone reads 0.3
LEAST_OF_CLASS = 10
FOLDS = 5  # and as many groups at least
MEASURES = (("shortcut_label", "R²"), ("shortcut_class", "balanced accuracy above chance"))


@dataclass(frozen=True)
class Skill:
    """What one input tells of one label: R2, or balanced accuracy from 0 (chance) to 1."""

    label: str  # "class", or a target
    source: str  # of INPUTS
    value: float
    images: int


def skills(seen: Measured) -> list[Skill]:
    """Of every target and of the class, from every input; what there is too little of is left out."""
    usable = ~constant(seen) & np.isfinite(seen["profile"]).all(axis=1)
    found = []
    for name in seen.store.attributes.get("target_names", []) if "targets" in seen else []:
        values = seen.target(name)
        rows = _sample(usable & np.isfinite(values))
        if _enough(seen, rows) and np.ptp(values[rows]) > 0:
            found += [Skill(name, key, _skill(seen, key, rows, values[rows], False), len(rows)) for key in INPUTS]
    if "kind" in seen:
        names, number = np.unique(seen["kind"], return_inverse=True)
        rows = _sample(usable & (seen["kind"] != ""))
        count = np.bincount(number[rows], minlength=len(names))
        if _enough(seen, rows) and (count > 0).sum() > 1 and count[count > 0].min() >= LEAST_OF_CLASS:
            found += [Skill("class", key, _skill(seen, key, rows, number[rows], True), len(rows)) for key in INPUTS]
    return found


def check(found: list[Skill]) -> list[Finding]:
    findings = []
    for name in dict.fromkeys(skill.label for skill in found):
        values = {skill.source: skill.value for skill in found if skill.label == name}
        best = max(JUDGED, key=lambda source: values[source])
        if values[best] > HIGH:
            code, measure = MEASURES[name == "class"]
            said = (
                f"{name} can be read from the {INPUTS[best]} alone ({measure} {values[best]:.2f} from {best}, on "
                f"groups held out): quote what a network knows beyond that"
            )
            findings.append(finding(code, said, label=name, threshold=HIGH, **values))
    return findings


def _sample(which: Bool[np.ndarray, " n"]) -> Shaped[np.ndarray, " m"]:
    rows = np.flatnonzero(which)
    return rows if len(rows) <= SAMPLE else np.sort(np.random.default_rng(0).choice(rows, SAMPLE, replace=False))


def _groups(seen: Measured, rows: Shaped[np.ndarray, " m"]) -> Shaped[np.ndarray, " m"]:
    return seen["group"][rows] if "group" in seen else rows


def _enough(seen: Measured, rows: Shaped[np.ndarray, " m"]) -> bool:
    return len(rows) >= LEAST and len(np.unique(_groups(seen, rows))) >= FOLDS


def _skill(
    seen: Measured, source: str, rows: Shaped[np.ndarray, " m"], values: Shaped[np.ndarray, " m"], classes: bool
) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor  # slow to import
    from sklearn.metrics import balanced_accuracy_score, r2_score
    from threadpoolctl import threadpool_limits

    inputs = seen[source][rows].reshape(len(rows), -1)
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    guesses = np.empty(len(rows), dtype=values.dtype)
    with threadpool_limits(1, "openmp"):  # on busy cores its threads wait for each other: 100 s for what takes 10
        for test in _folds(_groups(seen, rows)):
            empty = np.isnan(inputs[~test]).all(axis=0)  # scikit-learn finds no thresholds in it, and fails
            known = np.where(empty, 0.0, inputs)
            model = kind(max_iter=60, learning_rate=0.1, max_leaf_nodes=15, early_stopping=False, random_state=0)
            model.fit(known[~test], values[~test])
            guesses[test] = model.predict(known[test])
    if not classes:
        return float(r2_score(values, guesses))
    chance = 1 / len(np.unique(values))
    return float((balanced_accuracy_score(values, guesses) - chance) / (1 - chance))


def _folds(groups: Shaped[np.ndarray, " m"]) -> list[Bool[np.ndarray, " m"]]:
    """Test rows of each fold: whole groups, dealt at random."""
    names, number = np.unique(groups, return_inverse=True)
    fold = np.random.default_rng(0).permutation(len(names)) % FOLDS
    return [fold[number] == i for i in range(FOLDS)]
