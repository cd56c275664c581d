"""From the file to checked values, and from a mistake in it to one clear line."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML, YAMLError

from pipeline.errors import InputError
from pipeline.params.whole import Params


def read(overrides: Iterable[str], *keys: str, path: str | Path = "params.yaml") -> Any:
    """The values under dotted `keys`, in their order (one key: the value itself), after `section.key=value` overrides.

    Raises `InputError`, naming the key and what it may be, if anything in the file or the overrides is not right.
    """
    tree = _parsed(Path(path))
    for override in overrides:
        _override(tree, override)
    try:
        checked = Params.model_validate(tree)
    except ValidationError as error:
        misspelt_first = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        raise InputError("; ".join(_explained(problem, path) for problem in misspelt_first)) from None
    values = [_lookup(checked, key) for key in keys]
    return values[0] if len(values) == 1 else values


def plain(value: Any) -> Any:
    """A section as dicts and lists: what a store's manifest records."""
    return value.model_dump() if isinstance(value, BaseModel) else value


def _parsed(path: Path) -> dict[str, Any]:
    try:
        tree = YAML(typ="safe").load(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run from the folder that holds it") from None
    except YAMLError as error:
        raise InputError(f"{path}: not YAML: {error}") from None
    if not isinstance(tree, dict):
        raise InputError(f"{path}: expected sections such as ingest:, split: and train:")
    return tree


def _override(tree: dict[str, Any], override: str) -> None:
    """Set one dotted key of the parsed file; it must be there already."""
    key, _, text = override.partition("=")
    *parents, leaf = key.split(".")
    for parent in parents:
        tree = tree.get(parent, {}) if isinstance(tree, dict) else {}
    if not isinstance(tree, dict) or leaf not in tree:
        raise InputError(f"{key}: no such parameter to override; there are {', '.join(tree) or 'none below it'}")
    try:
        tree[leaf] = (
            text if text.startswith("*") else YAML(typ="safe").load(text)
        )  # a glob, which YAML takes for an alias
    except YAMLError:
        raise InputError(f"{key}: {text!r} is not YAML") from None


def _lookup(checked: Params, key: str) -> Any:
    value: Any = checked
    for part in key.split("."):
        known = value if isinstance(value, Mapping) else type(value).model_fields
        if part not in known:
            raise InputError(f"{key}: no such parameter; there are {', '.join(known)}")
        value = value[part] if isinstance(value, Mapping) else getattr(value, part)
    return value


def _explained(problem: Any, path: str | Path) -> str:
    """One pydantic complaint as `key: what is wrong, and what would be right`."""
    key = ".".join(str(part) for part in problem["loc"] if not str(part).startswith(("literal[", "constrained-")))
    if problem["type"] == "extra_forbidden":
        return f"{key}: no such parameter; there are {', '.join(_siblings(problem['loc']))}"
    if problem["type"] == "missing":
        return f"{key}: missing from {path}"
    if problem["type"] == "value_error":
        return ": ".join(part for part in (key, str(problem["ctx"]["error"])) if part)
    return f"{key}: {problem['input']!r} is not valid: {problem['msg'].lower()}"


def _siblings(location: tuple[str | int, ...]) -> list[str]:
    """The parameters that exist beside a misspelt one."""
    section: Any = Params
    for part in location[:-1]:
        field = (
            section.model_fields.get(str(part))
            if isinstance(section, type) and issubclass(section, BaseModel)
            else None
        )
        annotation = field.annotation if field else section
        inner = [a for a in getattr(annotation, "__args__", ()) if isinstance(a, type) and issubclass(a, BaseModel)]
        section = inner[0] if inner else annotation
    return list(section.model_fields)
