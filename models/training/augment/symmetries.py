"""The eight symmetries of a square frame, exactly: no pixel is interpolated. Mass does not know which way is up.

Symmetry g turns an image by g mod 4 quarter turns and then, from 4 on, mirrors it, as in `models.blocks.group`. Each is
at most one reversal of the image's axes followed by an exchange of the two (`ELEMENTS`). A reversal is a copy that
torch does fast, an exchange a view of the place that is written to; so a batch is copied three times at most, once to
gather its rows, whatever symmetries it asks for.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

ELEMENTS: tuple[tuple[tuple[str, ...], bool], ...] = (  # the axes to reverse, and whether to exchange them afterwards
    ((), False),
    (("w",), True),
    (("h", "w"), False),
    (("h",), True),
    (("w",), False),
    (("h", "w"), True),
    (("h",), False),
    ((), True),
)


def d4(maps: Float[Tensor, "n c s s"], generator: torch.Generator) -> Float[Tensor, "n c s s"]:
    """Each image under a random one of the symmetries; the memory format stays.

    The pick is drawn on the CPU, so that every device sees the same one.
    """
    return d4_rows(maps, torch.arange(len(maps)), torch.randint(len(ELEMENTS), (len(maps),), generator=generator))


def d4_rows(
    maps: Float[Tensor, "n c s s"],
    rows: Int[Tensor, " m"],
    picks: Int[Tensor, " m"],
    out: Float[Tensor, "m c s s"] | None = None,
) -> Float[Tensor, "m c s s"]:
    """Those rows of `maps`, each under the symmetry that is picked for it, in `out` or in new memory of maps' format.

    `rows` and `picks` are on the CPU, wherever the maps are: the rows are sorted by symmetry there, which a GPU then
    need not be waited for.
    """
    channels_last = _channels_last(maps)
    if out is None:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        out = torch.empty((len(rows), *maps.shape[1:]), dtype=maps.dtype, device=maps.device, memory_format=layout)
    stored, written = (_as_stored(part) if channels_last else part for part in (maps, out))
    axes = {"h": 1, "w": 2} if channels_last else {"h": 2, "w": 3}
    order = picks.argsort(stable=True)
    counts = torch.bincount(picks, minlength=len(ELEMENTS)).tolist()
    sources, places = (index.split(counts) for index in torch.stack([rows[order], order]).to(maps.device))
    for (reversed_axes, exchanged), source, place in zip(ELEMENTS, sources, places, strict=True):
        if len(source):
            images = stored.index_select(0, source)
            images = images.flip([axes[axis] for axis in reversed_axes]) if reversed_axes else images
            (written.transpose(axes["h"], axes["w"]) if exchanged else written).index_copy_(0, place, images)
    return out


def rows_of(maps: Float[Tensor, "n c h w"], rows: Int[Tensor, " m"]) -> Float[Tensor, "m c h w"]:
    """Those rows of `maps` as they are, in memory of maps' format; on the device of the maps."""
    if _channels_last(maps):
        return _as_stored(maps).index_select(0, rows.to(maps.device)).permute(0, 3, 1, 2)
    return maps.index_select(0, rows.to(maps.device))


def _channels_last(maps: Float[Tensor, "n c h w"]) -> bool:
    """Whether the channels of a pixel lie together; of one channel both formats are the same, and this is false."""
    return maps.shape[1] > 1 and maps.is_contiguous(memory_format=torch.channels_last)


def _as_stored(maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w c"]:
    return maps.permute(0, 2, 3, 1)
