"""Numbers and pictures in few bytes: what keeps 20,000 lenses in one file that a mail will carry.

The page's JavaScript (script_1_elements.js) reads what is written here.
"""

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

STEPS = 65532  # a finite number is offset + scale * (0 ... STEPS)
BELOW, ABOVE, UNKNOWN = 65533, 65534, 65535  # minus infinity, infinity, NaN
FINE = 1e-3  # of the interquartile range: a quantum above that would be seen, and the column stays float32
GREYS = (64, 32, 16, 8)  # how many a picture may have, the most first
PERCENTILES = (0.5, 99.8)  # of a channel's pixels: what is black, and what is white


def packed(values: Float[np.ndarray, " n"]) -> dict[str, Any]:
    """A column as base64 of little-endian uint16, with the offset and scale that bring it back to half a quantum.

    A column whose outliers would make the quantum coarse beside the bulk of it is written as float32 instead.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scale = (high - low) / STEPS
    if scale > 0 and scale > FINE * np.subtract(*np.percentile(finite, [75, 25])):
        return {"kind": "f32", "data": _base64(values.astype("<f4").tobytes())}
    steps = np.zeros(len(values)) if scale == 0 else np.rint((values - low) / scale)
    special = [np.isnan(values), np.isposinf(values), np.isneginf(values)]
    whole = np.select(special, [UNKNOWN, ABOVE, BELOW], np.where(np.isfinite(steps), steps, 0))
    return {"kind": "u16", "offset": low, "scale": scale, "data": _base64(whole.astype("<u2").tobytes())}


def sprites(images: Sequence[Float[np.ndarray, "c h w"]], budget: int) -> list[dict[str, Any]]:
    """Each lens as one grey PNG, its channels side by side, in as many greys as `budget` bytes (all lenses) allow.

    Noise is what costs: 64 greys of a noisy picture take three quarters of what 256 do, and the eye sees no less.
    Raises `ValueError` where even the fewest greys are too many.
    """
    for greys in GREYS:
        made = [_sprite(image, greys) for image in images]
        if sum(len(one["png"]) for one in made) <= budget:
            return made
    size = sum(len(one["png"]) for one in made)
    raise ValueError(f"lenses.shown: {size} bytes of pictures in {GREYS[-1]} greys, over {budget}; show fewer lenses")


def _sprite(image: Float[np.ndarray, "c h w"], greys: int) -> dict[str, Any]:
    channels, height, width = image.shape
    shades = np.concatenate([shaded(channel, greys) for channel in image], axis=1)  # (h, c w)
    return {"png": _base64(png(shades)), "channels": channels, "height": height, "width": width}


def shaded(channel: Float[np.ndarray, "h w"], greys: int) -> UInt8[np.ndarray, "h w"]:
    """A channel for the eye: linear between two percentiles of its own pixels, in so many greys; NaN is black."""
    known = channel[np.isfinite(channel)]
    if not known.size:
        return np.zeros(channel.shape, np.uint8)
    black, white = np.percentile(known, PERCENTILES)
    span = white - black if white > black else 1.0
    unit = np.nan_to_num(np.clip((channel - black) / span, 0, 1))
    return np.rint(np.rint(unit * (greys - 1)) * 255 / (greys - 1)).astype(np.uint8)


def png(shades: UInt8[np.ndarray, "h w"]) -> bytes:
    """A grey picture of 8 bits as PNG (ISO/IEC 15948), its rows unfiltered: filters undo what few greys save."""
    height, width = shades.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), shades], axis=1)  # each begins with its filter, none
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
