"""Twelve tasks on public data, scored on one matrix of vectors of all their texts, for experiments with many models.

Scores are between 0 and 1 and follow mteb's rules, on samples. Needs ``VECLOOM_DATA``.
"""

from __future__ import annotations

import json
import os
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

SAMPLE = 400
DRAWS = 3
SHOTS = 8
LABELS = 25  # of Banking77's 77: a regression on all takes longer than the encoding
STS = {"STS14": "sts/sts14/test", "STS15": "sts/sts15/test", "STSb": "sts/stsb-en/test", "SICK": "sts/sick/train"}
CLASSIFICATION = {
    "Banking77": ("classification/banking77/train", "classification/banking77/test"),
    "TREC-QC": ("classification/trec-qc/train", "classification/trec-qc/test"),
    "AG News": ("classification/ag-news/test", None),
    "Subjectivity": ("classification/subjectivity/all", None),
}
PAIRS = {"MSRP": "pair_classification/msrp/test", "MNLI": "nli/mnli-matched/test"}
PAIR_FIELDS = ((1, "premise"), (2, "hypothesis"))

Row = dict[str, Any]
Vectors = np.ndarray


class Texts:
    """Different texts of all tasks, so that each is encoded once; tasks hold their places."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Places of texts, which are added where they are new."""
        return np.array([self.places.setdefault(text, len(self.places)) for text in texts])


@dataclass
class Task:
    """A task and how a matrix of all texts' vectors scores on it, between 0 and 1."""

    name: str
    kind: str
    score: Callable[[Vectors], float]


def read(path: str) -> list[Row]:
    with Path(os.environ["VECLOOM_DATA"], f"{path}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def sampled(rows: list[Row], seed: int, most: int = SAMPLE) -> list[Row]:
    return random.Random(seed).sample(rows, min(most, len(rows)))


def cosines(vectors: Vectors, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (vectors[first] * vectors[second]).sum(axis=1)


def sts(name: str, path: str, texts: Texts, seed: int) -> Task:
    rows = sampled(read(path), seed)
    first, second = (texts([row[f"sentence{side}"] for row in rows]) for side in (1, 2))
    gold = [row["score"] for row in rows]
    return Task(name, "STS", lambda vectors: float(spearmanr(cosines(vectors, first, second), gold)[0]))


def pairs(name: str, path: str, texts: Texts, seed: int) -> Task:
    rows = sampled(read(path), seed)
    first, second = (texts([row.get(f"sentence{i}") or row[old] for row in rows]) for i, old in PAIR_FIELDS)
    gold = [row["label"] in (1, "entailment") for row in rows]
    score = lambda vectors: float(average_precision_score(gold, cosines(vectors, first, second)))  # noqa: E731
    return Task(name, "PairClassification", score)


def classification(name: str, train: str, test: str | None, texts: Texts, seed: int) -> Task:
    rows = read(train)
    labels = sorted({row["label"] for row in rows})[:LABELS]
    rows = [row for row in rows if row["label"] in labels]
    asked = sampled([row for row in read(test) if row["label"] in labels] if test else rows, seed)
    held = {row["text"] for row in asked}
    rows = [row for row in rows if row["text"] not in held]
    draws = []
    for draw in range(DRAWS):
        shuffled = random.Random(seed + draw).sample(rows, len(rows))
        by_label = defaultdict(list)
        for row in shuffled:
            by_label[row["label"]].append(row)
        shots = [row for label in labels for row in by_label[label][:SHOTS]]
        draws.append((texts([row["text"] for row in shots]), [labels.index(row["label"]) for row in shots]))
    test_places, gold = texts([row["text"] for row in asked]), np.array([labels.index(row["label"]) for row in asked])

    def score(vectors: Vectors) -> float:
        found = []
        for places, classes in draws:
            model = LogisticRegression(max_iter=100, random_state=42).fit(vectors[places], classes)
            found.append((model.predict(vectors[test_places]) == gold).mean())
        return float(np.mean(found))

    return Task(name, "Classification", score)


def ranking(name: str, kind: str, measure: str, data: tuple[Any, Any, Any, Any]) -> Task:
    """A search task: queries and documents as places by id, judgements, and candidates by query or None for all."""
    from pytrec_eval import RelevanceEvaluator

    queries, documents, qrels, candidates = data
    ids, places = list(documents), np.array(list(documents.values()))
    evaluator = RelevanceEvaluator(qrels, {measure.replace("cut_10", "cut.10")})

    def score(vectors: Vectors) -> float:
        run = {}
        for query in qrels:
            among = candidates[query] if candidates else ids
            rows = [documents[document] for document in among] if candidates else places
            run[query] = dict(zip(among, (vectors[rows] @ vectors[queries[query]]).tolist(), strict=True))
        return float(np.mean([found[measure] for found in evaluator.evaluate(run).values()]))

    return Task(name, kind, score)


def read_cranfield() -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, int]]]:
    """Documents and queries by id, and the grades."""
    corpus = {row["_id"]: f"{row['title']} {row['text']}".strip() for row in read("retrieval/cranfield/corpus")}
    queries = {row["_id"]: row["text"] for row in read("retrieval/cranfield/queries")}
    qrels: dict[str, dict[str, int]] = defaultdict(dict)
    path = Path(os.environ["VECLOOM_DATA"], "retrieval", "cranfield", "qrels", "test.tsv")
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        qrels[query][document] = int(grade)
    return corpus, {query: text for query, text in queries.items() if query in qrels}, dict(qrels)


def cranfield(texts: Texts) -> Task:
    corpus, asked, qrels = read_cranfield()
    documents = dict(zip(corpus, texts(list(corpus.values())).tolist(), strict=True))
    queries = dict(zip(asked, texts(list(asked.values())).tolist(), strict=True))
    return ranking("Cranfield", "Retrieval", "ndcg_cut_10", (queries, documents, qrels, None))


def trec_qa(texts: Texts) -> Task:
    qrels: dict[str, dict[str, int]] = defaultdict(dict)
    documents, queries = {}, {}
    for number, row in enumerate(read("reranking/trecqa/test")):
        documents[str(number)] = int(texts([row["text"]])[0])
        queries[row["query"]] = int(texts([row["query"]])[0])
        qrels[row["query"]][str(number)] = int(row["label"])
    answered = {query: judged for query, judged in qrels.items() if any(judged.values())}
    return ranking("TREC QA", "Reranking", "map", (queries, documents, answered, answered))


def every_task(texts: Texts, seed: int) -> list[Task]:
    return [
        *(sts(name, path, texts, seed) for name, path in STS.items()),
        *(classification(name, *paths, texts, seed) for name, paths in CLASSIFICATION.items()),
        *(pairs(name, path, texts, seed) for name, path in PAIRS.items()),
        cranfield(texts),
        trec_qa(texts),
    ]
