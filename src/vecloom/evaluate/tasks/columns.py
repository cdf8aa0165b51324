"""Data sets of rows (everything but collections): columns read and checked, labels made numbers.

A ``Columns`` is what mteb's task classes take: lists by column name, for each split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vecloom.errors import DataError
from vecloom.evaluate.tasks.local import LocalTask, split_files, text_column
from vecloom.evaluate.tasks.rows import Row, numbers_of, read_rows, texts_of
from vecloom.wording import are, counted, have

Table = dict[str, list[Any]]
ENTAILMENT = {"entailment": 1, "contradiction": 0}  # as mteb's XNLI; neutral pairs are left out
SHOWN = 5


@dataclass
class Columns:
    """A data set of rows.

    Attributes:
        splits: columns of each split.
        names: what label numbers stand for, where labels are numbered.
        notes: sentences on what was met.
    """

    splits: dict[str, Table]
    names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_columns(task: LocalTask) -> Columns:
    """Read every split of a task.

    Raises:
        DataError: a column is missing or a value is not what it has to be.
    """
    files = {task.splits[0]: task.path} if task.path.is_file() else split_files(task.path)
    missing = [split for split in task.splits if split not in files]
    if missing:
        raise DataError(f"{task.path} has no split {missing[0]!r}.", f"There are {', '.join(files) or 'none'}.")
    wanted = (
        files if task.kind in ("classification", "multilabel-classification") else {s: files[s] for s in task.splits}
    )
    rows = {split: (read_rows(path), path) for split, path in wanted.items()}
    if not task.settings.get("without_train"):
        return READERS[task.kind](task, rows)
    rows, notes = _without_train(task, rows, files)
    found = READERS[task.kind](task, rows)
    return replace(found, notes=[*notes, *found.notes])


def _without_train(
    task: LocalTask, rows: dict[str, tuple[list[Row], Path]], files: dict[str, Path]
) -> tuple[dict[str, tuple[list[Row], Path]], list[str]]:
    """Pairs to score that do not stand in train, in either order: translation makes some of different ones."""
    sides = ("sentence1", "sentence2")
    if task.kind not in ("sts", "pair-classification") or "train" not in files:
        raise DataError(f"{task.path}: without_train is for pairs with a train split.", "Leave it out of task.yaml.")
    known = {frozenset(row.get(side) for side in sides) for row in read_rows(files["train"])}
    kept, notes = {}, []
    for split, (given, path) in rows.items():
        new = [row for row in given if frozenset(row.get(side) for side in sides) not in known]
        if not new:
            raise DataError(f"{path}: every pair stands in train.", "Leave without_train out of task.yaml.")
        kept[split] = (new, path)
        notes.append(
            f"{len(given) - len(new):,} of {counted(len(given), 'pair')} of {split} stand in train and are left out."
        )
    return kept, notes


def _classification(task: LocalTask, rows: dict[str, tuple[list[Row], Path]]) -> Columns:
    tables = {split: _texts_and_labels(task, *given) for split, given in rows.items()}
    names = sorted({label for table in tables.values() for label in table["label"]}, key=_natural)
    numbers = {name: number for number, name in enumerate(names)}
    scored = tables[task.splits[0]]["label"]
    if len(set(scored)) < 2:
        raise DataError(f"{task.path}: all texts to score have the label {scored[0]!r}.", "Give at least two labels.")
    notes = _label_notes(tables, task.splits[0])
    if "train" in tables:
        _check_known(tables, task)
    splits = {
        split: {"text": table["text"], "label": [numbers[label] for label in table["label"]]}
        for split, table in tables.items()
    }
    return Columns(splits, names, notes)


def _multilabel(task: LocalTask, rows: dict[str, tuple[list[Row], Path]]) -> Columns:
    if "train" not in rows:
        raise DataError(f"{task.path} has no train split.", "Multi-label classification needs train.jsonl.")
    column = task.settings.get("label_column", "label")
    tables: dict[str, Table] = {}
    for split, (given, path) in rows.items():
        labels = [row.get(column) for row in given]
        bad = next((i for i, value in enumerate(labels, start=1) if not isinstance(value, list)), None)
        if bad is not None:
            raise DataError(f"{path}: {column!r} is no list in row {bad}.", 'Write ["a", "b"], or [] for none.')
        tables[split] = {"text": _texts(task, given, path), "label": labels}
    names = sorted({label for table in tables.values() for row in table["label"] for label in row}, key=_natural)
    numbers = {name: number for number, name in enumerate(names)}
    for table in tables.values():
        table["label"] = [[numbers[label] for label in row] for row in table["label"]]
    return Columns(tables, list(map(str, names)))


def _pairs(task: LocalTask, rows: dict[str, tuple[list[Row], Path]]) -> Columns:
    splits, notes = {}, []
    for split, (given, path) in rows.items():
        if "premise" in given[0]:
            given, dropped = _entailment(given, path)
            notes += (
                [f"{counted(dropped, 'neutral pair')} {are(dropped)} left out, as in mteb's XNLI."] if dropped else []
            )
        table: Table = {name: texts_of(given, name, path) for name in ("sentence1", "sentence2")}
        table["labels"] = [int(label) for label in numbers_of(given, "label", path)]
        if set(table["labels"]) != {0, 1}:
            found = ", ".join(map(str, sorted(set(table["labels"]))[:SHOWN]))
            raise DataError(f"{path}: the labels are {found}, not 0 and 1.", "Mark pairs that belong together with 1.")
        splits[split] = table
    return Columns(splits, notes=notes)


def _entailment(rows: Sequence[Row], path: Path) -> tuple[list[Row], int]:
    odd = next((row["label"] for row in rows if row.get("label") not in (*ENTAILMENT, "neutral")), None)
    if odd is not None:
        raise DataError(f"{path} has the label {odd!r}.", "Use entailment, neutral and contradiction.")
    kept = [
        {"sentence1": row["premise"], "sentence2": row["hypothesis"], "label": ENTAILMENT[row["label"]]}
        for row in rows
        if row["label"] in ENTAILMENT
    ]
    return kept, len(rows) - len(kept)


def _sts(task: LocalTask, rows: dict[str, tuple[list[Row], Path]]) -> Columns:
    splits: dict[str, Table] = {}
    for split, (given, path) in rows.items():
        table: Table = {name: texts_of(given, name, path) for name in ("sentence1", "sentence2")}
        table["score"] = numbers_of(given, "score", path)
        if len(set(table["score"])) < 2:
            raise DataError(
                f"{path}: all scores are {table['score'][0]:g}, so that no correlation is defined.",
                "Give pairs of different similarity.",
            )
        splits[split] = table
    return Columns(splits)


def _bitext(task: LocalTask, rows: dict[str, tuple[list[Row], Path]]) -> Columns:
    splits = {
        split: {name: texts_of(given, name, path) for name in ("sentence1", "sentence2")}
        for split, (given, path) in rows.items()
    }
    return Columns(splits)


def _clustering(task: LocalTask, rows: dict[str, tuple[list[Row], Path]]) -> Columns:
    splits: dict[str, Table] = {}
    notes: list[str] = []
    for split, (given, path) in rows.items():
        if isinstance(given[0].get("sentences"), list):
            splits[split] = {name: _list_column(given, name, path) for name in ("sentences", "labels")}
            continue
        column = task.settings.get("label_column", "label")
        labels = [row.get(column) for row in given]
        bad = next((i for i, value in enumerate(labels, start=1) if value is None or value == []), None)
        if bad is not None:
            raise DataError(f"{path}: {column!r} is missing in row {bad}.", "Give every text a label.")
        levels = [[str(x) for x in value] if isinstance(value, list) else str(value) for value in labels]
        first = Counter(value[0] if isinstance(value, list) else value for value in levels)
        if len(first) < 2:
            raise DataError(f"{path}: all texts have the label {next(iter(first))!r}.", "Give at least two labels.")
        notes += _single_notes(first)
        splits[split] = {"sentences": _texts(task, given, path), "labels": levels}
    return Columns(splits, notes=notes)


def _summaries(task: LocalTask, rows: dict[str, tuple[list[Row], Path]]) -> Columns:
    splits: dict[str, Table] = {}
    for split, (given, path) in rows.items():
        lists = {
            name: _list_column(given, name, path) for name in ("human_summaries", "machine_summaries", "relevance")
        }
        for number, (machine, gold) in enumerate(
            zip(lists["machine_summaries"], lists["relevance"], strict=True), start=1
        ):
            if len(machine) != len(gold):
                raise DataError(
                    f"{path}: row {number} has {len(machine)} machine summaries and {len(gold)} relevances.",
                    "Give one relevance for each.",
                )
        splits[split] = {"text": texts_of(given, "text", path), **lists}
    return Columns(splits)


READERS: dict[str, Callable[[LocalTask, dict[str, tuple[list[Row], Path]]], Columns]] = {
    "classification": _classification,
    "multilabel-classification": _multilabel,
    "pair-classification": _pairs,
    "sts": _sts,
    "bitext-mining": _bitext,
    "clustering": _clustering,
    "summarization": _summaries,
}


def _texts(task: LocalTask, rows: Sequence[Row], path: Path) -> list[str]:
    column = text_column(rows[0], task.settings)
    if column is None:
        raise DataError(f"{path} has no column 'text'.", "Name the column with text_column in task.yaml.")
    return texts_of(rows, column, path)


def _texts_and_labels(task: LocalTask, rows: list[Row], path: Path) -> Table:
    column = task.settings.get("label_column", "label")
    labels = [row.get(column) for row in rows]
    bad = next((i for i, value in enumerate(labels, start=1) if not isinstance(value, str | int)), None)
    if bad is not None:
        raise DataError(f"{path}: {column!r} is {labels[bad - 1]!r} in row {bad}.", "Give a label there.")
    return {"text": _texts(task, rows, path), "label": [str(label) for label in labels]}


def _list_column(rows: Sequence[Row], column: str, path: Path) -> list[list[Any]]:
    found = [row.get(column) for row in rows]
    bad = next((i for i, value in enumerate(found, start=1) if not isinstance(value, list) or not value), None)
    if bad is not None:
        raise DataError(f"{path}: {column!r} is no list with entries in row {bad}.", "Give a list there.")
    return found  # type: ignore[return-value]


def _check_known(tables: dict[str, Table], task: LocalTask) -> None:
    known = set(tables["train"]["label"])
    unseen = sorted(set(tables[task.splits[0]]["label"]) - known)
    if len(known) < 2:
        raise DataError(f"{task.path}: the train split has one label, {next(iter(known))!r}.", "Give at least two.")
    if unseen and not known & set(tables[task.splits[0]]["label"]):
        raise DataError(
            f"{task.path}: no label of the scored split is in train.", "Check that labels are spelled alike."
        )


def _label_notes(tables: dict[str, Table], scored: str) -> list[str]:
    notes = _single_notes(Counter(tables[scored]["label"]))
    if "train" in tables:
        unseen = sorted(set(tables[scored]["label"]) - set(tables["train"]["label"]))
        if unseen:
            shown = ", ".join(unseen[:SHOWN])
            notes.append(
                f"{counted(len(unseen), 'label')} {are(len(unseen))} not in train, so the texts are always wrong ({shown})."
            )
        few = [label for label, count in Counter(tables["train"]["label"]).items() if count < 8]
        if few:
            notes.append(
                f"{counted(len(few), 'label')} {have(len(few))} fewer than mteb's 8 training texts ({_some(few)})."
            )
    return notes


def _single_notes(counts: Counter[str]) -> list[str]:
    single = [label for label, count in counts.items() if count == 1]
    return [f"{counted(len(single), 'label')} {have(len(single))} one example ({_some(single)})."] if single else []


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _natural(label: Any) -> tuple[int, float, str]:
    """Numbers by value, then words: labels 0 to 10 keep their numbers."""
    try:
        return (0, float(label), "")
    except (TypeError, ValueError):
        return (1, 0.0, str(label))
