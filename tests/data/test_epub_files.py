import pytest
from tests.data import made

from vecloom.data import Chunker
from vecloom.data.formats import zipped
from vecloom.errors import DataError

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def page(body):
    return f'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{body}</body></html>'


def write(inputs, chapters, contents="", spine=None, **more):
    """A book of ``chapters`` (file name to body), read in the order of ``spine``."""
    items = "".join(
        f'<item id="i{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(chapters)
    )
    order = "".join(f'<itemref idref="i{n}"/>' for n in (range(len(chapters)) if spine is None else spine))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        "<dc:title>On Tea</dc:title><dc:creator>Ann</dc:creator><dc:language>en</dc:language></metadata><manifest>"
        f'{items}<item id="toc" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
        f'<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/></manifest>'
        f'<spine toc="toc"><itemref idref="nav"/>{order}</spine></package>'
    )
    parts = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "OPS/book.opf": package, **more}
    parts |= {f"OPS/{name.replace('%20', ' ')}": page(body) for name, body in chapters.items()}
    if contents:
        parts["OPS/toc.ncx"] = f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{contents}</navMap></ncx>'
    made.archive(inputs.folder / "a.epub", parts)


def test_a_book_is_one_document_with_its_chapters_in_reading_order(inputs):
    write(inputs, {"b.xhtml": "<h1>Two</h1><p>Pour.</p>", "a.xhtml": "<h1>One</h1><p>Boil.</p>"}, spine=[1, 0])
    (document,) = inputs.read("a.epub")
    assert document.text == "# One\n\nBoil.\n\n# Two\n\nPour."
    assert document.title == "On Tea"
    assert document.fields == {"author": "Ann", "language": "en"}
    assert Chunker(None, max_tokens=8, overlap=0).chunk(document)[-1].heading == "Two"


def test_a_chapter_without_heading_gets_its_name_in_the_contents(inputs):
    entry = '<navPoint><navLabel><text>{}</text></navLabel><content src="{}"/></navPoint>'
    contents = entry.format("First steps", "part%20one.xhtml#top") + entry.format("Unused", "b.xhtml")
    write(inputs, {"part%20one.xhtml": "<p>Boil.</p>", "b.xhtml": "<h2>Own</h2><p>Pour.</p>"}, contents)
    (document,) = inputs.read("a.epub")
    assert document.text == "# First steps\n\nBoil.\n\n## Own\n\nPour."


def test_the_contents_of_version_3_name_chapters_too_and_are_not_text(inputs):
    nav = page('<nav><ol><li><a href="a.xhtml">First steps</a></li></ol></nav>')
    write(inputs, {"a.xhtml": "<p>Boil.</p>"}, **{"OPS/nav.xhtml": nav})
    (document,) = inputs.read("a.epub")
    assert document.text == "# First steps\n\nBoil."


def test_a_protected_book_is_said_and_one_with_protected_fonts_is_read(inputs):
    cipher = '<encryption xmlns:e="urn:e"><e:CipherReference URI="OPS/{}"/></encryption>'
    write(inputs, {"a.xhtml": "<p>Boil.</p>"}, **{"META-INF/encryption.xml": cipher.format("font.otf")})
    assert len(inputs.read("a.epub")) == 1
    write(inputs, {"a.xhtml": "<p>Boil.</p>"}, **{"META-INF/encryption.xml": cipher.format("a.xhtml")})
    with pytest.raises(DataError, match="protected against copying"):
        inputs.read("a.epub")


def test_a_book_that_unpacks_to_too_much_is_counted(inputs, monkeypatch):
    write(inputs, {"a.xhtml": f"<p>{'x' * 9000}</p>"})
    monkeypatch.setattr(zipped, "LIMIT", 8000)
    assert inputs.read_folder() == []
    assert inputs.report.unreadable == 1


def test_a_broken_book_is_said(inputs):
    made.archive(inputs.folder / "a.epub", {"mimetype": "application/epub+zip"})
    with pytest.raises(DataError, match="it cannot be converted"):
        inputs.read("a.epub")
