"""JSON lines, JSON, CSV, TSV and Parquet."""

import datetime
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vecloom.data import FieldMap, context
from vecloom.data.formats import delimited, json_file
from vecloom.errors import DataError

WORDS = "all that this record says is in these nine words"


def texts(documents):
    return [document.text for document in documents]


def test_jsonl_gives_a_document_a_line(inputs):
    documents = inputs.read("a.jsonl", '{"id": "x", "text": "one", "year": 2020}\n\n  {"text": "two"}\n')
    assert texts(documents) == ["one", "two"]
    assert documents[0].id == "x"
    assert documents[0].fields == {"year": 2020}
    assert documents[1].id == f"{inputs.folder}/a.jsonl:3"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('["a"]', "a list, not an object"),
        ('"a"', "a string, not an object"),
        ("null", "null, not an object"),
        ('{"text": "a"', "not JSON"),
        ("plain text", "not JSON"),
        ("[" * 100_000, "nested more than 200 levels deep"),
        ('{"n": ' + "9" * 5000 + "}", "not JSON"),
        ('{"year": 1}', "no text field"),
        ('{"text": {"a": 1}}', "'text' is an object"),
    ],
)
def test_bad_jsonl_line_stops_with_file_and_line_or_is_skipped_and_counted(inputs, line, reason):
    data = f'{{"text": "one"}}\n{line}\n{{"text": "three"}}\n'
    with pytest.raises(DataError, match=reason) as caught:
        inputs.read("a.jsonl", data)
    assert "a.jsonl, line 2:" in caught.value.what
    assert caught.value.todo
    assert texts(inputs.read("a.jsonl", skip_bad=True)) == ["one", "three"]
    assert inputs.report.bad_records == 1
    assert "line 2" in inputs.report.notes[0]


def test_missing_text_field_names_the_fields_and_the_option(inputs):
    with pytest.raises(DataError, match="'headline', 'words'") as caught:
        inputs.read("a.jsonl", f'{{"headline": "x", "words": "{WORDS}"}}')
    assert "--field text=" in caught.value.todo
    (document,) = inputs.read("a.jsonl", fields=FieldMap.parse(["text=words", "title=headline"]))
    assert (document.text, document.title, document.fields) == (WORDS, "x", {})


def test_empty_texts_of_records_are_kept_and_counted(inputs):
    assert texts(inputs.read("a.jsonl", '{"text": ""}\n{"text": null}\n{"text": "a"}')) == ["", "", "a"]
    assert inputs.report.empty_texts == 2


def test_lone_surrogates_and_escaped_nuls_in_json_become_harmless(inputs):
    line = r'{"id": "a\u0000", "text": "x\ud800y \ud83d\ude00", "tags": ["\udfff"]}'
    for name in ("a.jsonl", "a.json"):
        (document,) = inputs.read(name, line)
        assert (document.id, document.text) == ("a", "x\ufffdy 😀")
        assert document.fields == {"tags": ["\ufffd"]}


def test_nul_bytes_in_records_are_removed_and_counted(inputs):
    documents = inputs.read("a.jsonl", b'{"text": "o\0ne"}\n\0\0\0\0\n{"text": "two"}\n\0')
    assert texts(documents) == ["one", "two"]
    assert inputs.report.nul_bytes == 3
    assert texts(inputs.read("a.csv", b"text,n\nx\0y,1\n")) == ["xy"]


def test_control_characters_in_json_strings_are_kept(inputs):
    assert texts(inputs.read("a.jsonl", '{"text": "a\tb"}')) == ["a\tb"]


def test_invalid_utf8_in_a_record_is_replaced_and_placed(inputs):
    assert texts(inputs.read("a.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n')) == ["a", "\ufffd"]
    assert inputs.report.invalid_utf8_at == [f"{inputs.folder}/a.jsonl:2"]


def test_line_beyond_the_limit_is_a_bad_record_and_the_next_is_read(inputs, monkeypatch):
    monkeypatch.setattr(context, "MAX_BYTES", 50)
    monkeypatch.setattr(context, "BUFFER", 16)
    data = '{"text": "one"}\n{"text": "' + "x" * 100 + '"}\n{"text": "three"}\n'
    with pytest.raises(DataError, match=r"line 2: the line has 113 bytes; at most 50"):
        inputs.read("a.jsonl", data)
    documents = inputs.read("a.jsonl", skip_bad=True)
    assert texts(documents) == ["one", "three"]
    assert documents[1].position == 3
    assert (inputs.report.long_lines, inputs.report.bad_records) == (1, 1)


def test_line_of_exactly_the_limit_is_read(inputs, monkeypatch):
    line = '{"text": "0123456789"}'
    monkeypatch.setattr(context, "MAX_BYTES", len(line))
    assert len(inputs.read("a.jsonl", f"{line}\n{line}")) == 2


@pytest.mark.slow  # reads a line of 1 GB, about 2 s
def test_line_of_one_gigabyte_needs_little_memory(inputs):
    import subprocess
    import sys

    path = inputs.folder / "big.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "one"}\n')
        file.seek(1024**3, 1)  # a hole: takes no room on the disk, reads as NULs
        file.write(b'\n{"text": "three"}\n')
    code = (
        "import sys; from vecloom.data import read, ReadReport; report = ReadReport()\n"
        "print(*[d.text for d in read([sys.argv[1]], skip_bad=True, report=report)], report.long_lines)\n"
        # not ru_maxrss: a child starts with its parent's, which is pytest's
        "print([int(l.split()[1]) // 1024 for l in open('/proc/self/status') if l.startswith('VmHWM')][0])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    first, second, long_lines, megabytes = done.stdout.split()
    assert (first, second, long_lines) == ("one", "three", "1")
    assert int(megabytes) < 400


def test_json_array_is_read_piece_by_piece(inputs, monkeypatch):
    monkeypatch.setattr(json_file, "PIECE", 7)
    records = [{"id": count, "text": f"text {count} é", "n": [count]} for count in range(20)]
    documents = inputs.read("a.json", "\ufeff \n" + json.dumps(records, ensure_ascii=False, indent=1) + "\n")
    assert texts(documents) == [record["text"] for record in records]
    assert [document.position for document in documents] == list(range(1, 21))
    assert inputs.report.invalid_utf8 == 0


def test_json_array_item_that_is_no_object_is_a_bad_record(inputs, monkeypatch):
    monkeypatch.setattr(json_file, "PIECE", 3)
    data = '[{"text": "a"}, 123456, {"text": "c"}]'
    with pytest.raises(DataError, match="item 2: this is a number"):
        inputs.read("a.json", data)
    assert texts(inputs.read("a.json", skip_bad=True)) == ["a", "c"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ('[{"text": "a"}, {"text"', "item 2 of the array is not JSON"),
        ('[{"text": "a"}', "breaks off after item 1"),
        ('[{"text": "a"} {"text": "b"}]', "stands after item 1"),
        ('{"text": "a"', "not JSON, line 1"),
        ('"text"', "a string, not an object"),
    ],
)
def test_broken_json_names_the_place(inputs, data, reason):
    with pytest.raises(DataError, match=reason):
        inputs.read("a.json", data)
    inputs.read("a.json", skip_bad=True)
    assert inputs.report.unreadable == 1


def test_json_item_without_end_is_not_gathered_for_ever(inputs, monkeypatch):
    monkeypatch.setattr(context, "MAX_BYTES", 100)
    monkeypatch.setattr(json_file, "PIECE", 50)
    with pytest.raises(DataError, match="does not end within 100 characters"):
        inputs.read("a.json", '[{"text": "' + "x" * 1000 + '"}]')


def test_json_object_is_one_document_or_holds_an_array(inputs):
    assert texts(inputs.read("a.json", '{"text": "a", "refs": [{"n": 1}]}')) == ["a"]
    nested = {"version": 1, "people": [{"text": "no"}], "data": [{"text": "a"}, {"text": "b"}]}
    assert texts(inputs.read("b.json", json.dumps(nested))) == ["a", "b"]
    assert inputs.read("c.json", "[]") == []


def test_invalid_utf8_in_a_json_array_is_replaced_and_placed(inputs, monkeypatch):
    monkeypatch.setattr(json_file, "PIECE", 5)
    assert texts(inputs.read("a.json", b'[{"text": "a"},\n\n{"text": "\xc3"}, {"text": "\xff"}]')) == [
        "a",
        "\ufffd",
        "\ufffd",
    ]
    assert inputs.report.invalid_utf8_at == [f"{inputs.folder}/a.json:3"]


def test_settings_in_json_are_counted_in_a_folder_but_stop_when_named(inputs):
    inputs.write("package.json", '{"name": "x", "version": "1"}')
    assert inputs.read_folder() == []
    assert inputs.report.unreadable == 1
    with pytest.raises(DataError, match="'name', 'version'"):
        inputs.read("package.json")


def test_csv_columns_of_plain_numbers_become_numbers(inputs):
    data = "id,Text,year,zip,score,flag,empty\n007,12,2020,02134,1,1e5,\n008,x,,94110,2.5,2,\n"
    first, second = inputs.read("a.csv", data)
    assert (first.id, first.text) == ("007", "12")
    assert first.fields == {"year": 2020, "zip": "02134", "score": 1.0, "flag": "1e5", "empty": None}
    assert second.fields == {"year": None, "zip": "94110", "score": 2.5, "flag": "2", "empty": None}
    assert type(first.fields["score"]) is float


def test_csv_kinds_are_decided_by_the_first_rows(inputs, monkeypatch):
    monkeypatch.setattr(delimited, "SAMPLE_ROWS", 2)
    documents = inputs.read("a.csv", "text,n,s\na,1,x\nb,2,y\nc,none,3\n")
    assert [document.fields for document in documents] == [
        {"n": 1, "s": "x"},
        {"n": 2, "s": "y"},
        {"n": "none", "s": "3"},
    ]


def test_csv_with_mark_quotes_and_line_breaks_keeps_line_numbers(inputs):
    data = '\ufefftext,year\r\n"a ""b"",\r\nc",1\r\n\r\nd,2\r\n'
    documents = inputs.read("a.csv", data)
    assert texts(documents) == ['a "b",\nc', "d"]
    assert [document.position for document in documents] == [2, 5]


def test_csv_rows_with_cells_missing_are_read_and_with_too_many_are_bad(inputs):
    data = "title,text,n\na,b\n\nc,d,1,2\ne,f,3\n"
    with pytest.raises(DataError, match=r"line 4: 4 cells under 3 column names"):
        inputs.read("a.csv", data)
    first, last = inputs.read("a.csv", skip_bad=True)
    assert (first.text, first.fields) == ("b", {"n": None})
    assert last.fields == {"n": 3}


def test_csv_field_beyond_the_limit_is_a_bad_record(inputs, monkeypatch):
    monkeypatch.setattr(context, "MAX_BYTES", 1000)
    data = "text\n" + '"' + "line\n" * 300 + '"\nlast\n'
    with pytest.raises(DataError, match="line 2: this is not CSV: field larger"):
        inputs.read("a.csv", data)


def test_csv_field_larger_than_the_usual_limit_is_read(inputs):
    assert len(inputs.read("a.csv", "text\n" + "x" * 200_000)[0].text) == 200_000  # the csv module stops at 131,072


def test_csv_header_with_doubles_and_blanks_gets_names(inputs):
    (document,) = inputs.read("a.csv", "text,n,,n\na,1,2,3\n")
    assert document.fields == {"n": 1, "column_3": 2, "n_2": 3}


def test_csv_without_text_column_stops_even_in_a_folder(inputs):
    inputs.write("a.csv", "name,year\nx,1\n")
    with pytest.raises(DataError, match="'name', 'year'"):
        inputs.read_folder()
    assert inputs.read_folder(skip_bad=True) == []


def test_csv_with_header_alone_has_no_documents(inputs):
    assert inputs.read("a.csv", "text,n\n") == []
    assert inputs.read("b.csv", "\n") == []
    assert inputs.report.empty_files == 1


def test_tsv_has_no_quoting_but_whole_cells_are_unquoted(inputs):
    documents = inputs.read("a.tsv", 'text\tn\n"open\t1\n"a ""b"" c"\t2\n"a" and "b"\t3\n')
    assert texts(documents) == ['"open', 'a "b" c', '"a" and "b"']
    assert [document.fields["n"] for document in documents] == [1, 2, 3]


def write_parquet(inputs, table, name="a.parquet", **options):
    pq.write_table(table, inputs.folder / name, **options)


def test_parquet_values_become_scalars(inputs):
    when = datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC)
    table = pa.table(
        {
            "text": pa.array(["a\0", None, "é😀"], pa.large_string()),
            "day": pa.array([datetime.date(2020, 1, 2), None, None]),
            "at": pa.array([when, None, None], pa.timestamp("ns", "UTC")),
            "price": pa.array([Decimal("1.50"), None, None], pa.decimal128(5, 2)),
            "tags": pa.array([["a", "b"], None, []]),
            "lang": pa.array(["en", "de", "en"]).dictionary_encode(),
            "image": pa.array([b"\0", b"", None]),
            "ok": [True, False, None],
        }
    )
    write_parquet(inputs, table)
    first, second, third = inputs.read("a.parquet")
    assert [first.text, second.text, third.text] == ["a", "", "é😀"]
    assert first.fields == {
        "day": "2020-01-02",
        "at": "2024-05-01T12:00:00+00:00",
        "price": 1.5,
        "tags": ["a", "b"],
        "lang": "en",
        "ok": True,
    }
    assert (third.id, third.position) == (f"{inputs.folder}/a.parquet:3", 3)


def test_parquet_text_that_is_not_marked_as_text_is_read(inputs):
    write_parquet(inputs, pa.table({"text": pa.array([b"abc", b"\xff"])}))
    assert texts(inputs.read("a.parquet")) == ["abc", "\ufffd"]


def test_parquet_is_read_across_row_groups_and_counts_its_bytes(inputs):
    write_parquet(inputs, pa.table({"text": [str(n) for n in range(3000)]}), row_group_size=700)
    assert texts(inputs.read("a.parquet")) == [str(n) for n in range(3000)]
    size = (inputs.folder / "a.parquet").stat().st_size
    assert inputs.report.bytes_read == pytest.approx(size, abs=10)


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_corrupt_parquet_is_named(inputs, cut):
    write_parquet(inputs, pa.table({"text": [f"some text {n}" for n in range(2000)]}))
    data = (inputs.folder / "a.parquet").read_bytes()
    with pytest.raises(DataError, match=r"b\.parquet: this is not a readable Parquet file"):
        inputs.read("b.parquet", data[: int(len(data) * cut)])
    assert inputs.read("b.parquet", skip_bad=True) == []
    assert inputs.report.unreadable == 1


def test_parquet_with_damaged_pages_is_named(inputs):
    write_parquet(
        inputs, pa.table({"text": [f"some text {n}" for n in range(20_000)]}), row_group_size=5000, compression="gzip"
    )
    data = bytearray((inputs.folder / "a.parquet").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = b"\xab" * 2000
    with pytest.raises(DataError, match="not a readable Parquet file after row"):
        inputs.read("b.parquet", bytes(data))


def test_parquet_without_text_column_names_its_columns(inputs):
    write_parquet(inputs, pa.table({"name": ["x"]}))
    with pytest.raises(DataError, match="fields found: 'name'"):
        inputs.read("a.parquet")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.json", "a.parquet", "a.ndjson"])
def test_file_of_no_bytes_has_no_documents(inputs, name):
    assert inputs.read(name, b"") == []
    assert inputs.report.empty_files == 1


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", '{"id": "a", "title": "Inversion"}\n{"id": "b", "title": "Sorting", "text": "By keys."}'),
        ("a.json", '[{"id": "a", "title": "Inversion"}, {"id": "b", "title": "Sorting", "text": "By keys."}]'),
        ("a.csv", "id,title,year\na,Inversion,1960\nb,Sorting,1961"),
        ("a.tsv", "id\ttitle\na\tInversion\nb\tSorting"),
    ],
)
def test_a_title_is_a_document_with_or_without_a_text_column(inputs, name, data):
    documents = inputs.read(name, data)
    assert [(document.id, document.title) for document in documents] == [("a", "Inversion"), ("b", "Sorting")]
    assert inputs.report.empty_texts == 0
    assert inputs.report.title_columns == ["title"]


def test_a_title_is_not_taken_in_place_of_a_column_that_was_named(inputs):
    with pytest.raises(DataError, match="no field bdy"):
        inputs.read("a.csv", "id,title,body\na,Inversion,Of matrices", fields=FieldMap.parse(["text=bdy"]))


def test_columns_that_became_text_and_title_are_kept(inputs):
    inputs.read("a.jsonl", '{"headline": "x", "body": "y"}\n{"abstract": "z"}')
    assert (inputs.report.text_columns, inputs.report.title_columns) == (["body", "abstract"], ["headline"])
