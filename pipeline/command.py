"""The command line that every stage shares: names and paths, then overrides.

python -m pipeline.split data/images.zarr data/split.json split.seed=2
"""

import re
import sys
from collections.abc import Callable

from pipeline.errors import InputError


def run(stage: Callable[..., None], names: str) -> None:
    """Call `stage(*words, overrides=[...])` with this process's arguments; exit 1 with one line on a user's mistake.

    `names` says which words the stage expects, as they stand in its usage line: `"STORE SPLIT"`.
    """
    overrides = [word for word in sys.argv[1:] if re.match(r"[a-z0-9_.]+=", word)]
    words = [word for word in sys.argv[1:] if word not in overrides]
    if len(words) != len(names.split()):
        module = sys.modules["__main__"].__spec__  # of `python -m`
        sys.exit(f"usage: python -m {module.name if module else stage.__name__} {names} [section.key=value ...]")
    try:
        stage(*words, overrides=overrides)
    except InputError as error:
        sys.exit(f"{stage.__name__}: {error}")
    except FileNotFoundError as error:
        sys.exit(f"{stage.__name__}: {error.filename}: no such file; run the stage that writes it (dvc repro)")
