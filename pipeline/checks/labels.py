"""Labels: are they there, do they vary, and do any stand apart?"""

import numpy as np
from jaxtyping import Float

from pipeline.checks.measured import Measured
from pipeline.findings import Finding, finding
from pipeline.params import PROBABILITY

SAME = 1e-12  # of the largest label: what arithmetic leaves of a constant
LEAST = 50  # labels, before their distribution is judged
HEAP = 0.2  # of the labels at one value: of a continuous label no two are alike
FAR = 8.0  # robust standard deviations from the median: of a billion Gaussian labels none is
RARE = 0.1  # of the largest class
GAUSSIAN_MAD = 1.4826


def check(seen: Measured) -> list[Finding]:
    names = seen.store.attributes.get("target_names", []) if "targets" in seen else []
    return [found for name in names for found in _target(seen, name)] + _classes(seen)


def _target(seen: Measured, name: str) -> list[Finding]:
    values = seen.target(name)
    unknown, infinite = np.isnan(values), np.isinf(values)
    known = values[~unknown & ~infinite]
    if unknown.all():
        return [finding("no_labels", f"no image has a {name}", target=name)]
    found = []
    if unknown.any():
        said = f"{unknown.mean():.1%} of the images have no {name}"
        found.append(finding("missing_labels", said, target=name, **seen.who(unknown)))
    if infinite.any():
        said = f"{name} is infinite in {infinite.sum()} images"
        found.append(finding("infinite_labels", said, target=name, **seen.who(infinite)))
    if len(known) and np.ptp(known) <= SAME * np.abs(known).max():
        said = f"{name} is {known[0]:g} in every image that has one"
        return [*found, finding("constant_label", said, target=name, value=float(known[0]))]
    of_classes = seen.store.attributes.get("target_units", {}).get(name) == PROBABILITY
    return found + (_shape(seen, name, known) if len(known) >= LEAST and not of_classes else [])


def _shape(seen: Measured, name: str, known: Float[np.ndarray, " m"]) -> list[Finding]:
    found = []
    _, count = np.unique(known, return_counts=True)
    if count.max() > HEAP * len(known):
        said = f"{count.max() / len(known):.0%} of the images have one and the same {name}"
        found.append(finding("label_heaps", said, target=name, values=len(count), most=int(count.max())))
    middle = np.median(known)
    scale = GAUSSIAN_MAD * np.median(np.abs(known - middle))
    values = seen.target(name)
    far = np.isfinite(values) & (np.abs(values - middle) > FAR * scale)
    if scale > 0 and far.any():
        said = f"{name} of {far.sum()} images lies more than {FAR:g} robust standard deviations from the median"
        found.append(finding("label_outliers", said, target=name, median=middle, scale=scale, **seen.who(far)))
    return found


def _classes(seen: Measured) -> list[Finding]:
    if "kind" not in seen:
        return []
    names, count = np.unique(seen["kind"][seen["kind"] != ""], return_counts=True)
    if len(names) < 2 or count.min() >= RARE * count.max():
        return []
    rare, common = names[count.argmin()], names[count.argmax()]
    counts = {str(name): int(number) for name, number in zip(names, count, strict=True)}
    return [finding("class_imbalance", f"{count.max()} images of {common} to {count.min()} of {rare}", counts=counts)]
