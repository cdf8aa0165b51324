"""A file's path as its name in ids, reports and JSON: one spelling for one path, and text whatever bytes the path has.

``./n``, ``n//a.md`` and ``x/../n`` are one folder, so they have one name. A name on disk is bytes: those that are not UTF-8
are written as ``%E9``, and a "%" of the same path as ``%25``, so that ``file_of`` finds the file again.
"""

from __future__ import annotations

import os
import re
from urllib.parse import unquote_to_bytes

STDIN = "-"
_ODD = re.compile("[\udc80-\udcff]")  # what the system's calls make of a byte that is not UTF-8


def normal(path: str) -> str:
    """The shortest spelling of a path; links are not followed.

    >>> normal("./n//a.md"), normal("n/"), normal("a/../n"), normal("/../x")
    ('n/a.md', 'n', 'n', '/x')
    """
    short = os.path.normpath(path)
    if os.pardir in path.split(os.sep) and not _same(short, path):
        # behind a link, ".." leads elsewhere than its spelling says
        short = os.path.join(
            os.sep if path.startswith(os.sep) else "", *(p for p in path.split(os.sep) if p not in ("", "."))
        )
    short = short[1:] if short.startswith("//") else short
    return os.path.join(os.curdir, short) if short == STDIN else short


def shown(path: str) -> str:
    r"""A path as text: the name of its file.

    >>> shown("caf\udce9.md"), shown("100%.md")
    ('caf%E9.md', '100%.md')
    """
    if path.isascii() or not _ODD.search(path):
        return path
    name = _ODD.sub(lambda odd: f"%{ord(odd[0]) - 0xDC00:02X}", path.replace("%", "%25"))
    place = name.rfind(os.sep) + 1
    while os.path.lexists(name) and place < len(name):  # another file has this very name: quote one character more
        quoted = "".join(f"%{byte:02X}" for byte in name[place].encode())
        name, place = name[:place] + quoted + name[place + 1 :], place + len(quoted)
    return name


def file_of(name: str) -> str:
    r"""The path that ``shown`` gave this name.

    >>> file_of("caf%E9.md") == "caf\udce9.md"
    True
    """
    if "%" not in name or os.path.lexists(name):
        return name
    path = os.fsdecode(unquote_to_bytes(name))
    return path if _ODD.search(path) and "\0" not in path else name


def given_file(name: str) -> str:
    """The path that somebody typed: a name of ``shown`` too, and ``x/../n`` also where there is no ``x``."""
    path = file_of(name)
    short = os.path.normpath(path)
    return short if os.path.exists(short) and not os.path.lexists(path) else path


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return not os.path.lexists(other)
