"""Stores: checked Zarr v3 groups, the only thing that stages hand to each other.

A store is a few dozen files, at a local path or a URL: one folder an array, one file a column or a shard of pixels
(256 MB at most), and the root's `zarr.json`, whose attributes are the manifest (schema version, rows, the size and
digest of every shard, and what the stage wants to say). No clock and no host name goes in: equal input gives equal
bytes.

Zarr alone would return zeros for a missing shard and wrong numbers for a flipped bit. Here every chunk carries a
CRC-32C that every read checks, the manifest carries its own digest, opening checks that every shard is there with its
size, and

    python -m pipeline.store verify STORE ...

checks the SHA-256 of each. A store appears under its name when it is whole and not before: locally by a rename, at a
URL because its root is written last.
"""

from pipeline.store.arrays import Array as Array
from pipeline.store.foreign import foreign as foreign
from pipeline.store.reading import Store as Store
from pipeline.store.reading import verify as verify
from pipeline.store.writing import discard as discard
from pipeline.store.writing import write as write
