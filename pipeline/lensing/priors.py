"""Priors: writing them down, and drawing from them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

from pipeline.params import Prior

Priors = dict[str, Prior]


@dataclass(frozen=True)
class Preset:
    """What varies among the lenses of an embedded data set, and what of `simulation` the preset decides itself."""

    priors: Priors
    kinds: tuple[str, ...] = ()  # classes that the lenses belong to in turn; none: the priors say
    own: Mapping[str, Any] = field(default_factory=dict)


def uniform(low: float, high: float) -> Prior:
    return Prior(uniform=[low, high])


def normal(mean: float, width: float) -> Prior:
    return Prior(normal=[mean, width])


def fixed(value: float) -> Prior:
    return Prior(fixed=value)


def log_uniform(low: float, high: float) -> Prior:
    return Prior(log_uniform=[low, high])


def draw(prior: Prior, unit: Float[np.ndarray, " n"], low: float, high: float) -> Float[np.ndarray, " n"]:
    """Values from numbers uniform in [0, 1), by the inverse of the distribution function; `low` and `high` are the
    ends of the parameter, at which a normal distribution is cut off."""
    if prior.fixed is not None:
        return np.full(len(unit), prior.fixed)
    if prior.uniform:
        return prior.uniform[0] + (prior.uniform[1] - prior.uniform[0]) * unit
    if prior.log_uniform:
        return prior.log_uniform[0] * (prior.log_uniform[1] / prior.log_uniform[0]) ** unit
    mean, width = prior.normal or (math.nan, math.nan)
    least, most = ndtr((low - mean) / width), ndtr((high - mean) / width)
    return np.clip(mean + width * ndtri(least + (most - least) * unit), low, high)
