"""Search in twelve languages: keyword, vector and hybrid search, on the same questions and paragraphs in each (xquad).

    VECLOOM_DATA=... python experiments/xquad_languages.py [--model minilm]

240 paragraphs and 1,190 questions in each language. Measured: nDCG@10 x 100 through ``vecloom.Index`` as ``vecloom index``
and ``vecloom search`` work by default, the BM25 of ``LexicalEncoder`` on the same, and how the model's tokenizer reads
the questions. English collections follow (the constants of the fusion were chosen on every second question of xquad, and on
these): Cranfield, TIME, CoSQA, job-skills (first 500 queries).
Writes ``experiments/results/xquad_languages.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import vecloom as vl
from vecloom.encoders.lexical import LexicalEncoder, LexicalSettings
from vecloom.encoders.reading import reading
from vecloom.files import write_text

RESULTS = Path(__file__).parent / "results"
LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")
ENGLISH = ("cranfield", "time", "cosqa", "job-skills")
MODES = ("keyword", "vector", "hybrid")
K = 10
CHUNKS = 100  # hits that are looked at for K documents
MOST_QUERIES = {"job-skills": 500}


def collection(name: str) -> tuple[list[dict[str, str]], list[str], list[dict[str, float]]]:
    """Records, questions, and the grades of each question's documents."""
    folder = Path(os.environ["VECLOOM_DATA"], "retrieval", name)
    corpus = [json.loads(line) for line in (folder / "corpus.jsonl").open(encoding="utf-8")]
    grades: dict[str, dict[str, float]] = {}
    for line in (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if float(grade) > 0:
            grades.setdefault(query, {})[document] = float(grade)
    asked = [json.loads(line) for line in (folder / "queries.jsonl").open(encoding="utf-8")]
    asked = [query for query in asked if query["_id"] in grades][: MOST_QUERIES.get(name)]
    records = [{"id": row["_id"], "title": row.get("title") or "", "text": row["text"]} for row in corpus]
    return records, [query["text"] for query in asked], [grades[query["_id"]] for query in asked]


def ndcg(found: Sequence[str], grades: dict[str, float]) -> float:
    """nDCG@10 of documents in order, the grades as gains."""
    discounts = 1 / np.log2(np.arange(2, K + 2))
    gains = [grades.get(name, 0.0) for name in list(dict.fromkeys(found))[:K]]
    ideal = sorted(grades.values(), reverse=True)[:K]
    return float(np.dot(gains, discounts[: len(gains)]) / np.dot(ideal, discounts[: len(ideal)]))


def lexical(records: list[dict[str, str]], queries: list[str], grades: list[dict[str, float]]) -> float:
    """nDCG@10 of the baseline's BM25, whole documents."""
    texts = [f"{record['title']} {record['text']}".strip() for record in records]
    encoder = LexicalEncoder.fit(texts, settings=LexicalSettings(weighting="bm25"))
    documents = encoder.encode_sparse(texts, normalize=False)
    scores = (encoder.encode_sparse(queries, kind="query", normalize=False) @ documents.T).toarray()
    names = [record["id"] for record in records]
    order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    ranked = ([names[place] for place in row] for row in order)
    return float(np.mean([ndcg(found, known) for found, known in zip(ranked, grades, strict=True)]))


def measure(name: str, encoder: vl.Encoder) -> dict[str, Any]:
    """All figures of one collection."""
    records, queries, grades = collection(name)
    read = reading(encoder.tokenizer, queries)
    measured: dict[str, Any] = {"queries": len(queries), "lexical": 100 * lexical(records, queries, grades)}
    if read:
        measured |= {"tokens per word": read.per_word, "unknown": read.unknown}
    with tempfile.TemporaryDirectory() as folder:
        index = vl.Index.create(Path(folder, "index"), encoder)
        index.add(records)
        vectors = encoder.encode(queries, kind="query")
        for mode in MODES:
            found = index.search_many(queries, CHUNKS, mode=mode, vectors=vectors)
            scores = [ndcg([hit.document_id for hit in hits], known) for hits, known in zip(found, grades, strict=True)]
            measured[mode] = 100 * float(np.mean(scores))
    return measured


def table(results: dict[str, dict[str, Any]]) -> list[str]:
    """The results in Markdown."""
    lines = ["| | keyword | vector | hybrid | BM25 baseline | tokens a word | unknown |", "| --- |" + " ---: |" * 6]
    for name, row in results.items():
        figures = [f"{row[column]:.1f}" for column in (*MODES, "lexical")]
        read = [f"{row['tokens per word']:.1f}", f"{row['unknown']:.0%}"] if "unknown" in row else ["", ""]
        lines.append(f"| {name} | {' | '.join([*figures, *read])} |")
    return lines


def main() -> None:
    """Run, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="minilm")
    given = parser.parse_args()
    encoder = vl.load(given.model)
    results: dict[str, dict[str, Any]] = {}
    for name in (*(f"xquad-{language}" for language in LANGUAGES), *ENGLISH):
        results[name.removeprefix("xquad-")] = found = measure(name, encoder)
        print(name, {key: round(value, 2) for key, value in found.items()}, flush=True)
    lines = ["# Search by language: nDCG@10 x 100", "", *table(results), ""]
    lines += [f"Made by `python experiments/xquad_languages.py --model {given.model}`.", ""]
    write_text(RESULTS / "xquad_languages.md", "\n".join(lines))
    write_text(
        RESULTS / "xquad_languages.json", json.dumps({"model": encoder.name, "results": results}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
