"""PDF files, read by PDFium (extra ``[files]``): one document a file, which knows the page of each place in its text.

PDFium gives characters in the order in which the file's writer set them, with spaces and line ends where their places
ask for them; ``typeset`` makes words and paragraphs of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vecloom.data.context import Context, Source
from vecloom.data.fields import clean
from vecloom.data.formats import typeset
from vecloom.data.formats.optional import is_available
from vecloom.data.formats.paged import joined
from vecloom.data.formats.typeset import Line
from vecloom.data.records import Document

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage, PdfTextPage

# What programs write where an author gave no title: the file's name, its program, or that there is none
_NOT_A_TITLE = re.compile(
    r"(?i)untitled.*|title|document\d*|microsoft \w+ - .*|(?:print|layout) \d*"
    r"|.*\.(?:dvi|docx?|tex|pdf|indd|qxd|pptx?|rtf|odt|xlsx?|ps|fm)"
)


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read one file.

    Raises:
        MissingExtraError: PDFium is not installed, and the user named this file.
        DataError: the file is broken or encrypted, and the user named it.
    """
    if not is_available(source, context, "pypdfium2"):
        return
    import pypdfium2

    context.report.bytes_read += source.path.stat().st_size
    title, pages, scanned = "", [], 0
    try:
        with pypdfium2.PdfDocument(source.path) as file:
            title, pages = _title(file), _pages(file)
            scanned = sum(not text and _has_image(file[number]) for number, text in enumerate(pages))
    except pypdfium2.PdfiumError as error:
        if error.err_code != 0:  # 0: nothing is wrong but that there are no pages
            context.bad_file(source, *_trouble(error))
            return
    if not any(pages):
        context.report.empty_files += 1
        why = "its pages are pictures; recognize their text (OCR) first" if scanned else "no page shows any"
        context.report.note(f"{source.name}: it holds no text: {why if pages else 'it has no pages'}.")
        return
    if scanned:
        context.report.note(
            f"{source.name}: {scanned} of its {len(pages)} pages are pictures without text (OCR helps)."
        )
    text, starts = joined(pages)
    yield Document(id=source.name, text=text, title=title, source=source.name, pages=starts)


def _trouble(error: Exception) -> tuple[str, str]:
    if "password" in str(error).lower():
        return "it is encrypted and opens with a password only.", "Save a copy without the password, or leave it out."
    return "it is not a PDF file that can be read (broken, cut off or another format).", ""


def _title(file: PdfDocument) -> str:
    written = " ".join(clean(file.get_metadata_value("Title")).split())
    return "" if _NOT_A_TITLE.fullmatch(written) else written


def _pages(file: PdfDocument) -> list[str]:
    raw = []
    for page in file:
        text_page = page.get_textpage()
        raw.append(typeset.paragraphs(_lines(text_page)))
        text_page.close()
        page.close()
    seen = typeset.words(raw)
    return [typeset.whole_words(text, seen).strip() for text in raw]


def _lines(page: PdfTextPage) -> list[Line]:
    """Lines with their places; PDFium counts places in UTF-16 units, the two of a line's end among them."""
    text = page.get_text_range()
    lines = []
    start = 0
    for raw in text.split("\r\n"):
        length = len(raw.encode("utf-16-le", "surrogatepass")) // 2
        if shown := raw.rstrip():
            last = start + len(shown.encode("utf-16-le", "surrogatepass")) // 2 - 1
            left, bottom, _, top = page.get_charbox(start, loose=True)
            _, end, right, _ = page.get_charbox(last, loose=True)
            kept = " ".join(clean(typeset.letters(_with_accents(page, raw, start))).split())
            lines.append(Line(kept, left, right, bottom, end, max(top - bottom, 1.0)))
        else:
            lines.append(Line("", 0.0, 0.0, 0.0, 0.0, 1.0))
        start += length + 2
    return lines


def _with_accents(page: PdfTextPage, text: str, start: int) -> str:
    """Put an accent that is printed over the next letter together with it; one beside it stays an apostrophe."""
    # beyond the BMP places in the text and PDFium's are not the same
    if not any(accent in text for accent in typeset.COMBINING) or max(text) > "\uffff":
        return text
    made: list[str] = []
    place = 0
    while place < len(text):
        one = None
        if text[place] in typeset.COMBINING and place + 1 < len(text) and _over(page, start + place):
            one = typeset.composed(text[place], text[place + 1])
        made.append(one or text[place])
        place += 2 if one else 1
    return "".join(made)


def _over(page: PdfTextPage, accent: int) -> bool:
    left, _, right, _ = page.get_charbox(accent)
    under_left, _, under_right, _ = page.get_charbox(accent + 1)
    return bool(under_left - 1 <= (left + right) / 2 <= under_right + 1 and right > under_left)


def _has_image(page: PdfPage) -> bool:
    from pypdfium2 import raw

    return next(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE]), None) is not None
