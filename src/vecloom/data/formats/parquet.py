"""Parquet tables, read in batches of rows: memory is bounded by a row group's pages, not by the file.

Columns that hold binary values, themselves or in lists and structs as columns of pictures do, are left out, except where one is
the text, title or id: some writers do not mark text as such. Columns of vectors of a fixed width are left out unread. Dates and
times become ISO 8601 text (those after the year 9999 None), maps and structs objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vecloom.data.context import Context, Source
from vecloom.data.fields import VECTOR_WIDTH, clean_value, find_columns, lacks_text, no_text
from vecloom.data.records import Document
from vecloom.data.vectors import VectorColumn
from vecloom.wording import some

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
            if context.vectors is not None and _holds_codes(file.schema_arrow, context.vectors):
                what = f"column {context.vectors.name!r} holds int8 or binary codes of 'vecloom embed', not vectors."
                context.bad_file(source, what, "Make the file again with --dtype float32 or float16.", always=True)
                return
            share = source.path.stat().st_size / max(file.metadata.num_rows, 1)
            used = _used(file.schema_arrow, context)
            vectors = [field.name for field in file.schema_arrow if _is_vector(field.type) and field.name not in used]
            context.report.vector_fields.update(dict.fromkeys(vectors))
            _note_binary(file.schema_arrow, used, source, context)
            for batch in file.iter_batches(BATCH_ROWS, columns=_usable(file.schema_arrow, used), use_threads=False):
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


def _note_binary(schema: Any, used: tuple[str | None, ...], source: Source, context: Context) -> None:
    names = [field.name for field in schema if field.name not in used and _holds_binary(field.type)]
    if names:
        context.report.note(f"{source.name}: columns that hold binary values left out: {some(names)}.")


def _is_binary(kind: Any) -> bool:
    import pyarrow.types as types

    tests = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    return any(test(kind) for test in tests)


def _holds_binary(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return _holds_binary(kind.value_type)
    return _is_binary(kind) or any(_holds_binary(kind.field(place).type) for place in range(kind.num_fields))


def _is_vector(kind: Any) -> bool:
    """Whether a column holds vectors by its type alone."""
    import pyarrow.types as types

    if not types.is_fixed_size_list(kind) or kind.list_size < VECTOR_WIDTH:
        return False
    return bool(types.is_floating(kind.value_type) or types.is_integer(kind.value_type))


def _is_list(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _holds_codes(schema: Any, vectors: VectorColumn) -> bool:
    """Whether ``vecloom embed`` wrote codes, which are vectors only after an offset was added."""
    import pyarrow.types as types

    name = vectors.find(tuple(schema.names))
    kind = schema.field(name).type if name is not None and b"vecloom" in (schema.metadata or {}) else None
    return kind is not None and _is_list(kind) and bool(types.is_integer(kind.value_type))


def _used(schema: Any, context: Context) -> tuple[str | None, ...]:
    """Names of the columns that hold the text, title, id and vector."""
    names = tuple(schema.names)
    vectors = context.vectors.find(names) if context.vectors is not None else None
    return (*find_columns(context.fields, names), vectors)


def _usable(schema: Any, used: tuple[str | None, ...]) -> list[str] | None:
    """Names of the columns to read, or None for all."""
    left_out = [
        field.name
        for field in schema
        if field.name not in used and (_holds_binary(field.type) or _is_vector(field.type))
    ]
    return [name for name in schema.names if name not in left_out] if left_out else None


def _records(batch: Any) -> Iterator[dict[str, object]]:
    names = batch.schema.names
    for values in zip(*map(_values, batch.columns), strict=True):
        yield dict(zip(names, values, strict=True))


def _values(column: Any) -> list[object]:
    """Python values of a column; nanoseconds are cut to microseconds, which is all that Python's types hold."""
    import pyarrow.types as types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if (shorter := _microseconds(kind)) != kind:
        column = column.cast(shorter, safe=False)
    try:
        values: list[object] = column.to_pylist(maps_as_pydicts="lossy")
    except (OverflowError, ValueError):
        values = [_value(cell) for cell in column]
    if types.is_primitive(kind) or (_is_list(kind) and types.is_primitive(kind.value_type)):
        return values
    if _is_binary(kind):
        return [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
    return [value.replace("\0", "") if isinstance(value, str) else clean_value(value) for value in values]


def _value(cell: Any) -> object:
    """A cell's Python value; None for a time that Python's types do not hold, after the year 9999 or before 1."""
    try:
        value: object = cell.as_py(maps_as_pydicts="lossy")
    except (OverflowError, ValueError):
        return None
    return value


def _microseconds(kind: Any) -> Any:
    """The type with microseconds in place of nanoseconds, in lists and structs as well."""
    import pyarrow as pa
    import pyarrow.types as types

    if types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if types.is_time64(kind):
        return pa.time64("us")
    if types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    if types.is_list(kind) or types.is_large_list(kind):
        member = kind.value_field.with_type(_microseconds(kind.value_type))
        return pa.list_(member) if types.is_list(kind) else pa.large_list(member)
    if types.is_struct(kind):
        return pa.struct([member.with_type(_microseconds(member.type)) for member in kind])
    return kind
