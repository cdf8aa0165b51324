"""HTML pages: converted to Markdown, so that headings, lists and tables keep their meaning for the splitter."""

from __future__ import annotations

from collections.abc import Iterator

from vecloom.data.context import Context, Source
from vecloom.data.decoding import decode_file
from vecloom.data.formats import plain
from vecloom.data.formats.markup import markdown_document
from vecloom.data.records import Document

_NO_TEXT = ("head", "script", "style", "noscript", "template", "svg")


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one page: its <title> is the title, scripts and styles are left out."""
    from bs4.dammit import EncodingDetector

    data = plain.load_bytes(source, context)
    if data is None:
        return
    # The declared charset decides only where the bytes are no UTF-8: pages are often converted without their header.
    encoding = None if _is_utf8(data) else EncodingDetector.find_declared_encoding(data, is_html=True)
    try:
        title, text = to_markdown(decode_file(data, source, context, encoding))
    except RecursionError:
        context.bad_file(source, "its tags are nested too deeply to be read.")
        return
    if text:
        yield markdown_document(text, source, title)
    else:
        context.report.empty_files += 1


def to_markdown(html: str) -> tuple[str, str]:
    """Return the title and the body as Markdown.

    Raises:
        RecursionError: the tags are nested too deeply.
    """
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    soup = BeautifulSoup(html, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    for tag in soup(_NO_TEXT):
        tag.decompose()
    return title, str(MarkdownConverter(heading_style="ATX").convert_soup(soup)).strip()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
