"""From a trunk to a network: what every backbone is closed with."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from models import heads
from models.blocks import Trunk
from models.blocks.proxy import join_proxies
from models.network import Network, fused
from models.network.initial import initialise


def assembled(
    trunk: Trunk,
    in_channels: int,
    num_targets: int,
    num_vectors: int,
    fusion: str,
    head: Mapping[str, Any],
    init: str | Sequence[str],
) -> Network:
    """The trunk with its fusion of vectors and its head, freshly initialised from torch's global generator."""
    maps, vectors = torch.zeros(1, in_channels, 64, 64), torch.zeros(1, num_vectors)  # to see what acts on what
    join_proxies(trunk, maps)
    fusing, width = fused(fusion, trunk, num_vectors)
    network = Network(trunk, fusing, heads.build(width, num_targets, **head))
    initialise(network, init, maps, vectors)
    return network
