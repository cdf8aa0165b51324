"""BibTeX by bibtexparser: fields decoded from LaTeX, formulas kept.

A paper's id is its DOI ("doi:10.1000/x"), else its arXiv id, else its citation key: the first two name it in every file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from vecloom.data import context as ctx
from vecloom.data.context import Context, Source
from vecloom.data.decoding import decode_file, read_whole
from vecloom.data.fields import BadRecordError
from vecloom.data.papers.record import Paper, abs_url, arxiv_id, iso_date, names, one_line
from vecloom.data.records import Document
from vecloom.errors import MissingExtraError

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DOI = re.compile(r"^\s*(?:https?://(?:dx\.)?doi\.org/|doi:)?\s*(10\.\S+)", re.IGNORECASE)


def parse(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[Document]:
    """Entries of a file, in their order; a bad one is reported with its line."""
    data = read_whole(stream, ctx.MAX_BYTES)
    if data is None:
        context.bad_file(source, f"a BibTeX file may have {ctx.MAX_BYTES:,} bytes.", "Split it.")
        return
    library = _library(decode_file(data, source, context))
    bad = {id(block): block for block in library.failed_blocks}
    for block in sorted(chain(library.entries, library.failed_blocks), key=lambda block: block.start_line):
        line = block.start_line + 1
        if id(block) in bad:
            context.bad_record(source, line, f"{one_line(str(block.error)).rstrip('.') or 'the entry is broken'}.")
            continue
        try:
            values = {name.lower(): one_line(str(field.value)) for name, field in block.fields_dict.items()}
            yield paper(block.key, values).document(source.name, line)
        except BadRecordError as error:
            context.bad_record(source, line, error.what, error.todo)


def _library(text: str) -> Any:
    try:
        import bibtexparser
        from bibtexparser.middlewares import LatexDecodingMiddleware
    except ImportError as error:
        raise MissingExtraError("Reading BibTeX needs bibtexparser, which is not installed.", "desk") from error
    import logging

    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)  # what it would print is reported with file and line
    return bibtexparser.parse_string(text, append_middleware=[LatexDecodingMiddleware()])


def paper(key: str, values: Mapping[str, str]) -> Paper:
    """One entry: its citation key and its decoded fields, named in lower case."""
    doi, url = doi_of(values.get("doi", "")), values.get("url", "")
    arxiv = _arxiv(values)
    if not url:
        url = f"https://doi.org/{doi}" if doi else abs_url(arxiv) if arxiv else ""
    return Paper(
        id=f"doi:{doi.lower()}" if doi else arxiv or key,
        title=values.get("title", ""),
        abstract=values.get("abstract", ""),
        authors=names(turned(person) for person in re.split(r"\s+and\s+", values.get("author", ""))),
        date=_date(values),
        categories=names(re.split(r"[;,]", values.get("keywords", ""))),
        url=url,
        others={"doi": doi, "journal": values.get("journal") or values.get("booktitle"), "key": key},
    )


def doi_of(text: str) -> str:
    """The bare DOI in a field, "" where there is none.

    >>> doi_of("https://doi.org/10.1000/XY")
    '10.1000/XY'
    """
    found = _DOI.match(text)
    return found[1] if found else ""


def turned(name: str) -> str:
    """A name with the first name first.

    >>> turned("Müller, Hans"), turned("King, Jr., Martin"), turned("Jane Doe")
    ('Hans Müller', 'Martin King Jr.', 'Jane Doe')
    """
    parts = [part.strip() for part in name.split(",")]
    if len(parts) == 3:
        return f"{parts[2]} {parts[0]} {parts[1]}"
    return f"{parts[1]} {parts[0]}" if len(parts) == 2 else name


def _arxiv(values: Mapping[str, str]) -> str:
    kind = values.get("archiveprefix", values.get("eprinttype", "")).lower()
    return arxiv_id(values.get("eprint", ""))[0] if kind == "arxiv" else ""


def _date(values: Mapping[str, str]) -> str:
    if found := iso_date(values.get("date", "")):
        return found
    month = values.get("month", "").strip().lower()
    number = MONTHS.index(month[:3]) + 1 if month[:3] in MONTHS else int(month) if month.isdecimal() else 0
    parts = [values.get("year", ""), f"{number:02}" if 1 <= number <= 12 else "", values.get("day", "")]
    kept = parts[: parts.index("")] if "" in parts else parts
    return iso_date("-".join(kept)) if kept else ""
