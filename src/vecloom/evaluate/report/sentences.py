"""What an evaluation says, in sentences: who is best and whether that is more than chance, where words win, what is missing.

Plain text without markup; each report escapes it in its own way. The wording claims a difference only where the test, after
Holm's correction, does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vecloom.evaluate.compare import Comparison
from vecloom.evaluate.evaluation import Evaluation
from vecloom.evaluate.report.tables import BEST, SAME, UNTESTED, WORSE, League, known
from vecloom.evaluate.report.wording import duration, interval, listed, number, probability
from vecloom.wording import counted

LEGENDS = {
    SAME: "below the best, but not significantly (p >= 0.05 after Holm's correction)",
    UNTESTED: "below the best, not tested",
}
SETTING_NAMES = {
    "samples": "bootstrap resamples",
    "rounds": "randomisations of each test",
    "seconds": "time",
}
TRAINED_LEGEND = "the model may have seen the task's training data"


def verdict(evaluation: Evaluation, found: League) -> list[str]:
    """Who is best, over which tasks, and whether it is significant."""
    scored = [label for label in found.labels if any(score.model == label for score in evaluation.scores)]
    if not scored:
        return ["No task gave a score."]
    if not found.common:
        what = "No task has a score of every model, so means cannot be compared;"
        return [f"{what} models are ordered by Borda count over what there is."]
    first = [row for row in found.rows if row.mark == BEST]
    best = listed([row.model.label for row in first])
    where = f"mean over {len(found.common)} tasks" if len(found.common) > 1 else f"score on {found.common[0]}"
    if len(scored) == 1:
        return [f"{best}: {where} {number(first[0].mean)}.", *_passed_over(found)]
    have = "have the same highest" if len(first) > 1 else "has the highest"
    return [
        f"{best} {have} {where}: {number(first[0].mean)}.",
        *_against_others(evaluation, found),
        *_passed_over(found),
    ]


def close_tasks(found: League) -> list[str]:
    """On how many tasks the best score is not significantly above the next."""
    if len(found.rows) < 2:
        return []
    close = [task.name for task in found.tasks if any(row.cells[task.name].mark == SAME for row in found.rows)]
    if not close:
        return []
    of = f"{len(close)} of {counted(len(found.tasks), 'task')}"
    return [f"On {of} another model is not significantly different from the best: {listed(close)}."]


def legend(found: League, marks: Mapping[str, str], trained: str = "") -> str:
    """What the marks say that stand in the tables.

    Args:
        found: the league table.
        marks: signs by mark.
        trained: sign where training data was named; "" where it is not shown.
    """
    cells = [cell for row in found.rows for cell in row.cells.values()]
    there = {cell.mark for cell in cells} | {row.mark for row in found.rows}
    said = [f"{marks[mark]} {words}" for mark, words in LEGENDS.items() if mark in there and marks[mark]]
    if trained and any(cell.trained_on and cell.score is not None for cell in cells):
        said.append(f"{trained} {TRAINED_LEGEND}")
    return f"{'; '.join(said)}." if said else ""


def means_over(found: League) -> str:
    """What the means are over, in words; "" where there is one task only."""
    if not found.common:
        return "No task has a score of every model, so there are no means."
    if len(found.tasks) == 1:
        return ""
    some = f" of {len(found.tasks)}" if len(found.common) < len(found.tasks) else ""
    return f"Means and Borda counts are over {len(found.common)}{some} tasks."


def word_wins(evaluation: Evaluation, found: League) -> list[str]:
    """One sentence a task on which a baseline of counted words scores higher than a model."""
    sentences = []
    beaten: dict[tuple[str, str], list[str]] = {}
    for task, baseline, model in evaluation.lexical_wins():
        beaten.setdefault((task, baseline), []).append(model)
    cells = {row.model.label: row.cells for row in found.rows}
    for task in dict.fromkeys(task for task, _ in beaten):
        baseline = max((name for own, name in beaten if own == task), key=lambda name: cells[name][task].score or 0.0)
        models = sorted(beaten[task, baseline], key=found.labels.index)
        losers = listed([f"{model} ({_lost(evaluation, task, baseline, model)})" for model in models])
        sentences.append(f"{task}: {baseline} ({number(cells[baseline][task].score)}) scores higher than {losers}.")
    return sentences


def word_wins_counted(evaluation: Evaluation, found: League) -> str:
    """On how many tasks words win; "" where no words were counted beside a model."""
    if not has_baselines(evaluation):
        return ""
    wins = {task for task, _, _ in evaluation.lexical_wins()}
    if not wins:
        return "Counting words wins on no task."
    baselines = {model.label for model in evaluation.models if model.baseline}
    over_all = [
        task for task in wins if baselines & {row.model.label for row in found.rows if row.cells[task].mark == BEST}
    ]
    of = f"{len(wins)} of {counted(len(found.tasks), 'task')}"
    every = f"on {len(over_all)} of them higher than every model" if over_all else "on none higher than every model"
    return f"Counting words scores higher than a model on {of}, {every}."


def has_baselines(evaluation: Evaluation) -> bool:
    """Whether counted words were scored beside a model, so that nothing won is worth saying."""
    scored = {score.model for score in evaluation.scores}
    kinds = {model.baseline for model in evaluation.models if model.label in scored}
    return kinds == {True, False}


def failures(evaluation: Evaluation) -> list[str]:
    """What did not work, one sentence a task and reason."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for failure in evaluation.failures:
        grouped.setdefault((failure.task, failure.what), []).append(failure.model)
    sentences = []
    for (task, what), models in grouped.items():
        named = [model for model in models if model]
        sentences.append(f"{task}{f' ({listed(named)})' if named else ''}: {what}")
    return sentences


def left_out(evaluation: Evaluation) -> list[str]:
    """Tasks that the budget did not buy, with the time they would have taken."""
    return [f"{task} (about {duration(seconds)})" for task, seconds in evaluation.left_out]


def contamination(evaluation: Evaluation) -> list[str]:
    """One sentence a model whose card names the training data of tasks."""
    sentences = []
    for model in evaluation.models:
        if model.trained_on:
            tasks = [f"{task} ({why})" if why else task for task, why in model.trained_on.items()]
            sentences.append(f"{model.label} may have seen training data of {listed(tasks, most=12)}.")
    return sentences


def data_notes(evaluation: Evaluation) -> list[str]:
    """What was met in the data."""
    return [f"{task.name}: {note}" for task in evaluation.tasks for note in task.notes]


def drawn(settings: Mapping[str, Any]) -> str:
    """The seed and how often chance was asked, in one sentence; "" where nothing is known."""
    given = []
    if "seed" in settings:
        given.append(f"seed {settings['seed']}")
    if "samples" in settings:
        given.append(f"{settings['samples']:,} bootstrap resamples")
    if "rounds" in settings:
        given.append(f"{settings['rounds']:,} randomisations a test")
    return f"{', '.join(given)}.".capitalize() if given else ""


def setting_rows(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Settings as names and values in words, nested ones as "outer: inner"."""
    rows = []
    for name, value in settings.items():
        words = SETTING_NAMES.get(str(name), str(name).replace("_", " "))
        if isinstance(value, Mapping):
            rows += [(f"{words}: {inner}", own) for inner, own in setting_rows(value)]
        else:
            rows.append((words, _setting(name, value)))
    return rows


def in_words(comparison: Comparison) -> str:
    """A comparison's interval, p after Holm's correction and alone, effect size and test."""
    ends = interval(comparison.low, comparison.high)
    after, alone = probability(comparison.p_adjusted), probability(comparison.p)
    return f"95 % interval {ends}; {after} (alone {alone}); d = {comparison.effect:.2f}; {comparison.test}"


def _setting(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value)
    if name == "seconds" and isinstance(value, int | float):
        return duration(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) and name != "seed" else str(value)


def _against_others(evaluation: Evaluation, found: League) -> list[str]:
    best = found.rows[0].model.label
    by_mark = {mark: [row.model.label for row in found.rows if row.mark == mark] for mark in (WORSE, SAME, UNTESTED)}
    sentences = []
    if by_mark[WORSE]:
        sentences.append(f"That is significantly more than {listed(by_mark[WORSE])}.")
    if by_mark[SAME]:
        leads = [_lead(evaluation.comparison(found.overall, best, label), label) for label in by_mark[SAME]]
        sentences.append(f"Not significant is the lead over {listed(leads)}.")
    if by_mark[UNTESTED]:
        sentences.append(f"Not tested against {listed(by_mark[UNTESTED])}.")
    return sentences


def _lead(comparison: Comparison | None, label: str) -> str:
    if comparison is None:
        return label
    ends = interval(comparison.low, comparison.high)
    return f"{label} ({number(comparison.difference)}; {ends}; {probability(comparison.p_adjusted)})"


def _passed_over(found: League) -> list[str]:
    sentences = []
    missing = [task.name for task in found.tasks if task.name not in found.common]
    if missing and len(missing) < len(found.common):
        sentences.append(f"Means leave out {listed(missing)}, which not every model did.")
    elif missing:
        done = f"{len(found.common)} of {counted(len(found.tasks), 'task')}"
        sentences.append(f"Means are over the {done} that every model did: {listed(found.common)}.")
    without = [row.model.label for row in found.rows if row.mean is None]
    if without:
        sentences.append(f"No score at all: {listed(without)}.")
    return sentences


def _lost(evaluation: Evaluation, task: str, baseline: str, model: str) -> str:
    score = evaluation.score(task, model)
    tested = evaluation.comparison(task, baseline, model)
    shown = number(known(score.score)) if score else number(None)
    if tested is None:
        return f"{shown}, not tested"
    return shown if tested.significant else f"{shown}, not significantly"
