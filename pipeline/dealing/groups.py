"""Groups, and the near-duplicates that join them."""

import numpy as np
from jaxtyping import Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def joined(groups: Int[np.ndarray, " n"], pairs: Int[np.ndarray, "p 2"]) -> Int[np.ndarray, " n"]:
    """The groups after the two rows of every pair came into one, directly or through others.

    A joined group bears the smallest of its names, so that neither the order of the rows nor of the pairs shows.
    """
    names, member = np.unique(groups, return_inverse=True)
    ends = member[pairs]
    links = coo_array((np.ones(len(ends), dtype=bool), (ends[:, 0], ends[:, 1])), shape=(len(names), len(names)))
    component = connected_components(links, directed=False)[1]
    smallest = names[np.unique(component, return_index=True)[1]]  # names are sorted: the first of each component
    return smallest[component][member]
