"""Rich Text Format (.rtf): its text, by striprtf (extra ``[files]``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vecloom.data.context import Context, Source
from vecloom.data.fields import clean
from vecloom.data.formats import plain
from vecloom.data.formats.optional import is_available
from vecloom.data.records import Document

_TITLE = re.compile(r"\{\\title ((?:[^{}\\]|\\.)*)\}")


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one file; its title is that of its properties.

    Raises:
        MissingExtraError: striprtf is not installed, and the user named this file.
        DataError: the file is not RTF, and the user named it.
    """
    if not is_available(source, context, "striprtf"):
        return
    data = plain.load_bytes(source, context)
    if data is None:
        return
    if not data.lstrip().startswith(b"{\\rtf"):
        context.bad_file(source, "this is not RTF: it does not begin with {\\rtf.")
        return
    from striprtf.striprtf import rtf_to_text

    written = data.decode("latin-1")
    try:
        text = clean(rtf_to_text(written, errors="replace")).strip()
    except (ValueError, LookupError, IndexError) as error:
        context.bad_file(source, f"it cannot be converted: {type(error).__name__}: {error}.")
        return
    title = _TITLE.search(written)
    name = clean(rtf_to_text(f"{{\\rtf1 {title[1]}}}", errors="replace")).strip() if title else ""
    if text:
        yield Document(id=source.name, text=text, title=" ".join(name.split()), source=source.name)
    else:
        context.report.empty_files += 1
