"""Instruments: what is known of a camera and of how it usually looks at lenses, as data."""

from dataclasses import dataclass
from typing import Literal

from pipeline.errors import InputError


@dataclass(frozen=True)
class Instrument:
    pixel_scale: float  # arcsec
    psf_fwhm: float  # arcsec
    exposure: float  # s, all exposures together
    exposures: int
    zero_point: float  # AB magnitude of one electron per second
    sky_brightness: float  # magnitude per square arcsec
    read_noise: float  # electrons, of one exposure
    gain: float  # electrons per count of the raw frames; images here are in electrons
    psf: Literal["gaussian", "moffat"] = "gaussian"
    beta: float = 0.0  # of a Moffat PSF

    @property
    def total_read_noise(self) -> float:
        """Electrons, of all exposures together."""
        return self.read_noise * self.exposures**0.5


INSTRUMENTS = {
    # lenstronomy 1.13 SimulationAPI.ObservationConfig.Euclid: wide survey, four dithers
    "euclid_vis": Instrument(0.101, 0.16, 4 * 566.0, 4, 25.72, 22.3, 4.2, 3.1),
    # lenstronomy 1.13 ObservationConfig.HST WFC3_F160W, drizzled
    "hst_wfc3_f160w": Instrument(0.08, 0.08, 5400.0, 1, 25.96, 22.3, 4.0, 2.5),
    # ACS Instrument Handbook: zero point and read noise of F814W; one orbit in four exposures, as of the SLACS lenses
    "hst_acs_f814w": Instrument(0.05, 0.10, 2100.0, 4, 25.95, 21.9, 4.0, 2.0),
    # lenstronomy 1.13 ObservationConfig.LSST, ten years; Moffat wings of a ground-based PSF
    "rubin_r": Instrument(0.2, 0.73, 460 * 15.0, 460, 28.13, 21.2, 10.0, 2.3, "moffat", 3.5),
    "rubin_i": Instrument(0.2, 0.71, 460 * 15.0, 460, 27.79, 20.48, 10.0, 2.3, "moffat", 3.5),
    # mwt5345/DeepLenseSim a0c0191: Model I, with the sky whose noise is its background's in 1778 s;
    # and Model II, Euclid as lenstronomy 1.9.2 had it
    "deeplense_1": Instrument(0.05, 0.087, 1000.0, 1, 25.0, 20.37, 0.0, 1.0),
    "deeplense_2": Instrument(0.101, 0.16, 4 * 565.0, 4, 24.0, 22.35, 4.2, 3.1),
    # not a camera: photons alone, many of them, on fine pixels
    "ideal": Instrument(0.05, 0.1, 1e5, 1, 26.0, 30.0, 0.0, 1.0),
}


def instrument(name: str) -> Instrument:
    if name not in INSTRUMENTS:
        raise InputError(f"simulation.instrument: no {name!r}; there are {', '.join(INSTRUMENTS)}")
    return INSTRUMENTS[name]
