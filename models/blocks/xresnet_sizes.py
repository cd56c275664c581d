"""The sizes that XResNets come in, whitened or not."""

from collections.abc import Collection

CHANNELS = (32, 64, 128, 256, 512)  # of the stem and of the inside of each stage's blocks


def scaled_channels(depth: int, depths: Collection[int], width: float) -> list[int]:
    """`CHANNELS` times `width`, rounded to eights; refuses a depth or a width that there is none of."""
    if depth not in depths:
        raise ValueError(f"depth: {depth} is not published; there are {', '.join(map(str, depths))}")
    if not width > 0:
        raise ValueError(f"width: {width} is no multiple of the channels; it would be above 0, 1 is as published")
    return [max(8, 8 * round(width * channels / 8)) for channels in CHANNELS]
