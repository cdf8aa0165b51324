"""What a reader can narrow a search by: values of fields, and how many documents have each.

A field is a facet where its values sort documents into few groups: text, truth values or whole numbers, at least two different
values, at most ``MOST_DISTINCT`` and fewer than half as many as documents that have one. Documents are counted, not chunks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from vecloom.data.records import Scalar
from vecloom.search import where as filters
from vecloom.search.schema import POSITION
from vecloom.search.snapshot import Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

MOST_DISTINCT = 100
Facets = Mapping[str, list[tuple[Scalar, int]]]


def facets(snapshot: Snapshot, names: Collection[str] | None = None, where: str | None = None) -> Facets:
    """Values of fields with the number of documents, most frequent first, equal counts by value.

    Args:
        snapshot: the version that is asked.
        names: fields; None: those that make facets.
        where: count only documents whose first chunk a filter selects.

    Raises:
        FilterError: the filter does not parse, or names what is not there.
    """
    columns = snapshot.store.fields
    wanted = {name: columns[name] for name in (columns if names is None else names) if name in columns}
    table = _first_chunks(snapshot, list(wanted.values()), where)
    found = {name: _counted(table[column]) for name, column in wanted.items()}
    if names is None:
        present = {name: sum(count for _, count in values) for name, values in found.items()}
        types = {name: str(table[column].type) for name, column in wanted.items()}
        found = {name: values for name, values in found.items() if _sorts(values, present[name], types[name])}
    return found


def _sorts(values: list[tuple[Scalar, int]], present: int, column_type: str) -> bool:
    return column_type != "double" and 2 <= len(values) <= min(MOST_DISTINCT, max(2, present // 2))


def _first_chunks(snapshot: Snapshot, columns: list[str], where: str | None) -> pa.Table:
    condition = f"`{POSITION}` = 0"
    if where is not None:
        snapshot.store.select(where)  # says what is wrong with it
        condition += f" AND ({filters.translate(where, snapshot.store.names)})"
    return snapshot.store.scan(columns, condition=condition)


def _counted(column: Any) -> list[tuple[Scalar, int]]:
    counts = column.drop_null().value_counts()
    pairs = [(value.as_py(), count.as_py()) for value, count in zip(counts.field(0), counts.field(1), strict=True)]
    return sorted(pairs, key=lambda pair: (-pair[1], str(pair[0])))
