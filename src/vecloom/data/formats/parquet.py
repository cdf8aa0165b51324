"""Parquet tables, read in batches of rows: memory is bounded by a row group's pages, not by the file.

Columns of type binary are left out, except where one is the text, title or id: some writers do not mark text as such.
Dates and times become ISO 8601 text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vecloom.data.context import Context, Source
from vecloom.data.fields import Columns, clean_value, find_columns, lacks_text, no_text
from vecloom.data.records import Document

BATCH_ROWS = 1024


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one document a row, numbered from 1.

    Raises:
        DataError: the file is broken or has no text column, and not ``context.skip_bad``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    position = 0
    try:
        # memory_map=False: a file that is cut while it is read must raise, not kill the process
        with pq.ParquetFile(source.name, memory_map=False) as file:
            columns = find_columns(context.fields, tuple(file.schema_arrow.names))
            if lacks_text(columns, context.fields):
                error = no_text(context.fields, file.schema_arrow.names)
                context.bad_file(source, error.what, error.todo, always=True)
                return
            share = source.path.stat().st_size / max(file.metadata.num_rows, 1)
            for batch in file.iter_batches(BATCH_ROWS, columns=_usable(file.schema_arrow, columns), use_threads=False):
                context.report.bytes_read += round(share * batch.num_rows)
                for record in _records(batch):
                    position += 1
                    document = context.document(record, source, position, unit="row")
                    if document is not None:
                        yield document
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        after = f" after row {position}" if position else ""
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        context.bad_file(source, f"this is not a readable Parquet file{after}: {reason}", always=True)


def _is_binary(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _usable(schema: Any, columns: Columns) -> list[str] | None:
    """Names of the columns to read, or None for all."""
    names = [field.name for field in schema if field.name in columns or not _is_binary(field.type)]
    return names if len(names) < len(schema.names) else None


def _records(batch: Any) -> Iterator[dict[str, object]]:
    names = batch.schema.names
    for values in zip(*map(_values, batch.columns), strict=True):
        yield dict(zip(names, values, strict=True))


def _values(column: Any) -> list[object]:
    """Python values of a column; nanoseconds are cut to microseconds, which is all that Python's types hold."""
    import pyarrow as pa
    import pyarrow.types as types

    kind = column.type
    if types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    elif types.is_time64(kind):
        column = column.cast(pa.time64("us"), safe=False)
    elif types.is_duration(kind):
        column = column.cast(pa.duration("us"), safe=False)
    values: list[object] = column.to_pylist()
    if types.is_primitive(kind):
        return values
    if _is_binary(kind):
        return [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
    return [value.replace("\0", "") if isinstance(value, str) else clean_value(value) for value in values]
