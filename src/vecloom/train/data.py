"""Training data: sources of a recipe become tables of vecloom's columns, checked before the first step.

A table is a ``datasets.Dataset``: text columns in the order in which losses take them, then ``score`` (float, 0 to 1) or
``label`` (int). Our own; the shapes are sentence-transformers'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

from vecloom.data import rows
from vecloom.data.rows import Read
from vecloom.errors import DataError, MissingExtraError, first_line
from vecloom.train.checks import Checked, check_text, label_of, score_of
from vecloom.train.prepare import MADE_OF, Prepared
from vecloom.train.recipe import DataSource, Recipe, Shape
from vecloom.train.shapes import Layout, layout_of

VALUE_COLUMNS = {"scored": "score", "labels": "label", "labelled-pairs": "label"}


@dataclass(frozen=True)
class Table:
    """One data set, ready to train on.

    Attributes:
        name: what the recipe calls it.
        shape: what its rows are.
        rows: a ``datasets.Dataset`` with the text columns, then score or label.
        prompts: column to text put before each of its texts.
        weight: how often it is drawn, beside its size.
        labels: the labels' own names by number, where they were words.
        checked: what the checks counted.
    """

    name: str
    shape: Shape
    rows: Any
    prompts: dict[str, str]
    weight: float
    labels: tuple[str, ...]
    checked: Checked

    @property
    def text_columns(self) -> list[str]:
        """The columns of texts, in the losses' order."""
        return [name for name in self.rows.column_names if name != VALUE_COLUMNS.get(self.shape)]

    def __len__(self) -> int:
        return len(self.rows)


def read_tables(recipe: Recipe) -> list[Table]:
    """Read and check all data of a recipe.

    Raises:
        DataError: a file is missing or broken, has no known shape, an empty text, a score or label outside its range, only
            one class, or the rows do not fill one batch.
    """
    from vecloom.train.checks import check_fit

    tables = [read_table(source) for source in recipe.data]
    check_fit(recipe, tables)
    return tables


def read_table(source: DataSource) -> Table:
    """Read and check one data set."""
    found = _hub(source) if source.hub else rows.read(Path(str(source.path)))
    where = str(source.hub or source.path)
    limited = islice(found, source.limit)
    first = next(limited, None)
    if first is None:
        raise DataError(f"{where} holds no rows.", "Give a file with rows.")
    shape = MADE_OF.get(source.triplets or "", source.shape)
    layout = layout_of(list(first.values), cast("Shape | None", shape), source.columns, where)
    prepared = Prepared(source, layout, chain([first], limited), where)
    table = _table(source, prepared.layout, iter(prepared.rows), where)
    return replace(table, checked=replace(table.checked, prepared=prepared.notes))


def _table(source: DataSource, layout: Layout, found: Iterator[Read], where: str) -> Table:
    from datasets import Dataset

    value = VALUE_COLUMNS.get(layout.shape)
    columns, negatives = _gathered(layout, found, value, where)
    labels: tuple[str, ...] = ()
    if value == "score":
        scores = enumerate(columns["score"], 1)
        columns["score"] = [score_of(cell, number, source.scale, where) for number, cell in scores]
    elif value == "label":
        columns["label"], labels = label_of(columns["label"], source.classes, where)
    counts = [len(row) for row in negatives] or [0]
    kept = min(*counts, source.negatives or max(counts)) if negatives else 0
    columns |= {f"negative_{place + 1}": [row[place] for row in negatives] for place in range(kept)}
    texts = {name: cells for name, cells in columns.items() if name != value}
    checked = Checked.of(list(texts.values()), negatives=(kept, max(counts)))
    prompts = _prompts(source, list(texts), where)
    return Table(source.title, layout.shape, Dataset.from_dict(columns), prompts, source.weight, labels, checked)


def _gathered(
    layout: Layout, found: Iterator[Read], value: str | None, where: str
) -> tuple[dict[str, list[Any]], list[list[str]]]:
    """The layout's columns, their texts checked, and each row's negatives."""
    columns: dict[str, list[Any]] = {name: [] for name in layout.columns}
    negatives: list[list[str]] = []
    for row in found:
        place = f"{where}:{row.line}"
        for ours, theirs in layout.columns.items():
            cell = row.values.get(theirs)
            columns[ours].append(cell if ours == value else check_text(cell, theirs, place))
        if layout.negatives:
            negatives.append(_negatives_of(row, layout.negatives, place))
    return columns, negatives


def _negatives_of(row: Read, columns: Sequence[str], place: str) -> list[str]:
    found: list[str] = []
    for column in columns:
        cell = row.values.get(column)
        cells = cell if isinstance(cell, list) else [cell]
        found.extend(check_text(item, column, place) for item in cells if item not in (None, ""))
    if not found:
        raise DataError(f"{place}: there is no negative in {', '.join(columns)}.", "Add one, or remove the row.")
    return found


def _prompts(source: DataSource, texts: Sequence[str], where: str) -> dict[str, str]:
    unknown = [name for name in source.prompts if name not in texts and name != "negative"]
    if unknown:
        raise DataError(
            f"{where}: prompts names {unknown[0]!r}, and its columns are {', '.join(texts)}.", "Correct it."
        )
    own = {**_instructed(source, texts), **source.prompts}
    negative = own.get("negative", own.get("positive", ""))
    given = {name: own.get(name, negative if name.startswith("negative_") else "") for name in texts}
    return {name: prompt for name, prompt in given.items() if prompt}


def _instructed(source: DataSource, texts: Sequence[str]) -> dict[str, str]:
    """Prompts from an instruction: before the anchors of pairs, before all texts where they are of one kind."""
    if source.instruction is None:
        return {}
    prompt = f"Instruct: {source.instruction}\nQuery: "
    of_pairs = "anchor" in texts and source.triplets is None
    sides = source.instructed or ("queries" if of_pairs else "all")
    return {name: prompt for name in texts if sides == "all" or name in ("anchor", "sentence1")}


def _hub(source: DataSource) -> Iterator[Read]:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("Reading from the Hub needs datasets.", "train") from error
    try:
        loaded = datasets.load_dataset(str(source.hub), source.subset, split=source.split)
    except Exception as error:  # offline, no such data set, no such split: the library has many classes for it
        raise DataError(
            f"The data set {source.hub!r} cannot be read: {first_line(error)}.",
            "Correct hub, subset or split, or use a path.",
        ) from error
    for number, row in enumerate(loaded, start=1):
        yield Read(number, dict(row))
