"""Results on disk: mteb's own files, and beside them the units that mteb does not keep.

    results/<model>/<revision>/<Task>.json    as in mteb's public results repository; mteb and its leaderboard read them
    units/<model>/<revision>/<Task>.npz       outcomes of every split, to draw again and to compare with other models
    units/<model>/<revision>/<Task>.json      what was met: intervals' units, hardest queries, lengths, speed

A result is used again while the model's revision, the data set's revision and mteb's version are the same.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vecloom.evaluate.details import Details
from vecloom.evaluate.outcomes import OUTCOMES, Outcome, kind_of
from vecloom.files import atomic_path, write_text

FORMAT = 1


@dataclass(frozen=True)
class Part:
    """One split and subset of a task.

    Attributes:
        split: its name.
        subset: mteb's subset.
        languages: language codes.
        score: mteb's main score.
        metrics: mteb's other scores that are single numbers.
        unit: what a unit is.
        outcome: the units, or None.
        details: where the model fails.
    """

    split: str
    subset: str
    languages: tuple[str, ...]
    score: float
    metrics: dict[str, float]
    unit: str
    outcome: Outcome | None
    details: Details


@dataclass(frozen=True)
class TaskRun:
    """What one model did on one task.

    Attributes:
        task: name.
        type: mteb's name of the task type.
        metric: name of the main score.
        data_revision: of the data set.
        mteb_version: that scored it.
        seconds: wall clock, loading of data left out.
        texts: texts that were encoded anew, and ``encode_seconds`` what that took.
        encode_seconds: see ``texts``.
        notes: sentences on what was met in the data.
        parts: splits and subsets.
    """

    task: str
    type: str
    metric: str
    data_revision: str
    mteb_version: str
    seconds: float
    texts: int
    encode_seconds: float
    notes: tuple[str, ...]
    parts: tuple[Part, ...] = field(default=())

    @property
    def score(self) -> float:
        """The mean over splits and subsets, as mteb takes it."""
        return float(np.mean([part.score for part in self.parts]))


class Store:
    """Results in a folder.

    Args:
        folder: made where it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, model: str, revision: str) -> Path:
        """The folder of a model's units."""
        return self.folder / "units" / model.replace("/", "__") / revision

    def load(self, model: str, revision: str, task: str, data_revision: str, mteb_version: str) -> TaskRun | None:
        """A stored run that still holds, or None."""
        path = self.place(model, revision) / f"{task}.json"
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            current = (FORMAT, data_revision, mteb_version)
            if (known["format"], known["data_revision"], known["mteb_version"]) != current:
                return None
            return _run_of(known, path.with_suffix(".npz"))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, model: str, revision: str, run: TaskRun) -> None:
        """Write the units of a run; the file that is looked for first is written last."""
        folder = self.place(model, revision)
        arrays = {
            f"{number}.{name}": array
            for number, part in enumerate(run.parts)
            if part.outcome is not None
            for name, array in part.outcome.arrays().items()
        }
        with atomic_path(folder / f"{run.task}.npz") as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
        write_text(folder / f"{run.task}.json", json.dumps(_plain(run), ensure_ascii=False))

    def save_result(self, meta: Any, result: Any) -> None:
        """Write mteb's own file."""
        from mteb.cache import ResultCache

        ResultCache(self.folder).save_to_cache(result, meta)


def _plain(run: TaskRun) -> dict[str, Any]:
    values = {name: value for name, value in vars(run).items() if name != "parts"}
    parts = []
    for part in run.parts:
        row = {name: value for name, value in vars(part).items() if name not in ("outcome", "details")}
        kind = kind_of(part.outcome) if part.outcome is not None else None
        parts.append({**row, "outcome": kind, "details": asdict(part.details)})
    return {"format": FORMAT, **values, "score": run.score, "parts": parts}


def _run_of(known: dict[str, Any], units: Path) -> TaskRun:
    with np.load(units) as stored:
        arrays = {name: stored[name] for name in stored.files}
    parts = []
    for number, row in enumerate(known["parts"]):
        prefix = f"{number}."
        own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        outcome = OUTCOMES[row["outcome"]](**own) if row["outcome"] else None
        given = {**row, "outcome": outcome, "details": Details(**row["details"]), "languages": tuple(row["languages"])}
        parts.append(Part(**given))
    left_out = ("format", "score", "parts", "notes")
    values = {name: value for name, value in known.items() if name not in left_out}
    return TaskRun(**values, notes=tuple(known["notes"]), parts=tuple(parts))
