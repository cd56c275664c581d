"""Whether the channels and vectors of an input bear an augmentation: what they do when the image changes."""

import re
from collections.abc import Mapping, Sequence

from models.training.augment.items import Item

GEOMETRY = ("d4", "rotation", "shift")

FOURIER = (
    "which has a value of its own at each frequency, with nothing between them to interpolate, and does not move with "
    "its image"
)
POLAR = "whose axes are radius and angle: it does not turn or move with its image"
UNLIKE = {  # channels which a geometry does not do to what it does to images, and which geometry
    "log_power": (FOURIER, ("rotation", "shift")),
    "phase": (FOURIER, ("rotation", "shift")),
    "polar": (POLAR, GEOMETRY),
    "log_polar": (POLAR, GEOMETRY),
}


def refuse_channels(item: Item, channels: Sequence[str]) -> None:
    """Raise `ValueError` for a channel that would no longer be what its feature makes of the image.

    Names are those of features; of several bands, each ends in its number.
    """
    for channel in channels:
        feature = re.sub(r"_\d+$", "", channel)
        why, geometries = UNLIKE.get(feature, ("", ()))
        if item.changes in geometries:
            raise ValueError(f"augment: {item.name} does not suit the channel {channel}, {why}; drop one of the two")
        if item.changes not in ("", *GEOMETRY) and feature != "pixels":
            raise ValueError(
                f"augment: {item.name} changes the pixels, of which the channel {channel} was made: it would have to "
                "be computed again; drop one of the two"
            )


def refuse_vectors(item: Item, columns: Mapping[str, Sequence[str]]) -> None:
    """Raise `ValueError` for a vector feature that does not promise to stay when the item changes the image."""
    for vector, symmetries in columns.items():
        if item.changes and item.changes not in symmetries:
            stays = f"only under {', '.join(symmetries)}" if symmetries else "under nothing"
            raise ValueError(
                f"augment: {item.name} changes the image, but not the vector {vector}, which was made of it and is "
                f"the same {stays}; drop one of the two"
            )
