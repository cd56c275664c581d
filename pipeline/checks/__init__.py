"""What the audit looks for: one idea a file.

A file measures numbers of every image, in one pass over the pixels, and then checks them for the whole set; flux,
signal-to-noise and ring radius are those of the table of lenses (pipeline/lenses.py), and not measured again. To add a
check: a file, its lines here, and its codes in `pipeline/findings.py`.
"""

import numpy as np
import pandas as pd

from pipeline import frames
from pipeline.checks import duplicates, greylevels, groups, labels, light, mixtures, near, noise, photons, values
from pipeline.checks.measured import Measured
from pipeline.store import Store

COLUMNS = ("targets", "id", "kind", "group", "identities", "noise", "noise_known", "observed")
DESCRIBED = ("flux", "signal_to_noise", "ring_radius", "ring_unit")  # of the table of lenses
CHECKS = (
    values.check,
    noise.check,
    photons.check,
    greylevels.check,
    light.check,
    labels.check,
    groups.check,
    mixtures.check,
)


def measure(store: Store, described: pd.DataFrame) -> Measured:
    """The numbers of every image, read block by block, beside what the store and its table of lenses say of it."""
    frames.check(store)
    parts = [_block(store, start, stop) for start, stop in store.blocks()]
    numbers = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    numbers |= {name: described[name].to_numpy() for name in DESCRIBED}
    return Measured(store, numbers | {name: store.read(name) for name in COLUMNS if name in store})


def _block(store: Store, start: int, stop: int) -> dict[str, np.ndarray]:
    images = store.read("images", start, stop)
    bad = store.read("mask", start, stop) if "mask" in store else np.zeros(images.shape, dtype=bool)
    band = frames.filled(images[:, 0], bad[:, 0])
    sky = noise.measure(band)
    return {
        **values.measure(images, bad),
        **sky,
        **photons.measure(band, sky["level"], sky["rms"]),
        **greylevels.measure(band, sky["level"], sky["fine"]),
        **light.measure(band, sky["level"], sky["rms"]),
        **duplicates.measure(images),
        "thumbnail": near.thumbnail(band - sky["level"][:, None, None]).astype(np.float32),
    }
