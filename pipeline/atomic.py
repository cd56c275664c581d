"""Small files, written whole or not at all."""

from pathlib import Path

from pipeline.errors import InputError


def write(path: str | Path, content: str | bytes) -> None:
    """Put `content` at `path`, by way of a hidden file beside it, so that no kill or full disk leaves half of it.

    Folders on the way are made. Raises `InputError` if the place cannot be written; what stood there still does.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content.encode() if isinstance(content, str) else content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
