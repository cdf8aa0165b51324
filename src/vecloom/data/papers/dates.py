"""Dates as people and programs write them, in ISO 8601 and no more exact than they are: "2020-05-03", "2020-05", "2020".

What can be read in two ways is cut back to what both have in common: "03/04/2020" is some day of 2020. Where dots separate,
the day comes first. A moment is given in UTC; it is taken to be in UTC if it names no zone, and only its day is kept if it
names an unknown one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_tz

# English, German, French, Spanish, Italian, Portuguese, Dutch; accents are left out
_NAMES = (
    "january januar janvier enero gennaio janeiro januari",
    "february februar fevrier febrero febbraio fevereiro februari",
    "march marz mars marzo marco maart mrz mrt",
    "april avril abril aprile",
    "may mai mayo maggio maio mei",
    "june juni juin junio giugno junho",
    "july juli juillet julio luglio julho",
    "august aout agosto augustus",
    "september septembre septiembre settembre setembro",
    "october oktober octobre octubre ottobre outubro",
    "november novembre noviembre novembro",
    "december dezember decembre diciembre dicembre dezembro",
)
_MONTHS = [(name, number) for number, names in enumerate(_NAMES, 1) for name in names.split()]
_WORD = re.compile(r"[^\W\d_]{3,}")
_SPACES = re.compile(r"[\s~]+")
_CJK = str.maketrans("年月日", "-- ")

_YEAR = re.compile(r"(?<![\d.])(?<!^-)([12]\d{3})(?!\.?\d)(?!'?s\b)", re.ASCII)  # "1980s" is not the year 1980
_COMPACT = re.compile(r"(?<![\d.-])([12]\d{3})(\d\d)(\d\d)(?![\d-])", re.ASCII)  # 20200503
_YEAR_FIRST = re.compile(r"(?<![\d.-])(\d{4})([-/.])(\d{1,2})(?!\d)(?:\2(\d{1,2})(?!\d))?", re.ASCII)
_YEAR_LAST = re.compile(r"(?<![\d.])(\d{1,2})(\. ?|[-/])(\d{1,2})\2(\d{4})(?!\d)", re.ASCII)
_MONTH_YEAR = re.compile(r"(?<![\d./-])(\d{1,2})[-/.](\d{4})(?!\d)", re.ASCII)
# "3", "3rd", "3.", "3-5" before a month; "3", "3rd" after it
_DAY_BEFORE = re.compile(r"(?<![\d:])(\d{1,2})(?:st|nd|rd|th|er|\.)?(?:\s?[-–]\s?\d{1,2}\.?)?[\s,/-]*(?:of |de )?$")
_DAY_AFTER = re.compile(r"\.?[\s,/-]*(\d{1,2})(?![\d:])")

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(T| +)(\d\d):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?\s*([A-Za-z]+|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
_ZONE = re.compile(r"(?<=\d)\s*\(?([A-Za-z]{1,5})\)?$", re.ASCII)
_SHIFT = re.compile(r"(?<=\d)\s*(?:GMT|UTC)?([+-])(\d{1,2}):?(\d\d)?(?:\s*\([^)]*\))?$", re.ASCII)
_HOURS = {"UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "BST": 1, "WEST": 1, "CET": 1, "MET": 1, "CEST": 2, "MEST": 2}
_HOURS |= {"EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9, "AST": -4, "ADT": -3, "EST": -5, "EDT": -4}
_HOURS |= {"CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}


def iso_date(text: str, year: str = "") -> str:
    """The first date in a text, as exact as it is; "" if there is none.

    Args:
        text: a date in figures or words, or more of them.
        year: the year of a text that names a month, and no year.

    >>> iso_date("2024-10-19T08:34:12+02:00"), iso_date("2020/5/3//"), iso_date("June 12, 2011"), iso_date("c. 1987")
    ('2024-10-19T06:34:12Z', '2020-05-03', '2011-06-12', '1987')
    >>> iso_date("31/12/2020"), iso_date("03/04/2020"), iso_date("05/2020"), iso_date("MAY 20", year="2019")
    ('2020-12-31', '2020', '2020-05', '2019-05-20')
    """
    text = _SPACES.sub(" ", text.translate(_CJK)).strip()
    found = _TIME.fullmatch(text)
    if found and (found[2] == "T" or found[6]):
        return _moment(found)
    return _in_figures(text) or _in_words(text, year) or _year(text)


def moment(text: str) -> str:
    """A date and time as mails and feeds write it, in ISO 8601; less where the text says less, "" if it is not a date.

    >>> moment("Mon, 2 Apr 2007 19:18:42 GMT"), moment("Thu, 4 May 2017 19:40:17"), moment("2017-05-04 24:00:00")
    ('2007-04-02T19:18:42Z', '2017-05-04T19:40:17Z', '2017-05-05T00:00:00Z')
    """
    text = _SPACES.sub(" ", text).strip()
    if found := _TIME.fullmatch(text):
        return _moment(found)
    plain, shift = _without_zone(text)
    try:
        parts = parsedate_tz(plain) or parsedate_tz(f"{plain} GMT")  # RFC 850 wants a zone
    except (ValueError, IndexError, TypeError, OverflowError):
        parts = None
    if parts is None or ":" not in plain:
        return iso_date(text)
    return _shifted(_day(*parts[:3]), *parts[3:6], shift)


def most_exact(dates: Iterable[str]) -> str:
    """The first date, or one that says more and does not contradict it.

    >>> most_exact(["", "2020", "2019-05", "2020-05-03"])
    '2020-05-03'
    """
    found = [one for one in dates if one]
    return max((one for one in found if one.startswith(found[0])), key=len, default="")


def instant(when: datetime) -> str:
    """A moment in UTC, to the second; one without a zone is taken to be in UTC."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)


def month_of(word: str) -> int:
    """The number of a month that is named or abbreviated, 0 if it is not one.

    >>> month_of("März"), month_of("sept"), month_of("jui"), month_of("spring")
    (3, 9, 0, 0)
    """
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", word) if letter.isalpha()).lower()
    found = {number for name, number in _MONTHS if name.startswith(plain)} if len(plain) > 2 else set()
    return found.pop() if len(found) == 1 else 0


def _without_zone(text: str) -> tuple[str, int | None]:
    """A text without the zone at its end, and that zone's seconds; none is UTC, an unknown one None."""
    if found := _SHIFT.search(text):
        seconds = int(found[2]) * 3600 + int(found[3] or 0) * 60
        return text[: found.start()], -seconds if found[1] == "-" else seconds
    if found := _ZONE.search(text):
        hours = _HOURS.get(found[1].upper())
        return text[: found.start()], None if hours is None else hours * 3600
    return text, 0


def _moment(found: re.Match[str]) -> str:
    day, _, hour, minute, second, zone = found.groups()
    if zone and zone[0] in "+-":
        shift: int | None = int(f"{zone[0]}1") * (int(zone[1:3]) * 3600 + int(zone[3:].strip(":") or 0) * 60)
    else:
        hours = _HOURS.get((zone or "Z").upper())
        shift = None if hours is None else hours * 3600
    return _shifted(_day(*map(int, day.split("-"))), int(hour), int(minute), int(second or 0), shift)


def _shifted(day: str, hour: int, minute: int, second: int, shift: int | None) -> str:
    """A moment of a day; the day alone where the time or the zone (None) is not known. A leap second is the one before."""
    if shift is None or len(day) < 10 or hour * 3600 + minute * 60 + second > 86400 or minute > 59 or second > 60:
        return day
    passed = timedelta(hours=hour, minutes=minute, seconds=min(second, 59) - shift)
    try:
        return instant(datetime.fromisoformat(day) + passed)
    except OverflowError:
        return day


def _day(year: int, month: int = 0, day: int = 0) -> str:
    """The parts that can be true."""
    if not 0 < year < 10000:
        return ""
    if not 0 < month < 13:
        return f"{year:04}"
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return f"{year:04}-{month:02}"


def _in_figures(text: str) -> str:
    if found := _COMPACT.search(text):
        exact = _day(*map(int, found.groups()))
        if len(exact) == 10:
            return exact
    if found := _YEAR_LAST.search(text):
        first, between, second, year = found.groups()
        return _day(int(year), *_month_and_day(int(first), int(second), "." in between))
    if found := _YEAR_FIRST.search(text):
        return _day(int(found[1]), int(found[3]), int(found[4] or 0))
    if found := _MONTH_YEAR.search(text):
        return _day(int(found[2]), int(found[1]))
    return ""


def _month_and_day(first: int, second: int, day_first: bool) -> tuple[int, int]:
    if second > 12 >= first:
        return first, second
    if day_first or first > 12 or first == second:
        return second, first
    return 0, 0


def _in_words(text: str, year: str) -> str:
    for word in _WORD.finditer(text):
        number = month_of(word[0])
        if not number:
            continue
        of = _year(text) or year
        before, after = _DAY_BEFORE.search(text[: word.start()]), _DAY_AFTER.match(text, word.end())
        day = before or after
        return _day(int(of), number, int(day[1]) if day else 0) if of.isdecimal() else ""
    return ""


def _year(text: str) -> str:
    found = _YEAR.search(text)
    return found[1] if found else ""
