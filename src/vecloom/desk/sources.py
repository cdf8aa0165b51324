"""What the desk asks of an index. ``IndexSource`` is an index; a test may stand in another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vecloom.errors import UsageError
from vecloom.search import Index
from vecloom.search.catalogue import Chunks, Listed, chunks, documents, select, stamp
from vecloom.search.results import Hit, Mode
from vecloom.search.where import Where

if TYPE_CHECKING:
    from vecloom.encoders.protocol import Encoder, Vectors


class Source(Protocol):
    """Documents that can be listed, searched and compared."""

    def stamp(self) -> str:
        """Differs whenever the documents may differ."""
        ...

    def documents(self) -> Iterator[Listed]:
        """All documents."""
        ...

    def chunks(self, ids: Sequence[str]) -> Chunks:
        """Chunks and vectors of the documents named."""
        ...

    def select(self, where: str) -> set[str]:
        """Ids of the documents that a filter selects; FilterError where it does not parse."""
        ...

    def search(self, query: str, k: int, mode: Mode, where: Where | None) -> list[Hit]:
        """The best chunks for a query."""
        ...

    def similar(self, name: str, k: int) -> list[Hit]:
        """Chunks of other documents near to a document."""
        ...

    def embed(self, queries: Sequence[str]) -> Vectors:
        """``(n, dim)`` unit vectors of queries."""
        ...


class IndexSource:
    """An index as a source.

    Args:
        index: open, perhaps without its model.
        load: gives a model by its name, when a question by meaning first needs one.
    """

    def __init__(self, index: Index, load: Callable[[str], Encoder] | None = None) -> None:
        self.index, self._load = index, load

    @classmethod
    def open(cls, path: str | PathLike[str], load: Callable[[str], Encoder] | None = None) -> IndexSource:
        """Open an index; raises what ``Index.open`` raises."""
        return cls(Index.open(path), load)

    def stamp(self) -> str:
        """Differs whenever the documents may differ."""
        return stamp(self.index)

    def documents(self) -> Iterator[Listed]:
        """All documents."""
        return documents(self.index)

    def chunks(self, ids: Sequence[str]) -> Chunks:
        """Chunks and vectors of the documents named."""
        return chunks(self.index, ids)

    def select(self, where: str) -> set[str]:
        """Ids of the documents that a filter selects."""
        return select(self.index, where)

    def search(self, query: str, k: int, mode: Mode, where: Where | None) -> list[Hit]:
        """The best chunks for a query."""
        index = self.index if mode == "keyword" else self._with_model()
        return index.search(query, k, mode=mode, where=where)

    def similar(self, name: str, k: int) -> list[Hit]:
        """Chunks of other documents near to a document."""
        return self.index.similar(name, k)

    def embed(self, queries: Sequence[str]) -> Vectors:
        """``(n, dim)`` unit vectors of queries.

        Raises:
            UsageError: the index was opened without its model.
        """
        encoder = self._with_model().encoder
        if encoder is None:
            raise UsageError(f"{self.index.path} was opened without its model.", "Open it with the model that made it.")
        return encoder.encode(list(queries), kind="query")

    def _with_model(self) -> Index:
        if self.index.encoder is None and self._load is not None:
            self.index = Index.open(self.index.path, self._load(self.index.model))
        return self.index


def name_of(path: str | PathLike[str]) -> str:
    """What an index is called on the desk: the name of its folder.

    >>> name_of("data/papers.index")
    'papers.index'
    """
    return Path(path).absolute().name
