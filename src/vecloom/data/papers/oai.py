"""Saved answers of an OAI-PMH server (``verb=ListRecords``) in arXivRaw, arXiv or Dublin Core, record by record.

Elements are known by their local names, so that all versions of the namespaces are read. A deleted record is passed over. An
answer that ends with a resumption token is not the whole list; the report says so. Entities other than XML's own are not
expanded (expat bounds what those inside a document may grow to, and nothing outside it is fetched).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from vecloom.data.context import Context, Source
from vecloom.data.fields import BadRecordError
from vecloom.data.papers.dates import iso_date, moment
from vecloom.data.papers.record import Paper, abs_url, arxiv_id, names
from vecloom.data.records import Document


def parse(stream: IO[bytes], source: Source, context: Context) -> Iterator[Document]:
    """Papers of an answer; a bad record is reported with its number."""
    number = 0
    try:
        for _, element in ElementTree.iterparse(stream, events=("end",)):
            local = _local(element)
            if local == "resumptionToken" and (element.text or "").strip():
                context.report.note(f"{source.name}: the list goes on; ask for the part of its resumption token.")
            if local == "error":
                raise BadRecordError(f"the server answered {element.get('code')}: {(element.text or '').strip()}.")
            if local != "record":
                continue
            number += 1
            found = _document(element, source, number, context)
            if found is not None:
                yield found
            element.clear()
    except (ElementTree.ParseError, BadRecordError) as error:
        what = error.what if isinstance(error, BadRecordError) else f"after record {number} it is not XML: {error}."
        context.bad_file(source, what)


def _document(element: Element, source: Source, number: int, context: Context) -> Document | None:
    header = _child(element, "header")
    if header is not None and header.get("status") == "deleted":
        return None
    try:
        return paper(element).document(source.name, number)
    except BadRecordError as error:
        context.bad_record(source, number, error.what, error.todo, unit="record")
        return None


def paper(record: Element) -> Paper:
    """One record.

    Raises:
        BadRecordError: it has no metadata, or in a format that is not read.
    """
    metadata = _child(record, "metadata")
    if metadata is None or not len(metadata):
        raise BadRecordError("the record has no metadata.")
    found = metadata[0]
    make = FORMATS.get(_local(found))
    if make is None:
        raise BadRecordError(f"metadata in {_local(found)!r} is not read.", f"Ask for one of {', '.join(FORMATS)}.")
    header = _child(record, "header")
    return make(found, "" if header is None else _text(header, "identifier"))


def _raw(found: Element, _identifier: str) -> Paper:
    versions = _all(found, "version")
    date = moment(_text(versions[0], "date")) if versions else ""
    # "A. B. One, C. Two and D. Three": free text, split where nearly everybody splits it
    authors = names(part for chunk in _text(found, "authors").split(" and ") for part in chunk.split(","))
    return _arxiv(found, authors, date, len(versions) or None)


def _parsed(found: Element, _identifier: str) -> Paper:
    people = [author for group in _all(found, "authors") for author in _all(group, "author")]
    parts = ("forenames", "keyname", "suffix")
    authors = names(" ".join(_text(person, part) for part in parts) for person in people)
    return _arxiv(found, authors, iso_date(_text(found, "created")), None)


def _arxiv(found: Element, authors: tuple[str, ...], date: str, version: int | None) -> Paper:
    name = _text(found, "id")
    return Paper(
        id=name,
        title=_text(found, "title"),
        abstract=_text(found, "abstract"),
        authors=authors,
        date=date,
        categories=tuple(_text(found, "categories").split()),
        url=abs_url(name) if name else "",
        others={
            "version": version,
            "updated": iso_date(_text(found, "updated")),
            "doi": _text(found, "doi"),
            "journal": _text(found, "journal-ref"),
            "comments": _text(found, "comments"),
        },
    )


def _dublin_core(found: Element, identifier: str) -> Paper:
    identifiers = _texts(found, "identifier")
    links = [one for one in identifiers if one.startswith(("http://", "https://"))]
    # arXiv's Dublin Core puts comments below further "description" elements; the abstract is the first
    descriptions, dates = _texts(found, "description"), sorted(filter(None, map(iso_date, _texts(found, "date"))))
    name = arxiv_id(identifier)[0] if "arxiv" in identifier.lower() else ""
    return Paper(
        id=name or identifier or next(iter(identifiers), ""),
        title=" ".join(_texts(found, "title")[:1]),
        abstract=" ".join(descriptions[:1]),
        authors=names(_turned(person) for person in _texts(found, "creator")),
        date=dates[0] if dates else "",
        categories=tuple(_texts(found, "subject")),
        url=abs_url(name) if name else next(iter(links), ""),
        others={"updated": dates[-1] if len(dates) > 1 else None},
    )


FORMATS: dict[str, Callable[[Element, str], Paper]] = {"arXivRaw": _raw, "arXiv": _parsed, "dc": _dublin_core}
"""Metadata formats by the local name of their root element."""


def _turned(name: str) -> str:
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}" if comma else name


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _all(element: Element, name: str) -> list[Element]:
    return [child for child in element if _local(child) == name]


def _child(element: Element, name: str) -> Element | None:
    return next(iter(_all(element, name)), None)


def _texts(element: Element, name: str) -> list[str]:
    return [" ".join(child.text.split()) for child in _all(element, name) if child.text and child.text.strip()]


def _text(element: Element, name: str) -> str:
    return " ".join(_texts(element, name)[:1])
