"""The default output: one table that fits the terminal, and below it the sentences that matter.

Plain text without colours. Models or tasks go down the side, with intervals or without, whichever is the most that fits;
where nothing fits, models become numbers with a key, and at last several tables stand below each other.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vecloom.evaluate.evaluation import Evaluation
from vecloom.evaluate.report import sentences
from vecloom.evaluate.report.tables import BEST, NONE, SAME, UNTESTED, WORSE, Cell, League, LeagueRow, league
from vecloom.evaluate.report.wording import NOTHING, interval, number, speed

MARKS = {BEST: "", SAME: "~", UNTESTED: "?", WORSE: "", NONE: ""}
NARROWEST = 40
GAP = "  "
MOST_LINES = 10  # of each list
LONGEST_LABEL = 28


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: its head and cells of (score with mark, interval)."""

    head: str
    cells: tuple[tuple[str, str], ...]

    def lines(self, intervals: bool) -> list[str]:
        scores = _right([score for score, _ in self.cells])
        ends = _left([end for _, end in self.cells]) if intervals else [""] * len(self.cells)
        body = [
            f"{score} {end}" if any(end for end in ends) else score for score, end in zip(scores, ends, strict=True)
        ]
        return _left([self.head, *body]) if any(ends) else _right([self.head, *body])


def terminal_table(evaluation: Evaluation, width: int = 80) -> str:
    """The result for a terminal.

    Args:
        evaluation: what was found.
        width: columns of the terminal; less than ``NARROWEST`` is taken as that.
    """
    width = max(width, NARROWEST)
    found = league(evaluation)
    blocks = []
    if found.tasks:
        table, intervals = _table(found, width)
        blocks += ["Scores x 100, 95 % intervals in brackets." if intervals else "Scores x 100.", table]
        blocks.append(_wrapped([sentences.legend(found, MARKS), sentences.means_over(found)], width))
    blocks.append(_wrapped([*sentences.verdict(evaluation, found), *sentences.close_tasks(found)], width))
    blocks += _lists(evaluation, found, width)
    blocks.append(_wrapped([sentences.drawn(evaluation.settings)], width))
    return "\n\n".join(block for block in blocks if block)


def printable(text: str) -> str:
    """A text on one line without control characters, which could move the cursor or change colours."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def _table(found: League, width: int) -> tuple[str, bool]:
    """The fullest table that fits, and whether it shows intervals."""
    makers: list[tuple[Callable[[League], list[_Column]], bool]] = [(_tasks_down, True), (_models_down, True)]
    if len(found.tasks) < len(found.rows):
        makers.reverse()
    makers += [(maker, False) for maker, _ in makers]
    there = any(cell.low is not None for row in found.rows for cell in row.cells.values())
    for make, intervals in makers:
        lines = _joined(make(found), intervals)
        if max(_cells(line) for line in lines) <= width:
            return "\n".join(lines), intervals and there
    return _numbered(found, width), False


def _numbered(found: League, width: int) -> str:
    """Tasks down, models as numbers with a key, in as many tables below each other as it takes."""
    names, *models = _tasks_down(found)
    numbered = [names, *(_Column(f"{place} ", model.cells) for place, model in enumerate(models, start=1))]
    tables = ["\n".join(lines) for lines in _in_blocks(numbered, width)]
    key = [f"{place} {model.head}" for place, model in enumerate(models, start=1)]
    return "\n\n".join([*tables, "\n".join(_key_lines(key, width))])


def _key_lines(key: Sequence[str], width: int) -> list[str]:
    widest = max(map(_cells, key))
    columns = max(1, width // (widest + len(GAP)))
    padded = _left(key)
    return [GAP.join(padded[start : start + columns]).rstrip() for start in range(0, len(padded), columns)]


def _in_blocks(columns: Sequence[_Column], width: int) -> list[list[str]]:
    """The same rows in several tables, each with as many models as fit."""
    names, *models = columns
    names = _Column(names.head, tuple((_shortened(name, width // 2), "") for name, _ in names.cells))
    blocks: list[list[_Column]] = [[]]
    for model in models:
        lines = _joined([names, *blocks[-1], model], False)
        if blocks[-1] and max(_cells(line) for line in lines) > width:
            blocks.append([])
        blocks[-1].append(model)
    return [_joined([names, *block], False) for block in blocks]


def _tasks_down(found: League) -> list[_Column]:
    tasks = [task.name for task in found.tasks]
    extra = _extra_rows(found)
    names = [printable(task) for task in tasks] + [name for name, _ in extra]
    columns = [_Column("", tuple((name, "") for name in names))]
    for row in found.rows:
        cells = [_cell(row.cells[task]) for task in tasks] + [(own(row), "") for _, own in extra]
        columns.append(_Column(_label(row), tuple(cells)))
    return columns


def _models_down(found: League) -> list[_Column]:
    columns = [_Column("", tuple((_label(row), "") for row in found.rows))]
    for task in found.tasks:
        cells = tuple(_cell(row.cells[task.name]) for row in found.rows)
        columns.append(_Column(_shortened(printable(task.name), LONGEST_LABEL), cells))
    columns += [_Column(name, tuple((own(row), "") for row in found.rows)) for name, own in _extra_rows(found)]
    return columns


def _extra_rows(found: League) -> list[tuple[str, Callable[[LeagueRow], str]]]:
    """What is shown beside scores: name and the text for a model; a mark's place is kept free."""
    rows: list[tuple[str, Callable[[LeagueRow], str]]] = []
    if len(found.tasks) > 1:
        rows.append(("mean", lambda row: f"{number(row.mean)}{MARKS[row.mark] or ' '}"))
    if len(found.types) > 1:
        rows.append(("mean of types", lambda row: f"{number(row.type_mean)} "))
    if len(found.tasks) > 1 and len(found.rows) > 1:
        rows.append(("Borda place", lambda row: f"{row.borda or NOTHING} "))
    if any(row.model.texts_per_second for row in found.rows):
        rows.append(("texts/s", lambda row: f"{speed(row.model.texts_per_second)} "))
    return rows


def _lists(evaluation: Evaluation, found: League, width: int) -> list[str]:
    wins = sentences.word_wins(evaluation, found)
    counted = sentences.word_wins_counted(evaluation, found)
    blocks = [_listed(_wrapped([counted], width), wins, width) or _wrapped([counted], width)]
    blocks.append(_listed("Failed:", sentences.failures(evaluation), width))
    blocks.append(_listed("Left out by the budget:", sentences.left_out(evaluation), width))
    blocks.append(_listed("Training data:", sentences.contamination(evaluation), width))
    blocks.append(_listed("Data:", sentences.data_notes(evaluation), width))
    return blocks


def _listed(title: str, lines: Sequence[str], width: int) -> str:
    if not lines:
        return ""
    shown = [
        _filled(printable(line), width, initial_indent="- ", subsequent_indent="  ") for line in lines[:MOST_LINES]
    ]
    more = [f"- and {len(lines) - MOST_LINES} more; a report has them all"] if len(lines) > MOST_LINES else []
    return "\n".join([title, *shown, *more])


def _wrapped(lines: Sequence[str], width: int) -> str:
    text = " ".join(printable(line) for line in lines if line)
    return _filled(text, width) if text else ""


def _filled(text: str, width: int, **how: str) -> str:
    return textwrap.fill(text, width, break_on_hyphens=False, **how)  # type: ignore[arg-type]  # both are indents


def _cell(cell: Cell) -> tuple[str, str]:
    ends = interval(cell.low, cell.high)
    return f"{number(cell.score)}{MARKS[cell.mark] or ' '}", f"({ends})" if ends else ""


def _label(row: LeagueRow) -> str:
    return _shortened(printable(row.model.label), LONGEST_LABEL)


def _shortened(name: str, most: int) -> str:
    """The middle left out of a long name: ends tell models and tasks apart."""
    if len(name) <= most:
        return name
    half = (most - 3) // 2
    return f"{name[: most - 3 - half]}...{name[-half:]}"


def _joined(columns: Sequence[_Column], intervals: bool) -> list[str]:
    names = _left([columns[0].head, *(name for name, _ in columns[0].cells)])
    rows = zip(names, *(column.lines(intervals) for column in columns[1:]), strict=True)
    return [GAP.join(row).rstrip() for row in rows]


def _left(texts: Sequence[str]) -> list[str]:
    widest = max(map(_cells, texts), default=0)
    return [text + " " * (widest - _cells(text)) for text in texts]


def _right(texts: Sequence[str]) -> list[str]:
    widest = max(map(_cells, texts), default=0)
    return [" " * (widest - _cells(text)) + text for text in texts]


def _cells(text: str) -> int:
    """Columns that a text takes on a terminal; Chinese letters take two."""
    from rich.cells import cell_len

    return cell_len(text)
