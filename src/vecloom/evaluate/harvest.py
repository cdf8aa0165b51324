"""From what mteb computed for one split to its units: which query, pair or document contributed what to the main score.

mteb keeps a model's predictions (``prediction_folder``) and ``MtebModel`` its rankings; the main score is computed again
from them as a statistic of units. The caller compares the two, so an interval is never given for another quantity than the score.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vecloom.evaluate.adapter import Run
from vecloom.evaluate.baselines import SEARCHED
from vecloom.evaluate.outcomes import AveragePrecision, LabelF1, Mean, Outcome, RankCorrelation, VMeasure

PAIR_SCORES = {  # sign that makes each of mteb's pair scores higher for likelier pairs
    "similarity_scores": 1,
    "cosine_scores": 1,
    "manhattan_distances": -1,
    "euclidean_distances": -1,
    "dot_scores": 1,
}
_TREC = {"ndcg": "ndcg_cut", "map": "map_cut", "recall": "recall", "precision": "P", "hit_rate": "success"}


@dataclass(frozen=True)
class Harvest:
    """One split's units.

    Attributes:
        outcome: the units and the statistic; None where the main score is not a statistic that is known here.
        unit: what a unit is, in the singular.
        texts: ``(n,)`` the units' texts, for lengths and for showing; empty where units have none.
    """

    outcome: Outcome | None
    unit: str
    texts: list[str]


def harvest(
    task: Any, split: str, subset: str, *, run: Run | None, predictions: Any, scores: dict[str, Any], state: Any
) -> Harvest:
    """Find the units of one split and subset.

    Args:
        task: the mteb task, loaded.
        split: the split that was scored.
        subset: mteb's subset of it.
        run: the ranking, for tasks that search.
        predictions: what mteb kept, for the others.
        scores: mteb's scores of the split.
        state: of the task's random numbers before the split was scored.
    """
    kind = task.metadata.type
    data = data_of(task, split, subset)
    main = task.metadata.main_score
    if kind in SEARCHED:
        return _searched(task, data, run or {}, main)
    reader = READERS.get(kind)
    if reader is None or (predictions is None and kind != "Clustering"):
        return Harvest(None, "text", [])
    return reader(task, data, split, predictions, scores, state)


def data_of(task: Any, split: str, subset: str) -> Any:
    """The data of a split: a table, or the parts of a collection."""
    if subset in task.dataset:
        return task.dataset[subset][split]
    return task.dataset[split]


def query_scores(run: Run, judgements: dict[str, dict[str, int]], metric: str) -> dict[str, float]:
    """A retrieval metric of each query in the run that has judgements, as pytrec_eval and mteb compute it.

    Args:
        run: scores by query and document.
        judgements: relevance by query and document.
        metric: mteb's name, such as "ndcg_at_10", "map_at_1000" or "mrr_at_10".
    """
    name, _, cut = metric.rpartition("_at_")
    judged = {query: documents for query, documents in run.items() if query in judgements}
    if name == "mrr":
        return {query: _reciprocal_rank(found, judgements[query], int(cut)) for query, found in judged.items()}
    import pytrec_eval

    wanted = f"{_TREC[name]}.{cut}"
    evaluator = pytrec_eval.RelevanceEvaluator(judgements, {wanted})
    key = wanted.replace(".", "_")
    return {query: values[key] for query, values in evaluator.evaluate(judged).items()}


def ranking(found: dict[str, float]) -> list[str]:
    """Documents best first; equal scores by falling id, as trec_eval does."""
    return [document for document, _ in sorted(found.items(), key=lambda item: (item[1], item[0]), reverse=True)]


def p_mrr(original: dict[str, float], changed: dict[str, float], documents: Sequence[str]) -> float:
    """How well a query's changed instruction moved ``documents`` down: -1 to 1, 0 where nothing moved (FollowIR).

    With ranks r before and s after, a document counts s / r - 1 where it moved up (r >= s) and 1 - r / s where it moved down.
    """
    before, after = ({doc: i for i, doc in enumerate(ranking(run), start=1)} for run in (original, changed))
    moves = []
    for document in documents:
        old, new = before.get(document, len(before) + 1), after.get(document, len(after) + 1)
        moves.append(new / old - 1 if old >= new else 1 - old / new)
    return float(np.mean(moves))


def _searched(task: Any, data: Any, run: Run, main: str) -> Harvest:
    asked = dict(zip(data["queries"]["id"], data["queries"]["text"], strict=True))
    if main == "p-MRR":
        return _followed(task, asked, run)
    name, _, cut = main.rpartition("_at_")
    if (name not in _TREC and name != "mrr") or not cut.isdigit():
        return Harvest(None, "query", [])
    if getattr(task, "skip_first_result", False):
        return Harvest(None, "query", [])
    scores = query_scores(run, data["relevant_docs"], main)
    queries = [query for query in run if query in scores]
    return Harvest(Mean(np.array([scores[q] for q in queries], float)), "query", [asked.get(q, "") for q in queries])


def _followed(task: Any, asked: dict[str, str], run: Run) -> Harvest:
    changed = next(iter(getattr(task, "changed", {}).values()), None)
    if not changed:
        return Harvest(None, "query", [])
    kept = [query for query in changed if f"{query}-og" in run and f"{query}-changed" in run]
    values = [p_mrr(run[f"{query}-og"], run[f"{query}-changed"], changed[query]) for query in kept]
    return Harvest(Mean(np.array(values, float)), "query", [asked.get(f"{query}-changed", "") for query in kept])


def _reciprocal_rank(found: dict[str, float], grades: dict[str, int], cut: int) -> float:
    places = (rank for rank, doc in enumerate(ranking(found)[:cut], start=1) if grades.get(doc, 0) > 0)
    return 1 / next(places, float("inf"))


def _sts(task: Any, data: Any, _split: str, predictions: Any, _scores: Any, _state: Any) -> Harvest:
    name = {"cosine_spearman": "cosine_scores", "spearman": "similarity_scores"}.get(task.metadata.main_score)
    first, second = (data[column] for column in task.column_names)
    texts = [f"{one} | {two}" for one, two in zip(first, second, strict=True)]
    if name is None:
        return Harvest(None, "pair", texts)
    return Harvest(RankCorrelation(np.array(predictions[name], float), np.array(data["score"], float)), "pair", texts)


def _pairs(task: Any, data: Any, _split: str, predictions: Any, _scores: Any, _state: Any) -> Harvest:
    main = task.metadata.main_score
    names = list(PAIR_SCORES) if main in ("max_ap", "ap") else [f"{main.removesuffix('_ap')}_scores"]
    texts = [f"{a} | {b}" for a, b in zip(data[task.input1_column_name], data[task.input2_column_name], strict=True)]
    if not main.endswith("ap") or any(name not in PAIR_SCORES for name in names):
        return Harvest(None, "pair", texts)
    rows = [PAIR_SCORES[name] * np.array(predictions[name], float) for name in names]
    return Harvest(AveragePrecision(np.array(rows), np.array(data[task.label_column_name], float)), "pair", texts)


def _classes(task: Any, data: Any, _split: str, predictions: Any, _scores: Any, _state: Any) -> Harvest:
    texts, gold = list(data[task.input_column_name]), np.array(data[task.label_column_name])
    main = task.metadata.main_score
    if task.is_cross_validation:
        return _folds(task, texts, gold, predictions, main)
    predicted = np.array(predictions)
    if main == "accuracy":
        return Harvest(Mean((predicted == gold).mean(axis=0)), "document", texts)
    if main in ("f1", "f1_weighted"):
        outcome = LabelF1(predicted.astype(np.int64), gold.astype(np.int64), np.asarray(main == "f1_weighted"))
        return Harvest(outcome, "document", texts)
    return Harvest(None, "document", texts)


def _folds(task: Any, texts: list[str], gold: npt.NDArray[Any], predictions: Any, main: str) -> Harvest:
    """Cross-validation: every document is scored in one fold, and the score is the mean over folds."""
    from sklearn.model_selection import KFold

    if main != "accuracy":
        return Harvest(None, "document", texts)
    folds = KFold(n_splits=task.n_splits, shuffle=True, random_state=task.seed).split(range(len(gold)))
    scores = np.empty(len(gold))
    for (_, held), predicted in zip(folds, predictions, strict=True):
        # A fold counts as one, however many documents it holds.
        scores[held] = (np.array(predicted) == gold[held]) * len(gold) / (task.n_splits * len(held))
    return Harvest(Mean(scores), "document", texts)


def _labels(task: Any, data: Any, _split: str, predictions: Any, _scores: Any, _state: Any) -> Harvest:
    from sklearn.preprocessing import MultiLabelBinarizer

    texts = list(data[task.input_column_name])
    predicted = np.array(predictions)
    if task.metadata.main_score != "accuracy" or predicted.shape[1] != len(texts):
        return Harvest(None, "document", texts)
    gold = MultiLabelBinarizer().fit_transform(data[task.label_column_name])
    return Harvest(Mean((predicted == gold).all(axis=2).mean(axis=0)), "document", texts)


def _clusters(task: Any, data: Any, _split: str, predictions: Any, scores: Any, state: Any) -> Harvest:
    if isinstance(data[0]["labels"], list) and isinstance(data[0]["sentences"], list):
        return Harvest(Mean(np.array(scores["v_measures"], float)), "set", [])
    if predictions is None or task.metadata.main_score != "v_measure":
        return Harvest(None, "document", [])
    drawn = random.Random()
    drawn.setstate(state)
    places = _embedded(task, len(data), drawn)
    texts, labels = data["sentences"], data["labels"]
    levels = [labels[i] if isinstance(labels[i], list) else [labels[i]] for i in places]
    outcome = _draws(task, levels, predictions, drawn)
    return Harvest(outcome, "document", [texts[i] for i in places])


def _embedded(task: Any, count: int, drawn: random.Random) -> list[int]:
    """The documents that mteb embeds, drawn as mteb draws them."""
    if task.max_fraction_of_documents_to_embed is None and task.max_document_to_embed is None:
        return list(range(count))
    most = task.max_document_to_embed
    if task.max_fraction_of_documents_to_embed is not None:
        most = int(task.max_fraction_of_documents_to_embed * count)
    return drawn.sample(range(count), k=min(count, most))


def _draws(task: Any, levels: list[list[Any]], predictions: Any, drawn: random.Random) -> VMeasure:
    clusters, times, gold = [], [], []
    for level, name in enumerate(predictions):
        valid = np.array([i for i, label in enumerate(levels) if len(label) > level and label[level] != -1])
        numbers = {label: number for number, label in enumerate(sorted({levels[i][level] for i in valid}, key=str))}
        for assigned in predictions[name]:
            chosen = valid[drawn.choices(range(len(valid)), k=task.max_documents_per_cluster)]
            cluster = np.full(len(levels), -1, np.int64)
            cluster[chosen] = assigned
            clusters.append(cluster)
            times.append(np.bincount(chosen, minlength=len(levels)))
            label = np.zeros(len(levels), np.int64)
            label[valid] = [numbers[levels[i][level]] for i in valid]
            gold.append(label)
    return VMeasure(np.array(clusters), np.array(times), np.array(gold))


def _summaries(task: Any, data: Any, _split: str, predictions: Any, _scores: Any, _state: Any) -> Harvest:
    from scipy.stats import spearmanr

    name = {"cosine_spearman": "cosine_scores", "spearman": "similarity_scores"}.get(task.metadata.main_score)
    texts = list(data["text"])
    if name is None:
        return Harvest(None, "text", texts)
    pairs = list(zip(predictions[name], predictions["human_scores"], strict=True))
    kept = [i for i, (found, gold) in enumerate(pairs) if len(set(found)) > 1 and len(set(gold)) > 1]
    values = [float(spearmanr(*reversed(pairs[i]))[0]) for i in kept]
    return Harvest(Mean(np.array(values)), "text", [texts[i] for i in kept])


def _bitext(task: Any, data: Any, _split: str, predictions: Any, _scores: Any, _state: Any) -> Harvest:
    if len(predictions) != 1 or task.metadata.main_score != "f1" or "gold" in data.column_names:
        return Harvest(None, "sentence", [])
    found = np.array([[hit["corpus_id"] for hit in next(iter(predictions.values()))]], np.int64)
    outcome = LabelF1(found, np.arange(found.shape[1]), np.asarray(True))
    first, second = task._DEFAULT_PAIR[0]
    return Harvest(outcome, "sentence", [f"{a} | {b}" for a, b in zip(data[first], data[second], strict=True)])


Reader = Callable[[Any, Any, str, Any, Any, Any], Harvest]
READERS: dict[str, Reader] = {
    "STS": _sts,
    "PairClassification": _pairs,
    "Classification": _classes,
    "MultilabelClassification": _labels,
    "Clustering": _clusters,
    "Summarization": _summaries,
    "BitextMining": _bitext,
}
