"""Augmentation that leaves the label alone."""

from models.training.augment.symmetries import d4 as d4
