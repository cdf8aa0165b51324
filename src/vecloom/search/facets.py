"""What a reader can narrow a search by: values of fields, and how many documents have each.

A field is a facet where its values sort documents into few groups: text, truth values or whole numbers, at least two different
values, at most ``MOST_DISTINCT`` and fewer than half as many as documents that have one. Documents are counted, not chunks.
Of a list each member is a value: a document counts once for each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from vecloom.data.records import Scalar
from vecloom.search.schema import POSITION, type_name
from vecloom.search.snapshot import Snapshot
from vecloom.search.where import Where

if TYPE_CHECKING:
    import pyarrow as pa

MOST_DISTINCT = 100
Facets = Mapping[str, list[tuple[Scalar, int]]]


def facets(snapshot: Snapshot, names: Collection[str] | None = None, where: Where | None = None) -> Facets:
    """Values of fields with the number of documents, most frequent first, equal counts by value.

    Args:
        snapshot: the version that is asked.
        names: fields; None: those that make facets.
        where: count only documents whose first chunk a filter selects.

    Raises:
        FilterError: the filter does not parse, or names what is not there.
        FilterTimeError: it takes longer than allowed.
    """
    columns = snapshot.store.fields
    wanted = {name: columns[name] for name in (columns if names is None else names) if name in columns}
    table = _first_chunks(snapshot, list(wanted.values()), where)
    found = {name: _counted(table[column]) for name, column in wanted.items()}
    if names is None:
        present = {name: table.num_rows - table[column].null_count for name, column in wanted.items()}
        types = {name: type_name(table[column].type) for name, column in wanted.items()}
        found = {name: values for name, values in found.items() if _sorts(values, present[name], types[name])}
    return found


def _sorts(values: list[tuple[Scalar, int]], present: int, column_type: str) -> bool:
    return column_type != "double" and 2 <= len(values) <= min(MOST_DISTINCT, max(2, present // 2))


def _first_chunks(snapshot: Snapshot, columns: list[str], where: Where | None) -> pa.Table:
    table = snapshot.store.scan(columns, condition=f"`{POSITION}` = 0")
    if where is None:
        return table
    first = snapshot.store.scan([POSITION])[POSITION].to_numpy() == 0
    return table.filter(snapshot.store.passing(where)[first])


def _counted(column: Any) -> list[tuple[Scalar, int]]:
    column = column.drop_null()
    if type_name(column.type) == "list":
        column = _members(column.combine_chunks())
    counts = column.value_counts()
    pairs = [(value.as_py(), count.as_py()) for value, count in zip(counts.field(0), counts.field(1), strict=True)]
    return sorted(pairs, key=lambda pair: (-pair[1], str(pair[0])))


def _members(lists: pa.Array) -> pa.Array:
    """The members of all lists, each once a list."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pairs = pa.table({"row": pc.list_parent_indices(lists), "member": lists.flatten()})
    return pairs.group_by(["row", "member"]).aggregate([])["member"]
