"""CSV and TSV with a header line, as reference managers and databases export them; columns are known by their usual names.

Where a row leaves the best column for something empty, the next one that it fills counts. Of the columns with dates the one
that says most wins, unless it contradicts the first.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice

from vecloom.data.context import Context, Source
from vecloom.data.decoding import numbered_lines
from vecloom.data.fields import BadRecordError
from vecloom.data.formats.cells import DELIMITERS, Line, Row, csv_rows, delimiter_of, tsv_rows
from vecloom.data.formats.delimited import TSV
from vecloom.data.papers.dates import iso_date, most_exact
from vecloom.data.papers.people import listed_names
from vecloom.data.papers.record import Paper, doi_of, names, one_line, without_tags
from vecloom.data.records import Document
from vecloom.files import text_digest

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": (
        *("id", "key", "citation key", "accession number", "pmid", "ut", "ut (unique wos id)", "unique wos id", "eid"),
        *("lens id", "publication id", "identifier"),
    ),
    "title": ("title", "article title", "document title", "name", "item title", "display_name", "ti"),
    "abstract": ("abstract", "abstract note", "summary", "description", "text", "ab"),
    "authors": (
        *(
            "author full names",
            "af",
            "authors",
            "author",
            "author/s",
            "author(s)",
            "author names",
            "creators",
            "creator",
        ),
        *("authorships.author.display_name", "au"),
    ),
    "date": (
        *("date", "publication date", "published", "date published", "publication_date", "pubdate", "cover date"),
        *("publication year", "year", "published year", "publication_year", "pubyear", "pd", "py"),
    ),
    "month": ("month", "published month", "publication month"),
    "day": ("day", "publication day"),
    "categories": (
        *("categories", "category", "keywords", "author keywords", "manual tags", "subjects", "tags", "index keywords"),
        *("mesh terms", "ieee terms", "fields of study", "de"),
    ),
    "url": (
        *("url", "link", "article url", "articleurl", "documenturl", "external url", "source linkout", "source urls"),
        *("dimensions url", "pdf link"),
    ),
    "doi": ("doi", "di", "item doi", "doi link", "digitalobjectidentifier"),
    "journal": (
        *("journal", "publication title", "source title", "journal/book", "venue", "publication", "journal title"),
        *("pubtitle", "container title", "so", "source"),
    ),
}
"""Names in lower case, the best first: those of Zotero, Scopus, Web of Science, PubMed, IEEE Xplore, Lens and Dimensions
among them."""
_BETWEEN = re.compile(r"\s*[;|]\s*")
_SEP = re.compile(r'"?sep=.?"?', re.IGNORECASE)  # says the separator to a spreadsheet
_PUBLISHED = re.compile(r".*\bDate of Publication: ")  # at the end of a source, in Embase
_PREFACE = 5  # lines among which the header is

Cells = Mapping[str, list[str]]


def parse(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[Document]:
    """Papers of a table, row by row."""
    rows = _rows(numbered_lines(stream, source, context), source, context)
    header = next(rows, None)
    if header is None:
        return
    places, width = _places(header[1]), len(header[1])
    if "title" not in places:
        had = ", ".join(name.strip() for name in header[1] if name.strip()) or "none with a name"
        known = ", ".join(COLUMNS["title"][:4])
        context.bad_file(source, f"no column holds titles; it has {had}. Name one of them {known}.")
        return
    for line, cells in rows:
        try:
            if any(cell.strip() for cell in cells[width:]):
                raise BadRecordError(f"{len(cells)} cells under {width} column names.")
            values = {
                what: [one_line(cells[place]) for place in filled if place < len(cells) and cells[place].strip()]
                for what, filled in places.items()
            }
            if any(values.values()):
                yield paper(values).document(source.name, line)
        except BadRecordError as error:
            context.bad_record(source, line, error.what, error.todo)


def _rows(lines: Iterator[Line], source: Source, context: Context) -> Iterator[Row]:
    """The header and the rows below it; some programs put a line about the export above."""
    above = list(islice(lines, _PREFACE))
    at = next((number for number, (_, line) in enumerate(above) if _is_header(line)), 0)
    start = 0 if _SEP.fullmatch(above[0][1].strip() if above else "") else at
    lines = chain(above[start:], lines)
    if source.name.lower().endswith(TSV) or (above and delimiter_of(above[at][1], _has_titles) == "\t"):
        return tsv_rows(lines)
    return csv_rows(lines, source, context, _has_titles)


def _is_header(line: str) -> bool:
    return any(_has_titles([cell.strip().strip('"') for cell in line.split(sign)]) for sign in DELIMITERS)


def _has_titles(names: Sequence[str]) -> bool:
    return "title" in _places(names)


def _places(names: Sequence[str]) -> dict[str, list[int]]:
    """The columns of each part of a paper, the best first."""
    header = [one_line(name).lower() for name in names]
    found = {what: [header.index(name) for name in known if name in header] for what, known in COLUMNS.items()}
    return {what: places for what, places in found.items() if places}


def paper(values: Cells) -> Paper:
    """One row, by what its columns hold: the filled cells of each kind, the best first."""
    best = {what: cells[0] for what, cells in values.items() if cells}
    title, abstract = without_tags(best.get("title", "")), without_tags(best.get("abstract", ""))
    date = _date(values)
    doi = next(filter(None, map(doi_of, (best.get("doi", ""), best.get("url", "")))), "")
    url = best.get("url", "") or (f"https://doi.org/{doi}" if doi else "")
    authors, journal = names(listed_names(_listed(best.get("authors", "")))), best.get("journal", "")
    words = "\n".join([title, date, journal, *authors]) if title else abstract
    return Paper(
        id=f"doi:{doi.lower()}" if doi else best.get("id") or url or (f"row-{text_digest(words)}" if words else ""),
        title=title,
        abstract=abstract,
        authors=authors,
        date=date,
        categories=names(_BETWEEN.split(_listed(best.get("categories", "")))),
        url=url,
        others={"doi": doi, "journal": journal},
    )


def _listed(cell: str) -> str:
    """A cell that a data frame has filled with a list, as other programs write it: with semicolons."""
    if not (cell.startswith("[") and cell.endswith("]")):
        return cell
    try:
        found = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return cell
    return "; ".join(map(str, found))


def _date(values: Cells) -> str:
    written = values.get("date") or [
        _PUBLISHED.sub("", one) for one in values.get("journal", []) if _PUBLISHED.match(one)
    ]
    year = next(filter(None, map(iso_date, written)), "")[:4]
    month, day = (next(iter(values.get(what, [])), "") for what in ("month", "day"))
    if month.isdecimal():
        exact = iso_date(f"{year}-{month}-{day if day.isdecimal() else ''}")
    else:
        exact = iso_date(f"{day if day.isdecimal() else ''} {month}", year)
    return most_exact([*(iso_date(one, year) for one in written), exact])
