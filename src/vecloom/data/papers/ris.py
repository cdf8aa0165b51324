"""RIS by rispy, one record at a time: a file of any size is streamed, and what is wrong is said with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from vecloom.data.context import Context, Source
from vecloom.data.fields import BadRecordError
from vecloom.data.papers.bibtex import doi_of, turned
from vecloom.data.papers.record import Paper, iso_date, names, one_line
from vecloom.data.records import Document
from vecloom.errors import MissingExtraError
from vecloom.files import text_digest

_START, _END = re.compile(r"^TY  -"), re.compile(r"^ER  -")
TITLES = ("title", "primary_title", "translated_title", "short_title")
ABSTRACTS = ("abstract", "notes_abstract")
PEOPLE = ("authors", "first_authors")
JOURNALS = ("journal_name", "secondary_title", "alternate_title1", "alternate_title3")
DATES = ("date", "year", "publication_year")


def parse(lines: Iterator[tuple[int, str]], source: Source, context: Context) -> Iterator[Document]:
    """Papers of numbered lines."""
    try:
        import rispy
    except ImportError as error:
        raise MissingExtraError("Reading RIS needs rispy, which is not installed.", "desk") from error
    for start, block, whole in _blocks(lines):
        try:
            if not whole:
                raise BadRecordError("the record does not end with 'ER  -'.")
            found = rispy.loads("\n".join(block))
            if len(found) != 1:
                raise BadRecordError("this is no RIS record.")
            yield paper(found[0]).document(source.name, start)
        except BadRecordError as error:
            context.bad_record(source, start, error.what, error.todo)
        except (ValueError, KeyError, IndexError, OSError, TypeError) as error:  # what rispy makes of odd tags
            context.bad_record(source, start, f"the record cannot be read: {one_line(str(error)).rstrip('.')}.")


def _blocks(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, list[str], bool]]:
    """First line's number, lines, and whether there was an end, for each record; text between records is passed over."""
    start, block = 0, list[str]()
    for number, line in lines:
        if _START.match(line):
            if block:
                yield start, block, False
            start, block = number, [line]
        elif block:
            block.append(line)
            if _END.match(line):
                yield start, block, True
                block = []
    if block:
        yield start, block, False


def paper(record: Mapping[str, Any]) -> Paper:
    """One record, as rispy names its tags."""
    title, doi = _first(record, TITLES), doi_of(_first(record, ("doi",)))
    url = _first(record, ("urls", "url", "link1")) or (f"https://doi.org/{doi}" if doi else "")
    date = next(filter(None, (iso_date(_first(record, (name,))) for name in DATES)), "")
    people: list[str] = next((record[name] for name in PEOPLE if record.get(name)), [])
    name = _first(record, ("accession_number", "id"))
    return Paper(
        id=f"doi:{doi.lower()}" if doi else name or url or (f"ris-{text_digest(title + date)}" if title else ""),
        title=title,
        abstract=_first(record, ABSTRACTS),
        authors=names(map(turned, people)),
        date=date,
        categories=names(record.get("keywords", [])),
        url=url,
        others={"doi": doi, "journal": _first(record, JOURNALS)},
    )


def _first(record: Mapping[str, Any], tags: tuple[str, ...]) -> str:
    for tag in tags:
        value = record.get(tag)
        if value:
            return one_line(str(value[0] if isinstance(value, list) else value))
    return ""
