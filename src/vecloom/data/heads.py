"""What is encoded before a chunk's text: title and heading path, cut so that the text keeps its room.

A title may be as long as its writer likes and a path as deep; the model's window may not. The title keeps its beginning, the
path its end (the headings nearest to the text); each may use what the other leaves, and half of the room in any case.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from vecloom.data.headings import SEPARATOR
from vecloom.data.records import joined_head

MAX_CHARS_PER_TOKEN = 32
"""Bounds what a tokenizer hardly sees: blanks, a word that is one [UNK] to it; and what is counted of a title of a megabyte."""


def fitted(title: str, path: str, room: int, tokens: Callable[[str], int]) -> str:
    """Title and heading path in at most ``room`` tokens.

    >>> fitted("a long title", "one > two > three", 4, lambda text: len(text.split()))
    'a long title three'
    """
    whole = joined_head(title, path)
    if len(whole) <= room * MAX_CHARS_PER_TOKEN and tokens(whole) <= room:
        return whole
    doubled = bool(title) and path.startswith(title)
    below = path.removeprefix(title).removeprefix(SEPARATOR).strip() if doubled else path
    link = SEPARATOR if doubled else " "
    for_title = min(room // 2, tokens(cut(title, room, tokens))) if below else room
    lowest = _end_of(below, room - for_title - tokens(link), tokens)
    if not lowest:
        return cut(title, room, tokens)
    first = cut(title, room - tokens(lowest) - tokens(link), tokens)
    return f"{first}{link}{lowest}" if first else lowest


def cut(text: str, room: int, tokens: Callable[[str], int]) -> str:
    """The beginning of a text, in at most ``room`` tokens: whole words, or a part of the first.

    >>> cut("matters of procedure", 2, lambda text: len(text.split()))
    'matters of'
    """
    if room <= 0:
        return ""
    if len(text) <= room * MAX_CHARS_PER_TOKEN and tokens(text) <= room:
        return text
    words = text[: room * MAX_CHARS_PER_TOKEN].split()
    many = bisect_right(range(len(words) + 1), room, key=lambda n: tokens(" ".join(words[:n]))) - 1
    if many or not words:
        return " ".join(words[:many])
    word = words[0]
    return word[: bisect_right(range(len(word) + 1), room, key=lambda n: tokens(word[:n])) - 1]


def _end_of(path: str, room: int, tokens: Callable[[str], int]) -> str:
    """The lowest headings of a path that fit; a part of the lowest where not even that does."""
    headings = path.split(SEPARATOR)
    kept = headings[-1]
    for heading in reversed(headings[:-1]):
        longer = f"{heading}{SEPARATOR}{kept}"
        if len(longer) > room * MAX_CHARS_PER_TOKEN or tokens(longer) > room:
            break
        kept = longer
    return cut(kept, room, tokens)
