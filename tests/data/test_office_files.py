import datetime
import importlib.util

import pytest
from tests.data import made

from vecloom.data import Chunker, FieldMap
from vecloom.data.formats import sheets, zipped
from vecloom.errors import DataError

needs_sheets = pytest.mark.skipif(importlib.util.find_spec("python_calamine") is None, reason="[files] is missing")
needs_rtf = pytest.mark.skipif(importlib.util.find_spec("striprtf") is None, reason="[files] is missing")

# Presentations, written by python-pptx


def deck(inputs, name="a.pptx"):
    pptx = pytest.importorskip("pptx")
    show = pptx.Presentation()
    first = show.slides.add_slide(show.slide_layouts[0])
    first.shapes.title.text, first.placeholders[1].text = "Tea", "A talk\nby Ann"
    first.notes_slide.notes_text_frame.text = "Say hello."
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "Kinds"
    table = second.shapes.add_table(2, 2, 0, 0, 914400, 914400).table
    for place, text in enumerate(("Kind", "Degrees", "Green", "80")):
        table.cell(place // 2, place % 2).text = text
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, 9, 9).text_frame.text = "In a group"
    show.save(inputs.folder / name)
    return show


def test_slides_are_headings_with_their_texts_tables_groups_and_notes(inputs):
    deck(inputs)
    (document,) = inputs.read("a.pptx")
    assert document.text == (
        "# Tea\n\nA talk\nby Ann\n\nNotes: Say hello.\n\n# Kinds\n\nKind | Degrees\nGreen | 80\n\nIn a group"
    )
    assert document.title == "Tea"


def test_the_page_of_a_hit_is_its_slide(inputs):
    deck(inputs)
    (document,) = inputs.read("a.pptx")
    chunks = Chunker(None, max_tokens=16, overlap=0).chunk(document)
    assert {chunk.page for chunk in chunks if chunk.heading == "Tea"} == {1}
    assert {chunk.page for chunk in chunks if chunk.heading == "Kinds"} == {2}


def test_a_broken_deck_is_said(inputs):
    made.archive(inputs.folder / "a.pptx", {"x": "y"})
    with pytest.raises(DataError, match="it cannot be converted"):
        inputs.read("a.pptx")


# Spreadsheets, written by openpyxl


def book(inputs, **rows_of):
    openpyxl = pytest.importorskip("openpyxl")
    made_book = openpyxl.Workbook()
    made_book.remove(made_book.active)
    for name, rows in rows_of.items():
        sheet = made_book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made_book.save(inputs.folder / "a.xlsx")


@needs_sheets
def test_rows_of_a_table_with_a_text_column_are_records_with_typed_fields(inputs):
    when = datetime.date(2021, 3, 4)
    rows = [[], ["title", "text", "count", "share", "when", "hot"], ["Tea", "Boil water.", 3, 2.5, when, True]]
    book(inputs, Sheet=rows)
    (document,) = inputs.read("a.xlsx")
    assert (document.title, document.text) == ("Tea", "Boil water.")
    assert document.fields == {"count": 3, "share": 2.5, "when": "2021-03-04", "hot": True}
    assert type(document.fields["count"]) is int
    assert document.position == 3
    assert document.id.endswith("a.xlsx:3")


@needs_sheets
def test_rows_of_a_table_without_a_text_column_are_text_themselves(inputs):
    book(inputs, Sheet=[["City", "People"], ["Bonn", 330000], [None, None], ["Köln", None]])
    bonn, koeln = inputs.read("a.xlsx")
    assert bonn.text == "City: Bonn\nPeople: 330000"
    assert bonn.fields == {"City": "Bonn", "People": 330000}
    assert koeln.text == "City: Köln"
    assert koeln.id.endswith(":4")


@needs_sheets
def test_a_named_column_that_is_not_there_is_said_as_for_csv(inputs):
    book(inputs, Sheet=[["City", "People"], ["Bonn", 330000]])
    with pytest.raises(DataError, match="row 2: no field words; fields found: 'City', 'People'"):
        inputs.read("a.xlsx", fields=FieldMap.parse(["text=words"]))


@needs_sheets
def test_a_sheet_that_is_not_a_table_is_one_document_and_sheets_are_told_apart(inputs):
    book(inputs, Notes=[["Report of 2021"], ["Boil", "water", 3]], Data=[["id", "text"], ["n1", "Pour."]], Empty=[])
    notes, row = inputs.read("a.xlsx")
    assert notes.text == "Report of 2021\nBoil\twater\t3"
    assert notes.id.endswith("a.xlsx:Notes")
    assert notes.fields == {"sheet": "Notes"}
    assert (row.id, row.fields) == ("n1", {"sheet": "Data"})


@needs_sheets
def test_rows_of_two_sheets_have_different_ids(inputs):
    book(inputs, One=[["text", "n"], ["x", 1]], Two=[["text", "n"], ["y", 2]])
    assert len({document.id for document in inputs.read("a.xlsx")}) == 2


@needs_sheets
def test_a_formula_counts_as_its_last_value(inputs):
    openpyxl = pytest.importorskip("openpyxl")
    made_book = openpyxl.Workbook()
    for row in (["text", "sum"], ["x", "=1+1"]):
        made_book.active.append(row)
    made_book.save(inputs.folder / "b.xlsx")
    import zipfile

    with zipfile.ZipFile(inputs.folder / "b.xlsx") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = (
        parts[sheet].replace(b"<v/>", b"<v>2</v>").replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>")
    )
    made.archive(inputs.folder / "a.xlsx", parts)
    (document,) = inputs.read("a.xlsx")
    assert document.fields["sum"] == 2


@needs_sheets
def test_a_sheet_that_spans_too_many_cells_is_refused(inputs, monkeypatch):
    book(inputs, Sheet=[["a", "b"], ["x", "y"]])
    monkeypatch.setattr(sheets, "MOST_CELLS", 3)
    with pytest.raises(DataError, match="spans more than 3 cells"):
        inputs.read("a.xlsx")


@needs_sheets
@pytest.mark.parametrize("name", ["a.xlsx", "a.ods"])
def test_a_broken_or_oversized_spreadsheet_is_said(inputs, monkeypatch, name):
    with pytest.raises(DataError, match="it cannot be converted"):
        inputs.read(name, b"PK\x03\x04 broken")
    made.archive(inputs.folder / name, {"x": "y" * 5000})
    with pytest.raises(DataError, match="it cannot be converted"):
        inputs.read(name)
    monkeypatch.setattr(zipped, "LIMIT", 4000)
    with pytest.raises(DataError, match="it unpacks to 5,000 bytes"):
        inputs.read(name)


@needs_sheets
def test_a_spreadsheet_of_opendocument_is_read(inputs):
    # calamine knows the elements by their usual prefixes
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    cells = "".join(
        "<table:table-row>" + "".join(cell.format(c) for c in row) + "</table:table-row>"
        for row in (("title", "text"), ("Tea", "Boil."))
    )
    office = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<office:document-content xmlns:office="{office}:office:1.0" xmlns:table="{office}:table:1.0" '
        f'xmlns:text="{office}:text:1.0"><office:body>'
        f'<office:spreadsheet><table:table table:name="S">{cells}</table:table></office:spreadsheet>'
        "</office:body></office:document-content>"
    )
    manifest = f'<m:manifest xmlns:m="{office}:manifest:1.0"/>'
    mime = "application/vnd.oasis.opendocument.spreadsheet"
    made.archive(inputs.folder / "a.ods", {"mimetype": mime, "META-INF/manifest.xml": manifest, "content.xml": content})
    (document,) = inputs.read("a.ods")
    assert (document.title, document.text) == ("Tea", "Boil.")


# OpenDocument texts


def odt(inputs, body, **parts):
    office = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<o:document-content xmlns:o="{office}:office:1.0" xmlns:t="{office}:text:1.0" xmlns:b="{office}:table:1.0">'
        f"<o:body><o:text>{body}</o:text></o:body></o:document-content>"
    )
    meta = f'<o:m xmlns:o="{office}:office:1.0" xmlns:dc="urn:dc"><dc:title>On Tea</dc:title></o:m>'
    made.archive(inputs.folder / "a.odt", {"content.xml": content, "meta.xml": meta, **parts})
    return inputs.read("a.odt")


def test_an_opendocument_text_becomes_markdown(inputs):
    (document,) = odt(
        inputs,
        '<t:tracked-changes><t:p>deleted</t:p></t:tracked-changes><t:h t:outline-level="2">Brew<t:span>ing</t:span></t:h>'
        '<t:p>Boil<t:s t:c="2"/>water<t:note><t:note-citation>1</t:note-citation><t:note-body><t:p>hot</t:p></t:note-body>'
        "</t:note>.<t:line-break/>Pour.</t:p><t:list><t:list-item><t:p>one</t:p></t:list-item><t:list-item><t:p>two</t:p>"
        "</t:list-item></t:list><b:table><b:table-row><b:table-cell><t:p>a</t:p></b:table-cell><b:table-cell><t:p>b</t:p>"
        "</b:table-cell></b:table-row></b:table>",
    )
    assert document.text == "## Brewing\n\nBoil  water (hot).\nPour.\n\n- one\n- two\n\na | b"
    assert document.title == "On Tea"


def test_an_encrypted_opendocument_text_is_said(inputs):
    with pytest.raises(DataError, match="it is encrypted"):
        odt(inputs, "<t:p>x</t:p>", **{"META-INF/manifest.xml": "<m><encryption-data/></m>"})


# Rich text


@needs_rtf
def test_rich_text_gives_its_text_and_title(inputs):
    data = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\info{\title On Tea}}\f0 Gr\'fcner \b Tee\b0\par Pour\u8212?now.}"
    (document,) = inputs.read("a.rtf", data)
    assert document.text.split("\n") == ["Grüner Tee", "Pour—now."]
    assert document.title == "On Tea"


@needs_rtf
def test_what_is_not_rich_text_is_said(inputs):
    with pytest.raises(DataError, match="this is not RTF"):
        inputs.read("a.rtf", "just words")
