"""Rows of data sets for training and evaluation: nothing is repaired, and nothing is lost in silence."""

import gzip

import pytest

from vecloom.data.rows import read
from vecloom.errors import DataError


def rows(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return [(row.line, row.values) for row in read(path)]


TABLE = "text,label\nGrüße,007\n"
LINES = '{"text": "Grüße", "label": "007"}\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_tables_and_lines_in_any_unicode_are_read_and_codes_stay_text(tmp_path, encoding):
    expected = {"text": "Grüße", "label": "007"}
    assert rows(tmp_path, "a.csv", TABLE.encode(encoding)) == [(2, expected)]
    assert rows(tmp_path, "a.tsv", TABLE.replace(",", "\t").encode(encoding)) == [(2, expected)]
    assert rows(tmp_path, "a.jsonl", LINES.encode(encoding)) == [(1, expected)]
    assert rows(tmp_path, "a.csv.gz", gzip.compress(TABLE.encode(encoding))) == [(2, expected)]


def test_latin_1_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.csv is not UTF-8"):
        rows(tmp_path, "a.csv", TABLE.encode("latin-1"))


def test_marks_inside_joined_files_are_dropped(tmp_path):
    assert len(rows(tmp_path, "a.jsonl", f"\ufeff{LINES}\ufeff{LINES}")) == 2


@pytest.mark.parametrize(
    "data", ['text,label\n"a,1\nb,2\n', 'text,label\n"a" x,1\nb,2\n', "text,label\na\n", "text,label\na,1,2\n"]
)
def test_a_row_that_cannot_be_read_stops_with_its_line(tmp_path, data):
    with pytest.raises(DataError, match=r"a\.csv(:|, line )2"):
        rows(tmp_path, "a.csv", data)


def test_what_can_be_done_is_no_option_that_these_commands_lack(tmp_path):
    for data in ('text,label\n"a,1\nb,2\n', 'text,"label\na,1\n'):
        with pytest.raises(DataError) as caught:
            rows(tmp_path, "a.csv", data)
        assert caught.value.todo == "Check the quotes from this line on."


def test_stray_quotes_in_tsv_are_text_and_take_no_rows(tmp_path):
    assert rows(tmp_path, "a.tsv", 'text\tn\n"a\t1\nb" c\t2\n"d ""e"""\t3\n') == [
        (2, {"text": '"a', "n": "1"}),
        (3, {"text": 'b" c', "n": "2"}),
        (4, {"text": 'd "e"', "n": "3"}),
    ]


def test_tables_by_semicolons_and_cells_of_several_lines_are_read(tmp_path):
    assert rows(tmp_path, "a.csv", 'text;n\n"a\nb, c";1\nd;2\n') == [
        (2, {"text": "a\nb, c", "n": "1"}),
        (4, {"text": "d", "n": "2"}),
    ]
