"""``vecloom index --vectors``: the vectors come from a column, and a wrong column is noticed before an index is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vecloom.data import Document
    from vecloom.data.context import Context
    from vecloom.data.selection import Selection
    from vecloom.encoders.protocol import Encoder


def with_column(context: Context, column: str | None, encoder: Encoder) -> Context:
    """How to read, with the column of the vectors if one is named."""
    from vecloom.data.vectors import VectorColumn

    return context if column is None else replace(context, vectors=VectorColumn(column, encoder.dim, encoder.name))


def check_first(inputs: tuple[str, ...], selection: Selection, context: Context) -> None:
    """Read the first document of files that will be read again.

    Raises:
        UsageError: its vector is not of the model.
        DataError: it cannot be read, or has no vector.
    """
    from vecloom.data import ReadReport
    from vecloom.data.reader import read_sources
    from vecloom.data.sources import find

    once = replace(context, report=ReadReport())
    looked_at(read_sources(find(inputs, once.report, selection=selection, allow_empty=True), once))


def looked_at(documents: Iterator[Document]) -> Iterator[Document]:
    """The same documents; the first is read now, so that an error in it comes before anything is written."""
    return chain(list(islice(documents, 1)), documents)
