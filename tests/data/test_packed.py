"""Compressed files, standard input and pipes."""

import gzip
import io
import os
import sys
import threading

import pytest
import zstandard

from vecloom.data import ReadReport, read
from vecloom.data.formats import format_of
from vecloom.errors import DataError

LINES = b"".join(b'{"text": "line %d"}\n' % count for count in range(5000))
PACK = {".gz": gzip.compress, ".zst": zstandard.compress}


@pytest.mark.parametrize("suffix", PACK)
def test_packed_lines_are_read_and_their_packed_bytes_counted(inputs, suffix):
    data = PACK[suffix](LINES)
    documents = inputs.read(f"a.jsonl{suffix}", data)
    assert [document.text for document in documents] == [f"line {count}" for count in range(5000)]
    assert inputs.report.bytes_read == len(data)


@pytest.mark.parametrize("suffix", PACK)
def test_parts_packed_one_after_another_are_all_read(inputs, suffix):
    assert len(inputs.read(f"a.jsonl{suffix}", PACK[suffix](LINES) * 2)) == 10_000


@pytest.mark.parametrize("suffix", PACK)
def test_packed_tables_text_and_arrays_are_read(inputs, suffix):
    pack = PACK[suffix]
    assert inputs.read(f"a.csv{suffix}", pack(b"text,n\na,1\n"))[0].fields == {"n": 1}
    assert inputs.read(f"a.tsv{suffix}", pack(b'text\tn\n"a\t1\n'))[0].text == '"a'
    assert inputs.read(f"a.txt{suffix}", pack(b"a\nb\n"))[0].text == "a\nb\n"
    assert len(inputs.read(f"b.txt{suffix}", pack(b"a\nb\n"), lines=True)) == 2
    assert inputs.read(f"a.json{suffix}", pack(b'[{"text": "a"}]'))[0].text == "a"


@pytest.mark.parametrize("suffix", PACK)
def test_truncated_packed_file_stops_after_what_could_be_read(inputs, suffix):
    data = PACK[suffix](os.urandom(300_000).hex().encode() + b"\n" + LINES)
    path = inputs.write(f"a.txt{suffix}", data[: len(data) // 2])
    with pytest.raises(DataError, match=r"cut off|[Tt]runcated"):
        list(read([path], lines=True))
    report = ReadReport()
    list(read([path], lines=True, skip_bad=True, report=report))
    assert report.unreadable == 1


@pytest.mark.parametrize("suffix", PACK)
def test_file_that_is_not_packed_as_its_name_says_is_named(inputs, suffix):
    with pytest.raises(DataError, match=rf"a\.jsonl{suffix}: it cannot be read"):
        inputs.read(f"a.jsonl{suffix}", LINES)
    with pytest.raises(DataError, match="cannot be read"):
        inputs.read_folder()


def test_only_line_formats_may_be_packed():
    assert format_of("a.csv.GZ") is format_of("b.CSV")
    assert format_of("a.parquet.gz") is None
    assert format_of("a.gz") is None


class Stdin:
    def __init__(self, data):
        self.buffer = io.BufferedReader(io.BytesIO(data))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'\n{"text": "a"}\n{"text": "b"}\n', ["a", "b"]),
        (b"one\n\ntwo", ["one", "", "two"]),
        (b"\nlater\n", ["", "later"]),
        (b"{curly} text\n", ["{curly} text"]),
        (b"", []),
    ],
)
def test_standard_input_is_records_or_lines(monkeypatch, data, expected):
    stdin = Stdin(data)
    monkeypatch.setattr(sys, "stdin", stdin)
    documents = list(read(["-"]))
    assert [document.text for document in documents] == expected
    assert not stdin.buffer.closed
    if expected == ["one", "", "two"]:
        assert [document.id for document in documents] == ["-:1", "-:2", "-:3"]


def test_bad_record_on_standard_input_names_its_line(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin(b'{"text": "a"}\n{"text\n'))
    with pytest.raises(DataError, match="-, line 2: this is not JSON"):
        list(read(["-"]))


def test_named_pipe_is_read_like_standard_input(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"one\ntwo\n",))
    writer.start()
    assert [document.text for document in read([str(pipe)])] == ["one", "two"]
    writer.join()
