"""Documents of pages or slides: one text, and where each page begins in it."""

from __future__ import annotations


def joined(pages: list[str]) -> tuple[str, tuple[int, ...]]:
    """The text of all pages, and where each begins in it."""
    parts: list[str] = []
    starts: list[int] = []
    length = 0
    for text in pages:
        if text and length:
            parts.append("\n\n")
            length += 2
        starts.append(length)
        parts.append(text)
        length += len(text)
    return "".join(parts), tuple(starts)
