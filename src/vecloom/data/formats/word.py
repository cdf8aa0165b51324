"""Word files (.docx), made Markdown by mammoth (extra ``[files]``): headings, lists, tables, notes; no pictures.

Equations, which mammoth passes over, are read as the text of their parts.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from vecloom.data.context import Context, Source
from vecloom.data.fields import clean
from vecloom.data.formats import html, zipped
from vecloom.data.formats.markup import markdown_document
from vecloom.data.formats.optional import is_available
from vecloom.data.records import Document

_MATH = re.compile(rb"<m:oMath(?:\s[^>]*)?>.*?</m:oMath>", re.DOTALL)
_MATH_TEXT = re.compile(rb"<m:t(?:\s[^>]*)?>([^<]*)</m:t>")
_BODY = "word/document.xml"


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one file; the title is that of its properties, else the first heading.

    Raises:
        MissingExtraError: mammoth is not installed, and the user named this file.
        DataError: the file is broken or encrypted, and the user named it.
    """
    if not is_available(source, context, "mammoth"):
        return
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
    import mammoth

    zipped.verify(archive)
    for name in archive.namelist():
        if name.endswith((".xml", ".rels")):
            zipped.refuse_entities(archive.read(name))
    try:
        made = mammoth.convert_to_html(_with_equations(archive), convert_image=_words_of_image)
    except (OSError, AttributeError, ValueError, IndexError) as error:  # what mammoth meets where XML lacks a part
        raise zipped.BadArchiveError(f"it cannot be converted: {type(error).__name__}: {error}") from error
    _, text = html.to_markdown(made.value)
    return zipped.core_title(archive), clean(text).strip()


def _words_of_image(image: Any) -> list[Any]:
    from mammoth import html as nodes

    return [nodes.text(image.alt_text)] if image.alt_text else []


def _with_equations(archive: zipfile.ZipFile) -> io.BytesIO:
    """The archive with each equation as a run of plain text, where there are equations."""
    body = zipped.part(archive, _BODY) or b""
    changed = _MATH.sub(_as_run, body)
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as target:
        for name in archive.namelist():
            if not name.startswith("word/media/"):
                target.writestr(name, changed if name == _BODY else archive.read(name))
    copy.seek(0)
    return copy


def _as_run(math: re.Match[bytes]) -> bytes:
    written = b"".join(_MATH_TEXT.findall(math[0]))
    return b'<w:r><w:t xml:space="preserve"> ' + written + b" </w:t></w:r>"
