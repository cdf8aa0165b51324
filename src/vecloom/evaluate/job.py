"""Evaluate models on tasks: each text encoded once, each result kept as soon as it is there, scored by mteb.

The order is task by task, so that a task's data are loaded once and its models are compared on the same draws. A task that
fails loses nothing of the others; what an interrupted run has finished is read from the store by the next.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vecloom.errors import VecloomError, first_line
from vecloom.evaluate.baselines import task_texts
from vecloom.evaluate.benchmark.zero_shot import trained_on
from vecloom.evaluate.budget import OVERHEAD, Estimate, Plan, plan
from vecloom.evaluate.candidates import Candidate
from vecloom.evaluate.compare import Comparison, Scored, compare_all
from vecloom.evaluate.evaluation import Evaluation, Failure, ModelInfo, PartScore, Score, TaskInfo
from vecloom.evaluate.outcomes import Outcome, VMeasure
from vecloom.evaluate.ranking import BLOCK_BYTES
from vecloom.evaluate.scoring import mteb_version, quiet, scored
from vecloom.evaluate.significance import ROUNDS, SAMPLES, Floats, percentile_interval, resampled_counts
from vecloom.evaluate.store import Store, TaskRun
from vecloom.evaluate.tasks.find import TaskSource, fresh, resolve

PROBE_TEXTS = 256  # encoded to learn a model's speed, where a budget has to be kept
FAST_ENOUGH = 200  # texts that must have been encoded for a figure of speed
LONGEST_WORD = 8  # characters a token at most stands for, when a cost is estimated


class Watcher(Protocol):
    """What is told while an evaluation runs."""

    def total(self, count: int) -> None:
        """So many results there will be."""

    def begin(self, task: str, model: str) -> None:
        """A result is being computed."""

    def advance(self, texts: int) -> None:
        """So many more texts were encoded."""

    def end(self, task: str, model: str) -> None:
        """A result is there, or failed."""


class Silent:
    """A watcher that shows nothing."""

    def total(self, count: int) -> None:
        """Nothing."""

    def begin(self, task: str, model: str) -> None:
        """Nothing."""

    def advance(self, texts: int) -> None:
        """Nothing."""

    def end(self, task: str, model: str) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Settings:
    """How an evaluation is done.

    Attributes:
        seed: of bootstrap and randomisation; mteb's own draws have the seed 42.
        samples: bootstrap resamples.
        rounds: randomisations of each test.
        block_bytes: memory for scores while searching.
        budget: seconds that may be spent; None for all tasks.
        again: compute results that are stored, too.
    """

    seed: int = 0
    samples: int = SAMPLES
    rounds: int = ROUNDS
    block_bytes: int = BLOCK_BYTES
    budget: float | None = None
    again: bool = False


def run(
    models: Sequence[Candidate],
    tasks: Sequence[str | TaskSource],
    store: str | PathLike[str],
    *,
    settings: Settings | None = None,
    watcher: Watcher | None = None,
) -> Evaluation:
    """Evaluate models on tasks.

    Args:
        models: from ``open_models``.
        tasks: paths, names of mteb's tasks and benchmarks, or ``resolve``'s answers.
        store: folder for results; those that are there and still hold are used.
        settings: see there.
        watcher: is told of progress.

    Raises:
        UsageError: a task's name is not known.
        DataError: a path holds no data set.
    """
    settings, watcher = settings or Settings(), watcher or Silent()
    sources = resolve([task for task in tasks if isinstance(task, str)])
    sources += [task for task in tasks if isinstance(task, TaskSource)]
    with quiet():
        work = _Work(models, Store(Path(store)), settings, watcher)
        work.go(sources)
        return work.evaluation()


class _Work:
    """One evaluation while it runs."""

    def __init__(self, models: Sequence[Candidate], store: Store, settings: Settings, watcher: Watcher) -> None:
        self.models = models
        self.store = store
        self.settings = settings
        self.watcher = watcher
        self.runs: dict[str, dict[str, TaskRun]] = {}
        self.failures: list[Failure] = []
        self.left_out: list[Estimate] = []
        self.draws: dict[int, Floats] = {}
        self.started = time.perf_counter()

    def go(self, sources: Sequence[TaskSource]) -> None:
        by_name = {source.name: source for source in sources}
        chosen = self._planned(sources)
        self.left_out = list(chosen.left_out)
        self.watcher.total(len(chosen.chosen) * len(self.models))
        for name in chosen.chosen:
            self._task(by_name[name])

    def _planned(self, sources: Sequence[TaskSource]) -> Plan:
        if self.settings.budget is None:
            return Plan(tuple(source.name for source in sources), ())
        estimates = [estimate for source in sources if (estimate := self._estimate(source)) is not None]
        return plan(estimates, self.settings.budget - (time.perf_counter() - self.started))

    def _estimate(self, source: TaskSource) -> Estimate | None:
        try:
            task = source.load()
        except VecloomError as error:
            self._fail(source.name, "", error)
            return None
        texts = list(task_texts(task))
        seconds = sum(self._expected(model, texts) for model in self.models)
        return Estimate(source.name, source.type, seconds + OVERHEAD * len(self.models))

    def _expected(self, model: Candidate, texts: Sequence[str]) -> float:
        if model.encoder is None or not texts:
            return 0.0
        longest = min(model.encoder.max_length, 1 << 20) * LONGEST_WORD
        characters = sum(min(len(text), longest) for text in set(texts))
        probe = list(dict.fromkeys(texts))[:PROBE_TEXTS]
        begun = time.perf_counter()
        model.encoder.encode(probe)
        speed = sum(min(len(text), longest) for text in probe) / max(time.perf_counter() - begun, 1e-6)
        return characters / speed

    def _task(self, source: TaskSource) -> None:
        try:
            loaded = source.load()
        except VecloomError as error:
            self._fail(source.name, "", error)
            for model in self.models:
                self.watcher.end(source.name, model.label)
            return
        for model in self.models:
            self.watcher.begin(source.name, model.label)
            try:
                found = self._result(loaded, model)
                self.runs.setdefault(source.name, {})[model.label] = found
            except Exception as error:  # whatever a task meets, the others' results are kept
                self._fail(source.name, model.label, error)
            self.watcher.end(source.name, model.label)

    def _result(self, loaded: Any, model: Candidate) -> TaskRun:
        metadata = loaded.metadata
        revision = str(metadata.dataset["revision"])
        key = (model.mteb_name, model.revision, metadata.name, revision, mteb_version())
        known = None if self.settings.again else self.store.load(*key)
        if known is not None:
            return known
        run_found, result, meta = scored(fresh(loaded), model, self.settings.block_bytes, self.watcher.advance)
        self.store.save_result(meta, result)
        self.store.save(model.mteb_name, model.revision, run_found)
        return run_found

    def _fail(self, task: str, model: str, error: Exception) -> None:
        what = str(error) if isinstance(error, VecloomError) else f"{type(error).__name__}: {first_line(error)}."
        self.failures.append(Failure(task, model, what))

    def evaluation(self) -> Evaluation:
        scored_runs = {
            task: {label: self._scored(run) for label, run in runs.items()} for task, runs in self.runs.items()
        }
        comparable = {
            task: {label: found for label, found in models.items() if found is not None}
            for task, models in scored_runs.items()
        }
        baselines = [model.label for model in self.models if model.is_baseline]
        comparisons: list[Comparison] = compare_all(
            comparable, skip=baselines, rounds=self.settings.rounds, seed=self.settings.seed
        )
        return Evaluation(
            models=tuple(self._model(model) for model in self.models),
            tasks=tuple(_task_info(runs) for runs in self.runs.values()),
            scores=tuple(
                self._score(label, run, scored_runs[task][label])
                for task, runs in self.runs.items()
                for label, run in runs.items()
            ),
            comparisons=tuple(comparisons),
            failures=tuple(self.failures),
            left_out=tuple((estimate.task, round(estimate.seconds, 1)) for estimate in self.left_out),
            settings=self._settings(),
        )

    def _scored(self, found: TaskRun) -> Scored | None:
        if not all(part.outcome for part in found.parts):
            return None
        outcomes = tuple(part.outcome for part in found.parts if part.outcome)
        return Scored(outcomes, np.mean([self._drawn(outcome) for outcome in outcomes], axis=0), found.score)

    def _drawn(self, outcome: Outcome) -> Floats:
        """An outcome's draws, computed once: an interval and a comparison both need them."""
        if id(outcome) not in self.draws:
            self.draws[id(outcome)] = drawn(outcome, self.settings)
        return self.draws[id(outcome)]

    def _score(self, label: str, found: TaskRun, task_draws: Scored | None) -> Score:
        low, high = percentile_interval(task_draws.draws) if task_draws else (None, None)
        parts = []
        for part in found.parts:
            ends = percentile_interval(self._drawn(part.outcome)) if part.outcome else (None, None)
            where = (part.split, part.subset, part.languages)
            parts.append(PartScore(*where, part.score, ends[0], ends[1], part.metrics, part.details))
        return Score(found.task, label, found.score, low, high, found.seconds, tuple(parts))

    def _model(self, model: Candidate) -> ModelInfo:
        speed = self._speed(model)
        dim = None if model.encoder is None else model.dim or model.encoder.dim
        known: dict[str, str] = {}
        if model.encoder is not None:
            known = {task: str(why) for task, why in trained_on(model.encoder.name, self.runs).items()}
        return ModelInfo(model.label, model.mteb_name, model.revision, dim, model.is_baseline, speed, known)

    def _speed(self, model: Candidate) -> float | None:
        """Texts a second, over all runs that encoded; a model at fewer dimensions shares the vectors of the whole."""
        alike = [other.label for other in self.models if other.revision == model.revision]
        runs = [runs[label] for runs in self.runs.values() for label in alike if label in runs]
        texts, seconds = sum(run.texts for run in runs), sum(run.encode_seconds for run in runs)
        return round(texts / seconds, 1) if texts >= FAST_ENOUGH and seconds > 0 else None

    def _settings(self) -> dict[str, Any]:
        from importlib.metadata import version

        from vecloom.runtime import cpu

        return {
            "seed": self.settings.seed,
            "samples": self.settings.samples,
            "rounds": self.settings.rounds,
            "mteb": version("mteb"),
            "vecloom": version("vecloom"),
            "python": platform.python_version(),
            "processor": cpu.name(),
            "seconds": round(time.perf_counter() - self.started, 1),
        }


def drawn(outcome: Outcome, settings: Settings) -> Floats:
    """The statistic on bootstrap resamples: ``(samples,)``; the same units for every model.

    Resamples of a clustering hold fewer different documents, which by itself raises V-measure; its draws are moved back by
    the bias that they show (Efron and Tibshirani, 1993, section 10.6).
    """
    draws = outcome.bootstrap(resampled_counts(outcome.units, settings.samples, settings.seed))
    return draws - (np.nanmean(draws) - outcome.value()) if isinstance(outcome, VMeasure) else draws


def _task_info(runs: dict[str, TaskRun]) -> TaskInfo:
    first = next(iter(runs.values()))
    units = sum(part.outcome.units for part in first.parts if part.outcome is not None)
    return TaskInfo(first.task, first.type, first.metric, units, first.parts[0].unit, first.notes)
