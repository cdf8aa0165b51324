"""Names of people, first name first, out of the fields in which bibliographies list them."""

from __future__ import annotations

import re

from vecloom.data.papers.latex import to_text
from vecloom.data.papers.record import one_line

_OTHERS = re.compile(r"\{?(?:others|et\.? al\.?)\}?", re.IGNORECASE)
_DANGLING = re.compile(r"^and(?: |$)| and$", re.IGNORECASE)
_PART = re.compile(r"\s*([\w-]+)\s*=\s*(?:\"([^\"]*)\"|(.*))\s*", re.DOTALL)
_SUFFIX = re.compile(r"(?:jr|sr|[ivx]+|ph\.?d|m\.?d)\.?", re.IGNORECASE)
_PEOPLE, _AND = re.compile(r"\s*[;|]\s*"), re.compile(r"\s*,?\s+(?:and|&)\s+")
_BODY = re.compile(r"\b(?:of|for|the|on|in)\b")
_NUMBER = re.compile(r"\s*\(\d{5,}\)")  # Scopus adds its author ids
_INITIALS = re.compile(r"(?:[^\W\d_a-zß-ÿ]\.?[ -]?){1,4}")
_COMPANY = re.compile(r"(?:inc|ltd|llc|corp|co|gmbh|plc|s\.?a)\.?", re.IGNORECASE)
_PARTS = ("given", "prefix", "family", "suffix")


def bibtex_names(source: str) -> list[str]:
    r"""The people of a BibTeX field, in their order.

    Names are parted by "and" outside braces; braces hold a name together. "and others" is nobody.

    >>> bibtex_names(r"{Bureau of Dairy and Eggs} and van der Berg, Jr., M{\"a}x AND Jane Roe and others")
    ['Bureau of Dairy and Eggs', 'Mäx van der Berg Jr.', 'Jane Roe']
    """
    from bibtexparser.middlewares.names import split_multiple_persons_names

    people = split_multiple_persons_names(_DANGLING.sub("", " ".join(source.split())))
    if len(people) == 1 and _commas(people[0], ";"):
        people = _split(people[0], ";")
    return [
        name for name in (_bibtex_name(one.strip()) for one in people if not _OTHERS.fullmatch(one.strip())) if name
    ]


def _bibtex_name(source: str) -> str:
    from bibtexparser.middlewares.names import parse_single_name_into_parts

    if "=" in source and (parts := _named_parts(source)):
        return to_text(" ".join(parts[name] for name in _PARTS if parts.get(name)))
    if _commas(source, ",") > 2:  # not one name; better left as it is than put in another order
        return to_text(source)
    parts = parse_single_name_into_parts(source, strict=False)
    if parts.jr and _SUFFIX.fullmatch(" ".join(parts.first)) and not _SUFFIX.fullmatch(" ".join(parts.jr)):
        parts.first, parts.jr = parts.jr, parts.first  # "Doe, Jane, III", as in RIS
    return to_text(str(parts.merge_first_name_first))


def _named_parts(source: str) -> dict[str, str]:
    """Parts of "family=Doe, given=Jane", as biblatex allows it; none where it is not that."""
    found = [_PART.fullmatch(part) for part in _split(source, ",")]
    parts = {one[1].lower(): (one[2] or one[3] or "").strip() for one in found if one}
    return parts if "family" in parts else {}


def turned(name: str) -> str:
    """A name with the first name first; what follows a second comma is "Jr.", as RIS has it.

    >>> turned("Müller, Hans"), turned("King, Martin, Jr."), turned("King, Jr., Martin"), turned("Jane Doe")
    ('Hans Müller', 'Martin King Jr.', 'Martin King Jr.', 'Jane Doe')
    """
    parts = [one_line(part) for part in name.split(",")]
    if _COMPANY.fullmatch(parts[-1]):
        return one_line(name)
    if len(parts) == 3:
        first, suffix = (parts[2], parts[1]) if _SUFFIX.fullmatch(parts[1]) else (parts[1], parts[2])
        return one_line(f"{first} {parts[0]} {suffix}")
    return one_line(f"{parts[1]} {parts[0]}") if len(parts) == 2 else one_line(name)


def listed_names(text: str) -> list[str]:
    """The people of a table's cell: between semicolons or bars, else between commas or "and" where these are several.

    >>> listed_names("Doe, Jane (57190000000); Roe, R."), listed_names("Doe J, Roe R, Poe E")
    (['Jane Doe', 'R. Roe'], ['Doe J', 'Roe R', 'Poe E'])
    >>> listed_names("van Gogh, Vincent"), listed_names("Doe, J., Roe, R."), listed_names("Jane Doe and Ed Poe")
    (['Vincent van Gogh'], ['J. Doe', 'R. Roe'], ['Jane Doe', 'Ed Poe'])
    """
    people = _PEOPLE.split(_NUMBER.sub("", text))
    if len(people) == 1:
        people = [one for part in _at_and(people[0]) for one in _one_or_many(part)]
    return [turned(one) for one in people]


def _at_and(text: str) -> list[str]:
    """Several people, but not a "Bureau of Dairy and Eggs" or "Simon and Schuster"."""
    parts = _AND.split(text)
    people = all(" " in part for part in parts) and not _BODY.search(text)
    return parts if people or "," in text else [text]


def _one_or_many(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) == 2 and (
        " " not in parts[0] or " " not in parts[1] or _INITIALS.fullmatch(parts[1]) or text[0].islower()
    ):
        return [text]
    if len(parts) > 3 and len(parts) % 2 == 0 and all(_INITIALS.fullmatch(part) for part in parts[1::2]):
        return [f"{last}, {first}" for last, first in zip(parts[::2], parts[1::2], strict=True)]
    return parts


def _commas(source: str, mark: str) -> int:
    return len(_split(source, mark)) - 1


def _split(source: str, mark: str) -> list[str]:
    """Pieces between marks that stand outside braces."""
    pieces, depth = [""], 0
    for character in source:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == mark and depth <= 0:
            pieces.append("")
        else:
            pieces[-1] += character
    return pieces
