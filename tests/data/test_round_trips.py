"""Whatever records are written by the usual writers come back as they were."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vecloom.data import Document, content_hash, read

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
KINDS = ("jsonl", "json", "csv", "tsv", "md", "rst", "html", "py", "txt")
PARTS = [
    b'{"text": "a"}',
    b'{"text": "\\ud800\\u0000"}',
    b"[",
    b"]",
    b",",
    b"\n",
    b"\r\n",
    b'"',
    b"text,n\n",
    b"text\tn\n",
    b"\t",
]
PARTS += [
    b"---\n",
    b"title: x\n",
    b"# A\n",
    b"===\n",
    b"```\n",
    b"<p>",
    b"<title>",
    b"<!--",
    b"def f():\n",
    b" ",
    b"'''",
    b"\0",
]
NAMES = st.text("abcdefgh", min_size=3, max_size=6)  # never one of the usual names of text, title and id
INTS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
RECORDS = st.fixed_dictionaries(
    {"id": ANY_TEXT.filter(bool), "text": ANY_TEXT, "title": ANY_TEXT},
).flatmap(
    lambda known: st.dictionaries(NAMES, st.one_of(ANY_TEXT, INTS, FLOATS, st.booleans(), st.none()), max_size=4).map(
        lambda others: {**others, **known}
    )
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("round")


def read_back(path):
    return list(read([str(path)]))


def check(documents, records):
    assert [document.id for document in documents] == [record["id"] for record in records]
    assert [document.text for document in documents] == [record["text"] for record in records]
    assert [document.title for document in documents] == [record["title"] or "" for record in records]
    for document, record in zip(documents, records, strict=True):
        assert document.fields == {key: value for key, value in record.items() if key not in ("id", "text", "title")}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records=st.lists(RECORDS, max_size=8), escaped=st.booleans(), array=st.booleans())
def test_json_round_trip(folder, records, escaped, array):
    path = folder / ("a.json" if array else "a.jsonl")
    lines = [json.dumps(record, ensure_ascii=escaped) for record in records]
    path.write_text(f"[{', '.join(lines)}]" if array else "\n".join(lines), encoding="utf-8", newline="")
    check(read_back(path), records)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(ANY_TEXT.filter(bool), ANY_TEXT, ANY_TEXT, INTS, ANY_TEXT), max_size=8))
def test_csv_round_trip(folder, rows):
    # within a cell "\r\n" comes back as "\n", and an empty cell is None
    rows = [tuple(cell.replace("\r", "") if isinstance(cell, str) else cell for cell in row) for row in rows]
    rows = [(row[0] or "x", row[1], row[2], row[3] % 10**18, f"_{row[4]}") for row in rows]
    names = ["id", "text", "title", "number", "word"]
    path = folder / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    check(read_back(path), [dict(zip(names, row, strict=True)) for row in rows])


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            ANY_TEXT.filter(bool), ANY_TEXT, ANY_TEXT, st.none() | INTS, st.none() | FLOATS, st.none() | ANY_TEXT
        ),
        min_size=1,
        max_size=8,
    )
)
def test_parquet_round_trip(folder, rows):
    kinds = {
        "id": pa.string(),
        "text": pa.string(),
        "title": pa.string(),
        "n": pa.int64(),
        "x": pa.float64(),
        "w": pa.string(),
    }
    records = [dict(zip(kinds, row, strict=True)) for row in rows]
    pq.write_table(pa.Table.from_pylist(records, pa.schema(list(kinds.items()))), folder / "a.parquet")
    check(read_back(folder / "a.parquet"), records)


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(st.one_of(st.sampled_from(PARTS), st.binary(max_size=20)), max_size=12), kind=st.sampled_from(KINDS)
)
def test_any_bytes_are_read_without_a_crash(folder, parts, kind):
    path = folder / f"a.{kind}"
    path.write_bytes(b"".join(parts))
    for document in read([str(path)], skip_bad=True):
        assert isinstance(document, Document)
        assert "\0" not in document.text
        document.text.encode()
        content_hash(document)
