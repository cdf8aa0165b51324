"""The tests of ``experiments/merge.py``: seven scores of a model, each with bootstrap draws that all models share."""

from __future__ import annotations

import json
import os
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

import vecloom as vl

SAMPLES = 500
MOST = 1500  # rows of a test
THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))
INSIDE = ("STSb", "Banking77", "TREC QA", "Cranfield", "MSRP")
OUTSIDE = ("STS15", "TREC classes")

Vectors = Callable[[Sequence[str]], np.ndarray]
Score = tuple[float, np.ndarray]  # the score x 100, and its bootstrap draws


def spearman(cosines: np.ndarray, gold: np.ndarray) -> float:
    return float(np.corrcoef(rankdata(cosines), rankdata(gold))[0, 1])


def average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    good = labels[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(good) / np.arange(1, len(good) + 1))[good > 0].mean()) if good.any() else 0.0


def drawn(units: tuple[np.ndarray, ...], statistic: Callable[..., float], seed: int) -> Score:
    generator = np.random.default_rng(seed)
    draws = generator.integers(0, len(units[0]), (SAMPLES, len(units[0])))
    return 100 * statistic(*units), np.array([100 * statistic(*(unit[draw] for unit in units)) for draw in draws])


def mean_of(values: np.ndarray) -> float:
    return float(values.mean())


def pairs_task(name: Sequence[str], key: str, statistic: Callable[..., float]) -> Callable[[Vectors, int], Score]:
    found = rows(*name)[:MOST]
    gold = np.array([float(row[key]) for row in found])

    def score(vectors: Vectors, seed: int) -> Score:
        left, right = (vectors([row[side] for row in found]) for side in ("sentence1", "sentence2"))
        return drawn(((left * right).sum(1), gold), statistic, seed)

    return score


def centroid_task(folder: str, each: int, seed: int) -> Callable[[Vectors, int], Score]:
    groups: dict[str, list[str]] = defaultdict(list)
    for row in shuffled(rows("classification", folder, "train.jsonl"), seed):
        groups[row["label"]].append(row["text"])
    test = shuffled(rows("classification", folder, "test.jsonl"), seed)[:MOST]
    labels = sorted(groups)
    gold = np.array([labels.index(row["label"]) for row in test])

    def score(vectors: Vectors, seed: int) -> Score:
        centres = np.stack([vectors(groups[label][:each]).mean(0) for label in labels])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        right = (vectors([row["text"] for row in test]) @ centres.T).argmax(1) == gold
        return drawn((right.astype(float),), mean_of, seed)

    return score


def answers_task() -> Callable[[Vectors, int], Score]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows("reranking", "trecqa", "test.jsonl"):
        groups[row["query"]].append(row)
    kept = {query: found for query, found in groups.items() if 0 < sum(row["label"] for row in found) < len(found)}

    def score(vectors: Vectors, seed: int) -> Score:
        each = [
            average_precision(vectors([row["text"] for row in found]) @ vectors([query])[0],
                              np.array([row["label"] for row in found]))
            for query, found in kept.items()
        ]  # fmt: skip
        return drawn((np.array(each),), mean_of, seed)

    return score


def cranfield_task(names: Sequence[str]) -> Callable[[Vectors, int], Score]:
    corpus, queries, grades = read_cranfield()
    documents = list(corpus)

    def score(vectors: Vectors, seed: int) -> Score:
        scores = vectors([queries[name] for name in names]) @ vectors(list(corpus.values())).T
        discounts = 1 / np.log2(np.arange(2, 12))
        each = []
        for name, found in zip(names, scores, strict=True):
            gains = np.array([grades[name].get(documents[place], 0) for place in np.argsort(-found)[:10]], float)
            ideal = np.array(sorted(grades[name].values(), reverse=True)[:10], float)
            each.append(float(gains @ discounts / (ideal @ discounts[: len(ideal)])))
        return drawn((np.array(each),), mean_of, seed)

    return score


def tests(names: Sequence[str], seed: int) -> dict[str, Callable[[Vectors, int], Score]]:
    return {
        "STSb": pairs_task(("sts", "stsb-en", "test.jsonl"), "score", spearman),
        "Banking77": centroid_task("banking77", 8, seed),
        "TREC QA": answers_task(),
        "Cranfield": cranfield_task(names),
        "MSRP": pairs_task(("pair_classification", "msrp", "test.jsonl"), "label", average_precision),
        "STS15": pairs_task(("sts", "sts15", "test.jsonl"), "score", spearman),
        "TREC classes": centroid_task("trec-qc", 16, seed),
    }


def scores_of(path: Path, asked: Mapping[str, Callable[[Vectors, int], Score]], seed: int) -> dict[str, Score]:
    encoder = vl.load(path, backend="openvino", threads=THREADS)
    known: dict[str, np.ndarray] = {}

    def vectors(texts: Sequence[str]) -> np.ndarray:
        new = list(dict.fromkeys(text for text in texts if text not in known))
        if new:
            known.update(zip(new, encoder.encode(new), strict=True))
        return np.stack([known[text] for text in texts])

    found = {name: score(vectors, seed + place) for place, (name, score) in enumerate(asked.items())}
    for mean, parts in (("mean", INSIDE), ("mean outside", OUTSIDE)):
        each = [found[name] for name in parts]
        found[mean] = (float(np.mean([score for score, _ in each])), np.mean([draws for _, draws in each], axis=0))
    return found


def rows(*parts: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(os.environ["VECLOOM_DATA"], *parts).open(encoding="utf-8")]


def shuffled(items: Sequence[Any], seed: int) -> list[Any]:
    found = list(items)
    random.Random(seed).shuffle(found)
    return found


def read_cranfield() -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, int]]]:
    """Abstracts, queries and grades; every second query and a quarter of the others, by id, is for training."""
    corpus = {
        row["_id"]: " ".join(f"{row['title']} {row['text']}".split()[:40])
        for row in rows("retrieval", "cranfield", "corpus.jsonl")
    }
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    path = Path(os.environ["VECLOOM_DATA"], "retrieval", "cranfield", "qrels", "test.tsv")
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        grades[query][document] = int(grade)
    queries = {row["_id"]: row["text"] for row in rows("retrieval", "cranfield", "queries.jsonl")}
    return corpus, {name: text for name, text in queries.items() if name in grades}, grades


def interval(draws: np.ndarray) -> list[float]:
    return [float(bound) for bound in np.percentile(draws, [2.5, 97.5])]
