"""Small files, written whole or not at all."""

from pipeline.places import Place, is_remote, make_room, place, reaching


def write(path: str | Place, content: str | bytes) -> None:
    """Put `content` at `path`, by way of a hidden file beside it, so that no kill or full disk leaves half of it.

    Folders on the way are made; an object store replaces an object at once. Raises `InputError` if the place cannot
    be written; what stood there still does.
    """
    path = place(path)
    data = content.encode() if isinstance(content, str) else content
    with reaching(path, "written"):
        make_room(path)
        if is_remote(path):
            path.write_bytes(data)
            return
        partial = path.with_name(f".{path.name}.partial")
        try:
            partial.write_bytes(data)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
