"""The vector file: the table's vectors once more, as one matrix that is mapped into memory.

The table is what lasts; this is derived from it and made again where it is missing. Scanning 100,000 x 384 takes
the engine some 300 ms and a matrix product on a mapped file 10 ms. Two plain little-endian files without headers:
``vectors.f32``, ``(rows, dim)`` scaled to length 1, and ``keys.i64``, the rows' keys. Keys grow and are never used
twice, so a row of the file belongs to the table's row of that key or, where it was deleted, to none. Rows are only
ever appended; ``index.json`` says how many are valid, so readers and a writer share the file.
Vectors that are not finite are left out, which is how vector search skips them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vecloom.encoders.protocol import Vectors
from vecloom.errors import StoreError, from_os_error
from vecloom.search.exact import unit

Keys = npt.NDArray[np.int64]
Offsets = npt.NDArray[np.int64]

_VECTORS, _KEYS = "vectors.f32", "keys.i64"


@dataclass(frozen=True, slots=True)
class VectorFile:
    """The valid rows of a vector file.

    Attributes:
        vectors: ``(rows, dim)`` float32, mapped, read-only.
        keys: ``(rows,)`` int64.
    """

    vectors: Vectors
    keys: Keys

    @property
    def last_key(self) -> int:
        """The largest key that was taken in, -1 for none."""
        return int(self.keys.max()) if len(self.keys) else -1


def empty(dim: int) -> VectorFile:
    """No rows."""
    return VectorFile(np.empty((0, dim), np.float32), np.empty(0, np.int64))


def open_vectors(folder: Path, rows: int, dim: int) -> VectorFile:
    """Map the first ``rows`` rows.

    Raises:
        FileNotFoundError: the folder is gone (a writer made a new one).
        StoreError: the files are shorter than they must be.
    """
    if rows == 0:
        return empty(dim)
    try:
        vectors = np.memmap(folder / _VECTORS, np.float32, "r", shape=(rows, dim))
        keys = np.fromfile(folder / _KEYS, np.int64, count=rows)
    except ValueError as error:
        raise _truncated(folder) from error
    if len(keys) < rows:
        raise _truncated(folder)
    return VectorFile(np.asarray(vectors), keys)


def _truncated(folder: Path) -> StoreError:
    return StoreError(
        f"{folder} is truncated.", "Remove that folder: the next write to the index makes it again from the table."
    )


def append(folder: Path, start: int, batches: Iterable[tuple[Keys, Vectors]]) -> int:
    """Write rows behind the first ``start`` ones and return how many rows there are then.

    Args:
        folder: made where it is not there.
        start: rows that stay; what lies behind them is left over from a writer that was killed.
        batches: keys, all above those in the file, and vectors; rows that are not finite are left out.
    """
    rows = start
    try:
        folder.mkdir(exist_ok=True)
        mode = "r+b" if (folder / _KEYS).exists() else "w+b"
        with open(folder / _VECTORS, mode) as vector_file, open(folder / _KEYS, mode) as key_file:
            for batch_keys, batch in batches:
                keys, vectors = finite(batch_keys, batch)
                vector_file.seek(rows * 4 * vectors.shape[1])
                vector_file.write(vectors.tobytes())
                key_file.seek(rows * 8)
                key_file.write(keys.astype("<i8").tobytes())
                rows += len(keys)
            for file in (vector_file, key_file):
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise from_os_error(error, "writing the vector file", folder) from error
    return rows


def finite(keys: Keys, vectors: Vectors) -> tuple[Keys, Vectors]:
    """The rows that are finite, scaled to length 1."""
    good = np.isfinite(vectors).all(axis=1)
    return keys[good], unit(vectors[good])


def locate(keys: Keys, table_keys: Keys) -> Offsets:
    """For each key its place in ``table_keys`` (any order), -1 where it is not there."""
    if not len(table_keys) or not len(keys):
        return np.full(len(keys), -1, np.int64)
    ascending = bool((table_keys[1:] > table_keys[:-1]).all())
    order = np.arange(len(table_keys)) if ascending else np.argsort(table_keys, kind="stable")
    in_order = table_keys if ascending else table_keys[order]
    places = np.minimum(np.searchsorted(in_order, keys), len(in_order) - 1)
    return np.where(in_order[places] == keys, order[places], -1).astype(np.int64)
