"""Parquet columns of every type: each value was written down before it was read."""

import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vecloom.data.formats import parquet

NS = pa.array([1714564800123456789, None], pa.int64())
UTC_NOON = datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC)
NAN, INF = float("nan"), float("inf")


def write(inputs, **columns):
    length = len(next(iter(columns.values())))
    columns = {"text": pa.array(["a", "b", "c"][:length]), **columns}
    pq.write_table(pa.table(columns), inputs.folder / "a.parquet")


def read(inputs, column):
    write(inputs, x=column)
    return [document.fields.get("x", "left out") for document in inputs.read("a.parquet")]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([{"a": 1, "b": {"c": NAN, "d": "x"}}, None]), ['{"a": 1, "b": {"c": null, "d": "x"}}', None]),
        (pa.array([[("k", 1.5), ("l", INF)], []], pa.map_("string", "double")), ['{"k": 1.5, "l": null}', "{}"]),
        (pa.array([[(1, "x\0y")], None], pa.map_("int64", "string")), ['{"1": "xy"}', None]),
        (pa.array([UTC_NOON, None], pa.timestamp("us", "Europe/Berlin")), ["2024-05-01T14:00:00+02:00", None]),
        (pa.array([UTC_NOON, None], pa.timestamp("ms", "-03:30")), ["2024-05-01T08:30:00-03:30", None]),
        (NS.cast(pa.timestamp("ns", "UTC")), ["2024-05-01T12:00:00.123456+00:00", None]),
        (NS.cast(pa.timestamp("ns")), ["2024-05-01T12:00:00.123456", None]),
        (NS.cast(pa.timestamp("ns")).dictionary_encode(), ["2024-05-01T12:00:00.123456", None]),
        (pa.array([[1714564800123456789]]).cast(pa.list_(pa.timestamp("ns"))), ['["2024-05-01T12:00:00.123456"]']),
        (
            pa.StructArray.from_arrays([NS.cast(pa.timestamp("ns"))], ["t"]),
            ['{"t": "2024-05-01T12:00:00.123456"}', '{"t": null}'],
        ),
        (pa.array([2**52, 0], pa.int64()).cast(pa.timestamp("ms")), [None, "1970-01-01T00:00:00"]),
        (pa.array([Decimal("12.50"), None], pa.decimal128(10, 2)), [12.5, None]),
        (pa.array([[Decimal("12.50"), None]], pa.list_(pa.decimal128(10, 2))), ["[12.5, null]"]),
        (pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
        (pa.array([7, None]).dictionary_encode(), [7, None]),
        (pa.array([[1.0, NAN], [None]]), ["[1.0, null]", "[null]"]),
        (pa.array([["a", "b"], ["c\0d"]]), [["a", "b"], ["cd"]]),
        (pa.array([[datetime.date(2024, 5, 1)], []]), ['["2024-05-01"]', []]),
        (pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)), ["[1.0, 2.0]", None]),
        (pa.array(np.array([1.5, np.nan], dtype=np.float16)), [1.5, None]),
        (pa.array([2**64 - 1, 1], pa.uint64()), [str(2**64 - 1), 1]),
        (pa.array(["q", None], pa.string_view()), ["q", None]),
        (pa.array([[{"a": 1}], []]), ['[{"a": 1}]', []]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_a_column_becomes_fields(inputs, column, expected):
    assert read(inputs, column) == expected


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"\xff", b"y"]),
        pa.array([b"\xff", b"y"], pa.binary_view()),
        pa.array([b"\xff", b"y"]).dictionary_encode(),
        pa.array([{"bytes": b"\x89PNG", "path": None}, None]),
        pa.array([[b"\xff"], []]),
        pa.array([[("k", b"\xff")], []], pa.map_("string", "binary")),
    ],
)
def test_columns_that_hold_binary_values_are_left_out(inputs, column):
    assert read(inputs, column) == ["left out", "left out"]
    assert inputs.report.notes == [f"{inputs.folder}/a.parquet: columns that hold binary values left out: x."]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64(), pa.int8()])
def test_vectors_of_a_fixed_width_are_left_out_unread_and_named(inputs, monkeypatch, kind):
    read_types = []
    values = parquet._values
    monkeypatch.setattr(parquet, "_values", lambda column: read_types.append(column.type) or values(column))
    member = np.float16(1) if kind == pa.float16() else 1
    assert read(inputs, pa.array([[member] * 16, None], pa.list_(kind, 16))) == ["left out", "left out"]
    assert read_types == [pa.string()]
    assert list(inputs.report.vector_fields) == ["x"]


def test_vectors_that_are_not_finite_are_left_out_where_the_type_tells_them(inputs):
    assert read(inputs, pa.array([[NAN] * 16, [1.0] * 16], pa.list_(pa.float32(), 16))) == ["left out", "left out"]


@pytest.mark.parametrize(
    "text",
    [
        pa.array([b"caf\xc3\xa9", None]),
        pa.array([b"caf\xc3\xa9", None]).dictionary_encode(),
        pa.array(["café", None]).dictionary_encode(),
        pa.array(["café", None], pa.large_string()),
        pa.array(["caf\0é", None], pa.string_view()),
    ],
)
def test_a_text_column_of_any_type_of_text_is_read(inputs, text):
    write(inputs, text=text)
    assert [document.text for document in inputs.read("a.parquet")] == ["café", ""]
