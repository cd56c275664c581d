"""Ask features what every feature is asked: `features/contract.py` has the questions.

    python -m pipeline.check_features              # your own, under features/extra/
    python -m pipeline.check_features ridge starlet

Exits 1 if one of them does not answer as it should.
"""

import sys
from collections.abc import Sequence

from features import MAPS, VECTORS
from features.contract import Asked, complaints
from pipeline.errors import InputError

OWN = "features.extra."


def check_features(names: Sequence[str]) -> bool:
    """Print what is wrong with each of them; whether nothing is."""
    known = MAPS | VECTORS
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"no feature {unknown[0]!r}; there are {', '.join(known)}")
    chosen = list(names) or [name for name, feature in known.items() if feature.compute.__module__.startswith(OWN)]
    if not chosen:
        raise InputError("features/extra/ has no features; name others, or see docs/features.md for how to add yours")
    return all([_checked(name) for name in chosen])


def _checked(name: str) -> bool:
    wrong = list(complaints(Asked((MAPS | VECTORS)[name], name in MAPS)))
    print(f"{name}: {'does not keep its promises' if wrong else 'keeps its promises'}", flush=True)
    for question, answer in wrong:
        print(f"  {question}: {answer}")
    return not wrong


if __name__ == "__main__":
    try:
        sys.exit(0 if check_features(sys.argv[1:]) else 1)
    except InputError as error:
        sys.exit(f"check_features: {error}")
