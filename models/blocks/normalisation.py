"""Normalisation of maps by name.

| name        | mean and variance of                  | scale and shift a channel                          |
|-------------|---------------------------------------|----------------------------------------------------|
| batch       | a channel, over batch and frame       | yes                                                |
| layer       | an image: all its channels and pixels | yes                                                |
| group       | a group of channels of an image       | yes                                                |
| instance    | a channel of an image                 | yes                                                |
| none        | nothing                               | no                                                 |
| proxy_layer | as layer                              | in the activation after it: models/blocks/proxy.py |
| proxy_group | as group, with four groups            | likewise                                           |

Of these only `batch` looks at other images. `layer` and `instance` take away how bright an image, or a channel of it,
is: what the head may need of that must have gone elsewhere before.
"""

from collections.abc import Callable

from torch import nn

from models.blocks.options import one_of


class AwaitsProxy(nn.GroupNorm):
    """Group normalisation that `models.blocks.proxy.join_proxies` is to join with the activation after it.

    Complete as it stands; eps is the 1e-3 of Labatie et al.'s code.
    """

    def __init__(self, groups: int, channels: int) -> None:
        super().__init__(groups, channels, eps=1e-3)


NORMALISATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "layer": lambda channels: nn.GroupNorm(1, channels),
    "group": lambda channels: nn.GroupNorm(groups(channels, 32, at_least=8), channels),
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "none": lambda channels: nn.Identity(),
    "proxy_layer": lambda channels: AwaitsProxy(1, channels),
    "proxy_group": lambda channels: AwaitsProxy(groups(channels, 4), channels),
}


def normalisation(name: str, channels: int) -> nn.Module:
    """A fresh layer for maps (n, c, h, w). Raises `ValueError` for a name that does not exist."""
    one_of("norm", name, NORMALISATIONS)
    return NORMALISATIONS[name](channels)


def groups(channels: int, most: int, at_least: int = 1) -> int:
    """The largest number of equal groups, `most` or fewer, that leaves each `at_least` so many channels; or one.

    Wu & He (2018) take 32 groups or groups of 16; they were wide. 8 keeps a narrow network's groups from becoming
    single channels, which would be instance normalisation.
    """
    fitting = [n for n in range(1, most + 1) if channels % n == 0 and channels // n >= at_least]
    return max(fitting, default=1)
