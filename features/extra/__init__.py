"""Your own features: the `MAPS` and `VECTORS` of every file in this folder join the tables.

`python -m pipeline.check_features` asks them what every feature is asked; docs/features.md has an example.
"""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from features.feature import Feature


def found(kind: str) -> Iterator[Feature]:
    """The features that the files of this folder list under `kind`: MAPS or VECTORS."""
    for module in sorted(iter_modules(__path__), key=lambda module: module.name):
        file = f"features/extra/{module.name}.py"
        try:
            own = import_module(f"{__name__}.{module.name}")
        except Exception as error:  # whatever is wrong in a user's file, the file is named
            raise ImportError(f"{file}: {type(error).__name__}: {error}") from error
        listed = getattr(own, kind, [])
        for feature in listed:
            if not isinstance(feature, Feature):
                raise TypeError(f"{file}: {kind} lists {feature!r}; it takes Feature(function, keeps=..., loses=...)")
        if not hasattr(own, "MAPS") and not hasattr(own, "VECTORS"):
            raise ImportError(f"{file}: lists no feature; give it MAPS = [Feature(...)] or VECTORS = [Feature(...)]")
        yield from listed
