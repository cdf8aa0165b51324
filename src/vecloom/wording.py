"""Counts and lists in sentences, the same everywhere: "1 document", "2,000 documents", "a, b and 7 more"."""

from __future__ import annotations

from collections.abc import Sequence

MOST_NAMES = 3  # enough to see what is meant; a sentence stays a sentence


def counted(number: int, singular: str, plural: str = "") -> str:
    """Say how many of a thing.

    >>> counted(1, "document"), counted(2000, "document"), counted(2, "query"), counted(2, "key")
    ('1 document', '2,000 documents', '2 queries', '2 keys')
    """
    return f"{number:,} {singular if number == 1 else plural or _plural(singular)}"


def _plural(word: str) -> str:
    ies = word.endswith("y") and word[-2:-1] not in "aeou"
    return f"{word[:-1]}ies" if ies else f"{word}s"


def are(number: int) -> str:
    """The verb for so many things.

    >>> are(1), are(2)
    ('is', 'are')
    """
    return "is" if number == 1 else "are"


def have(number: int) -> str:
    """The verb for so many things.

    >>> have(1), have(2)
    ('has', 'have')
    """
    return "has" if number == 1 else "have"


def some(names: Sequence[str], number: int | None = None) -> str:
    """Name the first few of ``number`` things.

    >>> some(["a", "b"]), some(["a", "b", "c"], 62)
    ('a, b', 'a, b, c and 59 more')
    """
    shown = names[:MOST_NAMES]
    more = (len(names) if number is None else number) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
