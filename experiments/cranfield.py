"""Retrieval on Cranfield: vector, keyword and hybrid search, whole documents and chunks.

    VECLOOM_DATA=... python experiments/cranfield.py [--seed 0]

1,400 abstracts, 225 queries, judgements graded 1 to 4. Measured: nDCG@10 x 100 with the grades as gains (as trec_eval
does), and its 95 % percentile bootstrap interval over queries; for hybrid also the interval of its difference to vector
search on the same queries. Everything runs through ``vecloom.Index``. Whole documents: title, a space and text, of
which the model reads the first 256 tokens. Chunks: as ``vecloom index`` cuts them by default, and smaller; a document
stands where its best chunk stands.
Writes ``experiments/results/cranfield.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import vecloom as vl
from vecloom.files import write_text
from vecloom.runtime import cpu

RESULTS = Path(__file__).parent / "results"
REFERENCE = 38.1  # sentence-transformers, fp32, exact search
CUTS = {"whole documents": 0, "chunks of 256 tokens": 256, "chunks of 128 tokens": 128}
MODES = ("vector", "keyword", "hybrid")
K = 10
CHUNKS = 100  # hits that are looked at for K documents
SAMPLES = 10_000

Judgements = dict[str, dict[str, int]]


class Whole:
    """An encoder that does not tell its length, so that an index gives it whole documents and it cuts them itself."""

    max_length = 1_000_000
    tokenizer = None

    def __init__(self, encoder: vl.Encoder) -> None:
        self._encoder = encoder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)


def read_collection() -> tuple[list[dict[str, Any]], dict[str, str], Judgements]:
    """Records of the corpus, the queries by id, and the grades by query and document."""
    folder = Path(os.environ["VECLOOM_DATA"], "retrieval", "cranfield")
    corpus = [json.loads(line) for line in (folder / "corpus.jsonl").open(encoding="utf-8")]
    asked = [json.loads(line) for line in (folder / "queries.jsonl").open(encoding="utf-8")]
    judgements: Judgements = {}
    for line in (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        judgements.setdefault(query, {})[document] = int(grade)
    records = [{"id": record["_id"], "title": record["title"], "text": record["text"]} for record in corpus]
    return records, {query["_id"]: query["text"] for query in asked if query["_id"] in judgements}, judgements


def ndcg(ranked: Sequence[str], grades: dict[str, int], k: int = K) -> float:
    """Normalised discounted cumulative gain of the first ``k``; the gain is the grade, as in trec_eval."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    gains = np.array([grades.get(document, 0) for document in ranked[:k]], float)
    ideal = np.array(sorted(grades.values(), reverse=True)[:k], float)
    return float(gains @ discounts[: len(gains)] / (ideal @ discounts[: len(ideal)]))


def make_index(folder: Path, records: list[dict[str, Any]], encoder: vl.Encoder, tokens: int) -> vl.Index:
    """An index of chunks of ``tokens`` tokens, or of whole documents where that is 0."""
    if tokens:
        index = vl.Index.create(folder, encoder, chunk_tokens=tokens, overlap=tokens // 8)
    else:
        index = vl.Index.create(folder, Whole(encoder), chunk_tokens=Whole.max_length, overlap=0)
    index.add(records)
    return index


def scores(index: vl.Index, queries: dict[str, str], judgements: Judgements, mode: Any) -> np.ndarray:
    """nDCG@10 x 100 of each query."""
    hits = index.search_many(list(queries.values()), CHUNKS, mode=mode)
    ranked = [list(dict.fromkeys(hit.document_id for hit in found)) for found in hits]
    return np.array([100 * ndcg(found, judgements[query]) for query, found in zip(queries, ranked, strict=True)])


def interval(values: np.ndarray, seed: int) -> list[float]:
    """95 % percentile bootstrap interval of the mean."""
    draws = np.random.default_rng(seed).integers(0, len(values), (SAMPLES, len(values)))
    return [float(bound) for bound in np.percentile(values[draws].mean(axis=1), [2.5, 97.5])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    records, queries, judgements = read_collection()
    encoder = vl.load("minilm")
    results: dict[str, Any] = {}
    for cut, tokens in CUTS.items():
        with tempfile.TemporaryDirectory() as folder:
            index = make_index(Path(folder, "index"), records, encoder, tokens)
            found = {mode: scores(index, queries, judgements, mode) for mode in MODES}
            rows = index.info().rows
        results[cut] = {mode: {"ndcg@10": float(v.mean()), "interval": interval(v, seed)} for mode, v in found.items()}
        gain = found["hybrid"] - found["vector"]
        results[cut]["hybrid - vector"] = {"ndcg@10": float(gain.mean()), "interval": interval(gain, seed)}
        results[cut]["rows"] = rows
        print(cut, results[cut], flush=True)
    report(results, seed)


def report(results: dict[str, Any], seed: int) -> None:
    columns = (*MODES, "hybrid - vector")
    lines = [
        "# Cranfield: nDCG@10 x 100",
        "",
        f"| indexed | rows | {' | '.join(columns)} |",
        "| --- | ---: | --- | --- | --- | --- |",
    ]
    for cut, found in results.items():
        cells = [_cell(found[name]) for name in columns]
        lines.append(f"| {cut} | {found['rows']:,} | {' | '.join(cells)} |")
    machine = {"processor": cpu.name(), "python": platform.python_version(), "vecloom": vl.__version__, "seed": seed}
    lines += [
        "",
        "225 queries, 1,400 documents; 95 % bootstrap interval over queries. What sentence-transformers' vectors in fp32 reach",
        f"on whole documents: {REFERENCE}.",
        f"Made by `python experiments/cranfield.py --seed {seed}` on {machine['processor']}.",
    ]
    RESULTS.mkdir(exist_ok=True)
    write_text(RESULTS / "cranfield.md", "\n".join(lines) + "\n")
    write_text(RESULTS / "cranfield.json", json.dumps({**machine, "results": results}, indent=1) + "\n")


def _cell(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['ndcg@10']:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
