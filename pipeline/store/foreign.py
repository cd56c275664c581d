"""Somebody else's Zarr group, version 2 or 3: its arrays as they are, without the guarantees of our own stores."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

from pipeline.errors import InputError
from pipeline.places import Place, place, reaching

CODECS = {  # those that can do nothing but decode; "pickle" is one of the others
    *("bytes", "crc32c", "transpose", "sharding_indexed", "vlen-utf8", "gzip", "zstd", "blosc"),
    *("zlib", "bz2", "lzma", "lz4", "shuffle", "delta", "crc32", "adler32", "fixedscaleoffset", "quantize", "bitround"),
}
HARMLESS = 16 * 2**20  # bytes that any array may announce: a column of one value compresses without end
INFLATION = 200  # most bytes that a stored byte may announce; zstd makes thousands of zeros, 10 of images with noise
CHUNK_BYTES = 64 * 2**20  # that a chunk may take in memory, or
CHUNK_FACTOR = 20  # times what is stored of its array
ABSENT = 2**64 - 1  # offset and length, in the index of a shard, of a chunk that it does not hold
INDEX_CODECS = ["bytes", "crc32c"]  # of the index; the second is optional, and of four bytes


def foreign(path: str | Place) -> Mapping[str, Any]:
    """The arrays of a group (and of groups in it, as `group/array`), each with `shape`, `dtype` and `[...]`.

    Raises `InputError` if it is no Zarr group; if a chunk is not there: Zarr would read it as zeros, and whether
    that is what was meant cannot be told; or if an array announces far more than is stored.
    """
    import zarr  # only here: no store of ours needs it

    where = place(path)
    with reaching(where, "read"):
        try:
            group = zarr.open_group(str(where), mode="r")
            arrays = {name: item for name, item in group.members(max_depth=None) if isinstance(item, zarr.Array)}
            faults = {name: _fault(where / name, array) for name, array in arrays.items()}
        except Exception as error:  # metadata of foreign bytes fails in every way there is
            raise InputError(f"{where}: not a readable Zarr group: {error or type(error).__name__}") from error
    for name, fault in faults.items():
        if fault:
            raise InputError(f"{where / name}: {fault}")
    return arrays


def _fault(where: Place, array: Any) -> str:
    """Why an array cannot be read, or ""; nothing in here takes as long as the array says it is."""
    unknown = set(_codecs(array.metadata.to_dict())) - CODECS
    if unknown:
        return f"its codec {unknown.pop()} is not one of {', '.join(sorted(CODECS))}"
    stored = [file.stat().st_size for file in where.rglob("*") if file.is_file()]
    missing, needed = _missing(where, array, len(stored))
    if missing:
        return f"{missing} of {needed} chunks are missing; write zeros too (write_empty_chunks)"
    chunk = math.prod(array.chunks) * array.dtype.itemsize
    if array.nbytes > max(HARMLESS, INFLATION * sum(stored)):
        return f"it announces {array.nbytes} bytes, and {sum(stored)} are stored"
    if chunk > max(CHUNK_BYTES, CHUNK_FACTOR * sum(stored)):
        return f"its chunks are of {chunk} bytes each; write it with smaller ones"
    return ""


def _missing(where: Place, array: Any, files: int) -> tuple[int, int]:
    """How many chunks (or, if they are fewer than the files there, shards) an array lacks, of how many."""
    pieces = array.shards or array.chunks
    grid = tuple(math.ceil(side / piece) for side, piece in zip(array.shape, pieces, strict=True))
    if math.prod(grid) > files:  # they are looked at only if they can all be there
        return math.prod(grid) - files, math.prod(grid)
    if array.shards is None:
        return array.nchunks - array.nchunks_initialized, array.nchunks
    return sum(int((~_held(where, array, shard)).sum()) for shard in np.ndindex(grid)), array.nchunks


def _held(where: Place, array: Any, shard: tuple[int, ...]) -> Bool[np.ndarray, "..."]:
    """Which of the chunks that lie in the array a shard holds, by its index."""
    layout = array.metadata.to_dict()["codecs"][0]["configuration"]
    codecs = [codec["name"] for codec in layout["index_codecs"]]
    if codecs != INDEX_CODECS[: len(codecs)] or len(array.metadata.to_dict()["codecs"]) > 1:
        raise ValueError("its shards have an index that cannot be looked at; write it with the default codecs")
    per_shard = [piece // chunk for piece, chunk in zip(array.shards, array.chunks, strict=True)]
    inside = tuple(
        slice(math.ceil(min(piece, side - at * piece) / chunk))
        for at, piece, chunk, side in zip(shard, array.shards, array.chunks, array.shape, strict=True)
    )
    numbers, checksum = 16 * math.prod(per_shard), 4 * (len(codecs) - 1)
    file = where / array.metadata.encode_chunk_key(shard)
    if not file.exists():
        return np.zeros(per_shard, dtype=bool)[inside]
    with file.open("rb") as bytes_:
        if layout["index_location"] == "end":
            bytes_.seek(-numbers - checksum, 2)
        index = np.frombuffer(bytes_.read(numbers), dtype="<u8").reshape(*per_shard, 2)
    return (index != ABSENT).any(axis=-1)[inside]


def _codecs(said: Any) -> Iterator[str]:
    """The names of all codecs in an array's metadata, of version 2 or 3, also those within others."""
    for key in ("codecs", "index_codecs", "filters", "compressor"):
        found = said.get(key) or ()
        for codec in [found] if isinstance(found, Mapping) else found:
            yield str(codec.get("name") or codec.get("id"))
            yield from _codecs(codec.get("configuration") or {})
