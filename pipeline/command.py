"""The command line that every stage shares: names and paths, then overrides.

python -m pipeline.split data/images.zarr data/split.json split.seed=2
"""

import sys
from collections.abc import Callable

from pipeline.errors import InputError


def run(stage: Callable[..., None], names: str) -> None:
    """Call `stage(*words, overrides=[...])` with this process's arguments; exit 1 with one line on an `InputError`.

    `names` says which words the stage expects, as they stand in its usage line: `"STORE SPLIT"`.
    """
    words = [word for word in sys.argv[1:] if "=" not in word]
    overrides = [word for word in sys.argv[1:] if "=" in word]
    if len(words) != len(names.split()):
        sys.exit(f"usage: python -m pipeline.{stage.__name__} {names} [section.key=value ...]")
    try:
        stage(*words, overrides=overrides)
    except InputError as error:
        sys.exit(f"{stage.__name__}: {error}")
