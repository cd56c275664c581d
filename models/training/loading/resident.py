"""A split that fits: it lives on the device and is indexed there."""

import torch
from jaxtyping import Float
from torch import Tensor

from models.training.loading.batches import Batches, Parts, check, share, symmetries


class Resident:
    """Every batch is cut from rows on the device, and with `turn` put under random symmetries of the square.

    With `channels_last`, maps and batches are in that format, in which convolutions are faster. Maps that are on the
    device in this format already are not copied. Raises `ValueError` where a batch has more rows than there are.
    """

    def __init__(
        self,
        maps: Float[Tensor, "n c h w"],
        target: Float[Tensor, "n t"],
        vectors: Float[Tensor, "n v"] | None,
        batch_size: int,
        device: str | torch.device,
        channels_last: bool = True,
        turn: bool = False,
    ) -> None:
        check(batch_size, len(maps))
        layout = torch.channels_last if channels_last else torch.contiguous_format
        beside = None if vectors is None else vectors.to(device)
        self._parts = Parts(maps.to(device).contiguous(memory_format=layout), target.to(device), beside)
        self.rows, self.batch_size, self.turn = len(maps), batch_size, turn

    @property
    def steps(self) -> int:
        return self.rows // self.batch_size

    def epoch(self, generator: torch.Generator, rank: int = 0, world: int = 1, start: int = 0) -> Batches:
        """The batches from number `start` on, or this rank's slices of them."""
        mine = share(self.batch_size, rank, world)
        order = torch.randperm(self.rows, generator=generator)[: self.steps * self.batch_size]
        rows = order.view(self.steps, self.batch_size)[:, mine]
        if not self.turn:
            return (self._parts.batch(chosen, chosen) for chosen in rows[start:])
        picks = symmetries(self.steps, self.batch_size, generator)[:, mine]
        return (self._parts.batch(*each) for each in zip(rows[start:], rows[start:], picks[start:], strict=True))
