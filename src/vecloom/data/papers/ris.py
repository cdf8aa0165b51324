"""RIS, and formats of tagged lines beside it: MEDLINE (.nbib), Web of Science's plain text and EndNote's Refer (.enw).

They are told apart by how they begin. A record is read at a time, so a file of any size is streamed. A tag that comes again
adds a value; a line without a tag goes on with the one before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from vecloom.data.context import Context, Source
from vecloom.data.fields import BadRecordError
from vecloom.data.papers.dates import iso_date, most_exact
from vecloom.data.papers.people import turned
from vecloom.data.papers.record import Paper, doi_of, names, without_tags
from vecloom.data.records import Document
from vecloom.files import text_digest

Record: TypeAlias = Mapping[str, list[str]]


@dataclass(frozen=True)
class Form:
    """How one of the formats writes records.

    Attributes:
        tag: matches a line with a tag; groups are the tag and the value.
        start: tag of a record's first line; "" if any tag is after a blank line.
        end: tag of its last line; "" if a blank line ends it.
        lists: tags whose further lines are further values.
        paper: makes a paper of tags and values.
    """

    tag: re.Pattern[str]
    start: str
    end: str
    lists: frozenset[str]
    paper: Callable[[Record], Paper]


def parse(lines: Iterator[tuple[int, str]], source: Source, context: Context) -> Iterator[Document]:
    """Papers of numbered lines."""
    first = next((line for line in lines if line[1].strip()), None)
    if first is None:
        return
    form, start = form_of(first[1]), 0
    for start, record, whole in _records(chain([first], lines), form):
        try:
            if not whole:
                _unfinished(form, source, start, context)
            yield form.paper(record).document(source.name, start)
        except BadRecordError as error:
            context.bad_record(source, start, error.what, error.todo)
    if not start:
        context.bad_file(source, f"it holds no record: no line begins with '{form.start or 'PMID'}  -'.")


def form_of(line: str) -> Form:
    """The format of a file by its first line that is not blank."""
    if line.startswith("%"):
        return REFER
    if re.match(r"(PMID|OWN ?) ?- ?", line):
        return MEDLINE
    return WEB_OF_SCIENCE if re.match(r"(FN|PT) \S", line) else RIS


def _unfinished(form: Form, source: Source, start: int, context: Context) -> None:
    what = f"the record does not end with '{form.end}  -'"
    if not context.skip_bad:
        context.bad_record(source, start, f"{what}.")
    context.report.note(f"{source.name}, line {start}: {what}, and is read as far as it goes.")


def _records(lines: Iterator[tuple[int, str]], form: Form) -> Iterator[tuple[int, Record, bool]]:
    """First line's number, values by tag, and whether there was an end; text between records is passed over."""
    start, record, last = 0, dict[str, list[str]](), ""
    for number, line in lines:
        found = form.tag.match(line)
        tag, value = (found[1], found[2] or "") if found else ("", line)
        ends = tag == form.end if form.end else not line.strip()
        if ends or (tag and tag == form.start):
            if record:
                yield start, record, ends or not form.end
            start, record, last = number, {}, ""
        if tag and (record or tag == form.start or not form.start):
            start = start if record else number
            record.setdefault(tag, []).append(value.strip())
            last = tag
        elif last and value.strip():
            _go_on(record[last], value.strip(), last in form.lists)
    if record:
        yield start, record, not form.end


def _go_on(values: list[str], value: str, listed: bool) -> None:
    if listed:
        values.append(value)
    else:
        values[-1] = f"{values[-1]} {value}"


def _ris(record: Record) -> Paper:
    addresses = [part for one in record.get("UR", []) for part in re.split(r"\s*;\s*(?=https?:)", one)]
    doi = next(filter(None, map(doi_of, _values(record, "DO", "DI", "M3") + addresses)), "")
    return _paper(
        record,
        title=_first(record, "TI", "T1", "CT", "BT", "TT", "ST"),
        abstract=" ".join(record.get("AB", [])) or _first(record, "N2"),
        people=_listed(record.get("AU") or record.get("A1") or []),
        dates=("DA", "PY", "Y1"),
        categories=_listed(record.get("KW", [])),
        journal=_first(record, "JF", "T2", "JO", "JA", "J2", "BT"),
        doi=doi,
        url=next(filter(None, addresses), "") or _address(_values(record, "L1", "L2")),
        name=_first(record, "AN", "ID"),
    )


def _medline(record: Record) -> Paper:
    name = _first(record, "PMID")
    named = [value.removesuffix("[doi]") for value in _values(record, "LID", "AID") if not value.endswith("[pii]")]
    doi = next(filter(None, map(doi_of, named)), "")
    return _paper(
        record,
        title=_first(record, "TI", "BTI", "TT"),
        abstract=_first(record, "AB", "OAB"),
        people=(record.get("FAU") or record.get("AU") or []) + record.get("CN", []),
        dates=("DP", "DEP") if record.get("DP") or record.get("DEP") else ("SO",),
        categories=_values(record, "OT", "MH"),
        journal=_first(record, "JT", "TA"),
        doi=doi,
        url="" if doi or not name.isdecimal() else f"https://pubmed.ncbi.nlm.nih.gov/{name}/",
        name=name or _first(record, "OID"),
    )


def _web_of_science(record: Record) -> Paper:
    return _paper(
        record,
        title=_first(record, "TI"),
        abstract=_first(record, "AB"),
        people=record.get("AF") or record.get("AU") or record.get("GP") or [],
        dates=("PD", "PY", "EA"),
        categories=_listed([" ".join(_values(record, tag)) for tag in ("DE", "ID")]),
        journal=_first(record, "SO"),
        doi=doi_of(_first(record, "DI")),
        url="",
        name=_first(record, "UT"),
    )


def _refer(record: Record) -> Paper:
    return _paper(
        record,
        title=_first(record, "T"),
        abstract=" ".join(record.get("X", [])),
        people=record.get("A", []),
        dates=("8", "D"),
        categories=_listed(record.get("K", [])),
        journal=_first(record, "J", "B"),
        doi=doi_of(_first(record, "R")) or doi_of(_first(record, "U")),
        url=_first(record, "U"),
        name=_first(record, "M", "F"),
    )


def _paper(
    record: Record,
    *,
    title: str,
    abstract: str,
    people: list[str],
    dates: tuple[str, ...],
    categories: list[str],
    journal: str,
    doi: str,
    url: str,
    name: str,
) -> Paper:
    title, abstract = without_tags(title), without_tags(abstract)
    url = url or (f"https://doi.org/{doi}" if doi else "")
    written = _values(record, *dates)
    year = next(filter(None, map(iso_date, written)), "")[:4]
    date = most_exact(iso_date(one, year) for one in written)
    authors = names(map(turned, people))
    words = "\n".join([title, date, journal, *authors]) if title else abstract
    return Paper(
        id=f"doi:{doi.lower()}" if doi else name or url or (f"ris-{text_digest(words)}" if words else ""),
        title=title,
        abstract=abstract,
        authors=authors,
        date=date,
        categories=tuple(dict.fromkeys(names(categories))),
        url=url,
        others={"doi": doi, "journal": journal},
    )


def _values(record: Record, *tags: str) -> list[str]:
    return [value for tag in tags for value in record.get(tag, [])]


def _first(record: Record, *tags: str) -> str:
    return next(filter(None, _values(record, *tags)), "")


def _address(values: list[str]) -> str:
    return next((one for one in values if one.startswith(("http://", "https://"))), "")


def _listed(values: list[str]) -> list[str]:
    """Values, those apart that one line holds with semicolons between."""
    return [part for value in values for part in value.split(";")]


RIS = Form(re.compile(r"([A-Z][A-Z0-9])  ?-(?: (.*)|$)"), "TY", "ER", frozenset({"KW", "AU", "A1", "UR"}), _ris)
MEDLINE = Form(re.compile(r"([A-Z]{2,4}) {0,2}- ?(.*)"), "", "", frozenset(), _medline)
REFER = Form(re.compile(r"%([A-Z0-9@]) ?(.*)"), "", "", frozenset({"A", "K"}), _refer)
WEB_OF_SCIENCE = Form(
    re.compile(r"(?!  )([A-Z][A-Z0-9])(?: (.*)|$)"), "PT", "ER", frozenset({"AU", "AF", "GP", "CR"}), _web_of_science
)
