"""Source code: one document a file, its name the title. Python has a reader of its own, which knows functions and classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vecloom.data.context import Context, Source
from vecloom.data.formats import plain
from vecloom.data.records import Document

_NAMES = """
    bash c cc clj cljs cpp cs cu cxx dart erl ex exs f90 fs go groovy h hh hpp hs java jl js jsx kt lua m mjs ml nim php pl pm
    proto ps1 pyi pyx r rb rs scala sh sol sql svelte swift tcl ts tsx vb vue zig zsh"""
SUFFIXES = tuple(f".{name}" for name in _NAMES.split())


def read(source: Source, context: Context) -> Iterator[Document]:
    """Read a program as it is, comments and code."""
    for document in plain.read(source, context):
        yield replace(document, title=Path(source.name).name)
