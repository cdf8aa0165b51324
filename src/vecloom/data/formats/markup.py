"""Markdown and reStructuredText: one document a file, the first heading as its title.

Markdown may start with YAML front matter between two lines of "---": its simple ``key: value`` lines become the
document's fields (``title`` its title), and the text starts below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from vecloom.data.context import Context, Source
from vecloom.data.fields import number
from vecloom.data.formats import plain
from vecloom.data.headings import markdown_headings, rst_headings
from vecloom.data.records import Document, Scalar

# a key has to follow: a file may as well start with a horizontal rule
_FRONT = re.compile(r"---[ \t]*\n(?=[A-Za-z_][\w .-]*:)(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_PAIR = re.compile(r"([A-Za-z_][\w .-]*?)[ \t]*:[ \t]+(\S.*)")
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None, "~": None}


def read_markdown(source: Source, context: Context) -> Iterator[Document]:
    """Read a Markdown file."""
    text = plain.load(source, context)
    if text is not None:
        fields, body = front_matter(text)
        title = fields.pop("title", None)
        yield markdown_document(body, source, str(title or ""), fields)


def markdown_document(
    text: str, source: Source, title: str = "", fields: Mapping[str, Scalar] | None = None
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


def front_matter(text: str) -> tuple[dict[str, Scalar], str]:
    r"""Split Markdown into the fields of its front matter and the text below it.

    >>> front_matter("---\ntitle: Tea\nyear: 2021\n---\nBoil water.")
    ({'title': 'Tea', 'year': 2021}, 'Boil water.')
    """
    found = _FRONT.match(text)
    if not found:
        return {}, text
    pairs = (_PAIR.fullmatch(line) for line in found[1].splitlines())
    return {pair[1]: _value(pair[2].strip()) for pair in pairs if pair}, text[found.end() :]


def _value(written: str) -> Scalar:
    if len(written) > 1 and written[0] == written[-1] and written[0] in "'\"":
        return written[1:-1]
    return _WORDS[written.lower()] if written.lower() in _WORDS else number(written)
