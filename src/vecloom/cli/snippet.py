"""The part of a long text that answers a query best, with the query's words marked."""

from __future__ import annotations

import re

import click

SHORTEST = 3  # letters; shorter words are in every text and mark nothing
BEFORE = 40  # characters shown before the first word that was found


def words_of(query: str) -> list[str]:
    """The query's words that are worth marking, in lower case; all of them where all are short."""
    words = list(dict.fromkeys(re.findall(r"\w+", query.lower())))
    return [word for word in words if len(word) >= SHORTEST] or words


def cut(text: str, words: list[str], width: int) -> str:
    """At most ``width`` characters of ``text`` on one line, from where most of ``words`` are close together."""
    line = " ".join(text.split())
    if len(line) <= width:
        return line
    places = [match.start() for match in _pattern(words).finditer(line)] if words else []
    first = max(places, key=lambda place: (_found(line[place : place + width - BEFORE], words), -place), default=0)
    start = _word_start(line, min(max(0, first - BEFORE), len(line) - width + 2))
    shown = line[start : start + width - 2]
    if start + len(shown) < len(line) and " " in shown:
        shown = shown.rsplit(" ", 1)[0]
    return f"{'…' if start else ''}{shown}{'…' if start + len(shown) < len(line) else ''}"


def mark(text: str, words: list[str]) -> str:
    """Set ``words``, and words that begin with them, in bold."""
    return _pattern(words).sub(lambda match: click.style(match.group(), bold=True), text) if words else text


def _pattern(words: list[str]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\w*", re.IGNORECASE)


def _found(text: str, words: list[str]) -> int:
    lower = text.lower()
    return sum(word in lower for word in words)


def _word_start(line: str, place: int) -> int:
    if place == 0 or line[place - 1] == " ":
        return place
    after = line.find(" ", place, place + BEFORE)
    return after + 1 if after >= 0 else place
