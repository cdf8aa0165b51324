"""Writing JSON lines, with or without the vector, and joining files of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from vecloom.embed.formats.layout import Layout
from vecloom.embed.quantize import Codes
from vecloom.embed.rows import Row
from vecloom.files import atomic_path

SLICE = 2_048  # vectors turned into text at once; keeps the text of a buffer small


def number_lists(codes: Codes) -> Iterator[str]:
    """Yield each row of ``(n, width)`` numbers as ``1,2,3``, in the fewest digits that give back the same float32."""
    import pyarrow as pa
    import pyarrow.compute as pc

    codes = codes.astype(np.float32) if codes.dtype == np.float16 else codes
    for start in range(0, len(codes), SLICE):
        part = codes[start : start + SLICE]
        ends = pa.array(np.arange(0, part.size + 1, part.shape[1], dtype=np.int32))
        texts = pa.array(part.reshape(-1)).cast(pa.string())
        yield from pc.binary_join(pa.ListArray.from_arrays(ends, texts), ",").to_pylist()


def records(rows: Sequence[Row], layout: Layout) -> Iterator[str]:
    """Yield each row without its vector as one JSON object."""
    for row in rows:
        record = row.record(with_text=layout.with_text, with_fields=layout.with_fields)
        yield json.dumps(record, ensure_ascii=False)


def write(path: Path, lines: Iterable[str]) -> Path:
    """Write lines as UTF-8, atomically."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def concatenate(paths: Iterable[Path], target: Path) -> Path:
    """Copy files one after the other into ``target``, atomically."""
    with atomic_path(target) as temporary, temporary.open("wb") as joined:
        for path in paths:
            with path.open("rb") as part:
                shutil.copyfileobj(part, joined, 2**20)
    return target
