"""The desk's two guesses on Cranfield: what a reader of some papers wants, and above which cosine a paper answers a query.

    VECLOOM_DATA=... python experiments/desk.py

For you: each query with at least 6 relevant abstracts is a reader who kept 3 of them, drawn anew for each of 5 seeds. All other
abstracts are ranked; those that are relevant too should come first. Measured: precision@10 x 100 with its 95 % bootstrap
interval over readers (each one's mean over the seeds). Compared: the linear SVM of ``vecloom.desk.for_you`` on the stored
vectors, the same SVM on tf-idf (arxiv-sanity-lite's way), and the cosine to the mean of what was kept and to its nearest. "At 0"
is what the default threshold lets through: how many abstracts, and which share of the relevant ones.

Thresholds: for each query and threshold, how many of 1,400 abstracts reach it, and precision and recall of those; precision is
averaged over the queries that have any.

Writes ``experiments/results/desk.json`` and ``.md``.
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

import vecloom as vl
from cranfield import read_collection
from vecloom.desk.for_you import NEGATIVES_EACH, PENALTY, decide, document_vectors
from vecloom.desk.sources import IndexSource
from vecloom.files import write_text

RESULTS = Path(__file__).parent / "results"
KEPT, LEAST, SEEDS, K, SAMPLES = 3, 6, range(5), 10, 10_000
THRESHOLDS = (0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7)


def interval(values: np.ndarray) -> list[float]:
    """The mean and its 95 % percentile bootstrap interval."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (SAMPLES, len(values)))].mean(axis=1)
    return [float(values.mean()), *map(float, np.percentile(means, [2.5, 97.5]))]


def by_tfidf(words: Any, kept: list[int], negatives: list[int], asked: list[int]) -> np.ndarray:
    """The same SVM on tf-idf."""
    model = LinearSVC(C=PENALTY, class_weight="balanced", random_state=0, max_iter=10_000)
    model.fit(words[kept + negatives], np.repeat([1, 0], [len(kept), len(negatives)]))
    return np.asarray(model.decision_function(words[asked]))


def one_reader(vectors: np.ndarray, words: Any, wanted: set[int], seed: int) -> dict[str, tuple[float, float, float]]:
    """For each method: precision@10, and how many abstracts and which share of the relevant ones score above 0."""
    draw = random.Random(seed)
    kept = sorted(draw.sample(sorted(wanted), KEPT))
    asked = [row for row in range(len(vectors)) if row not in kept]
    negatives = sorted(draw.sample(asked, NEGATIVES_EACH * KEPT))
    relevant = np.array([row in wanted for row in asked])
    cosines = vectors[asked] @ vectors[kept].T
    scores = {
        "SVM on vectors": decide(vectors[kept], vectors[negatives], vectors[asked]),
        "SVM on tf-idf": by_tfidf(words, kept, negatives, asked),
        "cosine to the mean": cosines.mean(axis=1),
        "cosine to the nearest": cosines.max(axis=1),
        "by chance": np.array([draw.random() for _ in asked]),
    }
    return {
        name: (
            100 * relevant[np.argsort(-values, kind="stable")[:K]].mean(),
            float((values >= 0).sum()),
            float(relevant[values >= 0].sum() / relevant.sum()),
        )
        for name, values in scores.items()
    }


def for_you(vectors: np.ndarray, words: Any, readers: list[set[int]]) -> dict[str, Any]:
    """All methods over all readers and seeds."""
    found = [[one_reader(vectors, words, wanted, seed) for seed in SEEDS] for wanted in readers]
    result = {}
    for name in found[0][0]:
        values = np.array([[seed[name] for seed in reader] for reader in found]).mean(axis=1)
        result[name] = {"precision@10": interval(values[:, 0])}
        if name.startswith("SVM"):
            result[name] |= {"papers at 0": float(values[:, 1].mean()), "recall at 0": float(values[:, 2].mean())}
    ours, theirs = (
        np.array([np.mean([s[name][0] for s in r]) for r in found]) for name in ("SVM on vectors", "SVM on tf-idf")
    )
    mean = np.array([np.mean([s["cosine to the mean"][0] for s in r]) for r in found])
    return {"methods": result, "vectors - tf-idf": interval(ours - theirs), "SVM - mean": interval(ours - mean)}


def thresholds(cosines: np.ndarray, judged: list[set[int]]) -> list[dict[str, float]]:
    """What a threshold lets through: ``cosines`` is (queries, documents)."""
    rows = []
    for least in THRESHOLDS:
        passed = [set(np.flatnonzero(scores >= least).tolist()) for scores in cosines]
        shares = [len(one & wanted) / len(one) for one, wanted in zip(passed, judged, strict=True) if one]
        recalls = [len(one & wanted) / len(wanted) for one, wanted in zip(passed, judged, strict=True)]
        rows.append(
            {
                "threshold": least,
                "papers": float(np.mean([len(one) for one in passed])),
                "precision": float(np.mean(shares)),
                "recall": float(np.mean(recalls)),
                "queries without any": int(sum(not one for one in passed)),
            }
        )
    return rows


def main() -> None:
    records, queries, judgements = read_collection()
    encoder = vl.load("minilm")
    with tempfile.TemporaryDirectory() as folder:
        index = vl.Index.create(Path(folder, "papers"), encoder)
        index.add(records)
        chunks = IndexSource(index).chunks([record["id"] for record in records])
    names = [record["id"] for record in records if record["text"].strip()]
    directions = document_vectors(chunks)
    names = [name for name in names if name in directions]
    place = {name: row for row, name in enumerate(names)}
    vectors = np.stack([directions[name] for name in names])
    texts = {record["id"]: f"{record['title']} {record['text']}" for record in records}
    words = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit_transform([texts[name] for name in names])
    judged = {
        query: {place[d] for d, grade in grades.items() if grade > 0 and d in place}
        for query, grades in judgements.items()
    }
    readers = [wanted for wanted in judged.values() if len(wanted) >= LEAST]
    asked = [query for query in queries if judged[query]]
    best = np.full((len(asked), len(names)), -1.0, np.float32)
    scores = encoder.encode([queries[query] for query in asked], kind="query") @ chunks.vectors.T
    for column, name in enumerate(chunks.documents):
        if name in place:
            best[:, place[name]] = np.maximum(best[:, place[name]], scores[:, column])
    result = {
        "readers": len(readers),
        "documents": len(names),
        "for you": for_you(vectors, words, readers),
        "thresholds": thresholds(best, [judged[query] for query in asked]),
    }
    write_text(RESULTS / "desk.json", json.dumps(result, indent=1) + "\n")
    write_text(RESULTS / "desk.md", as_markdown(result))
    print(as_markdown(result))


def as_markdown(result: dict[str, Any]) -> str:
    """The tables."""
    lines = [
        f"{result['readers']} readers who kept {KEPT} of {result['documents']:,} abstracts of Cranfield, {len(SEEDS)} draws.",
        "",
        "| ranked by | precision@10 | 95 % interval | papers at 0 | recall at 0 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, found in result["for you"]["methods"].items():
        mean, low, high = found["precision@10"]
        at = f"{found['papers at 0']:.0f} | {100 * found['recall at 0']:.0f} %" if "papers at 0" in found else "- | -"
        lines.append(f"| {name} | {mean:.1f} | {low:.1f} to {high:.1f} | {at} |")
    for name in ("vectors - tf-idf", "SVM - mean"):
        mean, low, high = result["for you"][name]
        lines += ["", f"Difference {name}: {mean:+.1f} ({low:+.1f} to {high:+.1f})."]
    lines += [
        "",
        "| least cosine | papers | precision | recall | queries without any |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['threshold']:.2f} | {row['papers']:.1f} | {100 * row['precision']:.0f} % | {100 * row['recall']:.0f} % |"
        f" {row['queries without any']} |"
        for row in result["thresholds"]
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
