"""OpenDocument texts (.odt): one Markdown document with headings, lists, tables and notes; deleted text is left out."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from vecloom.data.context import Context, Source
from vecloom.data.fields import clean
from vecloom.data.formats import zipped
from vecloom.data.formats.markup import markdown_document
from vecloom.data.formats.zipped import BadArchiveError, local, parse, part
from vecloom.data.records import Document

_NOT_READ = ("tracked-changes", "annotation", "sequence-decls", "forms", "table-of-content", "note-citation")
_OUTLINE = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}outline-level"
_COUNT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}c"


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one file; its title is that of its properties, else the first heading.

    Raises:
        DataError: the file is broken or encrypted, and the user named it.
    """
    converted = zipped.read(source, context, _convert)
    if converted is None:
        return
    title, text = converted
    if text:
        yield markdown_document(text, source, title)
    else:
        context.report.empty_files += 1
        context.report.note(f"{source.name}: it holds no text.")


def _convert(archive: zipfile.ZipFile) -> tuple[str, str]:
    if b"encryption-data" in (part(archive, "META-INF/manifest.xml") or b""):
        raise BadArchiveError("it is encrypted and opens with a password only")
    about = part(archive, "meta.xml")
    titles = [item.text or "" for item in parse(about).iter() if local(item) == "title"] if about else []
    body = next((item for item in parse(archive.read("content.xml")).iter() if local(item) == "body"), None)
    blocks = list(_blocks(body)) if body is not None else []
    return " ".join(clean(titles[0] if titles else "").split()), clean("\n\n".join(blocks)).strip()


def _blocks(element: Element) -> Iterator[str]:
    for child in element:
        name = local(child)
        if name in _NOT_READ:
            continue
        if name in ("h", "p"):
            text = _text(child).strip()
            level = int(child.get(_OUTLINE, "1")) if name == "h" else 0
            if text:
                yield f"{'#' * min(level, 6)} {' '.join(text.split())}" if level else text
        elif name == "list":
            items = [" ".join(_blocks(item)) for item in child if local(item) in ("list-item", "list-header")]
            yield "\n".join(f"- {item}" for item in items if item)
        elif name == "table-row":
            cells = [" ".join(" ".join(_blocks(cell)).split()) for cell in child if local(cell).endswith("table-cell")]
            yield " | ".join(cells)
        else:
            yield from _blocks(child)


def _text(element: Element) -> str:
    """The text of a paragraph, with its tabs, blanks and line ends; a note in brackets where its mark is."""
    parts = [element.text or ""]
    for child in element:
        name = local(child)
        if name == "s":
            parts.append(" " * int(child.get(_COUNT, "1")))
        elif name in ("tab", "line-break"):
            parts.append("\t" if name == "tab" else "\n")
        elif name == "note":
            parts.append(f" ({' '.join(' '.join(_blocks(child)).split())})")
        elif name == "frame":
            parts.append(" ".join(_blocks(child)))
        elif name not in _NOT_READ:
            parts.append(_text(child))
        parts.append(child.tail or "")
    return "".join(parts)
