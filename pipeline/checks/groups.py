"""Groups: does whoever shares a halo, a source galaxy, a parent image or a name share a group?"""

import numpy as np
import pandas as pd

from pipeline.checks.measured import Measured
from pipeline.findings import Finding, finding


def check(seen: Measured) -> list[Finding]:
    return [*_reuse(seen), *_ids(seen)]


def _reuse(seen: Measured) -> list[Finding]:
    """An identity in two groups: split parts groups, and then it is in training and in test."""
    if "identities" not in seen or "group" not in seen:
        return []
    found = []
    for kind, column in zip(seen.store.attributes["identities"], seen["identities"].T, strict=True):
        table = pd.DataFrame({"name": column, "group": seen["group"]})
        groups = table[table["name"] != ""].groupby("name")["group"].nunique()
        shared = groups[groups > 1]
        if len(shared):
            which = np.isin(column, shared.index.to_numpy(dtype=str))
            said = f"{len(shared)} values of {kind} are used in more than one group, in {which.sum()} images"
            names = [str(name) for name in shared.index[:5]]
            evidence = {"identity": kind, "reused": len(shared), "names": names, "most_groups": int(shared.max())}
            found.append(finding("reuse", said, **evidence, **seen.who(which)))
    return found


def _ids(seen: Measured) -> list[Finding]:
    _, number, count = np.unique(seen["id"], return_inverse=True, return_counts=True)
    which = count[number] > 1
    if not which.any():
        return []
    return [finding("repeated_ids", f"{(count > 1).sum()} ids name more than one image", **seen.who(which))]
