"""Text of an index as a page shows it: nothing of it can disturb what stands around it.

Control characters become their Unicode pictures (``␀`` for NUL), lone surrogates and noncharacters U+FFFD. Characters that
override the direction of what follows are left out; markup isolates every text by itself. All kinds of line breaks become one.
Long words and stacked accents are the style sheet's matter.
"""

from __future__ import annotations

import re

_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_OVERRIDE = re.compile("[\u202a-\u202e]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_BROKEN = re.compile("[\x80-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_BLANK = re.compile(
    "[\\s\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0]*"
)


def visible(text: str) -> str:
    """Text with nothing in it but text; "" where none of it can be seen."""
    lines = _OVERRIDE.sub("", _BREAK.sub("\n", text)).strip()
    if _BLANK.fullmatch(lines):
        return ""
    return _BROKEN.sub("\ufffd", _CONTROL.sub(_picture, lines))


def _picture(control: re.Match[str]) -> str:
    return chr(0x2400 + ord(control[0])) if control[0] != "\x7f" else "\u2421"
