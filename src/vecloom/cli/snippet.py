"""The part of a long text that answers a query best, with the query's words marked."""

from __future__ import annotations

import click

from vecloom.text import fold, marked

BEFORE = 40  # characters shown before the first word that was found


def cut(text: str, query: str, width: int) -> str:
    """At most ``width`` characters of ``text`` on one line, from where most of the query's words are close together."""
    line = " ".join(text.split())
    if len(line) <= width:
        return line
    found = [(start, fold(line[start:end])) for start, end in marked(line, query)]

    def near(place: int) -> int:
        return len({word for start, word in found if place <= start < place + width - BEFORE})

    first = max((start for start, _ in found), key=lambda place: (near(place), -place), default=0)
    start = _word_start(line, min(max(0, first - BEFORE), len(line) - width + 2))
    shown = line[start : start + width - 2]
    if start + len(shown) < len(line) and " " in shown:
        shown = shown.rsplit(" ", 1)[0]
    return f"{'…' if start else ''}{shown}{'…' if start + len(shown) < len(line) else ''}"


def mark(text: str, query: str) -> str:
    """Set the query's words in bold."""
    pieces, last = [], 0
    for start, end in marked(text, query):
        pieces += [text[last:start], click.style(text[start:end], bold=True)]
        last = end
    return "".join([*pieces, text[last:]])


def _word_start(line: str, place: int) -> int:
    if place == 0 or line[place - 1] == " ":
        return place
    after = line.find(" ", place, place + BEFORE)
    return after + 1 if after >= 0 else place
