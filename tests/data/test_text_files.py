"""Plain text, Markdown, reStructuredText and HTML."""

import gzip

import pytest

from vecloom.data import context, read
from vecloom.errors import DataError


def test_text_file_is_one_document(inputs):
    (document,) = inputs.read("a.txt", "One.\r\nTwo.\rThree.\n")
    assert document.text == "One.\nTwo.\nThree.\n"
    assert document.id == document.source == str(inputs.folder / "a.txt")
    assert document.position == 1


def test_lines_give_one_document_each_with_empty_ones(inputs):
    documents = inputs.read("a.txt", "one\n\r\n\nfour", lines=True)
    assert [document.text for document in documents] == ["one", "", "", "four"]
    assert [document.position for document in documents] == [1, 2, 3, 4]
    assert documents[3].id.endswith("a.txt:4")
    assert inputs.report.empty_texts == 2


def test_named_file_of_unknown_kind_is_plain_text(inputs):
    assert inputs.read("NOTES", "hello")[0].text == "hello"


def test_empty_and_blank_files_are_counted(inputs):
    assert inputs.read("a.txt", b"") == []
    assert inputs.read("b.txt", b" \n\n") == []
    assert inputs.report.empty_files == 1


def test_invalid_utf8_is_replaced_and_its_line_is_shown(inputs):
    (document,) = inputs.read("a.txt", b"good\nbad \xff byte\n")
    assert document.text == "good\nbad \ufffd byte\n"
    assert inputs.report.invalid_utf8_at == [f"{document.source}:2"]
    assert [one.text for one in inputs.read("a.txt", lines=True)] == ["good", "bad \ufffd byte"]
    assert inputs.report.invalid_utf8_at == [f"{document.source}:2"]


def test_byte_order_marks_are_dropped(inputs):
    assert inputs.read("a.txt", b"\xef\xbb\xbfhello")[0].text == "hello"
    assert inputs.read("a.txt", b"\xef\xbb\xbfhello", lines=True)[0].text == "hello"
    assert inputs.read("b.txt", "grüße".encode("utf-16"))[0].text == "grüße"


@pytest.mark.parametrize("lines", [False, True])
def test_binary_file_stops_when_named_and_is_counted_in_a_folder(inputs, lines):
    with pytest.raises(DataError, match="binary"):
        inputs.read("a.txt", b"PK\0\0", lines=lines)
    assert inputs.read_folder(lines=lines) == []
    assert (inputs.report.binary, inputs.report.unreadable) == (1, 0)
    assert inputs.read("a.txt", skip_bad=True, lines=lines) == []


def test_nul_beyond_the_head_of_a_text_is_removed_and_counted(inputs):
    (document,) = inputs.read("a.txt", b"x" * 10_000 + b"\0y")
    assert document.text == "x" * 10_000 + "y"
    assert inputs.report.nul_bytes == 1


def test_text_file_too_large_for_one_document_is_refused_but_its_lines_are_read(inputs, monkeypatch):
    monkeypatch.setattr(context, "MAX_BYTES", 20)
    with pytest.raises(DataError, match="more than 20 bytes"):
        inputs.read("a.txt", "a short line\n" * 3)
    assert len(inputs.read("a.txt", lines=True)) == 3


def test_right_to_left_and_emoji_come_through(inputs):
    text = "שלום עולם — مرحبا 👩‍👩‍👧‍👦 🇩🇪"
    assert inputs.read("a.txt", text)[0].text == text


def test_markdown_front_matter_becomes_fields(inputs):
    text = "---\ntitle: 'Tea: a book'\nyear: 2021\ndraft: false\ntags: [a, b]\nnested: {x: 1}\n---\n# Brewing\n\nBoil."
    (document,) = inputs.read("a.md", text)
    assert document.text == "# Brewing\n\nBoil."
    assert document.title == "Tea: a book"
    assert document.fields == {"year": 2021, "draft": False, "tags": ["a", "b"], "nested": '{"x": 1}'}


def test_markdown_title_is_the_first_heading(inputs):
    assert inputs.read("a.md", "Intro\n\n## The *second*\n\n# First")[0].title == "The second"


def test_horizontal_rule_is_no_front_matter(inputs):
    text = "---\n\nBetween rules: text\n\n---\n"
    assert inputs.read("a.md", text)[0].text == text


def test_rst_title_is_the_first_section(inputs):
    assert inputs.read("a.rst", "Tea\n===\n\nBoil.\n")[0].title == "Tea"


HTML = """<html><head><title>Tea &amp; more</title><style>p {color: red}</style></head><body>
<script>alert(1)</script><h2>Brewing</h2><p>Boil <b>water</b>.</p><ul><li>one</li></ul>
<table><tr><th>a</th></tr><tr><td>1</td></tr></table></body></html>"""


def test_html_becomes_markdown_without_scripts(inputs):
    (document,) = inputs.read("a.html", HTML)
    assert document.title == "Tea & more"
    assert "## Brewing" in document.text
    assert "Boil **water**." in document.text
    assert "| a |" in document.text
    assert "alert" not in document.text
    assert "color" not in document.text


def test_html_in_another_charset_is_read_by_its_declaration(inputs):
    assert inputs.read("a.html", '<meta charset="iso-8859-1"><p>Grüße</p>'.encode("latin-1"))[0].text == "Grüße"
    assert inputs.report.invalid_utf8 == 0


def test_html_nested_too_deeply_is_a_bad_file(inputs):
    with pytest.raises(DataError, match="too deeply"):
        inputs.read("a.html", "<div>" * 5_000 + "x")
    assert inputs.read_folder() == []
    assert inputs.report.unreadable == 1


def test_html_without_text_is_counted_as_empty(inputs):
    assert inputs.read("a.html", "<script>x</script>") == []
    assert inputs.report.empty_files == 1


def test_reading_starts_only_when_asked(inputs):
    path = inputs.write("a.jsonl", '{"text": "a"}\nbroken\n')
    documents = read([path])
    assert next(documents).text == "a"
    with pytest.raises(DataError, match="line 2"):
        next(documents)


def test_log_is_one_document_in_a_folder_though_it_is_not_prose_packed_or_not(inputs):
    log = "2026-01-02T03:04:05Z [7] a=1 b=2\n2026-01-02T03:04:06Z [7] a=3 b=4\n"
    inputs.write("a.log", log)
    inputs.write("b.log.gz", gzip.compress(log.encode()))
    assert [document.text.split() for document in inputs.read_folder()] == [log.split()] * 2
    assert [document.position for document in inputs.read("a.log", lines=True)] == [1, 2]


def test_log_that_is_too_large_for_one_document_is_an_error_if_named(inputs, monkeypatch):
    monkeypatch.setattr("vecloom.data.context.MAX_BYTES", 10)
    with pytest.raises(DataError, match="more than 10 bytes"):
        inputs.read("a.log", "one two three four")
