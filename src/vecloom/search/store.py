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

import numpy as np

from vecloom.errors import StoreError, VecloomError, from_os_error
from vecloom.search import conditions, schema
from vecloom.search.kernels import Known
from vecloom.search.schema import DOCUMENT, HASH, ID, PASSAGE, RESERVED, TERMS
from vecloom.search.where import Where, nameable

if TYPE_CHECKING:
    import pyarrow as pa

KEEP = timedelta(minutes=10)
FRAGMENT_ROWS = 256 * 1024  # larger fragments are not rewritten again when small ones are joined
SMALL_FRAGMENTS = 8  # joined at the end of an add when there are more
RENEW = 32  # versions; the engine's caches keep 0.1 to 0.2 MB of each, and nobody asks the old ones
IDS_PER_COMMIT = 5000  # ids in one IN list
FILTERED_ROWS = 2048  # rows over which a filter is evaluated at once: its memory, and how soon it can be ended
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
        return nameable(schema.OWN, self.fields)

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

    def batches(
        self, columns: Sequence[str], *, condition: str | None = None, rows: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The same as ``scan`` without row ids, in batches of at most so many rows."""
        with engine_errors("reading the index"):
            yield from self.dataset.scanner(
                columns=list(columns), filter=condition, scan_in_order=True, batch_size=rows
            ).to_batches()

    def checked(self, filter_by: Where) -> conditions.Condition:
        """A user's filter as it is evaluated; raises FilterError."""
        return conditions.condition(filter_by, self.names, self.dataset.schema)

    def passing(self, filter_by: Where) -> Known:
        """``(rows,)`` True where a row passes a user's filter, in the table's order.

        Raises:
            FilterError: the filter does not parse, names what is not there, or compares what cannot be compared.
            FilterTimeError: it takes longer than allowed.
        """
        asked, clock = self.checked(filter_by), conditions.Clock()
        if not asked.columns:
            return asked.mask(self.dataset.count_rows(), {}, clock)
        parts = (
            asked.mask(batch.num_rows, dict(zip(asked.columns, batch.columns, strict=True)), clock)
            for batch in self.batches(asked.columns, rows=FILTERED_ROWS)
        )
        return np.concatenate([np.empty(0, dtype=bool), *parts])

    def select(self, filter_by: Where) -> set[str]:
        """Ids of the documents that have a row which passes a user's filter; raises what ``passing`` raises."""
        passing = self.passing(filter_by)
        names = self.scan([DOCUMENT])[DOCUMENT]
        return set(names.filter(passing).to_pylist())

    @property
    def has_terms(self) -> bool:
        """Whether the table keeps terms; one of format 1 keeps passages, which the engine cuts into words."""
        return TERMS in self.dataset.schema.names

    def words(self, query: str, limit: int) -> pa.Table:
        """Row ids and BM25 scores of the rows that hold words of the query, best first.

        Args:
            query: terms, joined by blanks; any text where the table has none.
            limit: rows at most.
        """
        from lance.query import MatchQuery

        with engine_errors("searching words"):
            return self.dataset.scanner(
                columns=["_rowid", "_score"],
                full_text_query=MatchQuery(schema.storable(query), TERMS if self.has_terms else PASSAGE),
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
    new = [pa.field(schema.column_of(n), schema.arrow_type(k)) for n, k in kinds.items() if n not in columns]
    with engine_errors("adding a field to the index"):
        if new:
            store.dataset.add_columns(pa.schema(new))
        store = store.latest()
        for name in kinds.keys() & columns.keys():
            stored = store.dataset.schema.field(columns[name]).type
            wanted = _joined(store, columns[name], stored, kinds[name])
            if schema.type_name(schema.arrow_type(wanted)) != schema.type_name(stored):
                store = _recast(store, columns[name], wanted)
        return _tidy(store)


def _joined(store: Store, column: str, stored: pa.DataType, kind: schema.Kind) -> schema.Kind:
    known = schema.column_kind(stored)
    if known == "int" and kind == "double":
        large = store.dataset.count_rows(f"abs(`{column}`) > {schema.EXACT_IN_DOUBLE}")
        known = "big int" if large else "int"
    joined = schema.join(known, kind)
    assert joined is not None
    return joined


def _recast(store: Store, column: str, wanted: schema.Kind) -> Store:
    base = column
    for ending in schema.WIDENED:
        base = base.removesuffix(ending)
    if wanted in schema.COLUMN_TYPES:
        name = schema.COLUMN_TYPES[wanted]
        store.dataset.add_columns({f"{base}__{name}": f"CAST(`{column}` AS {name})"})
    else:
        _recast_to_lists(store, column, f"{base}__list_of_string")
    return store.latest()


def _recast_to_lists(store: Store, column: str, to: str) -> None:
    import lance
    import pyarrow as pa

    made = pa.schema([pa.field(to, schema.arrow_type("list"))])

    def lists(batch: pa.RecordBatch) -> pa.RecordBatch:
        cells = [schema.as_former_list(value) for value in batch.column(0).to_pylist()]
        return pa.record_batch([pa.array(cells, made.field(0).type)], schema=made)

    store.dataset.add_columns(lance.batch_udf(output_schema=made)(lists), read_columns=[column])


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


__all__ = ["Store", "any_of", "create", "engine_errors", "open_table", "widen"]
