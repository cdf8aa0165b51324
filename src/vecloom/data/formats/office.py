"""PDF and Word files, converted to Markdown by markitdown (extra ``[files]``)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

from vecloom.data.context import Context, Source
from vecloom.data.fields import clean
from vecloom.data.formats.markup import markdown_document
from vecloom.data.records import Document
from vecloom.errors import MissingExtraError

_NEEDS = {".pdf": ("markitdown", "pdfminer", "pdfplumber"), ".docx": ("markitdown", "mammoth")}


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one file.

    Raises:
        MissingExtraError: the converter is not installed and the user named this file (one found in a folder is
            counted).
        DataError: the file is broken or encrypted, and the user named it.
    """
    missing = [name for name in _NEEDS[source.path.suffix.lower()] if importlib.util.find_spec(name) is None]
    if missing:
        sentence = f"{source.name} cannot be read: {', '.join(missing)} is not installed."
        if source.explicit:
            raise MissingExtraError(sentence, "files")
        context.report.missing_extras += 1
        context.report.note(sentence)
        return
    converted = _convert(source, context)
    if converted is None:
        return
    title, text = converted
    if text:
        yield markdown_document(text, source, title)
    else:
        context.report.empty_files += 1
        context.report.note(f"{source.name}: it holds no text (scanned pages need OCR first).")


def _convert(source: Source, context: Context) -> tuple[str, str] | None:
    from markitdown import MarkItDown, MarkItDownException
    from markitdown.converters import DocxConverter, PdfConverter

    # these two alone: among all of them the one for plain text takes the bytes of a broken file for its words
    converter: Any = MarkItDown(enable_builtins=False, enable_plugins=False)
    converter.register_converter(PdfConverter())
    converter.register_converter(DocxConverter())
    context.report.bytes_read += source.path.stat().st_size
    try:
        result = converter.convert_local(str(source.path))
    except (MarkItDownException, RecursionError) as error:
        context.bad_file(source, f"it cannot be converted: {_first_line(error)}")
        return None
    return clean(result.title or ""), clean(result.markdown or "").strip()


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{lines[-1][:200]}." if lines else f"{type(error).__name__}."
