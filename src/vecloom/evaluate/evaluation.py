"""What an evaluation found: scores with intervals, comparisons, failures; plain values that every report reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from vecloom.evaluate.compare import ALL_TASKS, Comparison
from vecloom.evaluate.details import Details


@dataclass(frozen=True)
class ModelInfo:
    """A model in the report.

    Attributes:
        label: what reports call it.
        name: mteb's ``owner/name``.
        revision: of its weights and backend.
        dim: dimensions of its vectors; None for a baseline.
        baseline: whether it counts words.
        texts_per_second: measured while encoding, None where nothing was encoded.
        trained_on: tasks whose training data its card names, with the evidence.
    """

    label: str
    name: str
    revision: str
    dim: int | None
    baseline: bool
    texts_per_second: float | None = None
    trained_on: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskInfo:
    """A task in the report.

    Attributes:
        name: of the task.
        type: mteb's name of the task type.
        metric: main score.
        units: queries, pairs or documents of all splits.
        unit: what a unit is, in the singular.
        notes: what was met in the data.
    """

    name: str
    type: str
    metric: str
    units: int
    unit: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartScore:
    """One split and subset.

    Attributes:
        split: its name.
        subset: mteb's subset.
        languages: its language codes.
        score: main score.
        low: lower end of the 95 % interval, None where there is none.
        high: upper end.
        metrics: other scores.
        details: where the model fails.
    """

    split: str
    subset: str
    languages: tuple[str, ...]
    score: float
    low: float | None
    high: float | None
    metrics: dict[str, float]
    details: Details


@dataclass(frozen=True)
class Score:
    """A model on a task.

    Attributes:
        task: name.
        model: label.
        score: main score, the mean over splits and subsets.
        low: lower end of the 95 % bootstrap interval over units, None where units are not known.
        high: upper end.
        seconds: that it took, when it was computed.
        parts: splits and subsets.
    """

    task: str
    model: str
    score: float
    low: float | None
    high: float | None
    seconds: float
    parts: tuple[PartScore, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A task that gave no score; ``model`` is "" where no model could have.

    Attributes:
        task: name.
        model: label.
        what: one or two sentences.
    """

    task: str
    model: str
    what: str


@dataclass(frozen=True)
class Evaluation:
    """All that was found.

    Attributes:
        models: in the order asked for, baselines last.
        tasks: in the order in which they ran.
        scores: of every model on every task that worked.
        comparisons: of every two models, baselines among themselves left out.
        failures: what did not work.
        left_out: tasks for which the budget was too small, with their expected seconds.
        settings: seeds, sample sizes, versions, machine.
    """

    models: tuple[ModelInfo, ...]
    tasks: tuple[TaskInfo, ...]
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    failures: tuple[Failure, ...]
    left_out: tuple[tuple[str, float], ...]
    settings: dict[str, Any]

    def score(self, task: str, model: str) -> Score | None:
        """The score of a model on a task, None where it failed."""
        return next((score for score in self.scores if (score.task, score.model) == (task, model)), None)

    def comparison(self, task: str, first: str, second: str) -> Comparison | None:
        """The comparison of two models on a task or over all, in the order asked for; None where there is none."""
        for found in self.comparisons:
            if found.task == task and {found.first, found.second} == {first, second}:
                return found if found.first == first else flipped(found)
        return None

    def common_tasks(self) -> list[str]:
        """Tasks on which every model has a score: only over these are means comparable."""
        return [t.name for t in self.tasks if all(self.score(t.name, m.label) for m in self.models)]

    def lexical_wins(self) -> list[tuple[str, str, str]]:
        """(task, baseline, model) wherever counting words scored higher than a model."""
        found = []
        for task in self.tasks:
            for baseline in (model for model in self.models if model.baseline):
                counted = self.score(task.name, baseline.label)
                for model in (model for model in self.models if not model.baseline):
                    learned = self.score(task.name, model.label)
                    if counted and learned and counted.score > learned.score:
                        found.append((task.name, baseline.label, model.label))
        return found

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "models": [asdict(model) for model in self.models],
            "tasks": [asdict(task) for task in self.tasks],
            "scores": [asdict(score) for score in self.scores],
            "comparisons": [comparison.as_dict() for comparison in self.comparisons],
            "failures": [asdict(failure) for failure in self.failures],
            "left_out": [list(pair) for pair in self.left_out],
            "settings": self.settings,
        }


def flipped(found: Comparison) -> Comparison:
    """The same comparison with the models in the other order."""
    return Comparison(
        found.task,
        found.second,
        found.first,
        -found.difference,
        -found.high,
        -found.low,
        found.p,
        found.p_adjusted,
        -found.effect,
        found.test,
    )


def ranked_labels(evaluation: Evaluation, tasks: Sequence[str]) -> list[str]:
    """Labels of models by their mean over tasks, best first; models without a score on one of them last."""

    def mean(label: str) -> float:
        scores = [evaluation.score(task, label) for task in tasks]
        return sum(score.score for score in scores if score) / len(scores) if scores and all(scores) else float("-inf")

    return sorted((model.label for model in evaluation.models), key=mean, reverse=True)


__all__ = [
    "ALL_TASKS",
    "Comparison",
    "Evaluation",
    "Failure",
    "ModelInfo",
    "PartScore",
    "Score",
    "TaskInfo",
    "flipped",
    "ranked_labels",
]
