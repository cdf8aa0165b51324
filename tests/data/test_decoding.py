"""UTF-16, UTF-32, Windows-1252 and joined files, in every format that is read as text."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.data.decoding import decode_line, is_binary, wide_encoding
from vecloom.data.formats import json_file

TEXT = "Grüße aus Köln – 日本 😀"
FILES = {
    "a.csv": f"id,text,city\n1,{TEXT},Köln\n",
    "a.tsv": f"id\ttext\tcity\n1\t{TEXT}\tKöln\n",
    "a.jsonl": json.dumps({"id": 1, "text": TEXT, "city": "Köln"}, ensure_ascii=False) + "\n",
    "a.json": json.dumps([{"id": 1, "text": TEXT, "city": "Köln"}], ensure_ascii=False, indent=1),
    "b.json": json.dumps({"id": 1, "text": TEXT, "city": "Köln"}, ensure_ascii=False),
}
WIDE = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("name", FILES)
def test_records_in_utf16_and_utf32_are_read_with_and_without_a_mark(inputs, name, encoding, marked):
    written = FILES[name]
    if marked and not encoding.endswith(("16", "32")):
        written = f"\ufeff{written}"
    (document,) = inputs.read(name, written.encode(encoding))
    assert (document.id, document.text, document.fields) == ("1", TEXT, {"city": "Köln"})
    assert inputs.report.invalid_utf8 == inputs.report.nul_bytes == 0


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_records_in_utf16_are_read_from_gzip_and_in_small_pieces(inputs, name, monkeypatch):
    monkeypatch.setattr(json_file, "PIECE", 3)
    (document,) = inputs.read(f"{name}.gz", gzip.compress(FILES[name].encode("utf-16")))
    assert document.text == TEXT


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.rst", "a.html"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_documents_in_utf16_and_utf32_are_read(inputs, name, encoding):
    (document,) = inputs.read(name, TEXT.encode(encoding))
    assert document.text == TEXT


def test_lines_of_a_text_in_utf16_keep_their_numbers(inputs):
    documents = inputs.read("a.txt", "eins\r\nzwölf\nдва".encode("utf-16"), lines=True)
    assert [(one.position, one.text) for one in documents] == [(1, "eins"), (2, "zwölf"), (3, "два")]


def test_half_a_character_at_the_end_of_utf16_is_replaced_and_counted(inputs):
    (document,) = inputs.read("a.csv", "text\nGrüße".encode("utf-16") + b"\x00")
    assert document.text == "Grüße\ufffd"
    assert inputs.report.invalid_utf8 == 1


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "b.json"])
def test_latin_1_is_read_and_said(inputs, name):
    written = FILES[name].replace(TEXT, "Grüße aus Köln – für 5 €")
    (document,) = inputs.read(name, written.encode("cp1252"))
    assert (document.text, document.fields) == ("Grüße aus Köln – für 5 €", {"city": "Köln"})
    assert (inputs.report.windows_1252, inputs.report.invalid_utf8) == (1, 0)
    assert "read as Windows-1252 in 1 place (at " in inputs.report.summary()


def test_text_in_latin_1_is_counted_once_a_file_and_once_a_line(inputs):
    data = "Grüße\nohne\nKöln".encode("latin-1")
    assert inputs.read("a.txt", data)[0].text == "Grüße\nohne\nKöln"
    assert inputs.report.windows_1252 == 1
    assert [one.text for one in inputs.read("a.txt", lines=True)] == ["Grüße", "ohne", "Köln"]
    assert [place[-2:] for place in inputs.report.windows_1252_at] == [":1", ":3"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("déjà vu à Noël, ça va".encode("cp1252"), "déjà vu à Noël, ça va"),
        ("È l’università".encode("cp1252"), "È l’università"),
        ("SÃO PAULO".encode("cp1252"), "SÃO PAULO"),
        ("50 €, 20 °C".encode("cp1252"), "50 €, 20 °C"),
        (b"lone \xff byte", "lone \ufffd byte"),
        (b"caf\xc3", "caf\ufffd"),  # the first byte of a character in UTF-8 whose second was cut off
        ("Grüße".encode() + b" K\xf6ln", "Grüße K\ufffdln"),  # UTF-8 with damage
        ("Привет".encode("cp1251"), "\ufffd" * 6),  # letters, but not of words
        ("Grüße".encode(), "Grüße"),
    ],
)
def test_bytes_beyond_utf8_are_windows_1252_only_where_they_make_words(raw, expected):
    assert decode_line(raw)[0] == expected


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_marks_inside_joined_files_are_dropped(inputs, name):
    one, two = ('{"text": "a"}\n', '{"text": "b"}\n') if name == "a.jsonl" else ("text\na\n", "b\n")
    documents = inputs.read(name, f"\ufeff{one}\ufeff{two}")
    assert [document.text for document in documents] == ["a", "b"]
    joined = gzip.compress(f"\ufeff{one}".encode()) + gzip.compress(f"\ufeff{two}".encode())
    assert [document.text for document in inputs.read(f"{name}.gz", joined)] == ["a", "b"]


def test_marks_inside_a_joined_text_are_dropped(inputs):
    assert inputs.read("a.txt", "\ufeffone\n\ufefftwo")[0].text == "one\ntwo"


def test_mark_before_a_quoted_header_is_dropped(inputs):
    (document,) = inputs.read("a.csv", '\ufeff"text","n"\n"a",1\n')
    assert (document.text, document.fields) == ("a", {"n": 1})


@pytest.mark.parametrize(
    "head",
    [b"PK\0\0", b"PK\x03\x04\x14\0\0\0\x08\0", b"\x7fELF\2\1\1\0\0\0\0", (1).to_bytes(4, "little") * 100, b"\0" * 64],
)
def test_binary_files_are_not_taken_for_utf16(head):
    assert is_binary(head)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=50), st.sampled_from(WIDE))
def test_marked_text_of_any_kind_is_recognised(text, encoding):
    data = (text if encoding.endswith(("16", "32")) else f"\ufeff{text}").encode(encoding)
    # a NUL behind a mark of UTF-16 would make it one of UTF-32, but there is none
    assert data.decode(wide_encoding(data)).removeprefix("\ufeff") == text
