import importlib.util
import zipfile

import pytest
from tests.data import made

from vecloom.data.formats import optional, zipped
from vecloom.errors import DataError, MissingExtraError

needs_files = pytest.mark.skipif(importlib.util.find_spec("mammoth") is None, reason="the extra [files] is missing")


@needs_files
def test_docx_becomes_markdown_with_its_heading_as_title(inputs):
    made.docx(inputs.folder / "a.docx", made.heading("Brewing") + made.paragraph("Boil water."))
    (document,) = inputs.read("a.docx")
    assert document.text == "# Brewing\n\nBoil water."
    assert document.title == "Brewing"
    assert inputs.report.bytes_read == (inputs.folder / "a.docx").stat().st_size


@needs_files
def test_title_of_the_properties_comes_before_the_first_heading(inputs):
    made.docx(inputs.folder / "a.docx", made.heading("Brewing") + made.paragraph("Boil."), title="On Tea &amp; Water")
    (document,) = inputs.read("a.docx")
    assert document.title == "On Tea & Water"


@needs_files
def test_an_equation_is_read_as_its_text(inputs):
    parts = "".join(f"<m:r><m:t>{part}</m:t></m:r>" for part in ("E", "=", "mc"))
    body = f"<w:p><w:r><w:t>Energy:</w:t></w:r><m:oMath>{parts}</m:oMath><w:r><w:t>holds.</w:t></w:r></w:p>"
    made.docx(inputs.folder / "a.docx", body)
    (document,) = inputs.read("a.docx")
    assert document.text.split() == ["Energy:", "E=mc", "holds."]


@needs_files
def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(inputs, monkeypatch):
    made.docx(inputs.folder / "a.docx", made.paragraph("x" * 5000))
    monkeypatch.setattr(zipped, "LIMIT", 4000)
    with pytest.raises(DataError, match=r"a\.docx: it unpacks to 5,\d{3} bytes in 3 parts, too many"):
        inputs.read("a.docx")
    assert inputs.read_folder() == []
    assert inputs.report.unreadable == 1


@needs_files
def test_an_archive_that_lies_about_its_size_is_broken(inputs):
    made.docx(inputs.folder / "a.docx", made.paragraph("x" * 5000))
    data = (inputs.folder / "a.docx").read_bytes()
    with zipfile.ZipFile(inputs.folder / "a.docx") as archive:
        size = archive.getinfo("word/document.xml").file_size
    lying = data.replace(size.to_bytes(4, "little"), (40).to_bytes(4, "little"))
    assert lying != data
    with pytest.raises(DataError, match="it cannot be converted"):
        inputs.read("b.docx", lying)


@needs_files
def test_xml_that_declares_entities_is_refused(inputs):
    made.docx(inputs.folder / "a.docx", made.paragraph("&e;"))
    with zipfile.ZipFile(inputs.folder / "a.docx") as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    body = parts["word/document.xml"]
    parts["word/document.xml"] = body.replace("<w:document", '<!DOCTYPE x [<!ENTITY e "harmless">]><w:document', 1)
    made.archive(inputs.folder / "b.docx", parts)
    with pytest.raises(DataError, match="its XML declares entities"):
        inputs.read("b.docx")


@needs_files
def test_an_encrypted_or_old_file_under_a_new_name_is_said(inputs):
    with pytest.raises(DataError, match="it is encrypted, or in an older format"):
        inputs.read("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))


@needs_files
@pytest.mark.parametrize("data", [b"PK\x03\x04broken", b"just words"])
def test_broken_file_stops_when_named_and_is_counted_in_a_folder(inputs, data):
    with pytest.raises(DataError, match=r"a\.docx: it cannot be converted"):
        inputs.read("a.docx", data)
    assert inputs.read_folder() == []
    assert inputs.report.unreadable == 1


@needs_files
def test_a_file_without_its_main_part_is_broken(inputs):
    made.archive(inputs.folder / "a.docx", {"readme.txt": "hello"})
    with pytest.raises(DataError, match="it cannot be converted"):
        inputs.read("a.docx")


@pytest.mark.parametrize("name", ["a.pdf", "a.docx"])
def test_missing_converter_stops_when_the_file_is_named_and_is_counted_in_a_folder(inputs, monkeypatch, name):
    monkeypatch.setattr(optional.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"vecloom\[files\]"):
        inputs.read(name, b"anything")
    assert inputs.read_folder() == []
    assert inputs.report.missing_extras == 1
    assert "pip install 'vecloom[files]'" in inputs.report.notes[0]
