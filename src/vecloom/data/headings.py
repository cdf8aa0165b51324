"""Headings of Markdown and reStructuredText: where they stand, and the path of headings above a place.

Positions are character offsets. Lines inside fenced code are no headings, nor are comments in indented code.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

SEPARATOR = " > "

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#*)?[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_NOT_PARAGRAPH = re.compile(r" {4}|\t| {0,3}(?:[-+*>|]|\d+[.)])[ \t]?|\s*$")
_INLINE = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[`*]")
_RST_RULE = re.compile(r"([!-/:-@\[-`{-~])\1{1,}[ \t]*$")


class Heading(NamedTuple):
    """A heading: the offset of its first line, its level (1 is the highest) and its text without markup."""

    start: int
    level: int
    text: str


def markdown_headings(text: str) -> Iterator[Heading]:
    """Yield the ATX (``# Title``) and setext (underlined) headings of Markdown."""
    fence = ""
    before, before_start = "", 0
    for start, line in _lines(text):
        opened = _FENCE.match(line)
        if fence:
            # a fence ends with one of its own kind, at least as long, with nothing behind it
            if opened and opened[1].startswith(fence) and not line[opened.end() :].strip():
                fence = ""
            before = ""
        elif opened:
            fence, before = opened[1], ""
        elif (atx := _ATX.match(line)) and atx[2]:
            yield Heading(start, len(atx[1]), _without_markup(atx[2]))
            before = ""
        elif before and (setext := _SETEXT.match(line)):
            yield Heading(before_start, 1 if setext[1][0] == "=" else 2, _without_markup(before))
            before = ""
        else:
            before, before_start = ("" if _NOT_PARAGRAPH.match(line) else line), start


def rst_headings(text: str) -> Iterator[Heading]:
    """Yield the section titles of reStructuredText; their levels are in order of first appearance of their styles."""
    lines = list(_lines(text))
    styles: list[tuple[str, bool]] = []
    for place in range(len(lines) - 1):
        start, title = lines[place]
        under = lines[place + 1][1].rstrip()
        over = lines[place - 1][1].rstrip() if place else ""
        overlined = over == under and bool(over)
        if not _is_rst_title(title, under, overlined, before=over):
            continue
        style = (under[0], overlined)
        if style not in styles:
            styles.append(style)
        first = lines[place - 1][0] if overlined else start
        yield Heading(first, styles.index(style) + 1, title.strip())


def _is_rst_title(title: str, under: str, overlined: bool, before: str) -> bool:
    if not title.strip() or not _RST_RULE.match(under) or _RST_RULE.match(title):
        return False
    if len(under) < len(title.strip()):
        return False
    # above it: nothing, or the underline of a title before
    return overlined or not (title[0].isspace() or (before and not _RST_RULE.match(before)))


def heading_paths(headings: Iterator[Heading]) -> tuple[list[int], list[str]]:
    """Return the offsets of headings and, for each, the path from the highest heading down to it."""
    starts: list[int] = []
    paths: list[str] = []
    above: list[Heading] = []
    for heading in headings:
        above = [*(one for one in above if one.level < heading.level), heading]
        starts.append(heading.start)
        paths.append(SEPARATOR.join(one.text for one in above))
    return starts, paths


def path_at(starts: list[int], paths: list[str], offset: int) -> str:
    """Return the path in force at ``offset``; "" above the first heading."""
    place = bisect_right(starts, offset)
    return paths[place - 1] if place else ""


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line.removesuffix("\r")
        start += len(line) + 1


def _without_markup(text: str) -> str:
    return " ".join(_INLINE.sub(r"\1", text).split())
