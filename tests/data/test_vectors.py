"""Vectors that come with the documents."""

import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.data import Document, ReadReport, content_hash
from vecloom.data.context import Context, Source
from vecloom.data.fields import BadRecordError
from vecloom.data.reader import read_sources
from vecloom.data.vectors import VectorColumn, WidthError, unit_vector
from vecloom.errors import DataError, UsageError

GOOD = '{"id": "a", "text": "one", "v": [3, 4, 0, 0]}\n'


def read(inputs, name, data=None, *, column="v", skip_bad=False, explicit=True):
    path = str(inputs.folder / name) if data is None else inputs.write(name, data)
    inputs.report = ReadReport()
    context = Context(skip_bad=skip_bad, report=inputs.report, vectors=VectorColumn(column, 4, "tiny"))
    return list(read_sources([Source(path, explicit)], context))


def unit(value, width=4):
    return unit_vector(value, width, "field 'v'", "tiny")


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        [3, 4, 0, 0],
        (3.0, 4.0, 0.0, 0.0),
        "[3, 4, 0, 0]",
        " [3e0,4.0,0,-0.0] ",
        [Decimal("0.3"), Decimal("0.4"), Decimal(0), Decimal(0)],
        [np.float32(3), np.float32(4), np.float32(0), np.float32(0)],
        np.array([3, 4, 0, 0], np.float16),
        np.array([3, 4, 0, 0], np.int8),
        [3e300, 4e300, 0, 0],
        [3e-300, 4e-300, 0, 0],
    ],
)
def test_numbers_are_scaled_to_length_one(value):
    vector = unit(value)
    assert vector.dtype == np.float32
    assert vector == pytest.approx([0.6, 0.8, 0, 0], abs=1e-7)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40).filter(any))
def test_every_finite_vector_with_a_direction_gets_length_one(numbers):
    assert np.linalg.norm(unit(numbers, len(numbers)).astype(np.float64)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([0, 0, 0, 0], "field 'v' is all zeros: such a vector has no direction."),
        ([1, float("nan"), 0, 0], "field 'v' has a number that is not finite, in place 2."),
        ("[1, 0, 0, -Infinity]", "field 'v' has a number that is not finite, in place 4."),
        ([10**400, 0, 0, 0], "field 'v' has an integer that is too large."),
        ([1, 2, None, 4], "field 'v' has null in place 3, not a number."),
        ([1, "2", 3, 4], "field 'v' has a text in place 2, not a number."),
        ([True, 2, 3, 4], "field 'v' has true or false in place 1, not a number."),
        ([[1, 2, 3, 4]], "field 'v' has a list in place 1, not a number."),
        ("1, 2, 3, 4", "field 'v' is not a list of numbers."),
        ("[1, 2, 3,", "field 'v' is not a list of numbers."),
        ({"x": 1}, "field 'v' is not a list of numbers."),
        (4, "field 'v' is not a list of numbers."),
        (np.ones((1, 4)), "field 'v' is not a list of numbers."),
        ([], "field 'v' has 0 dimensions, the vectors of model 'tiny' have 4."),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(value, said):
    with pytest.raises(BadRecordError) as caught:
        unit(value)
    assert caught.value.what == said


def test_another_width_is_an_error_of_its_own():
    with pytest.raises(WidthError, match="has 3 dimensions"):
        unit([1, 2, 3])


# ---- files -----------------------------------------------------------------------------------------------------------


def parquet(inputs, kind, rows, **others):
    table = pa.table({"text": [f"text {row}" for row in range(len(rows))], "v": pa.array(rows, kind), **others})
    pq.write_table(table, inputs.folder / "a.parquet")


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.list_(pa.float64(), 4),
        pa.large_list(pa.float64()),
        pa.list_(pa.float16()),
        pa.list_(pa.int32()),
        pa.list_(pa.decimal128(5, 2), 4),
        pa.string(),
    ],
)
def test_parquet_lists_of_every_kind_are_vectors(inputs, kind):
    rows = [[3, 4, 0, 0], [0, 0, 0, 2]]
    parquet(inputs, kind, [json.dumps(row) for row in rows] if kind == pa.string() else rows)
    first, second = read(inputs, "a.parquet")
    assert first.vector == pytest.approx([0.6, 0.8, 0, 0])
    assert second.vector.tolist() == [0, 0, 0, 1]
    assert first.fields == {}


def test_of_two_wide_columns_of_a_fixed_width_one_is_the_vector_and_one_left_out(inputs):
    wide = pa.array([[1.0] * 16], pa.list_(pa.float32(), 16))
    pq.write_table(pa.table({"text": ["one"], "v": wide, "other": wide}), inputs.folder / "a.parquet")
    context = Context(vectors=VectorColumn("v", 16, "tiny"))
    (document,) = read_sources([Source(str(inputs.folder / "a.parquet"))], context)
    assert document.vector.tolist() == [0.25] * 16
    assert list(context.report.vector_fields) == ["other"]


def test_a_column_of_tensors_is_one_of_vectors(inputs):
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.array([[0, 0, 5, 0]], np.float32))
    pq.write_table(pa.table({"text": ["one"], "v": tensors}), inputs.folder / "a.parquet")
    assert [document.vector.tolist() for document in read(inputs, "a.parquet")] == [[0, 0, 1, 0]]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", GOOD),
        ("a.json", '[{"id": "a", "text": "one", "v": [3, 4, 0, 0]}]'),
        ("a.json", '{"id": "a", "text": "one", "v": [3, 4, 0, 0]}'),
        ("a.csv", 'id,text,v\na,one,"[3, 4, 0, 0]"\n'),
        ("a.csv", "id;text;v\na;one;[3, 4, 0, 0]\n"),
        ("a.tsv", "id\ttext\tv\na\tone\t[3, 4, 0, 0]\n"),
        ("a.jsonl", '{"id": "a", "text": "one", "V": "[3, 4, 0, 0]"}\n'),
    ],
)
def test_every_format_of_records_gives_vectors(inputs, name, data):
    (document,) = read(inputs, name, data)
    assert document.vector == pytest.approx([0.6, 0.8, 0, 0])
    assert (document.id, document.text, document.fields) == ("a", "one", {})


def test_a_cell_of_a_spreadsheet_holds_a_vector(inputs):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["text", "v"], ["one", "[3, 4, 0, 0]"]):
        book.active.append(row)
    book.save(inputs.folder / "a.xlsx")
    assert [document.vector.tolist() for document in read(inputs, "a.xlsx")] == [pytest.approx([0.6, 0.8, 0, 0])]


def test_other_vectors_are_left_out_and_only_they_are_named(inputs):
    row = {"text": "one", "v": [1, 0, 0, 0], "other": [0.5] * 16}
    (document,) = read(inputs, "a.jsonl", json.dumps(row))
    assert document.fields == {}
    assert list(inputs.report.vector_fields) == ["other"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ('{"text": "x", "v": [1, 2, 3]}', "field 'v' has 3 dimensions, the vectors of model 'tiny' have 4."),
        ('{"text": "x", "v": [NaN, 0, 0, 1]}', "field 'v' has a number that is not finite, in place 1."),
        ('{"text": "x", "v": [0, 0, 0, 0]}', "field 'v' is all zeros: such a vector has no direction."),
        ('{"text": "x", "v": null}', "field 'v' is empty: the record has no vector."),
        ('{"text": "x", "w": [1]}', "no field 'v' for the vector; fields found: 'text', 'w'."),
    ],
)
def test_a_bad_vector_is_a_bad_record_with_its_line(inputs, bad, said):
    with pytest.raises(DataError) as caught:
        read(inputs, "a.jsonl", f"{GOOD}\n{bad}\n")
    assert caught.value.what == f"{inputs.folder}/a.jsonl, line 3: {said}"
    assert [document.id for document in read(inputs, "a.jsonl", skip_bad=True)] == ["a"]
    assert inputs.report.bad_records == 1


def test_an_empty_cell_is_a_record_without_a_vector(inputs):
    with pytest.raises(DataError, match="line 2: field 'v' is empty"):
        read(inputs, "a.csv", 'text,v\none,\ntwo,"[1, 0, 0, 0]"\n')


def test_a_first_vector_of_another_width_stops_even_if_bad_records_are_skipped(inputs):
    data = '{"text": "no vector"}\n{"text": "x", "v": [1, 2, 3]}\n' + GOOD
    with pytest.raises(UsageError, match=r"a\.jsonl, line 2: field 'v' has 3 dimensions") as caught:
        read(inputs, "a.jsonl", data, skip_bad=True)
    assert "-m" in caught.value.todo


def test_a_file_without_columns_cannot_bring_vectors(inputs):
    with pytest.raises(DataError, match="it has no columns"):
        read(inputs, "a.txt", "Words of a plain text.")
    assert read(inputs, "a.md", "# Found in a folder", explicit=False) == []
    assert inputs.report.unreadable == 1


def test_a_binary_column_is_not_a_list_of_numbers(inputs):
    parquet(inputs, pa.binary(), [b"\x00\x01"])
    with pytest.raises(DataError, match=r"row 1: field 'v' is not a list of numbers\."):
        read(inputs, "a.parquet")


def test_codes_of_embed_are_not_vectors(inputs):
    table = pa.table({"text": ["x"], "v": pa.array([[1, 2, 3, 4]], pa.list_(pa.int8(), 4))})
    pq.write_table(table.replace_schema_metadata({"vecloom": "{}"}), inputs.folder / "a.parquet")
    with pytest.raises(DataError, match="int8 or binary codes"):
        read(inputs, "a.parquet")


# ---- documents -------------------------------------------------------------------------------------------------------


def test_a_vector_counts_for_the_digest_and_not_for_equality():
    plain = Document("a", "text")
    digests = [
        content_hash(replace(plain, vector=vector)) for vector in (None, (1.0, 0.0), np.array([0, 1], np.float32))
    ]
    assert len(set(digests)) == 3
    assert content_hash(replace(plain, vector=np.array([1, 0], np.float32))) == digests[1]
    assert replace(plain, vector=np.ones(2, np.float32)) == replace(plain, vector=np.zeros(2, np.float32)) == plain
