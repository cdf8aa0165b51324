"""What lies behind a task's score: by length, by language, by place in a text, and the units that failed.

The parts of a task (splits and mteb's subsets) are put together here: scores as plain means over parts, as mteb does,
counts as sums. All of it is our choice of what to show; the numbers are those of ``details``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vecloom.errors import DataError
from vecloom.evaluate.evaluation import Evaluation, PartScore, Score
from vecloom.evaluate.longembed_scores import LengthPositionTable, length_position_table, split_length
from vecloom.evaluate.report.tables import known

SHORTEST = 64  # tokens: a split named by a smaller number is not named by a length
BINS = 40
UNDETERMINED = "und"


@dataclass(frozen=True, slots=True)
class LengthTable:
    """Scores by length.

    Attributes:
        task: name.
        unit: of the lengths: "words" of a unit's text, or "tokens" where splits are named by them.
        bins: from and to; equal where a split has one length.
        units: in each bin; None where that is not known.
        scores: model -> score in each bin.
    """

    task: str
    unit: str
    bins: tuple[tuple[int, int], ...]
    units: tuple[int | None, ...]
    scores: dict[str, tuple[float | None, ...]]

    @property
    def names(self) -> list[str]:
        """The bins in words."""
        return [f"{low:,}" if low == high else f"{low:,} to {high:,}" for low, high in self.bins]


@dataclass(frozen=True, slots=True)
class LanguageRow:
    """Scores on the texts of one language.

    Attributes:
        language: code such as "deu-Latn".
        tasks: how many tasks have it; means are over those that every model did.
        scores: by model.
    """

    language: str
    tasks: int
    scores: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Similarities of texts that belong together and of texts that do not.

    Attributes:
        edges: of the bins, ``(n + 1,)``.
        positive: counts, ``(n,)``; sums of shares of bins where parts had others.
        negative: the same.
    """

    edges: tuple[float, ...]
    positive: tuple[float, ...]
    negative: tuple[float, ...]

    @property
    def auc(self) -> float:
        """The chance that a text that belongs there is more similar than one that does not, from the bins; ties count half."""
        own, other = (np.array(side) / sum(side) for side in (self.positive, self.negative))
        below = np.cumsum(other) - other
        return float(own @ (below + other / 2))


@dataclass(frozen=True, slots=True)
class Found:
    """A document and where it stood; None where it was not among those that were kept."""

    rank: int | None
    text: str


@dataclass(frozen=True, slots=True)
class HardUnit:
    """A unit with one of the worst scores.

    Attributes:
        text: beginning of its text.
        score: of a query or document the main score; of a pair the similarity.
        where: split and subset, "" where the task has one part.
        gold: what is right, "" where that is said by ``expected``.
        note: what went wrong.
        found: wrong documents, best first.
        expected: right documents.
        also: other models that have it among their hardest.
    """

    text: str
    score: float | None
    where: str
    gold: str
    note: str
    found: tuple[Found, ...]
    expected: tuple[Found, ...]
    also: tuple[str, ...]


def length_table(evaluation: Evaluation, task: str, labels: Sequence[str]) -> LengthTable | None:
    """Scores by length: of the splits where they are named by lengths, else of the quarters of units; None without any.

    Args:
        evaluation: what was found.
        task: name of the task.
        labels: of models, in the order wanted; those without scores are left out.
    """
    scores = [found for label in labels if (found := evaluation.score(task, label))]
    by_split = {score.model: lengths for score in scores if (lengths := _by_split(score.parts))}
    if by_split:
        lengths = next(iter(by_split.values()))
        bins = tuple((length, length) for length in lengths)
        shown = {model: tuple(own.get(length) for length in lengths) for model, own in by_split.items()}
        return LengthTable(task, "tokens", bins, (None,) * len(bins), shown)
    by_words = {score.model: rows for score in scores if (rows := _by_words(score.parts))}
    if not by_words:
        return None
    first = next(iter(by_words.values()))
    alike = {model: rows for model, rows in by_words.items() if len(rows) == len(first)}
    shown = {model: tuple(known(row["score"]) for row in rows) for model, rows in alike.items()}
    bins = tuple((row["from"], row["to"]) for row in first)
    return LengthTable(task, "words", bins, tuple(row["units"] for row in first), shown)


def language_rows(evaluation: Evaluation, labels: Sequence[str], common: Sequence[str]) -> list[LanguageRow]:
    """Mean scores by language over the common tasks, languages with the most tasks first; empty where there is but one."""
    sums: dict[str, dict[str, list[float]]] = {}
    tasks: Counter[str] = Counter()
    for task in common:
        scores = [found for label in labels if (found := evaluation.score(task, label))]
        tasks.update({language for score in scores for part in score.parts for language in _languages(part)})
        for score in scores:
            for language, own in _by_language(score).items():
                sums.setdefault(language, {}).setdefault(score.model, []).append(own)
    if len(sums) < 2:
        return []
    rows = []
    for language in sorted(sums, key=lambda name: (-tasks[name], name)):
        means = {model: float(np.mean(own)) for model, own in sums[language].items() if len(own) == tasks[language]}
        rows.append(LanguageRow(language, tasks[language], {label: means.get(label) for label in labels}))
    return rows


def distribution(score: Score) -> Distribution | None:
    """The distributions of all parts of a score together; None where there are none."""
    given = [part.details.distribution for part in score.parts if part.details.distribution]
    if not given:
        return None
    edges = np.array(given[0]["edges"], float)
    if any(own["edges"] != given[0]["edges"] for own in given):
        edges = np.linspace(min(own["edges"][0] for own in given), max(own["edges"][-1] for own in given), BINS + 1)
    sides = [sum(_rebinned(own["edges"], own[side], edges) for own in given) for side in ("positive", "negative")]
    if not all(np.sum(side) > 0 for side in sides):
        return None
    positive, negative = (tuple(float(count) for count in side) for side in sides)
    return Distribution(tuple(float(edge) for edge in edges), positive, negative)


def position_tables(evaluation: Evaluation, task: str, labels: Sequence[str]) -> dict[str, LengthPositionTable]:
    """Model -> accuracy by length and position, of tasks that hide a sentence at known places (LongEmbed)."""
    tables = {}
    for label in labels:
        score = evaluation.score(task, label)
        placed = {part.split: part.details.places for part in score.parts if part.details.places} if score else {}
        if not placed:
            continue
        correct = {split: {str(i): found for i, (_, found) in enumerate(rows)} for split, rows in placed.items()}
        positions = {split: {str(i): place for i, (place, _) in enumerate(rows)} for split, rows in placed.items()}
        try:
            tables[label] = length_position_table(correct, positions)
        except DataError:  # a split that is not named by a length has no row in this figure
            continue
    return tables


def hardest_units(evaluation: Evaluation, task: str, model: str, most: int) -> list[HardUnit]:
    """A model's hardest units of a task, the worst of each part in turn, at most ``most``."""
    score = evaluation.score(task, model)
    if score is None:
        return []
    others = {
        other.model: {unit["text"] for part in other.parts for unit in part.details.hardest}
        for other in evaluation.scores
        if other.task == task and other.model != model
    }
    ranked = [(place, part, unit) for part in score.parts for place, unit in enumerate(part.details.hardest)]
    ranked.sort(key=lambda item: item[0])
    several = len(score.parts) > 1
    return [_hard_unit(unit, part_name(part) if several else "", others) for _, part, unit in ranked[:most]]


def part_name(part: PartScore) -> str:
    """A part in words: its split, and its subset where that says more."""
    return part.split if part.subset in ("", "default", part.split) else f"{part.split}, {part.subset}"


def _hard_unit(unit: dict[str, Any], where: str, others: dict[str, set[str]]) -> HardUnit:
    found, expected = (
        tuple(Found(row.get("rank"), row["text"]) for row in unit.get(side, ())) for side in ("found", "expected")
    )
    also = tuple(model for model, texts in others.items() if unit["text"] in texts)
    gold = unit.get("gold", "")
    gold = f"{gold:g}" if isinstance(gold, float) else str(gold)
    return HardUnit(unit["text"], known(unit.get("score")), where, gold, unit.get("note", ""), found, expected, also)


def _by_split(parts: Sequence[PartScore]) -> dict[int, float | None]:
    """Score by the length that each split is named by, shortest first; empty where splits are not named so."""
    found = {}
    for part in parts:
        try:
            found[split_length(part.split)] = known(part.score)
        except DataError:
            return {}
    lengths = sorted(found)
    doubling = all(length >= SHORTEST and length & (length - 1) == 0 for length in lengths)
    return {length: found[length] for length in lengths} if doubling and len(parts) == len(found) > 1 else {}


def _by_words(parts: Sequence[PartScore]) -> list[dict[str, Any]]:
    """Bins of all parts, put together by their order: the shortest of each part, and so on."""
    given = [part.details.lengths for part in parts if part.details.lengths]
    count = max((len(rows) for rows in given), default=0)
    given = [rows for rows in given if len(rows) == count]
    return [_together([rows[place] for rows in given]) for place in range(count)]


def _together(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    scores = [row["score"] for row in rows if known(row["score"]) is not None]
    return {
        "from": min(row["from"] for row in rows),
        "to": max(row["to"] for row in rows),
        "units": sum(row["units"] for row in rows),
        "score": float(np.mean(scores)) if scores else None,
    }


def _languages(part: PartScore) -> tuple[str, ...]:
    return part.languages or (UNDETERMINED,)


def _by_language(score: Score) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for part in score.parts:
        for language in _languages(part) if known(part.score) is not None else ():
            found.setdefault(language, []).append(part.score)
    return {language: float(np.mean(own)) for language, own in found.items()}


def _rebinned(edges: Sequence[float], counts: Sequence[float], wanted: Any) -> Any:
    """Counts between other edges, each bin's spread evenly over its width."""
    running = np.concatenate([[0.0], np.cumsum(np.asarray(counts, float))])
    return np.diff(np.interp(wanted, np.asarray(edges, float), running))
