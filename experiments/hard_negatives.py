"""Does a corpus of hard negatives keep the order of models? Cranfield, eighteen encoders; and clustering on a sample.

    VECLOOM_DATA=... python experiments/hard_negatives.py [--seed 0]

Cranfield: the corpus is pooled from the first documents of BM25, MiniLM and its static table for all 225 queries, and, since
1,400 documents are few, also for 40 of them; every encoder of ``variants.py`` (three of which are pooling models or bags of
words like them) is scored by nDCG@10 on the full and on the small corpus, on the same queries. Beside it: a pool of BM25
alone, and a corpus of as many documents drawn at random, relevant ones always among them (mean of ten draws).
Clustering: AG News, 3,000 texts, V-measure of k-means (ten draws, batches of 512 as in mteb) on all and on a sample of them.
Given is the correlation of the models' scores with its 95 % bootstrap interval over queries, pairs of models that change
places, and the mean score. Needs ``VECLOOM_DATA``; writes ``experiments/results/hard_negatives.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import v_measure_score

import vecloom as vl
from local_tasks import read, read_cranfield
from variants import every_variant
from vecloom.evaluate.benchmark.aggregate import correlation
from vecloom.evaluate.benchmark.downsample import (
    Retriever,
    bm25_retriever,
    downsample_clustering,
    encoder_retriever,
    hard_negative_subset,
    order_agreement,
)
from vecloom.files import write_text
from vecloom.runtime import cpu

RESULTS = Path(__file__).parent / "results"
K = 10
RANDOM_CORPORA = 10
FEW_QUERIES = 40
POOLING = ("minilm", "static 256")
DEPTHS = {"all queries": (50, 10, 3), "few queries": (50, 10, 3)}
CLUSTERED = 3000
FRACTIONS = (0.5, 0.2, 0.04)

Scores = dict[str, np.ndarray]


class Remembered:
    """An encoder whose vectors are known already, so that no text is encoded twice."""

    def __init__(self, places: dict[str, int], vectors: np.ndarray) -> None:
        self.places, self.vectors = places, vectors

    def encode(self, texts: Sequence[str], **_: Any) -> np.ndarray:
        """Vectors of known texts."""
        return self.vectors[[self.places[text] for text in texts]]


class Collection:
    """Cranfield with the judgements as a matrix, and every model's scores of all documents for all queries."""

    def __init__(self) -> None:
        self.corpus, self.queries, self.qrels = read_cranfield()
        self.ids = list(self.corpus)
        self.asked = list(self.queries)
        columns = {document: column for column, document in enumerate(self.ids)}
        self.grades = np.zeros((len(self.asked), len(self.ids)))
        for row, query in enumerate(self.asked):
            for document, grade in self.qrels[query].items():
                self.grades[row, columns[document]] = grade

    def ndcg(self, scores: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """nDCG@10 x 100 of some queries on some documents; the gain is the grade, as in trec_eval."""
        found, grades = scores[np.ix_(rows, columns)], self.grades[np.ix_(rows, columns)]
        discounts = 1 / np.log2(np.arange(2, K + 2))
        first = np.argsort(-found, axis=1, kind="stable")[:, :K]
        ideal = -np.sort(-self.grades[rows], axis=1)[:, :K]
        return 100 * (np.take_along_axis(grades, first, 1) @ discounts) / (ideal @ discounts)


def check_ndcg(collection: Collection, scores: np.ndarray) -> None:
    """Stop where our nDCG is not pytrec_eval's."""
    from pytrec_eval import RelevanceEvaluator

    every = np.arange(len(collection.asked)), np.arange(len(collection.ids))
    run = {
        query: dict(zip(collection.ids, row.tolist(), strict=True))
        for query, row in zip(collection.asked, scores, strict=True)
    }
    theirs = RelevanceEvaluator(collection.qrels, {"ndcg_cut.10"}).evaluate(run)
    expected = [100 * theirs[query]["ndcg_cut_10"] for query in collection.asked]
    np.testing.assert_allclose(collection.ndcg(scores, *every), expected, atol=1e-6)


def agreement(full: Scores, small: Scores, seed: int) -> dict[str, Any]:
    found = order_agreement(full, small, seed=seed)
    return {
        **asdict(found),
        "full": float(np.mean([scores.mean() for scores in full.values()])),
        "small": float(np.mean([scores.mean() for scores in small.values()])),
        "lowest_gain": float(min((small[name] - full[name]).min() for name in full)),
    }


def pooled(collection: Collection, scores: Scores, pool: Sequence[Retriever], depth: int, few: bool, seed: int) -> Any:
    """Models on a pooled corpus beside the full one, and on random corpora of the same size."""
    most = FEW_QUERIES if few else len(collection.asked)
    small = hard_negative_subset(
        collection.corpus, collection.queries, collection.qrels, pool, depth=depth, max_queries=most, seed=seed
    )
    rows = np.array([collection.asked.index(query) for query in small.queries])
    columns = np.array([column for column, document in enumerate(collection.ids) if document in small.corpus])
    every = np.arange(len(collection.ids))
    full = {name: collection.ndcg(found, rows, every) for name, found in scores.items()}
    reduced = {name: collection.ndcg(found, rows, columns) for name, found in scores.items()}
    drawn = [
        np.array([collection.ndcg(found, rows, part).mean() for found in scores.values()])
        for part in random_corpora(collection, rows, len(columns), seed)
    ]
    control = [correlation([found.mean() for found in full.values()], means) for means in drawn]
    return {
        "queries": len(rows),
        "documents": len(columns),
        "depth": depth,
        **agreement(full, reduced, seed),
        "random_spearman": float(np.mean([found.spearman for found in control])),
        "random_kendall": float(np.mean([found.kendall for found in control])),
        "random_small": float(np.mean(drawn)),
    }


def random_corpora(collection: Collection, rows: np.ndarray, size: int, seed: int) -> list[np.ndarray]:
    """Corpora of ``size`` documents with all relevant ones of the queries."""
    generator = np.random.default_rng(seed)
    needed = np.flatnonzero((collection.grades[rows] > 0).any(axis=0))
    others = np.setdiff1d(np.arange(len(collection.ids)), needed)
    return [
        np.sort(np.concatenate([needed, generator.permutation(others)[: size - len(needed)]]))
        for _ in range(RANDOM_CORPORA)
    ]


def clustering(vectors: np.ndarray, labels: np.ndarray, chosen: np.ndarray) -> float:
    """V-measure x 100 as mteb: ten draws with replacement, k-means in small batches."""
    generator = np.random.default_rng(42)
    found = []
    for _ in range(10):
        drawn = chosen[generator.integers(0, len(chosen), min(len(chosen) * 2, 16_384))]
        model = MiniBatchKMeans(len(set(labels.tolist())), batch_size=512, n_init=1, random_state=42)
        found.append(v_measure_score(labels[drawn], model.fit_predict(vectors[drawn])))
    return 100 * float(np.mean(found))


def run(seed: int) -> dict[str, Any]:
    collection = Collection()
    news = read("classification/ag-news/test")[:CLUSTERED]
    labels = np.unique([row["label"] for row in news], return_inverse=True)[1]
    texts = list(dict.fromkeys([*collection.corpus.values(), *collection.queries.values(), *(r["text"] for r in news)]))
    places = {text: place for place, text in enumerate(texts)}
    documents, queries, clustered = (
        [places[text] for text in part]
        for part in (collection.corpus.values(), collection.queries.values(), [row["text"] for row in news])
    )
    samples = {1.0: np.arange(len(news))} | {f: downsample_clustering(labels, fraction=f) for f in FRACTIONS}
    scores, retrievers, v_measures = {}, [bm25_retriever()], {fraction: {} for fraction in samples}
    with tempfile.TemporaryDirectory() as folder:
        for name, vectors in every_variant(texts, Path(folder), seed):
            scores[name] = vectors[queries] @ vectors[documents].T
            for fraction, chosen in samples.items():
                v_measures[fraction][name] = clustering(vectors[clustered], labels, chosen)
            if name in POOLING:
                retrievers.append(encoder_retriever(Remembered(places, vectors)))
            print(name, {fraction: round(found[name], 1) for fraction, found in v_measures.items()}, flush=True)
    check_ndcg(collection, scores["minilm"])
    pools = {"BM25, MiniLM, static": retrievers, "BM25 alone": retrievers[:1]}
    found = [
        {"pool": pool, **pooled(collection, scores, members, depth, asked == "few queries", seed)}
        for pool, members in pools.items()
        for asked, depths in DEPTHS.items()
        for depth in depths
    ]
    sampled = {str(fraction): asdict(order_agreement(v_measures[1.0], v_measures[fraction])) for fraction in FRACTIONS}
    sizes = {str(fraction): len(samples[fraction]) for fraction in FRACTIONS}
    return {"corpora": found, "clustering": sampled, "sizes": sizes, "v_measure": v_measures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    report(run(seed), seed)


def report(results: dict[str, Any], seed: int) -> None:
    machine = {"processor": cpu.name(), "python": platform.python_version(), "vecloom": vl.__version__, "seed": seed}
    lines = [
        "# Hard negatives",
        "",
        "| pool | depth | queries | documents | Spearman | Kendall | pairs that change places | mean nDCG@10, full and small | "
        "random corpora: Spearman, Kendall, nDCG@10 |",
        "| --- | ---: | ---: | ---: | --- | --- | ---: | --- | --- |",
        *(_corpus_row(found) for found in results["corpora"]),
        "",
        "# Clustering on a sample",
        "",
        "| share of the texts | texts | Spearman | Kendall | pairs that change places |",
        "| ---: | ---: | ---: | ---: | ---: |",
        *(_sample_row(share, found, results["sizes"][share]) for share, found in results["clustering"].items()),
        "",
        "18 encoders, 153 pairs of them. Intervals: 95 % bootstrap over queries. Cranfield: 1,400 documents, 225 queries; on a "
        f"small corpus no query's score was lower by more than {_deepest_fall(results):.3f}. "
        f"AG News: V-measure on {CLUSTERED:,} texts. "
        f"Made by `python experiments/hard_negatives.py --seed {seed}` on {machine['processor']}.",
    ]
    RESULTS.mkdir(exist_ok=True)
    write_text(RESULTS / "hard_negatives.md", "\n".join(lines) + "\n")
    write_text(RESULTS / "hard_negatives.json", json.dumps({**machine, **results}, indent=1) + "\n")


def _deepest_fall(results: dict[str, Any]) -> float:
    return max(0.0, -min(found["lowest_gain"] for found in results["corpora"]))


def _corpus_row(found: dict[str, Any]) -> str:
    agreed = found["correlation"]
    cells = [
        found["pool"],
        str(found["depth"]),
        str(found["queries"]),
        f"{found['documents']:,}",
        _with(agreed["spearman"], found["spearman_interval"]),
        _with(agreed["kendall"], found["kendall_interval"]),
        str(len(found["swapped"])),
        f"{found['full']:.1f}, {found['small']:.1f}",
        f"{found['random_spearman']:.3f}, {found['random_kendall']:.3f}, {found['random_small']:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _sample_row(share: str, found: dict[str, Any], size: int) -> str:
    agreed, swapped = found["correlation"], len(found["swapped"])
    return f"| {share} | {size:,} | {agreed['spearman']:.3f} | {agreed['kendall']:.3f} | {swapped} |"


def _with(value: float, bounds: Sequence[float]) -> str:
    return f"{value:.3f} ({bounds[0]:.3f} to {bounds[1]:.3f})"


if __name__ == "__main__":
    main()
