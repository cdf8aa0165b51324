"""Whether a file of unknown format is text to read: notes, READMEs and licences have any suffix or none.

Most blank-separated pieces of prose are words; those of code, tables, settings and keys are not. Over the 3,000 files of unknown
suffix in a Debian system's /usr/share/doc and the 15,000 of a Python installation, 60 % words keep all of the *.Debian, *.source
and *.bugs files and nine of ten without suffix, and none of the svg, pem, xml, css maps and fonts' metrics.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from vecloom.data.decoding import SNIFF, is_binary

WORDS = 0.6
_AROUND = "([{\"'“‘*_#.,;:!?)]}”’…。，、；：！？「」『』（）«»-–—/"
_INSIDE = frozenset("0123456789_={}<>$\\|@#%&+~^*`();[]:,")

CODE = frozenset(
    f".{name}"
    for line in (
        "asm awk bat c cc cfg cfm clj cmake cpp cs css cu cuh cxx dart ex exs f f90 go gradle h hh hpp hs inc ini java jinja",
        "jl js jsx kt less lock lua m m4 map mjs ml mm pem php pl pm proto ps1 pxd pxi pyi pyx r rb rs s sass scala scss sh sql",
        "svelte svg swift tcl toml ts tsx v vb vim vue xsd xsl yaml yml zig",
    )
    for name in line.split()
)
"""Suffixes of programs and settings: their comments may be prose, the rest is not. Most programs have a reader of their own."""


def is_prose(path: str) -> bool:
    """Whether the file begins with words, packed with gzip or not, and is no program."""
    suffix = Path(path).suffix.lower()
    inner = Path(path).with_suffix("").suffix.lower() if suffix == ".gz" else suffix
    return inner not in CODE and are_words(_head(path, packed=suffix == ".gz"))


def are_words(head: bytes) -> bool:
    """Whether most pieces between blanks are words.

    >>> are_words(b"Boil the water, then wait."), are_words(b"a { color: #fff; } .b_1 { top: 0 }")
    (True, False)
    """
    text = head.decode("utf-8", "replace")
    pieces = text.split()
    return bool(pieces) and not is_binary(head) and sum(map(_is_word, pieces)) >= WORDS * len(pieces)


def _is_word(piece: str) -> bool:
    bare = piece.strip(_AROUND)
    return any(map(str.isalpha, bare)) and _INSIDE.isdisjoint(bare)


def _head(path: str, *, packed: bool) -> bytes:
    try:
        with gzip.open(path, "rb") if packed else open(path, "rb") as file:
            return file.read(SNIFF)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return b""
