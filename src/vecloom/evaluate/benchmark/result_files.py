"""Folders of result files in mteb's format, from this package or from the public leaderboard, become one ``ScoreTable``.

Source: the layout of the repository embeddings-benchmark/results and of mteb 2.26's ``ResultCache``:
``<model>/<revision>/<task>.json`` with ``model_meta.json`` beside, ``/`` in a model's name written as ``__``, runs with
other settings in ``<model>/<revision>/experiments/<settings>/``. A task's score is the plain mean of ``main_score`` over
all its splits and subsets (``TaskResult.get_score``). Files from before mteb 1.11 are left to mteb itself to read.
Ours: several revisions of one model are rows of their own, since they are different models; JSON that is no result at
all (reports, predictions) is passed over; a result that is broken is an error, or is skipped and counted.

When not to use it: for results whose splits differ from file to file; a score over more splits is another score.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vecloom.errors import DataError, MissingExtraError, first_line
from vecloom.evaluate.benchmark.aggregate import ScoreTable

UNKNOWN = "unknown"
META = "model_meta.json"
PREDICTIONS = "_predictions.json"
EXPERIMENTS = "experiments"


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One task result of one model.

    Attributes:
        path: where it was read.
        model: name of the model, with the settings of an experiment in brackets.
        revision: of the model; "" where it is not known.
        task: name of the task.
        score: mean main score; NaN where the file says that there is none.
        languages: of all subsets.
        task_type: as the file says; "" where it does not.
    """

    path: Path
    model: str
    revision: str
    task: str
    score: float
    languages: frozenset[str]
    task_type: str


def read_results(folder: str | os.PathLike[str], *, skip_bad: bool = False) -> ScoreTable:
    """Read every result below a folder, however deep; needs no network.

    Args:
        folder: the results repository, a part of it, or what an evaluation wrote.
        skip_bad: leave broken files out and name them in ``ScoreTable.skipped``, instead of stopping at the first.

    Returns:
        Models and tasks in alphabetical order. A task's type is mteb's where mteb knows the task, else the file's
        ``task_type``, else "unknown".

    Raises:
        DataError: there is no such folder or no result in it, or a file is broken, or a score is there twice.
    """
    found: dict[tuple[str, str, str], ResultFile] = {}
    skipped: list[str] = []
    for path in _candidates(Path(folder)):
        try:
            result = _read(path, Path(folder))
            if result is not None:
                _add(result, found)
        except DataError as error:
            if not skip_bad:
                raise
            skipped.append(str(error))
    if not found:
        raise DataError(
            f"There is no mteb result in {folder}{f' ({len(skipped)} broken files)' if skipped else ''}.",
            "Give a folder with files like model/revision/task.json.",
        )
    return _table(list(found.values()), tuple(skipped))


def known_type(task: str) -> str | None:
    """The type that mteb gives a task, or None where mteb is not installed or does not know it."""
    try:
        import mteb
    except ImportError:
        return None
    try:
        return str(mteb.get_task(task).metadata.type)
    except KeyError:
        return None


def _candidates(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder.", "Give a folder of mteb results.")
    return [
        path
        for path in sorted(folder.rglob("*.json"))
        if path.name != META and not path.name.endswith(PREDICTIONS) and not path.name.startswith(".")
    ]


def _read(path: Path, root: Path) -> ResultFile | None:
    content = _json(path)
    if not isinstance(content, dict) or not {"task_name", "scores", "mteb_dataset_name"} & content.keys():
        return None
    if "mteb_dataset_name" in content:
        content = _modernised(path)
    if not isinstance(content.get("task_name"), str) or not isinstance(content.get("scores"), dict):
        raise _broken(path, "it has no task_name or no scores")
    entries = list(_entries(content["scores"], path))
    model, revision = _owner(path, root)
    return ResultFile(
        path=path,
        model=model,
        revision=revision,
        task=content["task_name"],
        score=float(np.mean([_main_score(entry, path) for entry in entries])),
        languages=frozenset(str(language) for entry in entries for language in entry.get("languages") or ()),
        task_type=str(content.get("task_type") or ""),
    )


def _entries(scores: dict[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    parts = [part for split in scores.values() for part in (split if isinstance(split, list) else [None])]
    if not parts:
        raise _broken(path, "its scores are empty")
    for part in parts:
        if not isinstance(part, dict) or "main_score" not in part:
            raise _broken(path, "a split is not a list of scores with a main_score")
        yield part


def _main_score(entry: dict[str, Any], path: Path) -> float:
    value = entry["main_score"]
    if value is None:
        return float("nan")  # what mteb writes where a score is undefined
    if isinstance(value, bool) or not isinstance(value, (int, float)) or np.isinf(value):
        raise _broken(path, f"main_score is {value!r}, not a number")
    return float(value)


def _owner(path: Path, root: Path) -> tuple[str, str]:
    """Model and revision of a result: as ``model_meta.json`` beside it says, else by the folders' names."""
    folder = path.parent
    settings = f" ({folder.name})" if folder.parent.name == EXPERIMENTS else ""
    name, revision = _by_path(folder.parent.parent if settings else folder, root)
    meta = _json(folder / META) if (folder / META).is_file() else {}
    if isinstance(meta, dict):
        name, revision = meta.get("name") or name, meta.get("revision") or revision
    return f"{name}{settings}", str(revision)


def _by_path(folder: Path, root: Path) -> tuple[str, str]:
    below = folder.parts[len(root.parts) :]
    if len(below) >= 2:
        return below[-2].replace("__", "/"), below[-1]
    return folder.resolve().name.replace("__", "/"), ""


def _add(result: ResultFile, found: dict[tuple[str, str, str], ResultFile]) -> None:
    key = (result.model, result.revision, result.task)
    if key in found:
        raise DataError(
            f"{result.path} and {found[key].path} both hold {result.task} of {result.model}.", "Keep one of them."
        )
    found[key] = result


def _table(results: list[ResultFile], skipped: tuple[str, ...]) -> ScoreTable:
    owners = sorted({(result.model, result.revision) for result in results})
    revisions = Counter(model for model, _ in owners)
    names = [f"{model} @ {revision or 'no revision'}" if revisions[model] > 1 else model for model, revision in owners]
    tasks = sorted({result.task for result in results})
    values = np.full((len(owners), len(tasks)), np.nan)
    stated: dict[str, str] = {}
    languages: dict[str, frozenset[str]] = {}
    for result in results:
        values[owners.index((result.model, result.revision)), tasks.index(result.task)] = result.score
        stated[result.task] = stated.get(result.task) or result.task_type
        languages[result.task] = languages.get(result.task, frozenset()) | result.languages
    types = tuple(known_type(task) or stated[task] or UNKNOWN for task in tasks)
    return ScoreTable(
        tuple(names), tuple(tasks), types, values, tuple(languages[task] for task in tasks), skipped=skipped
    )


def _modernised(path: Path) -> dict[str, Any]:
    """A result from before mteb 1.11 in today's form."""
    try:
        from mteb.results import TaskResult
    except ImportError as error:
        raise MissingExtraError(f"{path} is a result in mteb's old format, which mteb itself reads.", "eval") from error
    try:
        return dict(TaskResult.from_disk(path).to_dict())
    except Exception as error:  # a KeyError for an unknown task, AttributeErrors for odd shapes, pydantic's own
        raise _broken(path, f"mteb cannot read its old format: {first_line(error)}") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise _broken(path, first_line(error)) from error


def _broken(path: Path, why: str) -> DataError:
    return DataError(f"{path} is not a readable mteb result: {why}.", "Repair or remove it, or skip broken files.")
