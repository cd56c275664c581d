"""Where things lie: a local path, or any fsspec URL such as s3://bucket/folder.

Credentials and endpoints come from the environment alone (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, …): a URL that holds
one is refused, because URLs end up in logs, manifests and the shell's history.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import InputError

CLIENTS = {"botocore", "aiobotocore", "aiohttp", "s3fs", "fsspec", "asyncio"}
Place = Any  # pathlib.Path, or a upath.UPath, which has its methods


def place(where: str | Place) -> Place:
    """The path of a local name or of a URL. Raises `InputError` for a URL that carries credentials."""
    if not isinstance(where, str):
        return where
    if "://" not in where:
        return Path(where)
    if re.match(r"[^/]*://[^/]*@", where) or "?" in where:
        scheme, _, rest = where.partition("://")
        shown = rest.partition("@")[2] or rest.partition("?")[0]
        raise InputError(f"{scheme}://{shown}: give credentials in the environment, never in a URL")
    from upath import UPath  # only here: local work starts without it

    try:
        return UPath(where, use_listings_cache=False)  # what another process wrote is there at once
    except (ImportError, ValueError) as error:
        raise InputError(f"{where}: cannot be opened: {error}; s3:// needs pip install '.[s3]'") from error


def is_remote(where: Place) -> bool:
    return not isinstance(where, Path)


def make_room(where: Place) -> None:
    """Make the folder of a file; object stores have none to make."""
    if not is_remote(where):
        where.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def reaching(where: Place, doing: str, afterwards: str = "") -> Iterator[None]:
    """Turn whatever keeps us from a place into an `InputError` that names it.

    A local disk fails with OSError; a remote one with whatever its client raises, none of it ours to foresee.
    """
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{where}: cannot be {doing}: {error.strerror or error}{afterwards}") from error
    except Exception as error:
        if not is_remote(where) or not _by_client(error):
            raise
        raise InputError(f"{where}: cannot be {doing}: {type(error).__name__}: {error}{afterwards}") from error


def _by_client(error: Exception) -> bool:
    """Whether a client of a remote store raised this, and not our own code."""
    return type(error).__module__.partition(".")[0] in CLIENTS
