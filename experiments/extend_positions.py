"""Longer texts for the bundled model: every method for a position table, on LongEmbed's synthetic tasks and on long documents.

    VECLOOM_DATA=... python experiments/extend_positions.py [--only passkey]

all-MiniLM-L6-v2 (cut after 256 tokens) extended to 4,096 with each method (s = 16), beside the model itself:

- passkey and needle (``make_longembed``) at 256 to 4,096 tokens of 0.75 words, 25 texts and 25 questions for each length and
  seed, two seeds; around the needles is the Brown corpus. Acc@1, where equal texts share the credit.
- long documents: 24 questions of Cranfield a seed, four seeds; for each one abstract that answers it (of the best grade) stands
  at a random place among others that answer none of the 24, about 1,536 words together (2,048 tokens). nDCG@10 over the 24.
- short texts, where a method changes them (grouped): Spearman x 100 on STSb test, and the smallest cosine of a sentence's
  vector to the model's own.

The new positions are tuned for one epoch on 3,000 pairs (paraphrases of MSRP, pairs of STSb train scored 4 and more,
entailments of SNLI and MNLI, questions and answers of TREC QA train), batch 32, 48 tokens; otherwise the paper's settings. No
text of a test is among them.

All vectors are in bfloat16. Texts of at most 256 tokens go through the model itself where a method leaves them alone (tests
hold that), so that the network runs on the fastest backend. Intervals: 95 % percentile bootstrap over questions (all seeds);
differences are paired. Writes ``experiments/results/extend_positions.json`` and ``.md``; each cell is kept, so that a stopped
run goes on.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import vecloom as vl
from longembed_passkey import read_rows, write_haystack
from training import Kept, machine, report, rows, spearman, sts
from vecloom import extend
from vecloom.encoders.resolve import resolve
from vecloom.evaluate.longembed_scores import correct_at_1
from vecloom.evaluate.make.longembed import make_longembed

NAME = "extend_positions"
TARGET, SOURCE = 4096, 256
LENGTHS = (256, 512, 1024, 2048, 4096)
TEXTS = 25
SEEDS = {"passkey": 2, "needle": 2}
LONG_DOCUMENTS, LONG_WORDS, LONG_SEEDS = 24, 1536, 4
SAMPLES = 10_000
WORK = Path(tempfile.gettempdir(), "vecloom-extend-positions")

METHODS: dict[str, dict[str, Any]] = {
    "truncated": {},
    "windows": {"method": "windows"},
    "grouped": {"method": "grouped"},
    "grouped by text": {"method": "grouped", "by": "text"},
    "recurrent": {"method": "recurrent"},
    "interpolate": {"method": "interpolate", "short": "squeezed"},
    "interpolate, scaled": {"method": "interpolate", "attention_scaling": True},
    "tune": {"method": "tune", "batch": 32, "epochs": 1, "tokens": 48, "seed": 0},
}
CHANGES_SHORT = {"grouped"}


def tuning_pairs(file: Path) -> Path:
    """3,000 pairs from training files."""
    scored = sts("stsb-en", "train.jsonl")
    found = [
        (left, right) for left, right, score in zip(scored.left, scored.right, scored.scores, strict=True) if score >= 4
    ]
    for name in ("snli", "mnli-matched", "mnli-mismatched"):
        found += [(row["premise"], row["hypothesis"]) for row in nli(name) if row["label"] == "entailment"]
    msrp = rows("pair_classification", "msrp", "train.jsonl")
    found += [(row["sentence1"], row["sentence2"]) for row in msrp if int(row["label"]) == 1]
    found += [
        (row["query"], row["text"]) for row in rows("reranking", "trecqa", "train.jsonl") if int(row["label"]) == 1
    ]
    found = sorted(set(found))
    random.Random(0).shuffle(found)
    lines = [json.dumps({"anchor": left, "positive": right}) for left, right in found[:3000]]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def model_directory(name: str) -> Path:
    """The extended model, made once."""
    out = WORK / name.replace(" ", "-").replace(",", "")
    if not out.is_dir():
        call = dict(METHODS[name])
        if name == "tune":
            call["pairs"] = str(tuning_pairs(WORK / "pairs.jsonl"))
        summary = extend.extend_context("minilm", out, to=TARGET, **call)
        (WORK / f"{out.name}.json").write_text(json.dumps(summary.as_dict()))
        if name == "tune":  # for texts of more than 256 tokens the table alone is the model
            shutil.copyfile(resolve("minilm") / "modules.json", out / "modules.json")
    return out


@cache
def encoder(name: str) -> vl.Encoder:
    """A method's model; plain ones on the fast backend."""
    if name == "truncated":
        return vl.load("minilm", backend="openvino", precision="bf16", threads=1)
    module = name in ("windows", "grouped by text", "interpolate, scaled")
    return vl.load(model_directory(name), backend="torch" if module else "openvino", precision="bf16", threads=1)


def vectors(name: str, texts: Sequence[str], kind: str = "document") -> np.ndarray:
    """Vectors as the extended model gives them."""
    source = encoder("truncated")
    if name in CHANGES_SHORT or name == "truncated":
        return encoder(name).encode(list(texts), kind=kind)
    assert source.tokenizer is not None
    long = np.array([len(source.tokenizer.encode(text).ids) > SOURCE for text in texts])
    found = np.empty((len(texts), source.dim), np.float32)
    for chosen, by in ((~long, source), (long, encoder(name) if long.any() else source)):
        if chosen.any():
            found[chosen] = by.encode([text for text, use in zip(texts, chosen, strict=True) if use], kind=kind)
    return found


def hidden_sentence(task: str, length: int, seed: int, name: str) -> list[float]:
    """Acc@1 of each question."""
    with tempfile.TemporaryDirectory() as folder:
        haystack = WORK / "brown.txt"
        if not haystack.is_file():
            write_haystack(haystack)
        (made,) = make_longembed(
            folder, lengths=(length,), queries=TEXTS, documents=TEXTS, haystack=haystack, seed=seed, tasks=(task,)
        )
        split = made / f"test_{length}"
        corpus, queries = read_rows(split / "corpus.jsonl"), read_rows(split / "queries.jsonl")
        lines = (split / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]
    answer = {line.split("\t")[0]: {line.split("\t")[1]} for line in lines}
    scores = vectors(name, list(queries.values()), "query") @ vectors(name, list(corpus.values())).T
    found = {query: dict(zip(corpus, row.tolist(), strict=True)) for query, row in zip(queries, scores, strict=True)}
    correct = correct_at_1(found, answer)
    return [correct[query] for query in queries]


def long_documents(seed: int) -> tuple[list[str], list[str]]:
    """Questions, and documents of which number i answers question i."""
    generator = random.Random(seed)
    corpus = {
        row["_id"]: f"{row['title']} {row['text']}".strip() for row in rows("retrieval", "cranfield", "corpus.jsonl")
    }
    queries = {row["_id"]: row["text"] for row in rows("retrieval", "cranfield", "queries.jsonl")}
    relevant = judged()
    chosen = generator.sample(sorted(relevant), LONG_DOCUMENTS)
    answers = {document for query in chosen for document in relevant[query]}
    others = sorted(name for name, text in corpus.items() if name not in answers and len(text.split()) > 30)
    generator.shuffle(others)
    documents, used = [], set()
    for query in chosen:
        best = max(relevant[query].values())
        own = sorted(
            name for name, grade in relevant[query].items() if grade == best and corpus.get(name) and name not in used
        )
        target = generator.choice(own or sorted(relevant[query]))
        used.add(target)
        pieces, words = [], len(corpus[target].split())
        while words < LONG_WORDS:
            pieces.append(corpus[others.pop()])
            words += len(pieces[-1].split())
        pieces.insert(generator.randint(0, len(pieces)), corpus[target])
        documents.append("\n\n".join(pieces))
    return [queries[query] for query in chosen], documents


def judged() -> dict[str, dict[str, int]]:
    """Grades of relevant documents by query."""
    import os

    found: dict[str, dict[str, int]] = {}
    file = Path(os.environ["VECLOOM_DATA"], "retrieval", "cranfield", "qrels", "test.tsv")
    for line in file.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            found.setdefault(query, {})[document] = int(grade)
    return found


def retrieval(seed: int, name: str) -> list[float]:
    """nDCG@10 of each question: its document is alone, so the discount of its rank."""
    questions, documents = long_documents(seed)
    scores = vectors(name, questions, "query") @ vectors(name, documents).T
    own = np.diag(scores)[:, None]
    ranks = (scores > own).sum(1) + 1
    return [float(1 / np.log2(rank + 1)) if rank <= 10 else 0.0 for rank in ranks]


def short_texts(name: str) -> dict[str, float]:
    """STSb test, and the largest change of a short text."""
    pairs = sts("stsb-en", "test.jsonl")
    left, right = vectors(name, pairs.left), vectors(name, pairs.right)
    before = encoder("truncated").encode(pairs.left)
    return {
        "spearman": spearman((left * right).sum(1), pairs.scores),
        "smallest_cosine": float((left * before).sum(1).min()),
    }


def nli(name: str) -> list[dict[str, Any]]:
    """Rows of an inference collection, labels in words."""
    words = {0: "entailment", 1: "neutral", 2: "contradiction"}
    return [row | {"label": words.get(row["label"], row["label"])} for row in rows("nli", name, "test.jsonl")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("short", "documents", "passkey", "needle", "report"))
    parser.add_argument("--match", default="", help="only cells whose name holds this pattern, as in 'passkey 512 0 t'")
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    kept = Kept(NAME)
    for task in ("documents", "short", "passkey", "needle"):
        if options.only in (None, task):
            for key, compute in cells(task):
                if re.search(options.match, key):
                    kept.run(key, compute)
    write_report(kept.runs)


def cells(task: str) -> list[tuple[str, Callable[[], Any]]]:
    """Name and computation of each cell of a task."""
    if task == "short":
        return [(f"short {name}", lambda name=name: short_texts(name)) for name in ("truncated", *CHANGES_SHORT)]
    if task == "documents":
        seeds = range(LONG_SEEDS)
        return [
            (f"documents {seed} {name}", lambda seed=seed, name=name: retrieval(seed, name))
            for seed in seeds
            for name in METHODS
        ]
    return [
        (
            f"{task} {length} {seed} {name}",
            lambda length=length, seed=seed, name=name: hidden_sentence(task, length, seed, name),
        )
        for length in LENGTHS
        for seed in range(SEEDS[task])
        for name in METHODS
    ]


# --- report --------------------------------------------------------------------------------------------------------


def pooled(runs: Mapping[str, Any], prefix: str, name: str) -> np.ndarray:
    """Scores of a method over all seeds, in one order for all methods."""
    seeds = [key for key in runs if key.startswith(prefix) and key.split(" ", len(prefix.split()) + 1)[-1] == name]
    return np.array([score for key in sorted(seeds) for score in runs[key]])


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean."""
    draws = np.random.default_rng(0).integers(0, len(values), (SAMPLES, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def shown(values: np.ndarray, sign: bool = False) -> str:
    if not len(values):
        return "-"
    low, high = interval(values)
    plus = "+" if sign else ""
    return f"{values.mean():{plus}.2f} ({low:{plus}.2f} to {high:{plus}.2f})"


def write_report(runs: Mapping[str, Any]) -> None:
    lines = ["# Longer texts for all-MiniLM-L6-v2: 256 to 4,096 tokens", ""]
    for task in ("passkey", "needle"):
        lines += [
            f"{task.capitalize()}, Acc@1 with the 95 % interval, by length in tokens of 0.75 words (chance {1 / TEXTS:.2f}):",
            "",
            f"| method | {' | '.join(f'{length:,}' for length in LENGTHS)} |",
            f"| --- | {' | '.join(['---'] * len(LENGTHS))} |",
        ]
        for name in METHODS:
            found = [shown(pooled(runs, f"{task} {length}", name)) for length in LENGTHS]
            lines.append(f"| {name} | {' | '.join(found)} |")
        lines.append("")
    lines += [
        "Cranfield abstracts in documents of 2,048 tokens, nDCG@10, and the difference to the model that cuts; short texts:",
        "",
        "| method | nDCG@10 | difference | STSb | smallest cosine of a short text to before |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    before = pooled(runs, "documents", "truncated")
    for name in METHODS:
        found = pooled(runs, "documents", name)
        short = runs.get(f"short {name}")
        told = f"{short['spearman']:.1f} | {short['smallest_cosine']:.4f}" if short else "- | -"
        told = told if name in ("truncated", *CHANGES_SHORT) else "unchanged | 1"
        gain = shown(found - before, sign=True) if len(found) == len(before) and name != "truncated" else ""
        lines.append(f"| {name} | {shown(found)} | {gain} | {told} |")
    lines += [
        "",
        f"{TEXTS} questions over {TEXTS} texts for each length, 2 seeds; {LONG_DOCUMENTS} questions over as many long documents,",
        f"{LONG_SEEDS} seeds; bootstrap over questions.",
        f"Made by `python experiments/{NAME}.py` on {machine()['processor']}, bfloat16.",
    ]
    report(NAME, lines)


if __name__ == "__main__":
    main()
