"""The table's columns: the fixed ones and one for each field of the records.

A field becomes a column of its own name where that is a plain word (letters, digits, ``_``) that is not taken;
otherwise the column is ``field_`` and the name with every other character as its hexadecimal code point between
underscores ("a.b" is ``field_a_2e_b``). Filters use the field's own name; ``vecloom.search.where`` translates.

Types: bool, int64, double, string, list of string, from the values. When a later value does not fit, the whole column is
widened and nothing is lost: int to double while every integer is exact there (up to 2**53); anything to list where one of
the values is a list of texts, any other value being its one member; all else to string. Strings of numbers are then written
as the engine's CAST does (1 -> "1", 1.0 -> "1.0", True -> "true").
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from vecloom.data.records import FieldValue

if TYPE_CHECKING:
    import pyarrow as pa

Kind: TypeAlias = Literal["bool", "int", "big int", "double", "string", "empty list", "list"]

KEY, ID, DOCUMENT, POSITION = "_key", "id", "document_id", "position"
TEXT, TITLE, HEADING, SOURCE = "text", "title", "heading", "source"
HASH, TERMS, PASSAGE, VECTOR = "_hash", "_terms", "_passage", "_vector"
OWN = (ID, DOCUMENT, POSITION, TEXT, TITLE, HEADING, SOURCE)  # what a filter can name in every index
FIXED = (KEY, *OWN, HASH, TERMS, VECTOR)
RESERVED = (*FIXED, PASSAGE)  # an index of format 1 has PASSAGE in place of TERMS

EXACT_IN_DOUBLE = 2**53
COLUMN_TYPES = {"bool": "bool", "int": "int64", "big int": "int64", "double": "double", "string": "string"}
WIDENED = ("__double", "__string", "__list_of_string")  # ends a widened column's name until the narrow one is gone
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def column_of(field: str) -> str:
    """The column that holds a field."""
    taken = field.lower() in RESERVED or field.startswith("field_") or field.endswith(WIDENED)
    if _PLAIN.fullmatch(field) and not taken:
        return field
    return "field_" + re.sub(r"[^A-Za-z0-9]", lambda match: f"_{ord(match[0]):x}_", field)


def field_of(column: str) -> str:
    """The field that a column holds: the inverse of ``column_of``, also while the column is being widened."""
    for ending in WIDENED:
        column = column.removesuffix(ending)
    if not column.startswith("field_"):
        return column
    return re.sub(r"_([0-9a-f]+)_", lambda match: chr(int(match[1], 16)), column.removeprefix("field_"))


def field_columns(schema: pa.Schema) -> dict[str, str]:
    """Field -> column for every field in the table; of two columns the wider one."""
    columns: dict[str, str] = {}
    for name in sorted((name for name in schema.names if name not in RESERVED), key=_width):
        columns[field_of(name)] = name
    return columns


def _width(column: str) -> int:
    return next((place for place, ending in enumerate(WIDENED, start=1) if column.endswith(ending)), 0)


def base_schema(dim: int) -> pa.Schema:
    """The columns of an index without fields."""
    import pyarrow as pa

    text = {name: pa.string() for name in (ID, DOCUMENT, TEXT, TITLE, HEADING, SOURCE, HASH, TERMS)}
    types = {**text, KEY: pa.int64(), POSITION: pa.int32(), VECTOR: pa.list_(pa.float32(), dim)}
    return pa.schema([pa.field(name, types[name], nullable=False) for name in FIXED])


def arrow_type(kind: Kind) -> pa.DataType:
    """The type of a column that holds a kind."""
    import pyarrow as pa

    return pa.type_for_alias(COLUMN_TYPES[kind]) if kind in COLUMN_TYPES else pa.list_(pa.string())


def type_name(column_type: pa.DataType) -> str:
    """What people are told of a column's type."""
    name = str(column_type)
    return "list" if name.startswith("list<") else name


def kind_of(value: FieldValue) -> Kind | None:
    """The narrowest kind that holds a value; None for None."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        if abs(value) <= EXACT_IN_DOUBLE:
            return "int"
        return "big int" if -(2**63) <= value < 2**63 else "string"
    if isinstance(value, list):
        return "list" if value else "empty list"
    return "double" if isinstance(value, float) else "string"


def join(left: Kind | None, right: Kind | None) -> Kind | None:
    """The narrowest kind that holds both without loss."""
    if left is None or right is None or left == right:
        return left or right
    pair = {left, right}
    if "list" in pair:
        return "list"
    if "empty list" in pair:  # beside lists of numbers, which are JSON text, it is JSON text too
        return "string" if "string" in pair else "list"
    if pair == {"int", "big int"}:
        return "big int"
    return "double" if pair == {"int", "double"} else "string"


def kinds_of(records: Iterable[Mapping[str, FieldValue]]) -> dict[str, Kind]:
    """The kind that each field needs over all records; fields that are None everywhere are left out."""
    kinds: dict[str, Kind] = {}
    for record in records:
        for name, value in record.items():
            kind = join(kinds.get(name), kind_of(value))
            if kind is not None:
                kinds[name] = kind
    return kinds


def column_kind(column_type: pa.DataType) -> Kind:
    """The kind that a stored column can take; an int64 column counts as small until it is looked at."""
    kinds: dict[str, Kind] = {"bool": "bool", "int64": "int", "double": "double", "list": "list"}
    return kinds.get(type_name(column_type), "string")


def as_text(value: FieldValue) -> str | None:
    """A value as the engine's CAST to string writes it; a list as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, str):
        return value
    return str(value)


def as_list(value: FieldValue) -> list[str] | None:
    """A value in a column of lists: anything but a list is its one member."""
    if value is None or isinstance(value, list):
        return value
    return [str(as_text(value))]


def as_former_list(value: FieldValue) -> list[str] | None:
    """A value of a column that is widened to lists; vecloom 0.1.0 kept lists as JSON text, which becomes the list again."""
    if isinstance(value, str) and value.startswith("["):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list) and all(isinstance(member, str) for member in found):
            return [storable(member) for member in found]
    return as_list(value)


def to_array(values: Iterable[FieldValue], column_type: pa.DataType) -> pa.Array:
    """Values as one column; whatever the type is, lone surrogates become "?"."""
    import pyarrow as pa

    name = type_name(column_type)
    if name == "list":
        lists = map(as_list, values)
        return pa.array([None if one is None else list(map(storable, one)) for one in lists], type=column_type)
    convert: Any = {"string": as_text, "double": _as_double}.get(name)
    cells = [convert(value) for value in values] if convert else list(values)
    if name == "string":
        cells = [None if cell is None else storable(str(cell)) for cell in cells]
    return pa.array(cells, type=column_type)


def _as_double(value: Any) -> float | None:
    return None if value is None else float(value)


def storable(text: str) -> str:
    """``text`` as UTF-8 can hold it: lone surrogates become "?"."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text
