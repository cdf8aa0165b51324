"""Numbers and names in words, alike in every report: scores x 100 with one decimal, "-" where there is none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vecloom.evaluate.compare import ALPHA

NOTHING = "-"
_INNER_CAPITAL = re.compile(r"(?<=[a-z])[A-Z]")
LISTED = 6  # names in a sentence; "and 14 others" after that


def number(score: float | None) -> str:
    """A score x 100.

    >>> number(0.7559), number(-0.0001), number(None)
    ('75.6', '0.0', '-')
    """
    return NOTHING if score is None else f"{100 * score:.1f}".replace("-0.0", "0.0")


def signed(difference: float) -> str:
    """A difference x 100 with its sign.

    >>> signed(0.0123), signed(-0.0123), signed(-0.0001)
    ('+1.2', '-1.2', '0.0')
    """
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def interval(low: float | None, high: float | None) -> str:
    """The ends of an interval x 100, "" where there is none.

    >>> interval(0.741, 0.77)
    '74.1 to 77.0'
    """
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def probability(p: float) -> str:
    """A p-value.

    >>> probability(0.0123), probability(0.00003)
    ('p = 0.012', 'p < 0.001')
    """
    shown = min(p, 0.049) if p < ALPHA else p  # what is significant shall not read 0.050
    return "p < 0.001" if p < 0.001 else f"p = {shown:.3f}"


def duration(seconds: float) -> str:
    """A time.

    >>> duration(0.4), duration(95), duration(4000)
    ('1 s', '2 min', '1 h 7 min')
    """
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def speed(texts_per_second: float | None) -> str:
    """Texts a second.

    >>> speed(1234.5), speed(3.21), speed(None)
    ('1,234', '3.2', '-')
    """
    if texts_per_second is None:
        return NOTHING
    return f"{texts_per_second:,.0f}" if texts_per_second >= 10 else f"{texts_per_second:.1f}"


def kind(task_type: str) -> str:
    """A task type of mteb in words.

    >>> kind("PairClassification"), kind("STS")
    ('Pair classification', 'STS')
    """
    return _INNER_CAPITAL.sub(lambda found: f" {found[0].lower()}", task_type)


def listed(names: Sequence[str], most: int = LISTED) -> str:
    """Names in a sentence.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d"], most=2)
    ('a, b and c', 'a, b and 2 others')
    """
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} others"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
