"""Undo what typesetting did to text: lines become paragraphs, words cut at line ends become whole, ligatures letters.

A hyphen at a line end (``CUT``) is dropped or kept by these rules, the first that applies:

1. The document writes the word elsewhere, within a line, with the hyphen or without it: as there, the more frequent
   way if both occur.
2. One letter stands before it ("e-mail": no hyphenation cuts there), a capital follows a small letter
   ("Lotka-Volterra"), or a digit stands beside it: kept.
3. The word has other hyphens, or both parts are words of at least four letters that the document uses by themselves
   ("source-level"): kept, unless the parts beside the cut make a word that the document uses.
4. Otherwise dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

CUT = "\ufffe"
"""A hyphen at a line end, between the two parts of a word; as PDFium marks it."""
COMBINING = {
    "´": "\u0301", "¨": "\u0308", "ˇ": "\u030c", "˘": "\u0306", "˙": "\u0307", "˚": "\u030a", "˝": "\u030b",
    "ˆ": "\u0302", "˜": "\u0303", "`": "\u0300", "¯": "\u0304",
}  # fmt: skip
"""Accents that old TeX fonts set as characters of their own, before the letter under them."""
WIDER = 1.3  # a step down of more than this, in steps of the page, starts a paragraph
SHORT = 0.2  # a line that leaves more than this of the column empty ends where its author ended it
LIKELY_WORD = 4  # letters; shorter parts are words and syllables alike

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_CUT_WORD = re.compile(rf"([\w-]*\w){CUT}[ \n]?(\w[\w-]*)")
_ITEM = re.compile(r"(?:[•‣◦▪●■–—*-]|\(?[0-9a-zA-Z]{1,3}[.)])\s")
_SENTENCE_END = (".", "!", "?", ":", ";", "。", "！", "？", "：", ".)", ".”", '."')
_LIGATURES = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}
# No text has these: glyphs without a meaning that the file tells, fillers, and marks of line ends and of joining
_DROPPED = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160), 0xAD, 0x200B, 0xFEFF, 0xFFFF], None)
_SPACES = {0x2028: "\n", 0x2029: "\n", 0x85: "\n", 0xA0: " ", 9: " "}
_LETTERS = str.maketrans({**_DROPPED, **_SPACES, **{ord(key): value for key, value in _LIGATURES.items()}})


class Line(NamedTuple):
    """A line of a page, in points; ``bottom`` of its first and ``end`` of its last character (a line may be broken)."""

    text: str
    left: float
    right: float
    bottom: float
    end: float
    size: float


def letters(text: str) -> str:
    """Ligatures as letters, blanks as spaces; soft hyphens and characters that stand for nothing are dropped."""
    return text.translate(_LETTERS)


def composed(accent: str, letter: str) -> str | None:
    """One letter for an accent set before or over a letter; None if there is no such letter.

    >>> composed("¨", "u")
    'ü'
    """
    base = {"ı": "i", "ȷ": "j"}.get(letter, letter)
    one = unicodedata.normalize("NFC", base + COMBINING[accent])
    return one if len(one) == 1 else None


def paragraphs(lines: Sequence[Line]) -> str:
    """Join a page's lines: a paragraph is one line, and an empty line stands where the page has a gap."""
    steps = [step for before, line in pairwise(lines) if (step := before.end - line.bottom) > 1]
    if len(steps) * 2 < len(lines) - 1:  # turned text: what is below is not known
        return "\n".join(line.text for line in lines)
    usual = median(steps) if steps else 0.0
    parts: list[str] = []
    block: list[Line] = []
    for line in lines:
        border = _border(block, line, usual) if block else ""
        if border not in ("", " "):
            block = []
        block.append(line)
        parts.extend((border, line.text))
    return "".join(parts)


def _border(block: Sequence[Line], line: Line, usual: float) -> str:
    """What stands between the lines of a paragraph so far and the next one."""
    last = block[-1]
    if not last.text or not line.text:
        return "\n"
    step = last.end - line.bottom
    ended = last.text.endswith(_SENTENCE_END)
    if abs(step) < 0.5 * last.size:  # on one line: an index or exponent has cut it
        return " " if line.left > last.left else "\n"
    if step < 0:  # the next column
        return "\n\n" if ended or not line.text[0].islower() else _glue(last.text, line.text)
    if step > WIDER * usual or not 0.85 < line.size / last.size < 1.18:
        return "\n\n"
    if _ITEM.match(line.text) or _is_short(block, line) or (ended and line.left > last.left + 0.8 * last.size):
        return "\n"
    return _glue(last.text, line.text)


def _is_short(block: Sequence[Line], line: Line) -> bool:
    right = max(one.right for one in (*block, line))
    left = min(one.left for one in (*block, line))
    return right - block[-1].right > SHORT * (right - left)


def _glue(before: str, after: str) -> str:
    if before.endswith("-") and len(before) > 1 and before[-2].isalnum() and after[0].isalnum():
        return ""
    # Chinese and Japanese set no spaces between words, Korean does
    return "" if _is_ideographic(before[-1]) and _is_ideographic(after[0]) else " "


def _is_ideographic(character: str) -> bool:
    return "\u2e80" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff" or "\uff00" <= character <= "\uff65"


def words(texts: Iterable[str]) -> Counter[str]:
    """How often each word stands in texts, hyphenated words whole; words that are cut at a line end do not count."""
    return Counter(word.casefold() for text in texts for word in _WORD.findall(_CUT_WORD.sub(" ", text)))


def whole_words(text: str, seen: Counter[str]) -> str:
    """Take out or keep the hyphen at each ``CUT``; see the rules above.

    >>> whole_words("com\ufffepile low\ufffelevel code", words(["a low-level language"]))
    'compile low-level code'
    """
    text = _CUT_WORD.sub(lambda cut: cut[1] + _hyphen(cut[1], cut[2], seen) + cut[2], text)
    return text.replace(CUT, "-")


def _hyphen(before: str, after: str, seen: Counter[str]) -> str:
    left, right = before.rpartition("-")[2], after.partition("-")[0]
    joined, hyphened = seen[f"{before}{after}".casefold()], seen[f"{before}-{after}".casefold()]
    if joined or hyphened:
        return "-" if hyphened > joined else ""
    if len(left) == 1 or (right[0].isupper() and left[-1].islower()) or left[-1].isdigit() or right[0].isdigit():
        return "-"
    if seen[f"{left}{right}".casefold()]:
        return ""
    compound = all(len(part) >= LIKELY_WORD and seen[part.casefold()] for part in (left, right))
    return "-" if compound or left != before or right != after else ""
