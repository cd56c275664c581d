"""The process that talks to the HDF5 library, so that the library can crash, hang or fill memory there and not in us.

A damaged file makes libhdf5 loop for ever about once in 500 times, and now and then crashes. Here an
alarm ends the first, the system the second, and a limit on memory makes an error of what a header merely announces.
`pipeline/sources/hdf5.py` starts this file and asks, one line of JSON a question; the answer is a line of JSON and, for
numbers, their bytes. Nothing that opens another file is followed: external links, external storage, virtual datasets.

It stands alone: it imports none of our modules, and nothing imports it.
"""

import json
import math
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

MOST_OBJECTS = 10_000  # in one file
HARMLESS = 16 * 2**20  # bytes that any array may announce: a column of one value compresses without end
INFLATION = 200  # most bytes of an array a stored byte may announce; gzip makes 1000 of zeros, 10 of real images


def answer(question: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray | None]:
    """Headers of all arrays of a file; or, where the question has a name, rows of that array."""
    with h5py.File(question["path"], "r", locking=False) as file:
        if "name" not in question:
            return {"headers": headers(file)}, None
        values = file[question["name"]][question["start"] : question["stop"]]
    if values.dtype == object:
        return {"text": [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]}, None
    values = np.ascontiguousarray(values)
    return {"dtype": values.dtype.str, "shape": values.shape}, values


def headers(file: h5py.File) -> dict[str, dict[str, Any]]:
    """{name: shape, type, rows in a chunk, units, fault} of everything in a file that may be an array."""
    found: dict[str, dict[str, Any]] = {}
    seen, todo = set(), [file["/"]]
    while todo:
        group = todo.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:  # groups may contain each other
            continue
        seen.add(address)
        for key in group:
            name = f"{group.name.rstrip('/')}/{key}".lstrip("/")
            link = group.get(key, getlink=True)
            if link is None:
                raise ValueError(f"its table of names is damaged at {name!r}")
            if not isinstance(link, h5py.HardLink):
                found[name] = {"fault": f"it is a link to {link.path!r} elsewhere; name an array of the file itself"}
                continue
            thing = group[key]
            if isinstance(thing, h5py.Group):
                todo.append(thing)
            elif isinstance(thing, h5py.Dataset):
                found[name] = header(thing)
            if len(found) + len(todo) > MOST_OBJECTS:
                raise ValueError(f"more than {MOST_OBJECTS} groups and arrays")
    return found


def header(array: h5py.Dataset) -> dict[str, Any]:
    if array.shape is None:
        return {"fault": "it is empty"}
    units = array.attrs.get("units", "")
    return {
        "shape": array.shape,
        "dtype": "str" if h5py.check_string_dtype(array.dtype) else array.dtype.str,
        "chunk_rows": array.chunks[0] if array.chunks else 1,
        "units": units if isinstance(units, str) else "",
        "fault": fault(array),
    }


def fault(array: h5py.Dataset) -> str:
    """Why the values of an array are not to be had, or ""."""
    if array.is_virtual or array.external:
        return "its values are in other files; copy them into this one"
    if array.dtype == object and not h5py.check_string_dtype(array.dtype):
        return "its elements are objects or of varying length"
    stored = array.id.get_storage_size()
    if array.chunks:
        needed = math.prod(math.ceil(side / chunk) for side, chunk in zip(array.shape, array.chunks, strict=True))
        written = array.id.get_num_chunks()
        if written != needed:
            return f"{needed - written} of its {needed} chunks were never written"
        chunk = math.prod(array.chunks) * array.dtype.itemsize
        if chunk > limit(array.file.filename):
            return f"its chunks are of {chunk} bytes each; write it with smaller ones"
    elif stored < array.nbytes:
        return f"only {stored} of its {array.nbytes} bytes were ever written"
    if array.nbytes > max(HARMLESS, INFLATION * stored):
        return f"it announces {array.nbytes} bytes, and {stored} are stored"
    return ""


def limit(path: str) -> int:
    """Bytes of memory that reading a file may take."""
    return max(64 * 2**20, 20 * Path(path).stat().st_size)


def memory() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main(seconds: int) -> None:
    idle = memory()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    for line in sys.stdin:
        question = json.loads(line)
        signal.alarm(seconds)  # it ends the process also in the middle of the library
        try:
            resource.setrlimit(resource.RLIMIT_AS, (idle + limit(question["path"]), most))
            said, values = answer(question)
        except Exception as error:  # h5py has no error of its own: what a broken file raises is anything
            said, values = {"error": str(error) or type(error).__name__}, None
        signal.alarm(0)
        sys.stdout.buffer.write(json.dumps(said).encode() + b"\n")
        if values is not None:
            sys.stdout.buffer.write(values.data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
