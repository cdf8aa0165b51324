"""Markdown and reStructuredText: one document a file, the first heading as its title.

Markdown may start with front matter (see ``front_matter``): it becomes the document's fields, ``title`` its title, and
the text starts below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vecloom.data.context import Context, Source
from vecloom.data.formats import plain
from vecloom.data.formats.front_matter import front_matter, title_of
from vecloom.data.headings import markdown_headings, rst_headings
from vecloom.data.records import Document, FieldValue


def read_markdown(source: Source, context: Context) -> Iterator[Document]:
    """Read a Markdown file."""
    text = plain.load(source, context)
    if text is not None:
        fields, body, wrong = front_matter(text)
        if wrong:
            context.report.note(f"{source.name}: {wrong}")
        yield markdown_document(body, source, title_of(fields), fields)


def markdown_document(
    text: str, source: Source, title: str = "", fields: Mapping[str, FieldValue] | None = None
) -> Document:
    """Make a document of Markdown text; without a title its first heading is taken."""
    return Document(
        id=source.name,
        text=text,
        title=title or next((heading.text for heading in markdown_headings(text)), ""),
        source=source.name,
        fields=fields or {},
    )


def read_rst(source: Source, context: Context) -> Iterator[Document]:
    """Read a reStructuredText file."""
    text = plain.load(source, context)
    if text is not None:
        title = next((heading.text for heading in rst_headings(text)), "")
        yield Document(id=source.name, text=text, title=title, source=source.name)
