import importlib.util
import zipfile

import pytest

from vecloom.data.formats import office
from vecloom.errors import DataError, MissingExtraError

NEEDED = all(importlib.util.find_spec(name) for name in ("markitdown", "mammoth", "pdfminer", "pdfplumber"))
needs_files = pytest.mark.skipif(not NEEDED, reason="the extra [files] is not installed")

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"


def write_docx(path, heading, text):
    style = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>'
    body = f"<w:p>{style}<w:r><w:t>{heading}</w:t></w:r></w:p><w:p><w:r><w:t>{text}</w:t></w:r></w:p>"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{TYPES}"><Default Extension="rels" ContentType='
        f'"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" '
        f'ContentType="{MAIN}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" Type="{OFFICE}" '
        f'Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{part}')


def pdf(text):
    stream = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % len(data)
    return data + b"xref\n0 6\n0000000000 65535 f \n" + table + end


@needs_files
def test_docx_becomes_markdown_with_its_heading_as_title(inputs):
    write_docx(inputs.folder / "a.docx", "Brewing", "Boil water.")
    (document,) = inputs.read("a.docx")
    assert document.text == "# Brewing\n\nBoil water."
    assert document.title == "Brewing"
    assert inputs.report.bytes_read == (inputs.folder / "a.docx").stat().st_size


@needs_files
def test_pdf_gives_its_text(inputs):
    (document,) = inputs.read("a.pdf", pdf("Boil water slowly."))
    assert document.text == "Boil water slowly."


@needs_files
@pytest.mark.parametrize("name", ["a.pdf", "a.docx"])
def test_broken_file_stops_when_named_and_is_counted_in_a_folder(inputs, name):
    with pytest.raises(DataError, match=f"{name}: it cannot be converted"):
        inputs.read(name, b"%PDF-1.4\nbroken" if name == "a.pdf" else b"PK\x03\x04broken")
    assert inputs.read_folder() == []
    assert inputs.report.unreadable == 1


@pytest.mark.parametrize("name", ["a.pdf", "a.docx"])
def test_missing_converter_stops_when_the_file_is_named_and_is_counted_in_a_folder(inputs, monkeypatch, name):
    monkeypatch.setattr(office.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"vecloom\[files\]"):
        inputs.read(name, b"anything")
    assert inputs.read_folder() == []
    assert inputs.report.missing_extras == 1
