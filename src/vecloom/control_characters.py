"""Characters that steer a terminal or turn text around, taken out of what is shown: indexed text is not to be trusted.

C0 and C1 controls move the cursor, rename the window or start sequences that do worse; bidirectional embeddings, overrides and
isolates (Unicode Standard Annex 9) make a line read otherwise than it is. Tabs and line ends stay, as do the marks U+200E and
U+200F, which only place a neutral character.
"""

from __future__ import annotations

import re

_BREAKS = re.compile("\r\n?")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_ODD_BYTE = re.compile("[\udc80-\udcff]")  # of a path that is not UTF-8, as the system's calls give it
_IN_JSON = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""Text that a terminal prints and does not obey: controls become U+FFFD, bidirectional controls go, line ends are ``\n``.

    >>> visible("a" + chr(27) + "[2Jb" + chr(0x202E) + "c")
    'a\ufffd[2Jbc'
    """
    if text.isascii() and text.isprintable():
        return text
    text = _ODD_BYTE.sub(_quoted, text)
    return _BIDI.sub("", _CONTROLS.sub("\ufffd", _BREAKS.sub("\n", text)))


def escaped_json(line: str) -> str:
    r"""The same JSON, with the controls that ``json.dumps`` leaves as they are written as escapes: nothing is lost.

    >>> escaped_json('"a' + chr(0x9B) + '"')
    '"a\\u009b"'
    """
    line = _ODD_BYTE.sub(_quoted, line)
    return (
        line if line.isascii() and "\x7f" not in line else _IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", line)
    )


def _quoted(odd: re.Match[str]) -> str:
    """A byte as ids of documents have it: no text of ours can hold it as it is."""
    return f"%{ord(odd[0]) - 0xDC00:02X}"
