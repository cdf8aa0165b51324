"""What is read and what is encoded: documents and the chunks they are cut into."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vector: TypeAlias = npt.NDArray[np.float32]

Scalar: TypeAlias = str | int | float | bool | None
FieldValue: TypeAlias = Scalar | list[str]


@dataclass(frozen=True, slots=True)
class Document:
    """One record or one file as it was read.

    Attributes:
        id: stable name: the record's own ``id``/``_id`` field, else ``source`` (files) or ``source:position`` (records).
        text: the body.
        title: headline, or "".
        source: the path it came from as the user gave or as a glob found it, "-" for standard input.
        position: line number (1-based) in line formats, ordinal (1-based) elsewhere.
        fields: the record's other fields; lists of strings are lists, other nested values JSON text.
        pages: where each page (slide) begins in ``text``, in characters; empty if there are no pages.
        vector: stands for the whole document, which then is neither cut nor encoded; it must come from the model that
            queries use. None where the document is to be encoded. ``==`` passes it over; ``content_hash`` does not.
    """

    id: str
    text: str
    title: str = ""
    source: str = "-"
    position: int = 1
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    pages: tuple[int, ...] = ()
    vector: Vector | Sequence[float] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a document that fits the model.

    Attributes:
        document: where it comes from.
        position: 0-based ordinal among the document's chunks.
        text: the part's text.
        heading: path of headings above it, joined by " > ", or "".
        start: offset in characters of ``text`` in ``document.text``.
        head: title and heading path as they are encoded before the text, cut where they are long; None where
            they are encoded whole.
    """

    document: Document
    position: int
    text: str
    heading: str = ""
    start: int = 0
    head: str | None = None

    @property
    def id(self) -> str:
        """``document.id`` and the chunk's position: unique in an index."""
        return f"{self.document.id}#{self.position}"

    @property
    def page(self) -> int | None:
        """The page (1-based) that the chunk begins on; None if the document has no pages."""
        return bisect_right(self.document.pages, self.start) or None

    @property
    def fields(self) -> Mapping[str, FieldValue]:
        """The document's fields, and ``page`` if it has pages."""
        return self.document.fields if self.page is None else {**self.document.fields, "page": self.page}

    @property
    def passage(self) -> str:
        """What is encoded: title, heading path and text, joined by spaces, without saying anything twice."""
        head = joined_head(self.document.title, self.heading) if self.head is None else self.head
        return f"{head} {self.text}" if head and self.text else head or self.text


def joined_head(title: str, heading: str) -> str:
    """Title and heading path in one line; a path that begins with the title says both."""
    return heading if not title or heading.startswith(title) else f"{title} {heading}".rstrip(" ")
