"""What features are told of the observation: numbers of the store, or a refusal that says where to say them."""

from typing import Any

import numpy as np
import pytest

from pipeline import store
from pipeline.errors import InputError
from pipeline.observation import observation
from pipeline.sources import OBSERVED
from pipeline.store import Array, Store

ROWS = 5


def images(units: str, scale: float | None = 0.1, **observed: float) -> Store:
    """A store of frames of rms 0.5 and of peaks from 0 to 4000."""
    columns = np.stack([np.full(ROWS, observed.get(name, np.nan)) for name in OBSERVED], axis=1)
    values: dict[str, Any] = {
        "noise": np.full(ROWS, 0.5, np.float32),
        "peak": np.arange(ROWS, dtype=np.float32) * 1000,
        "observed": columns,
    }
    arrays = [
        Array("noise", "float32"),
        Array("peak", "float32"),
        Array("observed", "float64", (len(OBSERVED),), ("o",)),
    ]
    said = {"units": units, "pixel_scale": scale, "psf_fwhm": None, "observed": list(OBSERVED)}
    store.write("images.zarr", ROWS, arrays, lambda a, b: {name: own[a:b] for name, own in values.items()}, **said)
    return Store("images.zarr")


@pytest.mark.parametrize(
    ("units", "observed", "electrons"),
    [
        ("electron / s", {"exposure": 1000.0}, 1000.0),
        ("electron / s", {"exposure": 1000.0, "gain": 2.0}, 1000.0),  # the gain has been applied
        ("electron", {}, 1.0),
        ("adu", {"gain": 2.0}, 2.0),
        ("adu / s", {"gain": 2.0, "exposure": 30.0}, 60.0),
    ],
)
def test_a_pixel_is_worth_so_many_electrons(
    units: str, observed: dict[str, float], electrons: float, tiny: object
) -> None:
    assert observation(images(units, **observed), 0.0, {"electrons": "noise_map"}) == {"electrons": electrons}


def test_the_sky_rms_has_a_floor(tiny: object) -> None:
    asks = {"sky_rms": "log_power"}
    assert observation(images("electron"), 1e-4, asks) == {"sky_rms": 0.5}
    assert observation(Store("images.zarr"), 1e-3, asks) == {"sky_rms": 2.0}


def test_what_the_store_does_not_say_as_a_whole_its_images_may(tiny: object) -> None:
    asks = {"psf_fwhm": "ring_mask", "pixel_scale": "ring_mask"}
    assert observation(images("", psf_fwhm=0.16), 0.0, asks) == {"psf_fwhm": 0.16, "pixel_scale": 0.1}


@pytest.mark.parametrize(
    ("need", "message"),
    [
        ("psf_fwhm", r"^ring_mask needs psf_fwhm, which these images do not say; it comes from ingest\.psf_fwhm$"),
        ("pixel_scale", "it comes from ingest.pixel_scale$"),
        ("electrons", "it comes from headers with exposure and gain, and ingest.units$"),
    ],
)
def test_what_nobody_says_is_refused(need: str, message: str, tiny: object) -> None:
    with pytest.raises(InputError, match=message):
        observation(images("", scale=None), 0.0, {need: "ring_mask"})
