"""Words: runs of letters, digits and the marks that belong to them, in every script.

A vowel sign or a virama (Unicode's category M) is part of its word, and so are soft hyphens and joiners. Apostrophes, hyphens
and underscores end a word. Scripts that are written without blanks (Han, kana, Thai, Lao, Khmer, Burmese ...) give one run from
blank to blank; ``terms`` cuts it further.

Text without combining marks and with letters below U+0300 only, nearly all English, takes a path by ``re``, which is several
times faster than that by ``regex``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any

from vecloom.text.folding import has_tones

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIMPLE = re.compile(r"[^\W_]+")
_SPOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_NEEDS_MORE = re.compile("[\u00ad\u0300-\u1fff\u200b-\u200f\u2c00-\U0010ffff]")
# letters whose words only a dictionary or a reader can tell apart: Unicode's line breaking class SA, ideographs, kana
UNSPACED = (
    r"\p{Line_Break=SA}\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}\p{Nushu}\p{Tangut}"
    r"\u3005\u3007\u303b\u30fc\uff70\uff9e\uff9f"
)
_OTHER = r"\p{L}\p{N}\p{M}\u00ad\u200c\u200d"
_HEBREW_MARK = r"(?<=\p{Hebrew})[\"'’\u05f3\u05f4](?=\p{Hebrew})"  # inside an abbreviation, as in צה"ל


def words(text: str) -> list[str]:
    """The words of a text as they are written.

    >>> words("don't stop_here: हिन्दी")
    ['don', 't', 'stop', 'here', 'हिन्दी']
    """
    return list(_pattern_for(text).findall(text))


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each word."""
    return ((match.start(), match.end()) for match in _pattern_for(text).finditer(text))


def spoken_words(text: str) -> list[str]:
    """The words of a text as one reads them aloud: without numbers, apostrophes inside a word kept.

    >>> spoken_words("don't count 7 हिन्दी")
    ["don't", 'count', 'हिन्दी']
    """
    return list((_SPOKEN if text.isascii() else _spoken()).findall(text))


def is_unspaced(word: str) -> bool:
    """Whether a word is a run of letters of a script without blanks."""
    return word[:1] > "\u0e00" and _classes()[1].match(word) is not None


def has_words(text: str) -> bool:
    """Whether there is a word in a text."""
    return _pattern_for(text).search(text) is not None


def clusters(run: str) -> list[str]:
    """A run's letters, each with the marks that follow it.

    Not Unicode's grapheme clusters, whose borders change with Unicode's versions: an index would no longer fit its queries.
    """
    return _cluster().findall(run)


def letters(word: str) -> int:
    """How many letters a word has, marks not counted."""
    return len(word) if word.isascii() else len(clusters(word))


def word_count(text: str) -> float:
    """About how many words a text has, as people who read it count them.

    Where blanks do not tell, two letters of Han or kana are a word, or four of Thai, Lao, Khmer or Burmese, or one and a half
    syllables of Vietnamese, which writes a blank after each.
    """
    found = words(text)
    spaced = sum(not is_unspaced(word) for word in found)
    runs = (letters(word) / (2 if word > "\u2e80" else 4) for word in found if is_unspaced(word))
    return (spaced / 1.5 if has_tones(text) else spaced) + sum(max(1.0, run) for run in runs)


def cluster_spans(run: str) -> Iterator[tuple[int, int]]:
    """Start and end of each of ``clusters``."""
    return (match.span() for match in _cluster().finditer(run))


def _pattern_for(text: str) -> Any:
    return _SIMPLE if text.isascii() or not _NEEDS_MORE.search(text) else _classes()[0]


@cache
def _classes() -> tuple[Any, Any]:
    """Patterns of a word, and of a letter of a run without blanks."""
    import regex

    unspaced = rf"[{UNSPACED}][{UNSPACED}\p{{M}}\u200c\u200d\u00ad]*+"
    spaced = rf"[[{_OTHER}]--[{UNSPACED}]]++"
    inside = rf"(?:{_HEBREW_MARK}{spaced})*+"
    return regex.compile(rf"(?V1){spaced}{inside}|{unspaced}"), regex.compile(rf"(?V1)[{UNSPACED}]")


@cache
def _spoken() -> Any:
    import regex

    word = rf"(?:[{UNSPACED}][{UNSPACED}\p{{M}}]*+|[[\p{{L}}\p{{M}}\u00ad\u200c\u200d]--[{UNSPACED}]]++)"
    return regex.compile(rf"(?V1){word}(?:['’]{word})*+")


@cache
def _cluster() -> re.Pattern[str]:
    """A letter with its marks; for the blocks in which scripts without blanks have theirs."""
    blocks = (
        (0x0300, 0x0370),
        (0x0E00, 0x1100),
        (0x1700, 0x1B80),
        (0x3000, 0x3100),
        (0xA900, 0xAB00),
        (0x11700, 0x11750),
    )
    marks = "".join(
        chr(code) for first, end in blocks for code in range(first, end) if unicodedata.category(chr(code))[0] == "M"
    )
    return re.compile(f".[{marks}\uff9e\uff9f]*", re.DOTALL)  # and the sound marks of narrow katakana
