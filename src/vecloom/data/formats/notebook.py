"""Jupyter notebooks (.ipynb, formats 3 and 4): one Markdown document, prose and code in their order.

Code stands in fences. What a cell printed or gave is kept if it is text of at most ``SHORT`` characters; tables, logs and
pictures are left out, because they drown the words around them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from vecloom.data.context import Context, Source
from vecloom.data.decoding import decode_file
from vecloom.data.fields import clean_value
from vecloom.data.formats import plain
from vecloom.data.formats.markup import markdown_document
from vecloom.data.records import Document, Scalar

SHORT = 500
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one notebook; its title is that of its metadata, else the first heading."""
    data = plain.load_bytes(source, context)
    if data is None:
        return
    try:
        book: Any = clean_value(json.loads(decode_file(data, source, context)))
        cells = list(_cells(book))
        language = _language(book)
        text = "\n\n".join(part for cell in cells for part in _parts(cell, language)).strip()
        title = str(book.get("metadata", {}).get("title") or "")
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError):
        context.bad_file(source, "this is not a notebook: it is not JSON with a list of cells.")
        return
    if not text:
        context.report.empty_files += 1
        return
    fields: dict[str, Scalar] = {"language": language} if language else {}
    yield markdown_document(text, source, title, fields)


def _cells(book: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "worksheets" in book:
        for sheet in book["worksheets"]:
            yield from sheet["cells"]
    else:
        yield from book["cells"]


def _language(book: dict[str, Any]) -> str:
    metadata = book.get("metadata", {})
    named = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language")
    cell = next((cell for cell in _cells(book) if cell.get("cell_type") == "code"), {})
    return str(named or cell.get("language") or "")


def _parts(cell: dict[str, Any], language: str) -> Iterator[str]:
    kind = cell["cell_type"]
    written = _joined(cell.get("source", cell.get("input", ""))).strip()
    if kind == "heading":
        yield f"{'#' * int(cell.get('level', 1))} {written}"
    elif kind != "code":
        yield written
    elif written:
        yield _fenced(written, language)
        outputs = [text for text in map(_output, cell.get("outputs", ())) if text and len(text) <= SHORT]
        if outputs:
            yield _fenced("\n".join(outputs), "")


def _output(output: dict[str, Any]) -> str:
    """A cell's output as text; "" for pictures."""
    kind = output.get("output_type")
    if kind in ("error", "pyerr"):
        return f"{output.get('ename', '')}: {output.get('evalue', '')}"
    plain_text = output.get("data", {}).get("text/plain", "") if kind != "stream" else ""
    return _COLOURS.sub("", _joined(output.get("text", plain_text))).strip()


def _joined(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _fenced(text: str, language: str) -> str:
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`{3,}", text)), 3)
    return f"{fence}{language}\n{text}\n{fence}"
