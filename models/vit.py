"""Backbone `vit`: timm's vision transformer, without pretrained weights; a modern reference without convolutions.

Reference: Dosovitskiy et al. 2021, ICLR, arXiv 2010.11929; tiny and small: Touvron et al. 2021, ICML, arXiv 2012.12877
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.blocks import Trunk
from models.blocks.borrowed import act_layer
from models.blocks.options import one_of
from models.blocks.pad import Pad
from models.blocks.stochastic_depth import check_rate
from models.timm_cpu import import_timm

VARIANTS = {"tiny": (192, 3), "small": (384, 6)}  # features of a token, heads
NORMS = {"layer": None, "rms": "rmsnorm"}  # as timm calls them
STAGES = 4


def build(
    in_channels: int,
    variant: str = "tiny",
    depth: int = 12,
    patch: int = 8,
    size: int = 64,
    pool: str = "mean",
    norm: str = "layer",
    activation: str = "gelu",
    stochastic_depth: float = 0.0,
) -> Trunk:
    """Tokens of `patch` x `patch` pixels through `depth` blocks in four stages: 5.4 M parameters for tiny.

    The position embedding is laid for frames of `size` px and interpolated for others; a frame that the patch does not
    divide is padded by zeros. `pool` is `mean`, of all tokens, normalised after it; or `token`, a class token, as
    published (vit_tiny_patch16_224 is that with patch 16 and size 224). Small patches make up for small frames: 8 px
    give 64 tokens at 64 px and 361 at 150 px, and attention's cost grows with their square.
    """
    one_of("variant", variant, VARIANTS)
    one_of("pool", pool, ("mean", "token"))
    if norm not in NORMS:
        raise ValueError(f"norm: {norm!r} does not act on tokens; there are {', '.join(NORMS)}")
    if depth < STAGES:
        raise ValueError(f"depth: {depth} blocks do not make {STAGES} stages; 12 is the published depth")
    if not 1 <= patch <= size:
        raise ValueError(f"patch: {patch} px does not fit in a frame of {size} px; 8 does from 48 px on")
    check_rate(stochastic_depth)
    dim, heads = VARIANTS[variant]
    net = import_timm().create_model(
        "vit_tiny_patch16_224",
        in_chans=in_channels,
        num_classes=0,
        img_size=-(-size // patch) * patch,
        patch_size=patch,
        embed_dim=dim,
        num_heads=heads,
        depth=depth,
        class_token=pool == "token",
        global_pool="token" if pool == "token" else "avg",
        norm_layer=NORMS[norm],
        act_layer=act_layer(activation),
        drop_path_rate=stochastic_depth,
        dynamic_img_size=True,
    )
    neck = nn.Sequential(net.norm, _Pool(pool), net.fc_norm)  # one of the two norms is the identity
    return Trunk(_Tokens(net, patch), _grouped(list(net.blocks)), neck, [dim] * STAGES, dim, axis=-1)


def _grouped(blocks: Sequence[nn.Module]) -> list[nn.Module]:
    """Four stages of equal length, or nearly so."""
    edges = [round(stage * len(blocks) / STAGES) for stage in range(STAGES + 1)]
    return [nn.Sequential(*blocks[edges[stage] : edges[stage + 1]]) for stage in range(STAGES)]


class _Tokens(nn.Module):
    """Patches of a frame of any size, embedded, with their place; a class token first where there is one."""

    def __init__(self, net: Any, patch: int) -> None:
        super().__init__()
        self.pad, self.embed = Pad(patch), net.patch_embed.proj
        self.token: nn.Parameter | None = net.cls_token
        self.position: nn.Parameter = net.pos_embed
        self.grid: tuple[int, int] = net.patch_embed.grid_size

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k f"]:
        patches = self.embed(self.pad(maps))  # (n, f, rows, columns)
        place, first = self.position, 0 if self.token is None else 1
        of_patches = self._laid(place[:, first:], patches.shape[2:])
        tokens = patches.flatten(2).transpose(1, 2) + of_patches
        if self.token is None:
            return tokens
        return torch.cat([(self.token + place[:, :1]).expand(len(maps), -1, -1), tokens], dim=1)

    def _laid(self, place: Float[Tensor, "1 k f"], grid: Sequence[int]) -> Float[Tensor, "1 l f"]:
        """The embedding of places interpolated to another grid, bicubic as published."""
        if tuple(grid) == self.grid:
            return place
        frame = place.unflatten(1, self.grid).permute(0, 3, 1, 2)  # (1, f, rows, columns)
        return interpolate(frame, size=tuple(grid), mode="bicubic", antialias=True).flatten(2).transpose(1, 2)


class _Pool(nn.Module):
    """One vector of features from tokens: their mean, or the class token."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, tokens: Float[Tensor, "n k f"]) -> Float[Tensor, "n f"]:
        return tokens[:, 0] if self.kind == "token" else tokens.mean(dim=1)
