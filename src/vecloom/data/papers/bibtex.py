"""BibTeX and BibLaTeX: bibtexparser finds the entries, their fields are decoded from LaTeX one by one, formulas kept.

A paper's id is its DOI ("doi:10.1000/x"), else its arXiv id, else its citation key: the first two name it in every file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from vecloom.data import context as ctx
from vecloom.data.context import Context, Source
from vecloom.data.decoding import decode_file, read_whole, superset
from vecloom.data.fields import BadRecordError
from vecloom.data.papers.bibtex_values import MACROS, Fields, expanded, fields_of, with_parents
from vecloom.data.papers.dates import iso_date, most_exact
from vecloom.data.papers.latex import to_text, unescaped
from vecloom.data.papers.people import bibtex_names
from vecloom.data.papers.record import Paper, abs_url, arxiv_id, doi_of, names, without_tags
from vecloom.data.records import Document
from vecloom.errors import MissingExtraError
from vecloom.files import text_digest

_NO_COMMA = re.compile(r"(?m)^(\s*@\w+\s*[{(]\s*[^\s,{}()=\"#%]+)[ \t]*(\n\s*\w+\s*=)")  # after the key
_ENCODING = re.compile(rb"^%.{0,40}?coding\s*[:=]\s*([\w.-]+)", re.IGNORECASE | re.MULTILINE)
_KEY = re.compile(r"@\w*\s*[{(]\s*([^\s,{}()=]+)\s*[,\n]")
_ARXIV_JOURNAL = re.compile(r"arxiv:\s*(\S+)|\babs/(\S+)", re.IGNORECASE)
_NO_WORKS = ("xdata", "set")  # fields for other entries, and a list of entries
_SEPARATORS = (";", ",", "\n")


def parse(stream: io.BufferedReader, source: Source, context: Context) -> Iterator[Document]:
    """Entries of a file, in their order; a bad one is reported with its line."""
    data = read_whole(stream, ctx.MAX_BYTES)
    if data is None:
        context.bad_file(source, f"a BibTeX file may have {ctx.MAX_BYTES:,} bytes.", "Split it.")
        return
    text = decode_file(data, source, context, _declared_encoding(data))
    entries = list(_entries(text, source, context))
    if not entries and text.strip() and not context.report.bad_records:
        context.bad_file(source, "it holds no BibTeX entry.")
    library = {key.lower(): (kind, fields) for key, kind, _, fields in reversed(entries)}
    for key, kind, line, fields in entries:
        if kind in _NO_WORKS:
            continue
        try:
            yield paper(key, with_parents(kind, fields, library)).document(source.name, line)
        except BadRecordError as error:
            context.bad_record(source, line, error.what, error.todo)


def _declared_encoding(data: bytes) -> str | None:
    """What JabRef and Emacs write into a first line; UTF-8 is tried first, because files are converted and that line stays."""
    found = _ENCODING.search(data[:2000])
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return superset(found[1].decode("ascii", "replace")) if found else None
    return None


def _entries(text: str, source: Source, context: Context) -> Iterator[tuple[str, str, int, Fields]]:
    """Key, type in lower case, line and fields of each entry; what is not one is reported."""
    lines, macros, name = text.split("\n"), dict(MACROS), ""
    for block in _blocks(text):
        whole = getattr(block, "ignore_error_block", None) or block  # one whose key, or a field, came before
        whole = getattr(whole, "ignore_error_block", None) or whole
        line = (block.start_line or 0) + 1
        if _is_comment(lines, line):
            continue
        if hasattr(whole, "entry_type"):
            name = str(whole.key)
            yield name, str(whole.entry_type).lower(), line, fields_of(whole, macros)
        elif hasattr(whole, "error"):
            context.bad_record(source, line, _complaint(whole))
        elif hasattr(whole, "key"):  # @string
            macros[str(whole.key).lower()] = expanded(str(whole.value), macros)
        elif str(getattr(whole, "comment", ""))[:1] in (",", "}") and name:
            context.report.note(
                f"{source.name}, line {line}: {name} ends here, and what follows is not read. Check its braces."
            )


def _blocks(text: str) -> list[Any]:
    try:
        import bibtexparser
    except ImportError as error:
        raise MissingExtraError("Reading BibTeX needs bibtexparser, which is not installed.", "desk") from error
    import logging

    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)  # what it would print is reported with file and line
    return list(bibtexparser.parse_string(_NO_COMMA.sub(r"\1,\2", text), parse_stack=[]).blocks)


def _is_comment(lines: list[str], line: int) -> bool:
    return line <= len(lines) and lines[line - 1].lstrip().startswith("%")


def _complaint(block: Any) -> str:
    found = _KEY.match(str(block.raw or ""))
    reason = str(getattr(block.error, "abort_reason", block.error))
    unbalanced = reason.startswith("Unexpected")
    what = "a brace or a quote is not closed" if unbalanced else " ".join(reason.split()).rstrip(".")
    return f"{found[1] if found else 'the entry'} cannot be read: {what}."


def paper(key: str, values: Mapping[str, str]) -> Paper:
    """One entry: its citation key and its fields, LaTeX, named in lower case."""
    url = unescaped(values.get("url", "")) or _howpublished(values.get("howpublished", ""))
    doi = doi_of(unescaped(values.get("doi", ""))) or doi_of(url)
    arxiv = _arxiv(values)
    if not url:
        url = f"https://doi.org/{doi}" if doi else abs_url(arxiv) if arxiv else ""
    authors = names(bibtex_names(values.get("author", ""))) or names([to_text(values.get("collaboration", ""))])
    title, abstract = _title(values), without_tags(to_text(values.get("abstract", "")))
    journals = (to_text(values.get(name, "")) for name in ("journal", "journaltitle", "booktitle"))
    return Paper(
        id=f"doi:{doi.lower()}" if doi else arxiv or key or f"bibtex-{text_digest(title + abstract)}",
        title=title,
        abstract=abstract,
        authors=authors,
        date=_date(values),
        categories=_categories(values),
        url=url,
        others={"doi": doi, "journal": next(filter(None, journals), ""), "key": key},
    )


def _title(values: Mapping[str, str]) -> str:
    parts = [without_tags(to_text(values.get(name, ""))) for name in ("title", "subtitle")]
    return ": ".join(filter(None, parts))


def _howpublished(source: str) -> str:
    found = re.search(r"\\url\s*(\{.*?\})|^\s*(https?://\S+)\s*$", source)
    return unescaped(found[1] or found[2]) if found else ""


def _arxiv(values: Mapping[str, str]) -> str:
    kind = values.get("archiveprefix") or values.get("eprinttype", "")
    if kind.lower() == "arxiv":
        return arxiv_id(values.get("eprint", ""))[0]
    # "arXiv preprint arXiv:2410.15035" as Google Scholar has it, "abs/2410.15035" as DBLP
    found = _ARXIV_JOURNAL.search(f"{values.get('journal', '')} {values.get('volume', '')}")
    return arxiv_id(found[1] or found[2])[0] if found else ""


def _categories(values: Mapping[str, str]) -> tuple[str, ...]:
    main = values.get("primaryclass") or values.get("eprintclass", "")
    listed = to_text(values.get("keywords", "") or values.get("keyword", ""))
    mark = next((mark for mark in _SEPARATORS if mark in listed), ",")
    return tuple(dict.fromkeys(names([main, *listed.split(mark)])))


def _date(values: Mapping[str, str]) -> str:
    year, month, day = (to_text(values.get(name, "")) for name in ("year", "month", "day"))
    known = iso_date(to_text(values.get("date", "")))
    of = (iso_date(year) or known)[:4]
    if month.isdecimal():
        exact = iso_date(f"{of}-{month}-{day if day.isdecimal() else ''}")
    else:
        exact = iso_date(f"{day if day.isdecimal() else ''} {month}", of)
    return most_exact([known, iso_date(year), exact, iso_date(to_text(values.get("issue_date", "")))])
