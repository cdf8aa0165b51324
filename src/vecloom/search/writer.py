"""Adding documents: chunk, compare, encode, write in batches.

A batch is one commit and holds whole documents, so a kill at any moment leaves every document as it was or as it
became. Only documents of finished commits are reported, and a second run skips them by their content hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from vecloom.data import Chunk, Document, content_hash
from vecloom.data.chunks import uncut
from vecloom.data.fields import BadRecordError, scalar
from vecloom.data.vectors import unit_vector
from vecloom.encoders.protocol import Encoder, Progress, Vectors
from vecloom.errors import DataError, ModelError
from vecloom.search import schema, word_terms
from vecloom.search.results import AddReport
from vecloom.search.store import Store, widen
from vecloom.text import cut
from vecloom.wording import MOST_NAMES, counted

if TYPE_CHECKING:
    import pyarrow as pa

Item: TypeAlias = Document | Mapping[str, Any] | str

BATCH_CHUNKS = 1024  # some seconds of encoding: that much is lost at most by a kill
BATCH_CHARACTERS = 8_000_000
HELD_CHARACTERS = 32_000_000  # of changed documents that wait for the end of the run
COMPACT_EVERY = 64  # commits; a run over millions of rows leaves few small fragments for its readers


@dataclass
class Batch:
    """Documents that will be committed together.

    Attributes:
        documents: new or changed documents with their content hashes, by id.
        chunks: of all of them.
        replaced: ids that are in the table with other content.
        emptied: of these, those that have no text any more.
        unchanged: documents that came by since the last commit and need no work.
        empty: documents without text and title that came by.
        passed: documents that came by and whose id came again with other content.
    """

    documents: dict[str, str] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)
    unchanged: int = 0
    empty: int = 0
    passed: int = 0
    characters: int = 0

    @property
    def full(self) -> bool:
        """Whether it is time to commit."""
        idle = self.unchanged + self.empty + self.passed >= BATCH_CHUNKS
        return len(self.chunks) >= BATCH_CHUNKS or self.characters >= BATCH_CHARACTERS or idle

    @property
    def came_by(self) -> int:
        """Documents that are done when this batch is."""
        return len(self.documents) + self.unchanged + self.empty + self.passed


@dataclass
class Few:
    """How many documents, and the ids of the first few.

    Attributes:
        count: how many there were.
        names: their ids, without doubles.
    """

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Count one."""
        self.count += 1
        if len(self.names) < MOST_NAMES and name not in self.names:
            self.names.append(name)


def as_document(item: Item) -> Document:
    """Read what a caller may pass: a document, a record, or a text whose id is its own hash.

    Raises:
        DataError: a record has neither text nor title, or its id is neither text nor a number.
    """
    if isinstance(item, Document):
        return item
    if isinstance(item, str):
        digest = content_hash(Document(id="", text=item))
        return Document(id=f"text-{digest[:16]}", text=item)
    rest = {str(name): value for name, value in item.items()}
    text, title = rest.pop("text", None), str(rest.pop("title", None) or "")
    if text is None and title:
        text = ""
    if not isinstance(text, str):
        raise DataError(f"A record has no 'text': its fields are {', '.join(rest) or 'none'}.", "Give it one.")
    name = rest.pop("id", rest.pop("_id", None))
    if isinstance(name, bool) or not isinstance(name, str | int | None):
        raise DataError(f"A record's id is {name!r}.", "Use a text or an integer.")
    try:
        fields = {key: scalar(value) for key, value in rest.items() if key != "_id"}
    except RecursionError:
        raise DataError("A record has a field that is nested too deeply.", "Make it flatter.") from None
    found = Document(id="", text=text, title=title, fields=fields)
    return Document(f"text-{content_hash(found)[:16]}" if name is None else str(name), text, title, fields=fields)


@dataclass
class Adder:
    """One run of ``Index.add``.

    Attributes:
        store: the table's newest version.
        encoder: makes the vectors.
        chunk: cuts a document.
        next_key: the first key that was never used.
        language: of all texts, where it is given.
        languages: those that the index has met; ``met`` is called with more of them before they are written.
        met: keeps them.
        waiting: documents that are in the table with other content. They are written last: an id that comes twice in one
            run would otherwise be encoded twice in every run.
        repeated: documents whose id came before in the run.
        empty: documents without text and title.
    """

    store: Store
    encoder: Encoder
    chunk: Callable[[Document], list[Chunk]]
    next_key: int
    language: str | None = None
    languages: tuple[str, ...] = ()
    met: Callable[[tuple[str, ...]], None] = lambda _: None
    waiting: dict[str, Document] = field(default_factory=dict)
    repeated: Few = field(default_factory=Few)
    empty: Few = field(default_factory=Few)

    def run(
        self,
        items: Iterable[Item],
        progress: Progress | None,
        compact: Callable[[], None],
    ) -> AddReport:
        """Add everything and report it; ``compact`` is called every ``COMPACT_EVERY`` commits."""
        known = self._known()
        seen: set[str] = set()
        counts = dict.fromkeys(("added", "replaced", "unchanged", "empty", "chunks"), 0)
        for number, batch in enumerate(self._batches(items, known, seen), start=1):
            self._commit(batch)
            counts["added"] += len(batch.documents) - len(batch.replaced)
            counts["replaced"] += len(batch.replaced)
            counts["unchanged"] += batch.unchanged
            counts["empty"] += batch.empty
            counts["chunks"] += len(batch.chunks)
            if progress is not None:
                progress(batch.came_by)
            if number % COMPACT_EVERY == 0:
                compact()
        return AddReport(
            **counts,
            repeated=self.repeated.count,
            repeated_ids=tuple(self.repeated.names),
            empty_ids=tuple(self.empty.names),
            seen=frozenset(seen),
        )

    def _known(self) -> dict[str, str]:
        """Document id -> content hash of what is in the table."""
        table = self.store.scan([schema.DOCUMENT, schema.HASH], condition=f"`{schema.POSITION}` = 0")
        return dict(zip(table[schema.DOCUMENT].to_pylist(), table[schema.HASH].to_pylist(), strict=True))

    def _batches(self, items: Iterable[Item], known: dict[str, str], seen: set[str]) -> Iterator[Batch]:
        batch, held = Batch(), 0
        for item in items:
            document = self._scaled(as_document(item))
            name, digest = schema.storable(document.id), content_hash(document)
            if name in seen:
                self.repeated.add(name)
            seen.add(name)
            if self.waiting.pop(name, None) is not None:
                batch.passed += 1
            if known.get(name) == digest:
                batch.unchanged += 1
            elif name in known:
                self.waiting[name] = document
                held += weight(document)
            else:
                self._take(batch, document, name, digest, known)
            if batch.full:
                yield batch
                batch = Batch()
            if held >= HELD_CHARACTERS:
                yield from self._changed(known)
                held = 0
        if batch.came_by:
            yield batch
        yield from self._changed(known)

    def _scaled(self, document: Document) -> Document:
        """The document with its vector, if it has one, as it is stored."""
        if document.vector is None:
            return document
        what = f"the vector of document {document.id!r} ({document.source}, {document.position})"
        try:
            vector = unit_vector(document.vector, self.encoder.dim, what, self.encoder.name)
        except BadRecordError as error:
            raise DataError(error.what[:1].upper() + error.what[1:], error.todo or "Correct it.") from None
        return replace(document, vector=vector)

    def _changed(self, known: dict[str, str]) -> Iterator[Batch]:
        """Write the documents that wait."""
        batch = Batch()
        for name, document in self.waiting.items():
            self._take(batch, document, name, content_hash(document), known)
            if batch.full:
                yield batch
                batch = Batch()
        self.waiting.clear()
        if batch.came_by:
            yield batch

    def _take(self, batch: Batch, document: Document, name: str, digest: str, known: dict[str, str]) -> None:
        chunks = self.chunk(document) if document.vector is None else uncut(document)
        if not chunks:
            batch.empty += 1
            self.empty.add(name)
            if known.pop(name, None) is not None:
                batch.emptied.append(name)
            return
        if name in known:
            batch.replaced.append(name)
        known[name] = digest
        batch.documents[name] = digest
        batch.chunks.extend(chunks)
        batch.characters += weight(document)

    def _commit(self, batch: Batch) -> None:
        if batch.emptied:
            self.store = self.store.delete(batch.emptied)
        if not batch.chunks:
            return
        vectors = vectors_of(self.encoder, batch.chunks)
        kinds = schema.kinds_of(chunk.fields for chunk in batch.chunks)
        self.store = widen(self.store, kinds)
        terms = self._terms([chunk.passage for chunk in batch.chunks]) if self.store.has_terms else []
        rows = to_rows(batch, vectors, terms, self.next_key, self.store.dataset.schema)
        self.store = self.store.append(rows, batch.replaced)
        self.next_key += len(batch.chunks)

    def _terms(self, passages: list[str]) -> list[str]:
        """Terms of each passage; languages that are new are made known before anything is stemmed in them."""
        usual = self.languages[0] if self.languages else ""
        words = [cut(passage) for passage in passages]
        chosen = [self.language] * len(words) if self.language else word_terms.languages_of(words, usual)
        if new := tuple(name for name in dict.fromkeys(chosen) if name not in self.languages):
            self.languages += new
            self.met(self.languages)
        return word_terms.terms_of(words, chosen)


def weight(document: Document) -> int:
    """What a document takes while it is held, in characters."""
    return len(document.text) + (0 if document.vector is None else 4 * len(document.vector))


def vectors_of(encoder: Encoder, chunks: list[Chunk]) -> Vectors:
    """Vectors of chunks: those that their documents bring along; the others are encoded."""
    rows = np.empty((len(chunks), encoder.dim), np.float32)
    bare = [row for row, chunk in enumerate(chunks) if chunk.document.vector is None]
    for row, chunk in enumerate(chunks):
        if chunk.document.vector is not None:
            rows[row] = chunk.document.vector
    if bare:
        rows[bare] = encode(encoder, [chunks[row] for row in bare])
    return rows


def encode(encoder: Encoder, chunks: list[Chunk]) -> Vectors:
    """Vectors of chunks.

    Raises:
        DataError: a vector is not finite; the sentence names the document.
        ModelError: the encoder gave another shape than it said.
    """
    vectors = encoder.encode([chunk.passage for chunk in chunks], kind="document")
    if vectors.shape != (len(chunks), encoder.dim):
        raise ModelError(
            f"{encoder.name} gave vectors of shape {vectors.shape} for {counted(len(chunks), 'text')}; "
            f"({len(chunks)}, {encoder.dim}) was expected."
        )
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        document = chunks[int(bad[0])].document
        raise DataError(
            f"{encoder.name} gave a vector that is not finite for document {document.id!r} "
            f"({document.source}, {document.position}).",
            "Nothing of its batch was stored. Leave the document out, or check the model.",
        )
    return vectors


def to_rows(batch: Batch, vectors: Vectors, terms: list[str], first_key: int, table_schema: pa.Schema) -> pa.Table:
    """The batch as rows of the table; ``terms`` is empty where the table keeps passages."""
    import pyarrow as pa

    chunks = batch.chunks
    documents = [chunk.document for chunk in chunks]
    values: dict[str, list[Any]] = {
        schema.KEY: list(range(first_key, first_key + len(chunks))),
        schema.ID: [chunk.id for chunk in chunks],
        schema.DOCUMENT: [document.id for document in documents],
        schema.POSITION: [chunk.position for chunk in chunks],
        schema.TEXT: [chunk.text for chunk in chunks],
        schema.TITLE: [document.title for document in documents],
        schema.HEADING: [chunk.heading for chunk in chunks],
        schema.SOURCE: [document.source for document in documents],
        schema.HASH: [batch.documents[schema.storable(document.id)] for document in documents],
        schema.TERMS: list(terms),
        schema.PASSAGE: [chunk.passage for chunk in chunks],
    }
    fields = [chunk.fields for chunk in chunks]
    for name, column in schema.field_columns(table_schema).items():
        values[column] = [one.get(name) for one in fields]
    arrays = []
    for column in table_schema:
        if column.name == schema.VECTOR:
            flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]))
        else:
            arrays.append(schema.to_array(values[column.name], column.type))
    return pa.table(arrays, schema=table_schema)
