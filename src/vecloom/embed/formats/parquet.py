"""``.parquet``: columns id, source, position, vector (a fixed-size list), and text and fields where they are asked for.

The schema's metadata holds under ``vecloom`` a JSON object: model, kind, prompt, dtype, de-quantisation constants. One
part becomes one row group. ``fields`` is JSON text: a field may have one type in this record and another in the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vecloom.embed.formats.layout import Layout
from vecloom.embed.quantize import Codes, storage
from vecloom.embed.rows import Row
from vecloom.files import atomic_path

COMPRESSION = "zstd"  # for the names and texts; vectors are noise to it and stay as they are


def schema(layout: Layout) -> Any:
    """The Arrow schema of an output."""
    import pyarrow as pa

    columns = [("id", pa.string()), ("source", pa.string()), ("position", pa.int64())]
    columns += [("text", pa.string())] if layout.with_text else []
    columns += [("fields", pa.string())] if layout.with_fields else []
    number = pa.from_numpy_dtype(storage(layout.dtype))
    return pa.schema([*columns, pa.field("vector", pa.list_(pa.field("item", number), layout.width))])


def table(rows: Sequence[Row], codes: Codes, layout: Layout) -> Any:
    """An Arrow table of rows and their ``(n, width)`` codes."""
    import pyarrow as pa

    wanted = schema(layout)
    names = [name for name in wanted.names if name != "vector"]
    columns = [pa.array([getattr(row, name) for row in rows], type=wanted.field(name).type) for name in names]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(codes.reshape(-1)), type=wanted.field("vector").type)
    return pa.table([*columns, vectors], schema=wanted)


def write_part(stem: Path, rows: Sequence[Row], codes: Codes, layout: Layout) -> list[Path]:
    """Write a part as a small parquet file."""
    with atomic_path(_part(stem)) as temporary, _writer(temporary, schema(layout)) as writer:
        writer.write_table(table(rows, codes, layout), row_group_size=max(1, len(rows)))
    return [_part(stem)]


def join(stems: Sequence[Path], folder: Path, layout: Layout, about: Mapping[str, Any]) -> dict[str, Path]:
    """Copy the parts' row groups into one file."""
    import pyarrow.parquet as pq

    target = folder / "joined.parquet"
    told = schema(layout).with_metadata({"vecloom": json.dumps(about)})
    with atomic_path(target) as temporary, _writer(temporary, told) as writer:
        for stem in stems:
            part = pq.read_table(_part(stem), memory_map=False).cast(told)
            writer.write_table(part, row_group_size=max(1, part.num_rows))
    return {"": target}


def _writer(path: Path, wanted: Any) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [name for name in wanted.names if name != "vector"]
    # Parquet's smallest plain number has 4 bytes; through a dictionary of their 256 values, codes take one.
    single_bytes = pa.types.is_integer(wanted.field("vector").type.value_type)
    return pq.ParquetWriter(
        path,
        wanted,
        compression={**dict.fromkeys(texts, COMPRESSION), "vector.list.element": "none"},
        use_dictionary=["source", *(["vector.list.element"] if single_bytes else [])],
        write_statistics=texts,
    )


def _part(stem: Path) -> Path:
    return stem.with_name(stem.name + ".parquet")
