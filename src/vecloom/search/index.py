"""``Index``: a folder that holds documents, their vectors and their words, and answers queries about them.

The folder holds ``index.json`` (what it is), a Lance table (the rows and the word index; LanceDB opens it), and files
derived from the table: the vectors as one matrix and, from 50,000 rows on, a graph over them.

Readers and writers: every change is one commit of the table. A reader answers each query from one version and moves to
the newest before the next query, so a query never sees half a change. Writers take turns by a lock.
"""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.data import Chunker
from vecloom.data.records import FieldValue
from vecloom.encoders.protocol import Encoder, Progress, Vectors
from vecloom.errors import ModelMismatchError, UsageError, from_os_error
from vecloom.search import fetch, maintain, metadata, schema, store, word_terms
from vecloom.search.describe import describe
from vecloom.search.exact import Scores, unit
from vecloom.search.facets import Facets, facets
from vecloom.search.lock import writer_lock
from vecloom.search.metadata import Metadata
from vecloom.search.query import answer
from vecloom.search.results import AddReport, AnnInfo, Hit, IndexInfo, Mode
from vecloom.search.similar import similar
from vecloom.search.snapshot import Ranked, Snapshot, take_snapshot
from vecloom.search.store import Store
from vecloom.search.vectors import Keys, open_vectors
from vecloom.search.where import Where
from vecloom.search.writer import Adder, Item
from vecloom.text import RULES
from vecloom.wording import counted

if TYPE_CHECKING:
    from vecloom.search.ann import BuildProgress

LOCK_TIMEOUT = 30.0  # seconds that a writer waits for another one
MOST_COUNTED = 512  # answers of ``facets`` that are kept for one version
MODES: tuple[Mode, ...] = ("hybrid", "vector", "keyword")


class Index:
    """Documents that can be searched. Make one with ``create`` or ``open``; safe to query from several threads."""

    def __init__(self, path: Path, known: Metadata, table: Store, encoder: Encoder | None, lock_timeout: float) -> None:
        self.path = path
        self._metadata = known
        self._store = table
        self._encoder = encoder
        self._lock_timeout = lock_timeout
        self._stamp = (0, 0, 0)
        self._snapshot: Snapshot | None = None
        self._refreshing = threading.Lock()
        self._counted: tuple[Snapshot | None, dict[Any, Facets]] = (None, {})  # facets of one version

    @classmethod
    def create(
        cls,
        path: str | PathLike[str],
        encoder: Encoder,
        *,
        overwrite: bool = False,
        chunk_tokens: int = 256,
        overlap: int = 32,
        lock_timeout: float = LOCK_TIMEOUT,
    ) -> Index:
        """Make an empty index.

        Args:
            path: a folder that does not exist or is empty.
            encoder: makes the vectors; its fingerprint is kept, and no other model may ask or add.
            overwrite: replace an index that is there.
            chunk_tokens: the most tokens of a chunk; cut to what the encoder can read.
            overlap: tokens that neighbouring chunks share.
            lock_timeout: seconds to wait for another writer.

        Raises:
            StoreError: an index is there already and ``overwrite`` is not set.
            UsageError: the folder holds other files, or the chunk sizes are impossible.
        """
        from vecloom import __version__

        folder = Path(path)
        tokens = min(chunk_tokens, encoder.max_length)
        overlap = min(overlap, tokens // 2) if tokens < chunk_tokens else overlap
        Chunker(None, tokens, overlap)  # sizes that cannot be are refused before anything is written
        metadata.check_new(folder, overwrite)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise from_os_error(error, "making the index", folder) from error
        name = "rows.lance" if not (folder / "rows.lance").exists() else f"rows-{uuid.uuid4().hex[:12]}.lance"
        known = Metadata(
            model=encoder.name,
            fingerprint=encoder.fingerprint,
            dim=encoder.dim,
            chunk_tokens=tokens,
            overlap=overlap,
            table=name,
            created=metadata.now(),
            vecloom=__version__,
            words=RULES,
        )
        with writer_lock(folder, lock_timeout), _nothing_half_made(folder):
            metadata.check_new(folder, overwrite)  # another process may have made one meanwhile
            table = store.create(folder / name, encoder.dim)
            _write_metadata(folder, known)  # from here on the new index is there, and the old one gone
            known = maintain.update(folder, table, known)
        return cls(folder, known, table, encoder, lock_timeout)

    @classmethod
    def open(
        cls, path: str | PathLike[str], encoder: Encoder | None = None, *, lock_timeout: float = LOCK_TIMEOUT
    ) -> Index:
        """Open an index.

        Args:
            path: its folder.
            encoder: the model that made it; without one, ``add`` and text queries by vector are refused, and
                keyword search, ``search_vector``, ``delete`` and ``info`` work.
            lock_timeout: seconds to wait for another writer.

        Raises:
            StoreError: there is no index, it is broken, or a newer vecloom made it.
            ModelMismatchError: ``encoder`` is not the model that made it.
        """
        folder = Path(path)
        known = metadata.read(folder)
        if encoder is not None and encoder.fingerprint != known.fingerprint:
            raise ModelMismatchError(
                f"{folder} was made by model {known.model!r} ({known.fingerprint[:12]}), not by {encoder.name!r} "
                f"({encoder.fingerprint[:12]}).",
                f"Ask with -m {known.model}, or make a new index with {encoder.name}.",
            )
        return cls(folder, known, store.open_table(folder / known.table), encoder, lock_timeout)

    def again(self) -> Index:
        """The same index and model once more, for writing beside threads that ask this one."""
        return Index.open(self.path, self._encoder, lock_timeout=self._lock_timeout)

    @property
    def model(self) -> str:
        """Name of the model that made the index, for loading it."""
        return self._metadata.model

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the model that made the vectors."""
        return self._metadata.fingerprint

    @property
    def state(self) -> str:
        """Changes with every change of the rows, and with nothing else."""
        return f"{self._metadata.table} {self._current().store.version}"

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the records' fields."""
        return tuple(self._current().store.fields)

    @property
    def encoder(self) -> Encoder | None:
        """The model that it was opened with."""
        return self._encoder

    @property
    def dim(self) -> int:
        """Dimensions of its vectors."""
        return self._metadata.dim

    # ---- changing -------------------------------------------------------------------------------------------------

    def add(
        self,
        documents: Iterable[Item],
        *,
        language: str | None = None,
        progress: Progress | None = None,
        build_progress: BuildProgress | None = None,
    ) -> AddReport:
        """Add what is new, replace what changed, skip what is there already.

        Documents are cut into chunks, encoded and committed in batches of about 1,000 chunks. A document whose id is
        there with the same content hash is skipped; of two documents with one id the later one stays. A document that
        brings a vector becomes one row with that vector, scaled to length 1; it is neither cut nor encoded.

        Args:
            documents: documents; or records with ``text``, and perhaps ``id``, ``title`` and fields; or texts.
            language: of the documents, such as "de", for stemming words in Latin letters; found for each chunk by default.
            progress: called with how many documents were finished since the last call: they are on disk.
            build_progress: called while rows are put into the graph, at the end, from 50,000 rows on.

        Raises:
            DataError: a vector is not finite, or one that a document brings has another width or no direction (the sentence
                names the document); earlier batches stay.
            StoreError: another process writes and does not end.
            OutputError: the disk is full or read-only; earlier batches stay.
        """
        word_terms.check(language)
        encoder = self._needs_encoder("add documents")
        with self._writing():
            chunker = Chunker(encoder.tokenizer, self._metadata.chunk_tokens, self._metadata.overlap)
            adder = Adder(
                *(self._store, encoder, chunker.chunk, self._next_key()),
                language=language,
                languages=self._metadata.languages,
                met=self._met,
            )

            def compact() -> None:
                adder.store = adder.store.compact()

            report = adder.run(documents, progress, compact)
            self._store = adder.store
            if self._store.version != self._metadata.settled:
                self._settle(build_progress)
        return report

    def delete(self, ids: Sequence[str] | None = None, *, where: Where | None = None) -> int:
        """Remove documents by id, or all that have a chunk which a filter selects.

        Returns:
            How many documents were removed; ids that are not there do not count.

        Raises:
            UsageError: neither or both of ``ids`` and ``where`` are given.
            FilterError: the filter does not parse, or names what is not there.
        """
        if (ids is None) == (where is None):
            raise UsageError("delete needs either ids or a filter.", "Give one of them.")
        with self._writing():
            if where is not None:
                return self._drop(self._store.select(where))
            present = self._store.scan([schema.DOCUMENT], condition=f"`{schema.POSITION}` = 0")
            wanted = {schema.storable(name) for name in ids or ()}
            return self._drop(wanted & set(present[schema.DOCUMENT].to_pylist()))

    def delete_missing(self, seen: Collection[str], *, sources: Sequence[str] | None = None) -> int:
        """Remove the documents that did not come by in a run.

        Args:
            seen: ids that did: ``AddReport.seen``, of several runs joined.
            sources: consider only documents whose source is one of these or lies below one that is a folder; all
                documents where None.

        Returns:
            How many documents were removed.
        """
        kept = {schema.storable(name) for name in seen}
        with self._writing():
            table = self._store.scan([schema.DOCUMENT, schema.SOURCE], condition=f"`{schema.POSITION}` = 0")
            pairs = zip(table[schema.DOCUMENT].to_pylist(), table[schema.SOURCE].to_pylist(), strict=True)
            return self._drop({name for name, source in pairs if name not in kept and _below(source, sources)})

    def missing(self, seen: Collection[str], within: Callable[[str], bool]) -> tuple[list[str], int]:
        """Which documents did not come by in a run, of those whose source ``within`` accepts, and how many these are.

        Args:
            seen: ids that did come by: ``AddReport.seen``.
            within: whether a source is one that was read.
        """
        kept = {schema.storable(name) for name in seen}
        named = {source: within(source) for source in self.sources()}
        table = self._current().store.scan([schema.DOCUMENT, schema.SOURCE], condition=f"`{schema.POSITION}` = 0")
        pairs = zip(table[schema.DOCUMENT].to_pylist(), table[schema.SOURCE].to_pylist(), strict=True)
        here = [name for name, source in pairs if named.get(source, False)]
        return sorted(name for name in here if name not in kept), len(here)

    def sources(self) -> set[str]:
        """Where the documents were read: files by name, "-" for standard input."""
        table = self._current().store.scan([schema.SOURCE], condition=f"`{schema.POSITION}` = 0")
        return set(table[schema.SOURCE].unique().to_pylist())

    def build_ann(self, progress: BuildProgress | None = None) -> AnnInfo:
        """Make the graph anew from all rows, also below 50,000, and measure it; UsageError below 1,000."""
        with self._writing():
            self._settle(progress, build=True)
            if self._metadata.graph is None:
                raise UsageError(f"{self.path} has too few rows for a graph.", "Leave it: exact search is faster.")
            return self._metadata.graph.ann

    def optimize(self, progress: BuildProgress | None = None) -> None:
        """Join small files, drop old versions, and bring the word index, vector file and graph up to date.

        ``add`` does this where it pays; call it after many small changes.
        """
        with self._writing():
            self._settle(progress, always=True)

    def _met(self, languages: tuple[str, ...]) -> None:
        """Keep the languages of texts that are about to be written; a query asks for the stems of each."""
        self._metadata = replace(self._metadata, languages=languages)
        _write_metadata(self.path, self._metadata)

    def _drop(self, names: set[str]) -> int:
        if names:
            self._store = self._store.delete(sorted(names))
            self._settle(None)
        return len(names)

    def discard_if_empty(self) -> None:
        """Remove the whole folder if nothing has been added to the index."""
        with self._writing():
            if not self._store.dataset.count_rows():
                shutil.rmtree(self.path, ignore_errors=True)

    def _settle(self, progress: BuildProgress | None, *, build: bool = False, always: bool = False) -> None:
        self._store = self._store.compact(always=always)
        self._metadata = maintain.update(self.path, self._store, self._metadata, build=build, progress=progress)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock, and start from the newest state."""
        with writer_lock(self.path, self._lock_timeout):
            self._reload()
            yield

    def _next_key(self) -> int:
        keys = self._store.scan([schema.KEY])[schema.KEY].to_numpy()
        used = [int(keys.max()) if len(keys) else -1]
        files = self._metadata.vectors
        if files is not None and (self.path / files.folder).is_dir():
            used.append(open_vectors(self.path / files.folder, files.rows, self.dim).last_key)
        return max(used) + 1

    # ---- asking ---------------------------------------------------------------------------------------------------

    def search(self, query: str, k: int = 10, *, mode: Mode = "hybrid", where: Where | None = None) -> list[Hit]:
        """The best chunks for a query.

        Args:
            query: any text; quotes, colons, ``AND`` and ``*`` are text.
            k: how many hits.
            mode: ``vector`` (cosine), ``keyword`` (BM25) or ``hybrid`` (both lists, each as far as it can be trusted).
            where: a filter such as ``year > 2020 AND lang = 'en'``; see ``vecloom.search.where``.

        Raises:
            UsageError: the query is empty, ``k`` is below 1, or the mode needs an encoder.
            FilterError: the filter does not parse, or names what is not there.
        """
        return self.search_many([query], k, mode=mode, where=where)[0]

    def search_many(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        mode: Mode = "hybrid",
        where: Where | None = None,
        vectors: Vectors | None = None,
    ) -> list[list[Hit]]:
        """``search`` for several queries, which are encoded together and answered from one version.

        ``vectors``, ``(len(queries), dim)``, are those of the queries where they are known already; no model is needed then.
        """
        if mode not in MODES:
            raise UsageError(f"There is no search mode {mode!r}.", f"Use one of {', '.join(MODES)}.")
        for query in queries:
            if not query.strip():
                raise UsageError("The query is empty.", "Ask with at least one word.")
        _check_k(k)
        if not queries:
            return []
        if mode == "keyword":
            return answer(self._current(), queries, None, k, mode, where)
        if vectors is None:
            vectors = self._needs_encoder(f"search by {mode}").encode(list(queries), kind="query")
        if len(vectors) != len(queries):
            raise UsageError(
                f"There are {counted(len(vectors), 'vector')} for {counted(len(queries), 'query')}.",
                "Give one for each.",
            )
        tokenizer = self._encoder.tokenizer if self._encoder is not None else None
        return answer(self._current(), queries, self._checked(vectors), k, mode, where, tokenizer)

    def search_vector(self, vector: Vectors, k: int = 10, *, where: Where | None = None) -> list[Hit]:
        """The chunks nearest to a vector of shape ``(dim,)``, by cosine.

        Raises:
            UsageError: the vector has another shape or is not finite, or ``k`` is below 1.
            FilterError: the filter does not parse, or names what is not there.
        """
        _check_k(k)
        return answer(self._current(), [""], self._checked(np.asarray(vector)[None]), k, "vector", where)[0]

    def similar(self, name: str, k: int = 10, *, where: Where | None = None) -> list[Hit]:
        """The chunks of other documents that are nearest to a document or chunk, by cosine; see ``vecloom.search.similar``.

        Raises:
            DocumentNotFoundError: there is no such document.
            UsageError: its vectors have no direction, or ``k`` is below 1.
            FilterError: the filter does not parse, or names what is not there.
        """
        _check_k(k)
        return similar(self._current(), name, k, where)

    def nearest(self, vectors: Vectors, k: int = 10) -> list[Ranked]:
        """Only places and cosines of the rows nearest to each of ``(m, dim)`` vectors: what ``search_vector`` ranks by.

        Returns:
            For each vector the rows' offsets in the table, int64, and cosines, float32, best first. Offsets hold
            until the index is changed.
        """
        _check_k(k)
        return self._current().nearest(self._checked(vectors), k, None)

    def document(self, name: str) -> list[Hit]:
        """All chunks of a document, in their order; their score is 0.

        Raises:
            DocumentNotFoundError: there is no such document.
        """
        return fetch.document(self._current(), name)

    def holds(self, name: str) -> bool:
        """Whether there is a document of this id."""
        condition = store.any_of(schema.DOCUMENT, [name])
        return bool(self._current().store.scan([schema.KEY], condition=condition).num_rows)

    def count(self, where: Where | None = None) -> int:
        """How many documents there are, or have a chunk that a filter selects.

        Raises:
            FilterError: the filter does not parse, or names what is not there.
        """
        rows = self._current().store
        if where is None:  # asked with every page: each document has one first chunk
            return int(rows.scan([schema.KEY], condition=f"`{schema.POSITION}` = 0").num_rows)
        return len(rows.select(where))

    def rows(self, keys: Sequence[int]) -> list[Hit]:
        """Chunks by their keys, which a row keeps for its life; keys that are not there are left out. Their score is 0."""
        return fetch.rows(self._current(), keys)

    def matrix(self) -> tuple[Keys, Vectors]:
        """Keys ``(n,)`` int64 and unit vectors ``(n, dim)`` float32 of all chunks."""
        return fetch.matrix(self._current())

    def values(self, field: str) -> tuple[Keys, list[FieldValue]]:
        """Keys and values of a field, or of ``text``, ``title`` ..., of all chunks; UsageError where there is no such field."""
        return fetch.values(self._current(), field)

    def nearest_keys(self, vector: Vectors, k: int = 10) -> tuple[Keys, Scores]:
        """Keys and cosines of the chunks nearest to a vector of shape ``(dim,)``, best first."""
        _check_k(k)
        snapshot = self._current()
        offsets, scores = snapshot.nearest(self._checked(np.asarray(vector)[None]), k, None)[0]
        return snapshot.keys[offsets], scores

    def check_filter(self, where: Where) -> None:
        """Raises FilterError where a filter does not parse, or does not fit the fields."""
        self._current().store.checked(where)

    def facets(self, names: Collection[str] | None = None, *, where: Where | None = None) -> Facets:
        """Values of fields and how many documents have each; see ``vecloom.search.facets``.

        Raises:
            FilterError: the filter does not parse, or names what is not there.
        """
        snapshot, asked = self._current(), (None if names is None else tuple(sorted(names)), where)
        kept, found = self._counted
        if kept is not snapshot or len(found) >= MOST_COUNTED:
            self._counted = snapshot, (found := {})
        if asked not in found:
            found[asked] = facets(snapshot, names, where)
        return found[asked]

    def info(self) -> IndexInfo:
        """What is inside."""
        return describe(self.path, self._current())

    def _current(self) -> Snapshot:
        """The newest version, read again only where something was committed since the last query."""
        with self._refreshing:
            try:
                return self._refreshed()
            except FileNotFoundError:  # a writer replaced the files between two of our reads: read once more
                pass
            try:
                return self._refreshed()
            except FileNotFoundError:  # they are gone, not moved; the table has everything
                bare = replace(self._metadata, vectors=None, graph=None)
                return take_snapshot(self.path, self._store, bare)

    def _refreshed(self) -> Snapshot:
        self._reload()
        old = self._snapshot
        if old is None or old.store is not self._store or old.metadata != self._metadata:
            self._snapshot = old = take_snapshot(self.path, self._store, self._metadata)
        return old

    def _reload(self) -> None:
        stamp = metadata.stamp(self.path)
        if stamp != self._stamp:
            self._take_over(metadata.read(self.path))
            self._stamp = stamp
        self._store = self._store.latest()

    def _take_over(self, known: Metadata) -> None:
        if known.fingerprint != self._metadata.fingerprint:
            raise ModelMismatchError(
                f"{self.path} was made anew by model {known.model!r} while it was open.", "Open it again."
            )
        if known.table != self._metadata.table:
            self._store = store.open_table(self.path / known.table)
        self._metadata = known

    def _needs_encoder(self, purpose: str) -> Encoder:
        if self._encoder is None:
            raise UsageError(
                f"{self.path} was opened without a model, which is needed to {purpose}.",
                f"Open it with the model that made it, {self.model!r}.",
            )
        return self._encoder

    def _checked(self, vectors: Vectors) -> Vectors:
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise UsageError(
                f"A query has {vectors.shape[-1]} dimensions, the index {self.dim}.", "Use the model that made it."
            )
        if not np.isfinite(vectors).all():
            raise UsageError("A query's vector is not finite.", "Check the model, or ask otherwise.")
        return unit(np.asarray(vectors, dtype=np.float32))


def _check_k(k: int) -> None:
    if k < 1:
        raise UsageError(f"k={k} hits cannot be given.", "Ask for 1 or more.")


def _below(source: str, sources: Sequence[str] | None) -> bool:
    if sources is None:
        return True
    return any(source == one or source.startswith(one.rstrip("/") + "/") for one in sources)


@contextmanager
def _nothing_half_made(folder: Path) -> Iterator[None]:
    """Remove what was begun where no index comes of it, as on a full disk."""
    try:
        yield
    except BaseException:
        if not (folder / metadata.FILE).exists() and metadata.is_unfinished(folder):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _write_metadata(folder: Path, known: Metadata) -> None:
    try:
        metadata.write(folder, known)
    except OSError as error:
        raise from_os_error(error, "making the index", folder) from error
