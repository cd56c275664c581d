"""Experiments whose truth is known: errors of arms with effects of seeds, lenses and single predictions."""

import numpy as np
from jaxtyping import Float

HARD = 0.7  # share of the error's variance that all arms and seeds have in common: a hard lens is hard for all
NU = 5  # Student's t: the errors of real lenses have heavy tails


def errors(
    generator: np.random.Generator,
    scales: tuple[float, ...],
    seeds: int,
    lenses: int,
    spread: float = 0.03,
    own: float = 0.0,
) -> Float[np.ndarray, "a s n"]:
    """Errors of arms whose RMSE is scale × sqrt(5/3) for each, over lenses without end and the seeds' mean scale.

    `spread` is the relative scatter of a seed's RMSE; `own` the share of the variance by which an arm has lenses of
    its own that it finds hard, with every seed.
    """
    shared = generator.standard_t(NU, lenses)
    mine = generator.standard_t(NU, (len(scales), 1, lenses))
    single = generator.standard_t(NU, (len(scales), seeds, lenses))
    luck = np.array(scales)[:, None, None] * (1 + spread * generator.normal(size=(len(scales), seeds, 1)))
    return luck * (np.sqrt(HARD - own) * shared + np.sqrt(own) * mine + np.sqrt(1 - HARD) * single)
