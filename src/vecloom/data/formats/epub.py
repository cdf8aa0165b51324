"""Books (.epub, 2 and 3): one Markdown document, its chapters in the order in which they are read.

A chapter without a heading of its own gets its name in the table of contents as one.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

from vecloom.data.context import Context, Source
from vecloom.data.fields import clean
from vecloom.data.formats import html, zipped
from vecloom.data.formats.markup import markdown_document
from vecloom.data.formats.zipped import BadArchiveError, local, parse, part, resolve
from vecloom.data.headings import markdown_headings
from vecloom.data.records import Document, Scalar

_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_FIELDS = {"creator": "author", "language": "language", "date": "date", "publisher": "publisher"}


class _Book(NamedTuple):
    """What the package says: metadata, names of the chapters' parts, and what the contents call them."""

    metadata: dict[str, str]
    chapters: list[str]
    labels: dict[str, str]


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one book; author, language, date and publisher are fields.

    Raises:
        DataError: the file is broken or protected, and the user named it.
    """
    converted = zipped.read(source, context, _convert)
    if converted is None:
        return
    book, text = converted
    if not text:
        context.report.empty_files += 1
        context.report.note(f"{source.name}: it holds no text.")
        return
    fields: dict[str, Scalar] = {name: book.metadata[key] for key, name in _FIELDS.items() if key in book.metadata}
    yield markdown_document(text, source, book.metadata.get("title", ""), fields)


def _convert(archive: zipfile.ZipFile) -> tuple[_Book, str]:
    _refuse_protected(archive)
    book = _package(archive)
    chapters = [text for name in book.chapters if (text := _chapter(archive, name, book.labels))]
    return book, clean("\n\n".join(chapters)).strip()


def _refuse_protected(archive: zipfile.ZipFile) -> None:
    data = part(archive, "META-INF/encryption.xml")
    names = [item.get("URI", "") for item in parse(data).iter() if local(item) == "CipherReference"] if data else []
    if any(name.lower().endswith((".xhtml", ".html", ".htm", ".xml")) for name in names):  # others are fonts
        raise BadArchiveError("it is protected against copying (DRM)")


def _package(archive: zipfile.ZipFile) -> _Book:
    container = parse(archive.read("META-INF/container.xml"))
    root = next((item.get("full-path", "") for item in container.iter() if local(item) == "rootfile"), "")
    package = parse(archive.read(root))
    metadata: dict[str, str] = {}
    items: dict[str, Element] = {}
    for item in package.iter():
        if local(item) in ("title", *_FIELDS) and (item.text or "").strip():
            metadata.setdefault(local(item), " ".join((item.text or "").split()))
        elif local(item) == "item":
            items[item.get("id", "")] = item
    spine = [
        items[ref] for item in package.iter() if (ref := item.get("idref", "")) in items and local(item) == "itemref"
    ]
    chapters = [
        resolve(root, item.get("href", ""))
        for item in spine
        if item.get("media-type") in _PAGES and "nav" not in item.get("properties", "").split()
    ]
    return _Book(metadata, chapters, _labels(archive, root, list(items.values())))


def _labels(archive: zipfile.ZipFile, root: str, items: list[Element]) -> dict[str, str]:
    """What the table of contents calls each part; the first entry for it counts."""
    labels: dict[str, str] = {}
    for item in items:
        is_nav = "nav" in item.get("properties", "").split()
        if not is_nav and item.get("media-type") != "application/x-dtbncx+xml":
            continue
        name = resolve(root, item.get("href", ""))
        data = part(archive, name)
        try:
            tree = parse(data) if data else None
        except ParseError:
            continue
        for target, label in _entries(tree) if tree is not None else ():
            labels.setdefault(resolve(name, target), label)
    return labels


def _entries(tree: Element) -> Iterator[tuple[str, str]]:
    for entry in tree.iter():
        if local(entry) == "a" and entry.get("href"):
            yield entry.get("href", ""), " ".join("".join(entry.itertext()).split())
        elif local(entry) == "navPoint":
            target = next((child.get("src", "") for child in entry if local(child) == "content"), "")
            label = next((child for child in entry if local(child) == "navLabel"), None)
            yield target, " ".join("".join(label.itertext()).split()) if label is not None else ""


def _chapter(archive: zipfile.ZipFile, name: str, labels: dict[str, str]) -> str:
    data = part(archive, name)
    if data is None:
        return ""
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    _, text = html.to_markdown(data.decode(encoding, "replace"))
    if text and labels.get(name) and next(markdown_headings(text), None) is None:
        return f"# {labels[name]}\n\n{text}"
    return text
