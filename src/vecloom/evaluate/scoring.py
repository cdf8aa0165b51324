"""Have mteb score one task for one model, and keep what it computed unit by unit."""

from __future__ import annotations

import json
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np

from vecloom.errors import DataError
from vecloom.evaluate.baselines import SEARCHED
from vecloom.evaluate.candidates import Candidate
from vecloom.evaluate.details import details_of
from vecloom.evaluate.harvest import harvest
from vecloom.evaluate.store import Part, TaskRun

SAME = 2e-5  # mteb rounds retrieval scores to five decimals


def scored(task: Any, model: Candidate, block_bytes: int, progress: Callable[[int], None]) -> tuple[TaskRun, Any, Any]:
    """Have mteb score a fresh task, split by split, and keep what each unit contributed.

    Returns:
        our record, mteb's ``TaskResult`` and its model's ``ModelMeta``.

    Raises:
        DataError: a score is undefined.
    """
    from mteb.results import TaskResult

    computed, encoding = _effort(model)
    begun = time.perf_counter()
    adapted = model.for_task(task, block_bytes=block_bytes, progress=progress)
    parts: list[Part] = []
    results: dict[str, dict[str, Any]] = {}
    for split in task.eval_splits:
        for subset in task.hf_subsets:
            part, scores = _part(task, adapted, split, subset)
            parts.append(part)
            results.setdefault(split, {})[subset] = scores
    seconds = time.perf_counter() - begun
    result = TaskResult.from_task_results(task, results, evaluation_time=seconds)
    now_computed, now_encoding = _effort(model)
    found = TaskRun(
        task=task.metadata.name,
        type=task.metadata.type,
        metric=task.metadata.main_score,
        data_revision=str(task.metadata.dataset["revision"]),
        mteb_version=mteb_version(),
        seconds=round(seconds, 3),
        texts=now_computed - computed,
        encode_seconds=round(now_encoding - encoding, 4),
        notes=tuple(getattr(task, "notes", ())),
        parts=tuple(parts),
    )
    return found, result, adapted.mteb_model_meta


def _part(task: Any, adapted: Any, split: str, subset: str) -> tuple[Part, dict[str, Any]]:
    state = task.rng_state.getstate()
    with tempfile.TemporaryDirectory() as folder:
        kept = None if task.metadata.type in SEARCHED else Path(folder)
        scores = dict(
            task.evaluate(
                adapted,
                split,
                subsets_to_run=[subset],
                encode_kwargs={"batch_size": 512, "show_progress_bar": False},
                prediction_folder=kept,
            )
        )[subset]
        predictions = _predictions(kept / task.prediction_file_name, subset, split) if kept else None
    score = float(scores["main_score"])
    if not np.isfinite(score):
        raise _undefined(task)
    run_found = adapted.runs.get((task.metadata.name, split, subset))
    harvested = harvest(task, split, subset, run=run_found, predictions=predictions, scores=scores, state=state)
    if harvested.outcome is not None and abs(harvested.outcome.value() - score) > SAME:
        harvested = replace(harvested, outcome=None)  # no interval rather than that of another quantity
    languages = tuple(task.metadata.hf_subsets_to_langscripts.get(subset, task.metadata.eval_langs))
    metrics = {name: float(value) for name, value in scores.items() if _is_number(value) and name != "main_score"}
    details = details_of(task, split, subset, harvested, run_found, predictions)
    part = Part(split, subset, languages, score, metrics, harvested.unit, harvested.outcome, details)
    return part, scores


def mteb_version() -> str:
    """Version of the installed mteb."""
    import importlib.metadata

    return importlib.metadata.version("mteb")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' own bars, log lines and warnings out of the way while the block runs."""
    import datasets
    from tqdm.auto import tqdm

    bars, begin = datasets.utils.are_progress_bars_disabled(), tqdm.__init__
    datasets.disable_progress_bars()
    tqdm.__init__ = partialmethod(begin, disable=True)
    loggers = [logging.getLogger(name) for name in ("mteb", "datasets")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        tqdm.__init__ = begin
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if not bars:
            datasets.enable_progress_bars()


def _undefined(task: Any) -> DataError:
    return DataError(
        f"{task.metadata.main_score} is undefined on {task.metadata.name}: the model gives every unit the same score.",
        "Use another model or task; no number is reported.",
    )


def _predictions(path: Path, subset: str, split: str) -> Any:
    if not path.is_file():
        return None
    return json.loads(path.read_text(encoding="utf-8")).get(subset, {}).get(split)


def _effort(model: Candidate) -> tuple[int, float]:
    encoder = model.encoder
    return getattr(encoder, "computed", 0), getattr(encoder, "seconds", 0.0)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.floating | np.integer) and bool(np.isfinite(float(value)))
