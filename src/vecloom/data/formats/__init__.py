"""The file formats that are read, one module per family, and the table of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from vecloom.data.context import Context, Source
from vecloom.data.formats import (
    delimited,
    epub,
    html,
    json_file,
    json_lines,
    mail,
    manual,
    markup,
    mbox,
    notebook,
    opendocument,
    parquet,
    pdf,
    plain,
    program,
    python,
    rich_text,
    sheets,
    slides,
    word,
)
from vecloom.data.records import Document

Markup: TypeAlias = Literal["none", "markdown", "rst"]


@dataclass(frozen=True)
class Format:
    """How a kind of file is read.

    Attributes:
        read: gives the file's documents.
        markup: what headings look like in the documents' text.
        packed: may also be compressed (.gz, .zst).
        records: holds many records: a broken file stops the run even where it was found in a folder.
        columns: its records have named columns.
    """

    read: Callable[[Source, Context], Iterator[Document]]
    markup: Markup = "none"
    packed: bool = False
    records: bool = False
    columns: bool = False


FORMATS: dict[str, Format] = {
    ".txt": Format(mbox.read_text, packed=True),
    ".log": Format(plain.read, packed=True),
    ".md": Format(markup.read_markdown, markup="markdown"),
    ".markdown": Format(markup.read_markdown, markup="markdown"),
    ".rst": Format(markup.read_rst, markup="rst"),
    ".html": Format(html.read, markup="markdown"),
    ".htm": Format(html.read, markup="markdown"),
    ".py": Format(python.read),
    ".pdf": Format(pdf.read),
    ".eml": Format(mail.read, packed=True),
    ".emlx": Format(mail.read),
    ".mbox": Format(mbox.read, packed=True, records=True),
    ".docx": Format(word.read, markup="markdown"),
    ".odt": Format(opendocument.read, markup="markdown"),
    ".rtf": Format(rich_text.read),
    ".pptx": Format(slides.read, markup="markdown"),
    ".xlsx": Format(sheets.read, records=True, columns=True),
    ".ods": Format(sheets.read, records=True, columns=True),
    ".epub": Format(epub.read, markup="markdown"),
    ".ipynb": Format(notebook.read, markup="markdown"),
    ".json": Format(json_file.read, packed=True, records=True, columns=True),
    ".jsonl": Format(json_lines.read, packed=True, records=True, columns=True),
    ".ndjson": Format(json_lines.read, packed=True, records=True, columns=True),
    ".csv": Format(delimited.read, packed=True, records=True, columns=True),
    ".tsv": Format(delimited.read, packed=True, records=True, columns=True),
    ".parquet": Format(parquet.read, records=True, columns=True),
}
FORMATS |= {suffix: Format(program.read) for suffix in program.SUFFIXES}
MANUAL = Format(manual.read, markup="rst")
"""Manual pages, which have a section for a suffix (``ls.1.gz``): they are told by their content."""
PACKED = (".gz", ".zst")
_MAILDIR = re.compile(r"\d{6,}[._]")  # such names begin with the second of delivery


def maildir_part(path: Path) -> str:
    """The part of a Maildir that a mail is in: cur, new or tmp (half delivered); "" if it does not look like one."""
    part = path.parent.name
    return part if part in ("cur", "new", "tmp") and _MAILDIR.match(path.name) else ""


def markup_of(name: str) -> Markup:
    """What headings look like in the text of a file's documents, by the file's name."""
    form = format_of(name) or (MANUAL if manual.is_called_so(name) else None)
    return form.markup if form else "none"


def format_of(name: str) -> Format | None:
    """Return the format of a file by its name, or None where there is none.

    >>> format_of("notes.jsonl.gz") is FORMATS[".jsonl"]
    True
    """
    path = Path(name)
    if maildir_part(path) in ("cur", "new"):
        return FORMATS[".eml"]
    if path.name == "mbox":  # as Apple Mail exports it, in a folder NAME.mbox
        return FORMATS[".mbox"]
    suffix = path.suffix.lower()
    if suffix in PACKED:
        inner = FORMATS.get(Path(path.stem).suffix.lower())
        return inner if inner and inner.packed else None
    return FORMATS.get(suffix)
