"""Sentences: where a text's sentences end, in every script.

A full stop, an exclamation or question mark ends a sentence before white space, a full stop not before a small letter. Marks that
stand for an end and nothing else (the danda, 。 and ！, Urdu's, Burmese and Khmer ones: Unicode's STerm) need no white space. In
Greek the semicolon asks. Thai and Lao have no such marks: a blank is what there is, and stretches of less than ``SHORT``
characters are joined. A blank line ends a sentence everywhere.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

SHORT = 60
_CLOSING = "\"'”’»)\\]}」』）】》〉"
_ASCII = re.compile(r"(?:[!?]|\.(?![\"')\]]*\s+[a-z]))[\"')\]]*\s+(?=\S)|\n\s*\n")
_BLANK = re.compile(r"\s+")


def sentences(text: str) -> list[str]:
    """The sentences of a text, without the white space between them; none where the text is blank.

    >>> sentences("One. Two e.g. this? 三。四！")
    ['One.', 'Two e.g. this?', '三。', '四！']
    """
    borders, unmarked = (_ASCII, None) if text.isascii() else _patterns()
    parts = _parts(text, borders)
    if unmarked is None or not unmarked.search(text):
        return parts
    return [piece for part in parts for piece in _at_blanks(part, unmarked)]


def _parts(text: str, borders: Any) -> list[str]:
    ends = [match.end() for match in borders.finditer(text)]
    parts = (text[start:end].strip() for start, end in zip([0, *ends], [*ends, len(text)], strict=True))
    return [part for part in parts if part]


def _at_blanks(part: str, unmarked: Any) -> list[str]:
    """A stretch of Thai or Lao in pieces of at least ``SHORT`` characters, but for the last one."""
    pieces, start = [], 0
    for match in unmarked.finditer(part):
        if match.start() - start >= SHORT:
            pieces.append(part[start : match.start()].strip())
            start = match.end()
    return [*pieces, part[start:].strip()]


@cache
def _patterns() -> tuple[Any, Any]:
    """Ends of sentences, and blanks between Thai or Lao letters."""
    import regex

    closing = f"[{_CLOSING}]*+"
    needs_blank = rf"(?:[!?…‼⁇⁈⁉‽]|(?<=[\p{{Greek}}\p{{Mn}}]);|\.(?!{closing}\s+\p{{Ll}})){closing}\s++(?=\S)"
    own = rf"[\p{{Sentence_Break=STerm}}\uff0e\u037e--[!?‼⁇⁈⁉‽]]++{closing}\s*+"
    thai = r"[\p{Thai}\p{Lao}]"
    return regex.compile(rf"(?V1){needs_blank}|{own}|\n\s*\n"), regex.compile(rf"(?V1)(?<={thai})\s+(?={thai})")
