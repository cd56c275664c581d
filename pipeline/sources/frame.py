"""One image as a file gives it, before and after it is prepared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Shaped


@dataclass(frozen=True)
class Frame:
    """One lens in one or several bands, and what its file says of it."""

    image: Shaped[np.ndarray, "b h w"]  # numbers of the file's own type, native byte order; NaN: not measured
    mask: Bool[np.ndarray, "b h w"] | None = None  # True: not to be used; None: nothing is said
    noise: float = np.nan  # sky rms per pixel of the first band, units of the image; NaN: unknown
    observed: Mapping[str, float] = field(default_factory=dict)  # keys of sources.OBSERVED
    labels: Mapping[str, float | str] = field(default_factory=dict)  # what the file itself says; a table's come later
    kind: str = ""  # class, "" unknown
    units: str = ""  # of the pixels, "" unknown
    to_pixel: Callable[[float, float], tuple[float, float]] | None = None  # ra, dec [deg] -> x, y [pixels from 0]
