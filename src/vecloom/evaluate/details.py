"""What a score does not tell: which units failed and on what, how far relevant and other texts are apart, which lengths fail.

All of it is plain values, so that it is stored beside the score and shown later without the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from vecloom.evaluate.adapter import Run
from vecloom.evaluate.baselines import SEARCHED
from vecloom.evaluate.harvest import Harvest, data_of, ranking
from vecloom.evaluate.longembed_scores import correct_at_1
from vecloom.evaluate.outcomes import AveragePrecision, Mean, Outcome, RankCorrelation

HARDEST = 20
FOUND = 5  # documents shown for a query
CHARACTERS = 300  # shown of a text
BINS = 40
LEAST = 10  # units that a length's score needs
QUARTERS = 4
NEGATIVES = 10  # best-ranked other documents of each query that stand for the negatives


@dataclass(frozen=True)
class Details:
    """Where a model fails on one split.

    Attributes:
        hardest: units with the worst scores: {"text", "score", ...}, with what was found and what was right.
        distribution: {"edges", "positive", "negative"}: counts of similarities of texts that belong together and that do not.
        lengths: {"from", "to" (words), "units", "score"} for quarters of the units by length.
        places: (position from 0 to 1 in its text, found first from 0 to 1) of each hidden sentence (LongEmbed).
    """

    hardest: list[dict[str, Any]] = field(default_factory=list)
    distribution: dict[str, list[float]] = field(default_factory=dict)
    lengths: list[dict[str, Any]] = field(default_factory=list)
    places: list[list[float]] = field(default_factory=list)


def details_of(task: Any, split: str, subset: str, harvested: Harvest, run: Run | None, predictions: Any) -> Details:
    """Look at one split's units."""
    outcome = harvested.outcome
    if outcome is None:
        return Details()
    lengths = by_length(outcome, harvested.texts)
    data = data_of(task, split, subset)
    if task.metadata.type in SEARCHED and run and "relevant_docs" in data and task.metadata.main_score != "p-MRR":
        judged = data["relevant_docs"]
        places = _places(judged, run, getattr(task, "positions", {}).get(split, {}))
        return Details(_hardest_queries(data, run, outcome), _searched_distribution(judged, run), lengths, places)
    if isinstance(outcome, RankCorrelation):
        return Details(_hardest_pairs(outcome, harvested.texts), _sts_distribution(outcome), lengths)
    if isinstance(outcome, AveragePrecision):
        return Details(_hardest_matches(outcome, harvested.texts), _pair_distribution(outcome), lengths)
    if task.metadata.type == "Classification" and isinstance(outcome, Mean):
        return Details(_hardest_documents(task, data, outcome, harvested.texts, predictions), {}, lengths)
    return Details([], {}, lengths)


def by_length(outcome: Outcome, texts: Sequence[str]) -> list[dict[str, Any]]:
    """The score of each quarter of the units by words; nothing where texts are few or all alike."""
    words = np.array([len(text.split()) for text in texts])
    if len(words) != outcome.units or outcome.units < QUARTERS * LEAST:
        return []
    borders = np.unique(np.quantile(words, np.arange(QUARTERS + 1) / QUARTERS))
    found = []
    for low, high in pairwise(borders):
        inside = (words >= low) & ((words < high) | (high == borders[-1]))
        if inside.sum() >= LEAST:
            score = float(outcome.bootstrap(inside[None, :].astype(np.float32))[0])
            row = {"from": int(words[inside].min()), "to": int(words[inside].max()), "units": int(inside.sum())}
            found.append({**row, "score": score if np.isfinite(score) else None})
    return found


def histogram(values: Sequence[float], edges: Any) -> list[float]:
    """Counts between edges; values outside count to the nearest bin."""
    inside = np.clip(np.asarray(values, float), edges[0], edges[-1])
    return [int(count) for count in np.histogram(inside, edges)[0]]


def _distribution(positive: Sequence[float], negative: Sequence[float]) -> dict[str, list[float]]:
    if not len(positive) or not len(negative):
        return {}
    both = np.concatenate([positive, negative])
    low, high = float(both.min()), float(both.max())
    if low >= -1.001 and high <= 1.001:
        low, high = min(0.0, float(np.floor(low * 10) / 10)), 1.0
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return {
        "edges": [round(float(edge), 6) for edge in edges],
        "positive": histogram(positive, edges),
        "negative": histogram(negative, edges),
    }


def _searched_distribution(judgements: dict[str, dict[str, int]], run: Run) -> dict[str, list[float]]:
    positive, negative = [], []
    for query, found in run.items():
        relevant = {doc for doc, grade in judgements.get(query, {}).items() if grade > 0}
        positive += [score for doc, score in found.items() if doc in relevant]
        others = (doc for doc in ranking(found) if doc not in relevant)
        negative += [found[doc] for doc, _ in zip(others, range(NEGATIVES), strict=False)]
    return _distribution(positive, negative)


def _hardest_queries(data: Any, run: Run, outcome: Outcome) -> list[dict[str, Any]]:
    if not isinstance(outcome, Mean):
        return []
    asked = dict(zip(data["queries"]["id"], data["queries"]["text"], strict=True))
    places = {name: place for place, name in enumerate(data["corpus"]["id"])}
    queries = [query for query in run if query in data["relevant_docs"]]
    found = []
    for place in np.argsort(outcome.scores, kind="stable")[:HARDEST]:
        query = queries[place]
        order, grades = ranking(run[query]), data["relevant_docs"][query]
        ranks = {doc: rank for rank, doc in enumerate(order, start=1)}
        wrong = [doc for doc in order if grades.get(doc, 0) <= 0][:FOUND]
        right = sorted((doc for doc, grade in grades.items() if grade > 0), key=lambda doc: ranks.get(doc, 1 << 30))
        found.append(
            {
                "text": shown(asked[query]),
                "score": float(outcome.scores[place]),
                "found": [{"rank": ranks[doc], "text": _document(data, places, doc)} for doc in wrong],
                "expected": [{"rank": ranks.get(doc), "text": _document(data, places, doc)} for doc in right[:FOUND]],
            }
        )
    return found


def _places(judgements: dict[str, dict[str, int]], run: Run, positions: dict[str, float]) -> list[list[float]]:
    """Where each query's hidden sentence stands, and whether its text came first."""
    if not positions:
        return []
    relevant = {query: [doc for doc, grade in judgements[query].items() if grade > 0] for query in run}
    correct = correct_at_1(run, relevant)
    return [
        [positions[doc], correct[query]]
        for query, documents in relevant.items()
        for doc in documents
        if doc in positions
    ]


def _document(data: Any, places: dict[str, int], name: str) -> str:
    if name not in places:
        return f"({name}: not in the corpus)"
    row = data["corpus"][places[name]]
    return shown(f"{row.get('title') or ''} {row['text']}".strip())


def _hardest_pairs(outcome: RankCorrelation, texts: Sequence[str]) -> list[dict[str, Any]]:
    scores, gold = (_shares(values) for values in (outcome.scores, outcome.gold))
    order = np.argsort(-np.abs(scores - gold), kind="stable")[:HARDEST]
    return [
        {
            "text": shown(texts[i]),
            "score": float(outcome.scores[i]),
            "gold": float(outcome.gold[i]),
            "note": "ranked too high" if scores[i] > gold[i] else "ranked too low",
        }
        for i in order
    ]


def _shares(values: Any) -> Any:
    from scipy.stats import rankdata

    return rankdata(values) / len(values)


def _sts_distribution(outcome: RankCorrelation) -> dict[str, list[float]]:
    low, high = np.quantile(outcome.gold, [0.2, 0.8])
    return _distribution(outcome.scores[outcome.gold >= high], outcome.scores[outcome.gold <= low])


def _hardest_matches(outcome: AveragePrecision, texts: Sequence[str]) -> list[dict[str, Any]]:
    scores = outcome.scores[0]
    wrong = np.where(outcome.labels > 0, 1 - _shares(scores), _shares(scores))
    order = np.argsort(-wrong, kind="stable")[:HARDEST]
    return [
        {
            "text": shown(texts[i]),
            "score": float(scores[i]),
            "gold": int(outcome.labels[i]),
            "note": "a pair, ranked low" if outcome.labels[i] > 0 else "no pair, ranked high",
        }
        for i in order
    ]


def _pair_distribution(outcome: AveragePrecision) -> dict[str, list[float]]:
    return _distribution(outcome.scores[0][outcome.labels > 0], outcome.scores[0][outcome.labels <= 0])


def _hardest_documents(
    task: Any, data: Any, outcome: Mean, texts: Sequence[str], predictions: Any
) -> list[dict[str, Any]]:
    names = getattr(task, "label_names", None) or {}
    gold = data[task.label_column_name]
    predicted = np.array(predictions) if not task.is_cross_validation else None
    found = []
    for i in np.argsort(outcome.scores, kind="stable")[:HARDEST]:
        row = {"text": shown(texts[i]), "score": float(min(1.0, outcome.scores[i])), "gold": _name(names, gold[i])}
        if predicted is not None:
            labels, counts = np.unique(predicted[:, i], return_counts=True)
            row["note"] = f"mostly taken for {_name(names, labels[np.argmax(counts)])}"
        found.append(row)
    return found


def _name(names: Any, label: Any) -> str:
    try:
        return str(names[int(label)])
    except (KeyError, IndexError, TypeError, ValueError):
        return str(label)


def shown(text: str) -> str:
    """The beginning of a text, blanks folded."""
    folded = " ".join(text.split())
    return folded if len(folded) <= CHARACTERS else folded[: CHARACTERS - 3] + "..."
