"""A clean set of simulated lenses, and faults to plant in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import checks, lenses, params, store
from pipeline.checks.measured import Measured
from pipeline.checks.symmetries import SYMMETRIES
from pipeline.describe import describe
from pipeline.lensing import imaging, populations
from pipeline.sources import OBSERVED, simulation
from pipeline.store import Array, Store
from tests.conftest import TINY

IMAGES = 320
SIZE = 48


@dataclass(frozen=True)
class Lenses:
    """The columns and attributes of a store, before it is written."""

    columns: dict[str, np.ndarray]
    said: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def but(self, said: Mapping[str, Any] | None = None, **columns: np.ndarray) -> "Lenses":
        return replace(self, columns=self.columns | columns, said=self.said | dict(said or {}))

    def write(self, path: Path) -> Store:
        rows = len(self["images"])
        arrays = [
            Array(name, "str" if values.dtype.kind == "U" else str(values.dtype), values.shape[1:], axes(values))
            for name, values in self.columns.items()
        ]
        store.write(str(path), rows, arrays, lambda a, b: {k: v[a:b] for k, v in self.columns.items()}, **self.said)
        return Store(str(path))


def axes(values: np.ndarray) -> tuple[str, ...]:
    return tuple("bhw"[: values.ndim - 1]) if values.ndim == 4 else tuple("t"[: values.ndim - 1])


def measured(stored: Store) -> Measured:
    """What the audit measures of a store, after `describe`."""
    table = Path(stored.path).with_suffix(".parquet")
    describe(str(stored.path), str(table))
    return checks.measure(stored, lenses.read(table, stored.rows))


def preset() -> params.Simulation:
    """Bright lenses: noise hides little of them; and halos of any mass, so that no ring tells of the label."""
    bright = (
        "size=48",
        "pixel_scale=0.1",
        "psf_fwhm=0.16",
        "supersampling=2",
        "priors={source_magnitude: {uniform: [22.0, 23.0]}, einstein_radius: {uniform: [0.9, 1.4]}}",
    )
    return params.read([f"simulation.{override}" for override in bright], "simulation", path=TINY)


CAMERA = simulation.camera(preset())


def observe(chosen: params.Simulation, rates: np.ndarray, draw: int = populations.NOISE) -> np.ndarray:
    """Noisy images (n, 1, h, w) of rates (n, h, w)."""
    images = [
        imaging.observe(rate, CAMERA, CAMERA.instrument.exposure, populations.generator(chosen.seed, lens, draw))
        for lens, rate in enumerate(rates)
    ]
    return np.stack(images)[:, None].astype(np.float32)


def rates(chosen: params.Simulation, count: int) -> np.ndarray:
    return simulation.rates(chosen, simulation.draw(chosen, range(count)))


def clean() -> Lenses:
    """Lenses as they should be."""
    chosen = preset()
    n = IMAGES
    true = rates(chosen, n)
    own = CAMERA.instrument
    observed = [own.pixel_scale, own.psf_fwhm, own.exposure, 1.0, own.zero_point]
    columns = {
        "images": observe(chosen, true),
        "targets": simulation.draw(chosen, range(n)).parameters["log10_axion_mass"][:, None],
        "id": np.array([f"lens-{i:04d}" for i in range(n)]),
        "kind": np.array(["axion", "cdm"])[np.arange(n) % 2],
        "group": np.arange(n),
        "noise": np.full(n, CAMERA.sky_rms(), dtype=np.float32),
        "noise_known": np.full(n, True),
        "observed": np.tile(np.array(observed), (n, 1)),
        "identities": np.array([[f"halo-{i}"] for i in range(n)]),
    }
    said = {
        "target_names": ["log10_axion_mass"],
        "target_units": {"log10_axion_mass": "dex(eV)"},
        "pixel_scale": own.pixel_scale,
        "psf_fwhm": own.psf_fwhm,
        "units": "electron / s",
        "identities": ["halo"],
        "observed": list(OBSERVED),
        "provenance": {"source": "simulation"},
        "quarantined": 0,
    }
    return Lenses(columns, said)


def changed(name: str, rows: slice | list[int], values: Any) -> Callable[[Lenses], Lenses]:
    """Some rows of one column, overwritten."""

    def plant(lenses: Lenses) -> Lenses:
        column = lenses[name].copy()
        column[rows] = values
        return lenses.but(**{name: column})

    return plant


def pixels(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Lenses], Lenses]:
    return lambda lenses: lenses.but(images=change(lenses["images"].astype(np.float64)).astype(np.float32))


def copied(turn: str, *, relabel: bool = True, regroup: bool = False) -> Callable[[Lenses], Lenses]:
    """Rows 300 to 304 become copies of rows 0 to 4."""

    def plant(lenses: Lenses) -> Lenses:
        columns = {name: lenses[name].copy() for name in ("images", "targets", "kind", "group")}
        columns["images"][300:305] = SYMMETRIES[turn](columns["images"][:5])
        if relabel:
            columns["targets"][300:305], columns["kind"][300:305] = columns["targets"][:5], columns["kind"][:5]
        if regroup:
            columns["group"][300:305] = columns["group"][:5]
        return lenses.but(**columns)

    return plant


def photographed_again(lenses: Lenses) -> Lenses:
    """Rows 300 to 307 show the lenses of rows 0 to 7 under other noise, each turned or mirrored in another way."""
    chosen = preset()
    again = observe(chosen, rates(chosen, 8), draw=populations.NOISE + 100)
    columns = {name: lenses[name].copy() for name in ("images", "targets", "kind")}
    for row, turn in enumerate(SYMMETRIES.values()):
        columns["images"][300 + row] = turn(again[row])
    columns["targets"][300:308], columns["kind"][300:308] = columns["targets"][:8], columns["kind"][:8]
    return lenses.but(**columns)


def noise_twice(images: np.ndarray) -> np.ndarray:
    exposure = CAMERA.instrument.exposure
    counts = (images + CAMERA.sky) * exposure
    return np.random.default_rng(1).poisson(counts.clip(0)) / exposure - CAMERA.sky


def noise_free(lenses: Lenses) -> Lenses:
    return lenses.but(images=rates(preset(), IMAGES)[:, None].astype(np.float32))


def one_by_one(images: np.ndarray) -> np.ndarray:
    low, high = images.min(axis=(1, 2, 3), keepdims=True), images.max(axis=(1, 2, 3), keepdims=True)
    return (images - low) / (high - low)


def truncated(images: np.ndarray) -> np.ndarray:
    """In units where the brightest pixel of the set is 20, as DeepLense's Model III was cast to int16."""
    return np.trunc(images * 20 / images.max())


def saturated(images: np.ndarray) -> np.ndarray:
    return np.minimum(images, np.percentile(images, 98, axis=(1, 2, 3), keepdims=True))


def labelled_by_flux(lenses: Lenses) -> Lenses:
    return lenses.but(targets=np.log10(lenses["images"].sum(axis=(1, 2, 3), dtype=np.float64))[:, None])


def classed_by_flux(lenses: Lenses) -> Lenses:
    return _classed(lenses, lenses["images"].sum(axis=(1, 2, 3)))


def einstein_radii() -> np.ndarray:
    """As they were drawn, and not as anybody measures them."""
    return simulation.draw(preset(), range(IMAGES)).parameters["einstein_radius"]


def labelled_by_radius(lenses: Lenses) -> Lenses:
    return lenses.but(targets=np.log10(einstein_radii())[:, None])


def classed_by_radius(lenses: Lenses) -> Lenses:
    return _classed(lenses, einstein_radii())


def labelled_by_sky(lenses: Lenses) -> Lenses:
    """Each sky was left at a level of its own, below its noise, and that is the label."""
    level = np.random.default_rng(2).uniform(-0.005, 0.005, IMAGES)  # of a noise of 0.011
    images = lenses["images"] + level[:, None, None, None].astype(np.float32)
    return lenses.but(images=images, targets=level[:, None])


def _classed(lenses: Lenses, by: np.ndarray) -> Lenses:
    return lenses.but(kind=np.where(by > np.median(by), "axion", "cdm"))


FAULTS: dict[str, tuple[str, Callable[[Lenses], Lenses]]] = {  # what is done: the code that must be found
    "pixels that are NaN": ("nan_pixels", changed("images", [3, 8], np.nan)),
    "one infinite pixel": ("nan_pixels", lambda lenses: pixels(lambda x: _one(x, np.inf))(lenses)),
    "a full well": ("saturation", pixels(saturated)),
    "a sky that was not subtracted": ("pedestal", pixels(lambda x: x + 0.23)),
    "a sky cut at zero": ("clipped_sky", pixels(lambda x: x.clip(0))),
    "a sky folded at zero": ("clipped_sky", pixels(np.abs)),
    "photon noise drawn twice": ("poisson_twice", pixels(noise_twice)),
    "no noise": ("noise_free", noise_free),
    "images scaled to [0, 1]": ("normalised", pixels(one_by_one)),
    "images cast to integers": ("grey_levels", pixels(truncated)),
    "noise in another unit": ("noise_wrong", lambda lenses: lenses.but(noise=lenses["noise"] * np.float32(2264))),
    "exact copies": ("duplicates", copied("identity")),
    "turned copies": ("duplicates", copied("rot90")),
    "mirrored copies": ("duplicates", copied("transpose")),
    "copies with other labels": ("conflicting_labels", copied("rot180", relabel=False, regroup=True)),
    "lenses under another noise": ("near_duplicates", photographed_again),
    "brightened copies": ("near_duplicates", lambda clean: changed("images", [310], 1.7 * clean["images"][3])(clean)),
    "one label for all": ("constant_label", changed("targets", slice(None), -23.5)),
    "no label at all": ("no_labels", changed("targets", slice(None), np.nan)),
    "some labels missing": ("missing_labels", changed("targets", slice(40), np.nan)),
    "the logarithm of zero": ("infinite_labels", changed("targets", [5], -np.inf)),
    "the flux as the label": ("shortcut_label", labelled_by_flux),
    "the flux as the class": ("shortcut_class", classed_by_flux),
    "the ring radius as the label": ("shortcut_label", labelled_by_radius),
    "the ring radius as the class": ("shortcut_class", classed_by_radius),
    "the level of the sky as the label": ("shortcut_label", labelled_by_sky),
    "one halo in two groups": ("reuse", changed("identities", [7, 9], "halo-2")),
    "one id twice": ("repeated_ids", changed("id", [7], "lens-0003")),
    "two pixel scales": ("pixel_scale_mixture", changed("observed", slice(100), [0.2, 0.16, 2264.0, 1.0, 25.72])),
    "two PSFs": ("psf_mixture", changed("observed", slice(100), [0.1, 0.2, 2264.0, 1.0, 25.72])),
    "a blank image": ("blank_images", changed("images", [11], 0.0)),
    "an image of noise alone": (
        "blank_images",
        changed("images", [11], np.random.default_rng(0).normal(0, 0.0108, (1, SIZE, SIZE))),
    ),
    "frames that are not square": ("not_square", lambda lenses: lenses.but(images=lenses["images"][..., 4:-4])),
    "lenses off the centre": ("off_centre", pixels(lambda x: np.roll(x, 4, axis=-1))),
    "a unit nobody stated": ("unknown_units", lambda lenses: lenses.but({"units": ""})),
    "a class that is rare": ("class_imbalance", changed("kind", slice(12, None), "axion")),
    "a label far from all": ("label_outliers", changed("targets", [5], 23.0)),
    "a label in heaps": ("label_heaps", lambda lenses: lenses.but(targets=np.rint(lenses["targets"]))),
    "copies in one group": ("repeated_images", copied("flip_x", regroup=True)),
}


def _one(images: np.ndarray, value: float) -> np.ndarray:
    images[6, 0, 20, 20] = value
    return images
