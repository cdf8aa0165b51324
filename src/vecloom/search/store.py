"""The durable table: rows in Lance, LanceDB's engine and file format.

The engine is called through ``pylance`` instead of ``lancedb``: the same files and indices (``lancedb.connect(index)``
opens them), but an import of 0.2 s instead of 1.0 s, more than half of which loads a REST client, in a command that
must answer in 2 s. Every change is one commit: a reader sees all of it or nothing, and a process that is killed
leaves the last commit. Compaction keeps old versions for ``KEEP`` so that open readers go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecloom.errors import FilterError, StoreError, VecloomError, from_os_error
from vecloom.search import schema, where
from vecloom.search.schema import DOCUMENT, HASH, ID, PASSAGE, RESERVED, TERMS

if TYPE_CHECKING:
    import pyarrow as pa

KEEP = timedelta(minutes=10)
FRAGMENT_ROWS = 256 * 1024  # larger fragments are not rewritten again when small ones are joined
SMALL_FRAGMENTS = 8  # joined at the end of an add when there are more
RENEW = 32  # versions; the engine's caches keep 0.1 to 0.2 MB of each, and nobody asks the old ones
IDS_PER_COMMIT = 5000  # ids in one IN list
TEXT_INDEX = "words"
# The terms are ours (vecloom.text); the engine cuts them at blanks and leaves them as they are.
AS_THEY_ARE = {
    "base_tokenizer": "whitespace", "lower_case": False, "stem": False, "remove_stop_words": False,
    "ascii_folding": False, "max_token_length": None, "with_position": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Store:
    """One version of the table; changes return the next one.

    Attributes:
        dataset: a ``lance.LanceDataset``.
        opened: the version with which the engine's caches were begun.
    """

    dataset: Any
    opened: int

    @property
    def version(self) -> int:
        """Number of the commit that this is."""
        return int(self.dataset.version)

    @property
    def fields(self) -> dict[str, str]:
        """Field -> column."""
        return schema.field_columns(self.dataset.schema)

    @property
    def names(self) -> dict[str, str]:
        """Name -> column of everything that a filter can name."""
        return where.nameable(schema.OWN, self.fields)

    def latest(self) -> Store:
        """The newest version, with this one's caches, or with new ones where these have seen ``RENEW`` versions."""
        with engine_errors("reading the index"):
            newest = self.dataset.latest_version
            if newest - self.opened >= RENEW:  # also for a writer, whose own changes have moved it to the newest
                return open_table(Path(self.dataset.uri))
            return self if newest == self.version else Store(self.dataset.checkout_version(newest), self.opened)

    def scan(self, columns: Sequence[str], *, condition: str | None = None, row_ids: bool = False) -> pa.Table:
        """Columns of all rows, or of those that a translated condition selects, in the table's order."""
        with engine_errors("reading the index"):
            scanner = self.dataset.scanner(
                columns=list(columns), filter=condition, with_row_id=row_ids, scan_in_order=True
            )
            return scanner.to_table()

    def batches(self, columns: Sequence[str], *, condition: str | None = None) -> Iterator[pa.RecordBatch]:
        """The same as ``scan`` without row ids, batch by batch."""
        with engine_errors("reading the index"):
            yield from self.dataset.scanner(columns=list(columns), filter=condition, scan_in_order=True).to_batches()

    def select(self, filter_text: str) -> pa.Table:
        """Row ids (column ``_rowid``) and document ids of the rows that a user's filter selects.

        Raises:
            FilterError: the filter does not parse, or names what is not there.
        """
        condition = where.translate(filter_text, self.names)
        try:
            return self.dataset.scanner(columns=[DOCUMENT], filter=condition, with_row_id=True).to_table()
        except (ValueError, OSError, RuntimeError) as error:
            if _os_number(error) is None and not isinstance(error, FileNotFoundError):
                raise where.refused(filter_text, str(error), self.names) from error
            raise _store_error(error, "reading the index") from error

    @property
    def has_terms(self) -> bool:
        """Whether the table keeps terms; one of format 1 keeps passages, which the engine cuts into words."""
        return TERMS in self.dataset.schema.names

    def words(self, query: str, limit: int, filter_text: str | None) -> pa.Table:
        """Row ids and BM25 scores of the rows that hold words of the query, prefiltered.

        Args:
            query: terms, joined by blanks; any text where the table has none.
            limit: rows at most.
            filter_text: a user's filter.
        """
        from lance.query import MatchQuery

        condition = where.translate(filter_text, self.names) if filter_text is not None else None
        with engine_errors("searching words"):
            return self.dataset.scanner(
                columns=["_rowid", "_score"],
                full_text_query=MatchQuery(schema.storable(query), TERMS if self.has_terms else PASSAGE),
                filter=condition,
                prefilter=True,
                limit=limit,
                disable_scoring_autoprojection=True,
            ).to_table()

    def take(self, offsets: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Rows by their place in the table's order."""
        with engine_errors("reading the index"):
            return self.dataset.take(list(offsets), columns=list(columns))

    def append(self, rows: pa.Table, replaced: Sequence[str] = ()) -> Store:
        """Add rows and, in the same commit, drop all rows of the ``replaced`` documents."""
        import lance

        with engine_errors("writing the index"):
            if not replaced:
                return Store(lance.write_dataset(rows, self.dataset, mode="append"), self.opened).latest()
            # Rows match on id and content; what changed never does, so the new rows are inserted and the old ones
            # of these documents deleted, in one commit: no moment at which a document is half there.
            merge = self.dataset.merge_insert([ID, HASH]).when_not_matched_insert_all()
            merge.when_not_matched_by_source_delete(any_of(DOCUMENT, replaced)).execute(rows)
            return self.latest()

    def delete(self, document_ids: Sequence[str]) -> Store:
        """Drop all rows of these documents."""
        store = self
        for start in range(0, len(document_ids), IDS_PER_COMMIT):
            with engine_errors("deleting from the index"):
                store.dataset.delete(any_of(DOCUMENT, document_ids[start : start + IDS_PER_COMMIT]))
            store = store.latest()
        return store

    def compact(self, *, always: bool = False) -> Store:
        """Bring the word index up to date, join small fragments and drop versions older than ``KEEP``."""
        with engine_errors("compacting the index"):
            fragments = self.dataset.stats.dataset_stats()
            if always or fragments["num_small_files"] > SMALL_FRAGMENTS:
                self.dataset.optimize.compact_files(target_rows_per_fragment=FRAGMENT_ROWS)
            store = self.latest()
            store.dataset.optimize.optimize_indices(index_names=[TEXT_INDEX])
            store.dataset.cleanup_old_versions(KEEP)
            return store.latest()


def create(folder: Path, dim: int) -> Store:
    """Make an empty table with its word index."""
    import lance

    with engine_errors("making the index"):
        dataset = lance.write_dataset(schema.base_schema(dim).empty_table(), str(folder))
        dataset.create_scalar_index(TERMS, "INVERTED", name=TEXT_INDEX, **AS_THEY_ARE)
        return Store(dataset, int(dataset.version)).latest()


def open_table(folder: Path) -> Store:
    """Open the newest version of a table.

    Raises:
        StoreError: it is not there or broken.
    """
    import lance

    with engine_errors("opening the index"):
        dataset = lance.dataset(str(folder))
        return Store(dataset, int(dataset.version))


def widen(store: Store, kinds: dict[str, schema.Kind]) -> Store:
    """Give the table a column for every field, wide enough for these kinds; old rows of a new field are null.

    Each step is a commit after which the index is whole: the wide copy of a column is there before the narrow
    one goes, and ``schema.field_columns`` prefers it.
    """
    import pyarrow as pa

    columns = store.fields
    types = {name: schema.COLUMN_TYPES[kind] for name, kind in kinds.items()}
    new = [pa.field(schema.column_of(n), pa.type_for_alias(t)) for n, t in types.items() if n not in columns]
    with engine_errors("adding a field to the index"):
        if new:
            store.dataset.add_columns(pa.schema(new))
        store = store.latest()
        for name in kinds.keys() & columns.keys():
            stored = str(store.dataset.schema.field(columns[name]).type)
            wanted = schema.COLUMN_TYPES[_joined(store, columns[name], stored, kinds[name])]
            if wanted != stored:
                store = _recast(store, columns[name], wanted)
        return _tidy(store)


def _joined(store: Store, column: str, stored: str, kind: schema.Kind) -> schema.Kind:
    known = schema.column_kind(stored)
    if known == "int" and kind == "double":
        large = store.dataset.count_rows(f"abs(`{column}`) > {schema.EXACT_IN_DOUBLE}")
        known = "big int" if large else "int"
    joined = schema.join(known, kind)
    assert joined is not None
    return joined


def _recast(store: Store, column: str, wanted: str) -> Store:
    base = column
    for ending in schema.WIDENED:
        base = base.removesuffix(ending)
    store.dataset.add_columns({f"{base}__{wanted}": f"CAST(`{column}` AS {wanted})"})
    return store.latest()


def _tidy(store: Store) -> Store:
    """Drop narrow columns that have a wide copy and give the copy their name; also what a killed run left undone."""
    chosen = set(store.fields.values())
    if narrow := [name for name in store.dataset.schema.names if name not in RESERVED and name not in chosen]:
        store.dataset.drop_columns(narrow)
        store = store.latest()
    for field, column in store.fields.items():
        if column.endswith(schema.WIDENED):
            store.dataset.alter_columns({"path": column, "name": schema.column_of(field)})
            store = store.latest()
    return store


def any_of(column: str, values: Sequence[str]) -> str:
    """A condition: the column holds one of the texts."""
    quoted = ", ".join("'" + schema.storable(value).replace("'", "''") + "'" for value in values)
    return f"`{column}` IN ({quoted})"


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn what the engine raises into sentences."""
    try:
        yield
    except VecloomError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        raise _store_error(error, doing) from error


def _os_number(error: BaseException) -> int | None:
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def _store_error(error: BaseException, doing: str) -> VecloomError:
    number = error.errno if isinstance(error, OSError) and error.errno else _os_number(error)
    if number is not None:
        return from_os_error(OSError(number, ""), doing)
    reason = re.sub(r",? ?/[\w/.\-]+\.rs:\d+:\d+", "", str(error)).strip().rstrip(".")
    return StoreError(f"{doing} failed: {reason}.".capitalize(), "If it stays so, make the index again.")


__all__ = ["FilterError", "Store", "any_of", "create", "engine_errors", "open_table", "widen"]
