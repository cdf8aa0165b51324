"""arXiv's metadata snapshot: a JSON object a line, millions of them; memory is bounded by the longest line.

Keys: id, submitter, authors, title, comments, journal-ref, doi, report-no, categories (separated by spaces), license, abstract,
versions ([{version, created}]), update_date, authors_parsed ([[last, first, suffix]]). The date is that of the first version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vecloom.data.context import Context, Source
from vecloom.data.fields import BadRecordError
from vecloom.data.formats.json_text import Decoder, kind, reason
from vecloom.data.papers.dates import iso_date, moment
from vecloom.data.papers.record import Paper, abs_url, names
from vecloom.data.records import Document


def parse(lines: Iterator[tuple[int, str]], source: Source, context: Context) -> Iterator[Document]:
    """Papers of numbered lines; a bad line is reported with its number."""
    decoder = Decoder()
    for number, line in lines:
        if not line or line.isspace():
            continue
        try:
            yield paper(decoder.whole(line)).document(source.name, number)
        except ValueError as error:
            context.bad_record(source, number, f"this is not JSON: {reason(error)}.")
        except BadRecordError as error:
            context.bad_record(source, number, error.what, error.todo)


def paper(record: Any) -> Paper:
    """One object of the snapshot.

    Raises:
        BadRecordError: it is no object, or has no id, or a key is not of its type.
    """
    if not isinstance(record, dict):
        raise BadRecordError(f"this is {kind(record)}, not an object.")
    name = _text(record, "id")
    versions = record.get("versions") or []
    if not isinstance(versions, list) or not all(isinstance(version, dict) for version in versions):
        raise BadRecordError(f"{name}: 'versions' is not a list of objects.")
    created = moment(str(versions[0].get("created", ""))) if versions else ""
    updated = iso_date(_text(record, "update_date"))
    return Paper(
        id=name,
        title=_text(record, "title"),
        abstract=_text(record, "abstract"),
        authors=_authors(record),
        date=created or updated,
        categories=tuple(_text(record, "categories").split()),
        url=abs_url(name),
        others={
            "updated": updated,
            "version": len(versions) or None,
            "doi": _text(record, "doi"),
            "journal": _text(record, "journal-ref"),
            "comments": _text(record, "comments"),
        },
    )


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRecordError(f"{name!r} is {kind(value)}, not a text.")
    return " ".join(value.split())


def _authors(record: Mapping[str, Any]) -> tuple[str, ...]:
    parsed = record.get("authors_parsed")
    if not parsed:
        return names([_text(record, "authors")])
    if not isinstance(parsed, list) or not all(isinstance(parts, list) and parts for parts in parsed):
        raise BadRecordError("'authors_parsed' is not a list of [last, first, suffix].")
    return names(" ".join(map(str, [*parts[1:2], parts[0], *parts[2:3]])) for parts in parsed)
