"""Gradient-boosted trees: what a few columns tell of a target."""

import numpy as np
from jaxtyping import Float
from sklearn.ensemble import HistGradientBoostingRegressor

from pipeline.params import Baselines


def fitted(
    inputs: Float[np.ndarray, "n k"], target: Float[np.ndarray, " n"], chosen: Baselines
) -> HistGradientBoostingRegressor:
    """An ensemble for one target.

    A value may be NaN: trees then learn what it means that it is missing. A column of nothing else says nothing.
    """
    tree = HistGradientBoostingRegressor(
        max_iter=chosen.iterations, learning_rate=chosen.learning_rate, early_stopping=False, random_state=0
    )
    empty = np.isnan(inputs).all(axis=0)  # scikit-learn finds no thresholds in it, and fails
    return tree.fit(np.where(empty, 0.0, inputs), target)
