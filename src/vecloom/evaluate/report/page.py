"""What an HTML report shows, made ready: figures with captions, sections of tasks, hard units within a limit.

What is drawn is limited, so that a report of ten models on thirty tasks stays below 3 MB: one figure of each kind a task
with at most ``MOST_MODELS`` models in it, and at most ``MOST_UNITS`` hard units in all. The JSON report has everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecloom.evaluate.baselines import SEARCHED
from vecloom.evaluate.evaluation import Evaluation, TaskInfo
from vecloom.evaluate.report import panels, plots
from vecloom.evaluate.report.breakdowns import (
    HardUnit,
    distribution,
    hardest_units,
    length_table,
    position_tables,
)
from vecloom.evaluate.report.drawing import MOST_MODELS, inline_svg
from vecloom.evaluate.report.tables import League, SignificanceMatrix, dimension_rows, significance
from vecloom.evaluate.report.wording import kind, number
from vecloom.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_UNITS = 400  # about 1 MB with what was found and what was right
UNITS_EACH = 10  # of one model on one task
FEWEST_UNITS = 3  # with fewer for each model, only the best model's are shown
PAIRS = ("STS", "PairClassification", "Summarization", "BitextMining")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure in the page.

    Attributes:
        svg: the element; marked as safe to insert.
        caption: below it.
    """

    svg: Any
    caption: str


@dataclass(frozen=True, slots=True)
class TaskSection:
    """What is shown of one task.

    Attributes:
        info: the task.
        facts: type, metric and units in words.
        distribution: of similarities, one panel a model.
        lengths: scores by length.
        positions: accuracy by length and position.
        matrix: which model is better than which.
        hardest: models and their hardest units.
    """

    info: TaskInfo
    facts: str
    distribution: Drawn | None
    lengths: Drawn | None
    positions: Drawn | None
    matrix: SignificanceMatrix
    hardest: tuple[tuple[str, tuple[HardUnit, ...]], ...]


def drawn(figure: Figure | None, name: str, caption: str) -> Drawn | None:
    """A figure made ready for the page; None stays None."""
    from markupsafe import Markup

    return None if figure is None else Drawn(Markup(inline_svg(figure, f"fig-{name}", caption)), caption)


def overview_figures(found: League, matrices: list[SignificanceMatrix]) -> dict[str, Drawn | None]:
    """Figures over all tasks: "types", "speed", "dimensions", "panels"."""
    cut = f" The {MOST_MODELS} best models are drawn." if len(found.rows) > MOST_MODELS else ""
    numbered = ", ".join(f"{place} {label}" for place, label in enumerate(found.labels, start=1))
    dimensions = dimension_rows(found)
    return {
        "types": drawn(
            plots.type_figure(found),
            "types",
            f"Mean score x 100 on each type of task.{cut} The axis need not begin at 0.",
        ),
        "speed": drawn(
            plots.speed_figure(found),
            "speed",
            f"Score against speed on this machine.{cut} The grey line joins the models that no other beats in both.",
        ),
        "dimensions": drawn(
            plots.dimension_figure(found, dimensions),
            "dimensions",
            "Score with only the first dimensions of each vector.",
        ),
        "panels": drawn(
            panels.significance_panels(matrices, found.labels) if len(matrices) > 1 else None,
            "panels",
            "Each task at a glance: blue where the row's model is significantly better than the column's, orange where it "
            f"is significantly worse, grey where the difference is not significant. Models: {numbered}.",
        ),
    }


def task_sections(evaluation: Evaluation, found: League) -> list[TaskSection]:
    """What is shown of each task, in the order in which they ran."""
    each, everyone = _unit_limits(evaluation, found)
    return [
        _task_section(evaluation, found, task, f"task{place}", each, everyone)
        for place, task in enumerate(found.tasks, start=1)
    ]


def hardest_note(evaluation: Evaluation, found: League) -> str:
    """Which hard units are shown, and where the others are."""
    if not any(part.details.hardest for score in evaluation.scores for part in score.parts):
        return ""
    each, everyone = _unit_limits(evaluation, found)
    whose = "each model" if everyone else "the best model of each task"
    return f"Shown are up to {each} of the hardest units of {whose}; the JSON report has more."


def facts(unit: HardUnit, task: TaskInfo) -> str:
    """A hard unit's score in words."""
    gold = f"gold {unit.gold}" if unit.gold else ""
    if unit.score is None:
        return gold
    if task.type in PAIRS:
        score = f"similarity {unit.score:.2f}"
    elif unit.found or unit.expected:
        score = f"{task.metric} {number(unit.score)}"
    else:
        score = f"right in {100 * unit.score:.0f} % of runs"
    return f"{score}, {gold}" if gold else score


def _task_section(
    evaluation: Evaluation, found: League, task: TaskInfo, name: str, each: int, everyone: bool
) -> TaskSection:
    models = [row.model.label for row in found.rows if not row.model.baseline] or found.labels
    if not everyone:
        models = sorted(models, key=lambda label: -(_score_of(found, task.name)[label] or 0.0))[:1]
    units = {label: tuple(hardest_units(evaluation, task.name, label, each)) for label in models}
    return TaskSection(
        info=task,
        facts=_task_facts(task),
        distribution=_distribution(evaluation, found, task.name, name),
        lengths=_lengths(evaluation, found, task.name, name),
        positions=drawn(
            plots.position_figure(position_tables(evaluation, task.name, found.labels)),
            f"{name}-positions",
            f"{task.name}: found first (%), by length of the text and place of the hidden sentence.",
        ),
        matrix=significance(evaluation, task.name, found.labels),
        hardest=tuple((label, own) for label, own in units.items() if own),
    )


def _distribution(evaluation: Evaluation, found: League, task: str, name: str) -> Drawn | None:
    scores = {label: score for label in found.labels if (score := evaluation.score(task, label))}
    given = {label: own for label, score in scores.items() if (own := distribution(score))}
    caption = (
        f"Similarities on {task} of texts that belong together and of texts that do not, each as shares of their own number. "
        "AUC is the chance that one of the former is more similar than one of the latter."
    )
    if next(own.type for own in found.tasks if own.name == task) in SEARCHED:
        caption += " The others are here the ten best-ranked ones of each query, so that less than 0.5 is no bad sign."
    return drawn(panels.distribution_figure(given), f"{name}-distribution", caption)


def _lengths(evaluation: Evaluation, found: League, task: str, name: str) -> Drawn | None:
    table = length_table(evaluation, task, found.labels)
    if table is None:
        return None
    return drawn(plots.length_figure(found, table), f"{name}-lengths", f"Score x 100 on {task} by length of text.")


def _task_facts(task: TaskInfo) -> str:
    units = f", {counted(task.units, task.unit)}" if task.units else ""
    return f"{kind(task.type)}, {task.metric}{units}"


def _score_of(found: League, task: str) -> dict[str, float | None]:
    return {row.model.label: row.cells[task].score for row in found.rows}


def _unit_limits(evaluation: Evaluation, found: League) -> tuple[int, bool]:
    """Units for each model and task, and whether every model's are shown or the best one's only."""
    models = sum(not row.model.baseline for row in found.rows) or len(found.rows)
    tasks = sum(
        any(part.details.hardest for score in evaluation.scores if score.task == task.name for part in score.parts)
        for task in found.tasks
    )
    each = MOST_UNITS // max(1, models * tasks)
    if each >= FEWEST_UNITS:
        return min(UNITS_EACH, each), True
    return max(1, min(UNITS_EACH, MOST_UNITS // max(1, tasks))), False
