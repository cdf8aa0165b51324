"""Tables for a README or a page of documentation, and rows for a spreadsheet.

Both hold what the HTML report's tables hold, without figures and without texts of the data sets.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from vecloom.evaluate.evaluation import Evaluation, Score, TaskInfo
from vecloom.evaluate.report import sentences
from vecloom.evaluate.report.breakdowns import language_rows, length_table
from vecloom.evaluate.report.tables import (
    BEST,
    NONE,
    SAME,
    UNTESTED,
    WORSE,
    Cell,
    League,
    dimension_rows,
    known,
    league,
    significance,
)
from vecloom.evaluate.report.wording import NOTHING, interval, kind, number, probability, signed, speed

MARKS = {BEST: "", SAME: "≈", UNTESTED: "?", WORSE: "", NONE: ""}
TRAINED = "†"
COLUMNS = ("scope", "task", "type", "model", "split", "subset", "languages", "metric", "score", "low", "high", "units")
_SPECIAL = re.compile(r"([\\|<*`\[\]]|(?<!\w)_|_(?!\w))")


def markdown_report(evaluation: Evaluation) -> str:
    """The report in Markdown (with pipe tables): verdict, league, every task, where words win, significance, breakdowns."""
    found = league(evaluation)
    blocks = ["# Evaluation", *map(escaped, sentences.verdict(evaluation, found))]
    if found.tasks:
        blocks += [
            "## League table",
            _league(found),
            escaped(sentences.means_over(found)),
            "## Every task",
            _tasks(found),
        ]
        blocks += map(escaped, [sentences.legend(found, MARKS, TRAINED), *sentences.close_tasks(found)])
    counted = escaped(sentences.word_wins_counted(evaluation, found))
    blocks += _section("Where counting words wins", counted)
    blocks.append(_bullets(sentences.word_wins(evaluation, found)))
    blocks += _section("Differences", _differences(evaluation, found))
    blocks += _section("Dimensions", _dimensions(found))
    blocks += _lengths(evaluation, found)
    blocks += _section("By language", _languages(evaluation, found))
    blocks += _section("Failed", _bullets(sentences.failures(evaluation)))
    blocks += _section("Left out by the budget", _bullets(sentences.left_out(evaluation)))
    notes = [*sentences.contamination(evaluation), *sentences.data_notes(evaluation)]
    blocks += _section("Notes on data and training", _bullets(notes))
    blocks += _section("How this was made", _bullets([f"{name}: {value}" for name, value in _made(evaluation)]))
    return "\n\n".join(block for block in blocks if block) + "\n"


def csv_report(evaluation: Evaluation) -> str:
    """One row for each task and model (scope "task"), and one for each of its splits and subsets (scope "split").

    Scores are fractions as in the JSON report; ``units`` are those of the whole task, in rows of a task only.
    """
    tasks = {task.name: task for task in evaluation.tasks}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for score in evaluation.scores:
        writer.writerows(_csv_rows(score, tasks[score.task]))
    return buffer.getvalue()


def escaped(text: str) -> str:
    r"""A text that Markdown shows as it is, on one line.

    >>> print(escaped("a|b <i> snake_case"))
    a\|b \<i> snake_case
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _csv_rows(score: Score, task: TaskInfo) -> list[list[object]]:
    def ends(low: float | None, high: float | None) -> list[object]:
        return ["" if known(end) is None else end for end in (low, high)]

    first = [score.task, task.type, score.model]
    rows: list[list[object]] = [
        ["task", *first, "", "", "", task.metric, score.score, *ends(score.low, score.high), task.units or ""]
    ]
    for part in score.parts:
        where = [part.split, part.subset, " ".join(part.languages)]
        rows.append(["split", *first, *where, task.metric, part.score, *ends(part.low, part.high), ""])
    return rows


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A pipe table; the first column to the left, the others to the right. Cells are escaped here."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    body = [[escaped(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [[escaped(h) for h in lines[0]], lines[1], *body])


def _league(found: League) -> str:
    types = found.types if len(found.types) > 1 else ()
    heads = [
        "model",
        "mean",
        *(["mean of types"] if types else []),
        "Borda place",
        *map(kind, types),
        "dimensions",
        "texts/s",
    ]
    rows = []
    for row in found.rows:
        means = [f"{number(row.mean)}{MARKS[row.mark]}", *([number(row.type_mean)] if types else [])]
        model = row.model
        name = f"{model.label} (counts words)" if model.baseline else model.label
        last = [str(model.dim or NOTHING), speed(model.texts_per_second)]
        rows.append([name, *means, str(row.borda or NOTHING), *(number(row.by_type[own]) for own in types), *last])
    return _table(heads, rows)


def _tasks(found: League) -> str:
    rows = []
    for task in found.tasks:
        cells = [_cell(row.cells[task.name]) for row in found.rows]
        rows.append([task.name, task.metric, *cells])
    return _table(["task", "metric", *found.labels], rows)


def _cell(cell: Cell) -> str:
    sign = MARKS[cell.mark] + (TRAINED if cell.trained_on and cell.score is not None else "")
    ends = interval(cell.low, cell.high)
    return f"{number(cell.score)}{sign}" + (f" ({ends})" if ends else "")


def _differences(evaluation: Evaluation, found: League) -> str:
    matrix = significance(evaluation, found.overall, found.labels)
    rows = []
    for place, first in enumerate(matrix.labels):
        for other in range(place + 1, len(matrix.labels)):
            tested = matrix.cells[place][other]
            if tested is None:
                continue
            said = [signed(tested.difference), interval(tested.low, tested.high), probability(tested.p_adjusted)]
            verdict = "" if tested.significant else "not significant"
            rows.append([f"{first} against {matrix.labels[other]}", *said, f"{tested.effect:.2f}", verdict])
    heads = ["over all tasks", "difference", "95 % interval", "p after Holm", "effect size d", ""]
    return _table(heads, rows) if rows else ""


def _dimensions(found: League) -> str:
    rows = [
        [row.label, str(row.dim), number(row.mean), NOTHING if row.kept is None else f"{number(row.kept)} %"]
        for row in dimension_rows(found)
    ]
    return _table(["model", "dimensions", "mean", "kept"], rows) if rows else ""


def _lengths(evaluation: Evaluation, found: League) -> list[str]:
    blocks = []
    for task in found.tasks:
        table = length_table(evaluation, task.name, found.labels)
        if table is None:
            continue
        heads = [f"{task.name}: {table.unit}", *(label for label in found.labels if label in table.scores)]
        rows = [
            [name, *(number(table.scores[label][place]) for label in heads[1:])]
            for place, name in enumerate(table.names)
        ]
        blocks.append(_table(heads, rows))
    return ["## By length", *blocks] if blocks else []


def _languages(evaluation: Evaluation, found: League) -> str:
    rows = [
        [row.language, str(row.tasks), *(number(row.scores[label]) for label in found.labels)]
        for row in language_rows(evaluation, found.labels, found.common)
    ]
    return _table(["language", "tasks", *found.labels], rows) if rows else ""


def _made(evaluation: Evaluation) -> list[tuple[str, str]]:
    return sentences.setting_rows(evaluation.settings)


def _section(title: str, block: str) -> list[str]:
    return [f"## {title}", block] if block else []


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)
