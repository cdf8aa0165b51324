"""Presentations (.pptx): one Markdown document; each slide's title is a heading, its notes stand below it.

The page of a hit is the number of its slide. Tables, groups, diagrams and the words of charts are read; slide numbers,
dates and footers are not.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from vecloom.data.context import Context, Source
from vecloom.data.fields import clean
from vecloom.data.formats import zipped
from vecloom.data.formats.paged import joined
from vecloom.data.formats.zipped import local, parse, part
from vecloom.data.records import Document

_DECK = "ppt/presentation.xml"
_RELATION_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_TITLES = ("title", "ctrTitle")
_NOT_READ = ("sldNum", "dt", "ftr", "hdr", "sldImg")
_NOT_A_TITLE = re.compile(r"(?i)(?:powerpoint|microsoft|office).*|presentation\d*|slide \d+|untitled.*")


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one deck; its title is that of its properties, else of its first slide.

    Raises:
        DataError: the file is broken or encrypted, and the user named it.
    """
    converted = zipped.read(source, context, _convert)
    if converted is None:
        return
    title, slides = converted
    text, starts = joined(slides)
    if not text:
        context.report.empty_files += 1
        context.report.note(f"{source.name}: it holds no text.")
        return
    first = next((line.removeprefix("# ") for line in text.split("\n") if line.startswith("# ")), "")
    yield Document(id=source.name, text=text, title=title or first, source=source.name, pages=starts)


def _convert(archive: zipfile.ZipFile) -> tuple[str, list[str]]:
    title = zipped.core_title(archive)
    relations = zipped.relations(archive, _DECK)
    deck = parse(archive.read(_DECK))
    ids = [item.get(_RELATION_ID, "") for item in deck.iter() if local(item) == "sldId"]
    slides = [_slide(archive, relations[id_][1]) for id_ in ids if id_ in relations]
    return "" if _NOT_A_TITLE.fullmatch(title) else title, slides


def _slide(archive: zipfile.ZipFile, name: str) -> str:
    data = part(archive, name)
    if data is None:
        return ""
    blocks = list(_blocks(parse(data)))
    for kind, target in zipped.relations(archive, name).values():
        other = part(archive, target) if kind in ("notesSlide", "diagramData", "chart") else None
        if other is None:
            continue
        found = "\n".join(text for _, text in _blocks(parse(other)))
        if found:
            blocks.append(("", f"Notes: {found}" if kind == "notesSlide" else found))
    titles = [" ".join(text.split()) for kind, text in blocks if kind in _TITLES]
    heads = [f"# {title}" for title in titles if title]
    return clean("\n\n".join([*heads, *(text for kind, text in blocks if kind not in _TITLES)])).strip()


def _blocks(element: Element) -> Iterator[tuple[str, str]]:
    """Texts below an element, each with the kind of its placeholder."""
    for child in element:
        name = local(child)
        if name == "Fallback":
            continue
        if name == "tbl":
            yield "", "\n".join(_row(row) for row in child if local(row) == "tr")
        elif name in ("txBody", "rich", "t"):
            text = _text(child) if name != "t" else (child.text or "")
            if text.strip():
                yield "", text
        elif name == "sp":
            kind = next((item.get("type", "") for item in child.iter() if local(item) == "ph"), "")
            if kind not in _NOT_READ:
                yield from ((kind, text) for _, text in _blocks(child))
        else:
            yield from _blocks(child)


def _row(row: Element) -> str:
    cells = (" ".join(" ".join(_text(body) for body in cell if local(body) == "txBody").split()) for cell in row)
    return " | ".join(cells).strip()


def _text(body: Element) -> str:
    lines = ("".join(_runs(paragraph)).strip() for paragraph in body if local(paragraph) == "p")
    return "\n".join(line for line in lines if line)


def _runs(paragraph: Element) -> Iterator[str]:
    for run in paragraph:
        name = local(run)
        if name == "br":
            yield "\n"
        elif name == "AlternateContent":
            yield from ("".join(_runs(choice)) for choice in run if local(choice) == "Choice")
        elif name in ("r", "fld", "m"):
            yield from (item.text or "" for item in run.iter() if local(item) == "t")
