"""CSV and TSV with a header line, as reference managers and databases export them; columns are known by their usual names."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence

from vecloom.data.context import Context, Source
from vecloom.data.decoding import numbered_lines
from vecloom.data.fields import BadRecordError
from vecloom.data.formats.cells import csv_rows, tsv_rows
from vecloom.data.formats.delimited import TSV
from vecloom.data.papers.bibtex import doi_of, turned
from vecloom.data.papers.record import Paper, iso_date, names, one_line
from vecloom.data.records import Document
from vecloom.files import text_digest

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "key", "accession number", "pmid", "ut", "eid"),
    "title": ("title", "article title", "document title", "name"),
    "abstract": ("abstract", "abstract note", "summary", "description", "text"),
    "authors": ("authors", "author", "author full names", "creators"),
    "date": ("date", "publication date", "published", "publication year", "year", "date published"),
    "categories": ("categories", "category", "keywords", "author keywords", "manual tags", "subjects"),
    "url": ("url", "link"),
    "doi": ("doi",),
    "journal": ("journal", "publication title", "source title", "journal/book", "venue"),
}
"""Names in lower case, the best first: those of Zotero, Scopus, Web of Science, PubMed and IEEE Xplore among them."""
_BETWEEN = re.compile(r"\s*[;|]\s*")


def parse(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[Document]:
    """Papers of a table, row by row."""
    lines = numbered_lines(stream, source, context)
    is_tsv = source.name.lower().endswith(TSV)
    rows = tsv_rows(lines) if is_tsv else csv_rows(lines, source, context, lambda names: "title" in _columns(names))
    header = next(rows, None)
    if header is None:
        return
    places = _columns(header[1])
    if "title" not in places:
        told = f"no column holds titles; it has {', '.join(header[1])}."
        context.bad_file(source, told, f"Name one of {', '.join(COLUMNS['title'])}.")
        return
    for line, cells in rows:
        try:
            if any(cells[len(header[1]) :]):
                raise BadRecordError(f"{len(cells)} cells under {len(header[1])} column names.")
            values = {what: one_line(cells[at]) if at < len(cells) else "" for what, at in places.items()}
            if any(values.values()):
                yield paper(values).document(source.name, line)
        except BadRecordError as error:
            context.bad_record(source, line, error.what, error.todo)


def _columns(names: Sequence[str]) -> dict[str, int]:
    """Where each part of a paper is, by the header's names."""
    header = [one_line(name).lower() for name in names]
    found = {
        what: next((header.index(name) for name in known if name in header), -1) for what, known in COLUMNS.items()
    }
    return {what: at for what, at in found.items() if at >= 0}


def paper(values: Mapping[str, str]) -> Paper:
    """One row, by what its columns hold."""
    doi, title, date = doi_of(values.get("doi", "")), values.get("title", ""), iso_date(values.get("date", ""))
    url = values.get("url", "") or (f"https://doi.org/{doi}" if doi else "")
    people = _BETWEEN.split(values.get("authors", ""))
    return Paper(
        id=f"doi:{doi.lower()}"
        if doi
        else values.get("id") or url or (f"row-{text_digest(title + date)}" if title else ""),
        title=title,
        abstract=values.get("abstract", ""),
        authors=names(map(turned, people)) if len(people) > 1 else names(_one_or_many(people[0])),
        date=date,
        categories=names(_BETWEEN.split(values.get("categories", ""))),
        url=url,
        others={"doi": doi, "journal": values.get("journal", "")},
    )


def _one_or_many(text: str) -> list[str]:
    """Names without semicolons: "Doe, Jane" is one, "Doe J, Roe R, Poe E" and "Jane Doe, Richard Roe" are several."""
    parts = [part.strip() for part in text.split(",")]
    one = len(parts) == 2 and " " not in parts[0]
    return [turned(text)] if one or len(parts) == 1 else parts
