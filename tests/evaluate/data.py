"""Small data sets of every kind, written by the tests that need them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TOPICS = {
    "bread": [
        "Knead the dough for ten minutes",
        "Let the loaf rise overnight",
        "Bake bread in a hot oven",
        "Flour, water and salt",
    ],
    "bikes": ["Oil the chain of the bicycle", "Pump up the tyres", "Brakes need new pads", "Ride the bike to work"],
    "stars": [
        "The telescope shows a nebula",
        "Planets orbit the sun",
        "A comet crossed the night sky",
        "Stars burn hydrogen",
    ],
}
SENTENCES = [(text, topic) for topic, texts in TOPICS.items() for text in texts]


def rows(path: Path, values: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def qrels(path: Path, judged: list[tuple[str, str, int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["query-id\tcorpus-id\tscore", *(f"{query}\t{document}\t{grade}" for query, document, grade in judged)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def retrieval(folder: Path) -> Path:
    rows(
        folder / "corpus.jsonl",
        [{"_id": f"d{i}", "title": topic, "text": text} for i, (text, topic) in enumerate(SENTENCES)],
    )
    queries = {"q0": "how to bake a loaf", "q1": "bicycle repair", "q2": "astronomy at night"}
    rows(folder / "queries.jsonl", [{"_id": name, "text": text} for name, text in queries.items()])
    judged = [("q0", "d0", 1), ("q0", "d2", 3), ("q1", "d4", 2), ("q1", "d6", 1), ("q2", "d8", 1), ("q2", "d3", 0)]
    qrels(folder / "qrels" / "test.tsv", judged)
    return folder


def reranking(folder: Path) -> Path:
    found = []
    for query, topic in (("baking", "bread"), ("cycling", "bikes"), ("space", "stars")):
        found += [{"query": query, "text": text, "label": int(own == topic)} for text, own in SENTENCES]
    rows(folder / "test.jsonl", found)
    return folder


def sts(folder: Path) -> Path:
    pairs = [
        {"sentence1": a, "sentence2": b, "score": 5.0 if x == y and a == b else 3.5 if x == y else 0.5 + (i % 3) / 2}
        for i, (a, x) in enumerate(SENTENCES)
        for b, y in SENTENCES[i : i + 6]
    ]
    rows(folder / "test.jsonl", pairs)
    return folder


def pairs(folder: Path) -> Path:
    found = [
        {"sentence1": a, "sentence2": b, "label": int(x == y)}
        for i, (a, x) in enumerate(SENTENCES)
        for b, y in SENTENCES[i + 1 : i + 6]
    ]
    rows(folder / "test.jsonl", found)
    return folder


def classification(folder: Path) -> Path:
    rows(folder / "train.jsonl", [{"text": text, "label": topic} for text, topic in SENTENCES for _ in range(3)])
    rows(folder / "test.jsonl", [{"text": f"{text}, they say", "label": topic} for text, topic in SENTENCES])
    return folder


def multilabel(folder: Path) -> Path:
    def labelled(suffix: str) -> list[dict[str, Any]]:
        return [
            {"text": text + suffix, "label": [topic, "long"] if len(text) > 25 else [topic]}
            for text, topic in SENTENCES
        ]

    rows(folder / "train.jsonl", labelled("") + labelled("!"))
    rows(folder / "test.jsonl", labelled(", they say"))
    return folder


def clustering(folder: Path) -> Path:
    rows(folder / "test.jsonl", [{"text": text, "label": [topic[0] == "b", topic]} for text, topic in SENTENCES])
    (folder / "task.yaml").write_text("type: clustering\n", encoding="utf-8")
    return folder


def cluster_sets(folder: Path) -> Path:
    halves = [SENTENCES[::2], SENTENCES[1::2]]
    rows(
        folder / "test.jsonl",
        [{"sentences": [text for text, _ in half], "labels": [topic for _, topic in half]} for half in halves],
    )
    return folder


def summaries(folder: Path) -> Path:
    found = []
    for topic, texts in TOPICS.items():
        others = [text for text, own in SENTENCES if own != topic]
        machine = [texts[0], texts[1], others[0], others[1]]
        found.append(
            {
                "text": ". ".join(texts),
                "human_summaries": texts[2:],
                "machine_summaries": machine,
                "relevance": [5, 4, 2, 1],
            }
        )
    rows(folder / "test.jsonl", found)
    return folder


def bitext(folder: Path) -> Path:
    rows(
        folder / "test.jsonl", [{"sentence1": text, "sentence2": f"They say: {text.lower()}"} for text, _ in SENTENCES]
    )
    return folder


def instructions(folder: Path) -> Path:
    retrieval(folder)
    asked = [
        {"_id": f"q{i}-{side}", "text": text, "instruction": f"Documents about {what} are relevant."}
        for i, (text, what, other) in enumerate([("how to bake", "dough", "ovens"), ("sky", "comets", "planets")])
        for side, what in (("og", what), ("changed", other))
    ]
    rows(folder / "queries.jsonl", asked)
    judged = [("q0-og", "d0", 1), ("q0-og", "d2", 1), ("q1-og", "d9", 1), ("q1-og", "d10", 1)]
    judged += [("q0-changed", "d2", 1), ("q1-changed", "d9", 1)]
    qrels(folder / "qrels" / "test.tsv", judged)
    changed = [{"query-id": "q0", "corpus-ids": ["d0"]}, {"query-id": "q1", "corpus-ids": ["d10"]}]
    rows(folder / "changed_qrels.jsonl", changed)
    candidates = [f"d{i}" for i in range(len(SENTENCES))]
    rows(folder / "top_ranked.jsonl", [{"query-id": row["_id"], "corpus-ids": candidates} for row in asked])
    (folder / "task.yaml").write_text("type: instruction-retrieval\n", encoding="utf-8")
    return folder


KINDS = {
    "retrieval": retrieval,
    "reranking": reranking,
    "sts": sts,
    "pair-classification": pairs,
    "classification": classification,
    "multilabel-classification": multilabel,
    "clustering": clustering,
    "cluster-sets": cluster_sets,
    "summarization": summaries,
    "bitext-mining": bitext,
    "instruction-retrieval": instructions,
}
