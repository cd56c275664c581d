"""Layers that our own backbones share, and `Trunk`, which every backbone's file builds."""

from models.blocks.convolution import conv_norm_act
from models.blocks.trunk import Mean, Trunk

__all__ = ["Mean", "Trunk", "conv_norm_act"]
