"""Fourier features: power and phase by scale, bands of scales, orders of rotational symmetry, positional channels."""

from features.fourier.bandpass import band_pass
from features.fourier.coordinates import coordinates
from features.fourier.multipoles import multipoles
from features.fourier.spectrum import log_power, phase, power_spectrum
from features.fourier.transform import hann

__all__ = ["band_pass", "coordinates", "hann", "log_power", "multipoles", "phase", "power_spectrum"]
