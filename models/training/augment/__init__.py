"""Augmentation that leaves the label alone."""

from models.training.augment.symmetries import d4

__all__ = ["d4"]
