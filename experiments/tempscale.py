"""Attention temperature on short and long texts: the collapse, what the search picks, and what it is worth on other data.

    VECLOOM_DATA=... OMP_NUM_THREADS=1 python experiments/tempscale.py

The model is all-MiniLM-L6-v2. First the diagnosis: mean cosine of two of 100 film reviews (IMDB) of at least 256 tokens, cut to
16 to 256 tokens, at five temperatures, and the filter rate of each layer. Then the search of ``vecloom extend temperature`` on
a sample of 120 other reviews (Pang and Lee 2004); with ``--more`` on two more samples, and one for each layer. Then tests that
neither saw, at fixed temperatures and at what the search picked on the first sample: sentiment of IMDB reviews by length
(logistic regression on 5 folds), Cranfield by length of the relevant document, STSb and AG News for short texts.
Differences to the model as it is have 95 % percentile bootstrap intervals over texts, queries or pairs.
Writes ``experiments/results/tempscale.json`` and ``.md``, and the picture of the docs; a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

import vecloom as vl
from training import Kept, machine, report, rows, sts
from vecloom.extend.temperature import open_attention, set_temperature
from vecloom.extend.temperature_collapse import Collapse, collapse, told
from vecloom.extend.temperature_network import ProbedNetwork, cut_tokens
from vecloom.extend.temperature_plot import draw
from vecloom.extend.temperature_search import probe_of_parts, search

FIGURE = Path(__file__).parents[1] / "docs" / "systems" / "tempscale.png"
LENGTHS = (16, 32, 64, 128, 256)
TAUS = (1.0, 0.9, 0.8, 0.7, 0.5)
TESTED = (0.9, 0.8, 0.6)
SAMPLES = 3
REVIEWS = 400  # of IMDB, for sentiment
LONG = 100  # of IMDB, for the diagnosis
DRAWS = 1000
BUCKETS = (("1 to 150 tokens", 0, 150), ("151 to 220", 150, 220), ("over 220", 220, 10_000))  # the model reads 256

Setting = Sequence[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--more", action="store_true", help="search on two more samples and for each layer, too")
    kept = Kept("tempscale")
    network = ProbedNetwork(open_attention("minilm"))
    for tau in TAUS:
        kept.run(f"collapse {tau:g}", lambda tau=tau: diagnosis(network, tau))
    kept.run("search 0", lambda: found(network, 0, per_layer=False))
    settings = {f"{tau:g}": [tau] * network.layers for tau in (1.0, *TESTED)}
    picked = kept.runs["search 0"]["taus"]
    settings.setdefault(f"{picked[0]:g}", picked)
    for name, taus in sorted(settings.items(), key=lambda setting: setting[1] not in ([1.0] * network.layers, picked)):
        kept.run(f"tests {name}", lambda taus=taus: tests(taus))
    if parser.parse_args().more:
        for sample in range(1, SAMPLES):
            kept.run(f"search {sample}", lambda sample=sample: found(network, sample, per_layer=False))
        kept.run("search by layer 0", lambda: found(network, 0, per_layer=True))
        by_layer = kept.runs["search by layer 0"]["taus"]
        settings.setdefault(told(by_layer), by_layer)
        kept.run(f"tests {told(by_layer)}", lambda: tests(by_layer))
    write(kept, list(settings))


def diagnosis(network: ProbedNetwork, tau: float) -> dict[str, Any]:
    """Cosines and rates at one temperature, and the cosines' means over resampled texts for the shortest and longest length."""
    texts = [row["text"] for row in rows("classification", "textfooler-imdb", "test.jsonl")]
    measured = collapse(network, texts, lengths=LENGTHS, taus=(tau,), most=LONG)
    long = [text for text, ids in zip(texts, cut_tokens(network.tokenizer, texts, 256), strict=True) if ids][:LONG]
    with network.temperature.at(tau):
        ends = [network.vectors([i for i in cut_tokens(network.tokenizer, long, n) if i]) for n in (16, 256)]
    generator = np.random.default_rng(0)
    gaps = []
    for _ in range(500):
        drawn = generator.integers(len(long), size=len(long))
        gaps.append(_mean_cosine(ends[1][drawn], drawn) - _mean_cosine(ends[0][drawn], drawn))
    return {**measured.as_dict(), "gaps": gaps}


def _mean_cosine(vectors: np.ndarray, owners: np.ndarray) -> float:
    """Mean over pairs of different texts of a resample."""
    different = owners[:, None] != owners[None]
    return float((vectors @ vectors.T)[different].mean())


def found(network: ProbedNetwork, sample: int, *, per_layer: bool) -> dict[str, Any]:
    """What the search picks on a third of the reviews of Pang and Lee."""
    texts = [row["text"] for row in rows("classification", "movie-reviews", "all.jsonl")]
    kept = texts[sample::SAMPLES][:120]
    if per_layer:  # 22 trials instead of 43, of half the tokens
        return search(network, probe_of_parts(network, kept, (32, 128)), grid=(0.9, 0.8, 0.6), per_layer=True).as_dict()
    return search(network, probe_of_parts(network, kept, (16, 32, 64, 128))).as_dict()


def tests(taus: Setting) -> dict[str, Any]:
    """What each unit of each test scores."""
    with tempfile.TemporaryDirectory() as folder:
        set_temperature("minilm", Path(folder, "model"), taus)
        encoder = vl.load(Path(folder, "model"), backend="openvino", precision="bf16", threads=1)
        return {
            "IMDB": sentiment(encoder),
            "Cranfield": cranfield(encoder),
            "STSb": similarity(encoder),
            "AG News": news(encoder),
        }


def sentiment(encoder: vl.Encoder) -> dict[str, Any]:
    """Right or wrong for each review, and its tokens."""
    found = rows("classification", "textfooler-imdb", "test.jsonl")[:REVIEWS]
    texts = [row["text"] for row in found]
    right = _folds(encoder.encode(texts), [row["label"] for row in found])
    return {"right": right, "tokens": [len(e.ids) for e in encoder.tokenizer.encode_batch(texts)]}


def news(encoder: vl.Encoder) -> dict[str, Any]:
    """Right or wrong for each of 500 news items."""
    found = rows("classification", "ag-news", "test.jsonl")[:500]
    return {"right": _folds(encoder.encode([row["text"] for row in found]), [row["label"] for row in found])}


def _folds(vectors: np.ndarray, labels: Sequence[Any]) -> list[int]:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    known = np.array([str(label) for label in labels])
    guessed = cross_val_predict(LogisticRegression(C=10, max_iter=1000), vectors, known, cv=folds)
    return (guessed == known).astype(int).tolist()


def cranfield(encoder: vl.Encoder) -> dict[str, Any]:
    """nDCG@10 of each query, and for each judged pair whether the document is in the first ten, with its tokens."""
    corpus = rows("retrieval", "cranfield", "corpus.jsonl")
    asked = rows("retrieval", "cranfield", "queries.jsonl")
    texts = [f"{row.get('title', '')} {row['text']}".strip() for row in corpus]
    place = {str(row["_id"]): number for number, row in enumerate(corpus)}
    grades: dict[str, dict[int, int]] = {}
    path = Path(os.environ["VECLOOM_DATA"], "retrieval", "cranfield", "qrels", "test.tsv")
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0 and document in place:
            grades.setdefault(query, {})[place[document]] = int(grade)
    asked = [row for row in asked if str(row["_id"]) in grades]
    scores = encoder.encode([row["text"] for row in asked], kind="query") @ encoder.encode(texts).T
    tokens = [len(encoding.ids) for encoding in encoder.tokenizer.encode_batch(texts)]
    gains, hits = [], []
    for row, each in zip(asked, scores, strict=True):
        top = np.argsort(-each)[:10].tolist()
        judged = grades[str(row["_id"])]
        discounts = 1 / np.log2(np.arange(2, 12))
        ideal = sorted(judged.values(), reverse=True)[:10]
        gains.append(
            float(
                sum(judged.get(d, 0) * w for d, w in zip(top, discounts, strict=False))
                / np.dot(ideal, discounts[: len(ideal)])
            )
        )
        hits += [[tokens[document], int(document in top)] for document in judged]
    return {"ndcg": gains, "hits": hits}


def similarity(encoder: vl.Encoder) -> dict[str, Any]:
    """The cosine of each pair."""
    pairs = sts("stsb-en", "test.jsonl")
    cosines = (encoder.encode(pairs.left) * encoder.encode(pairs.right)).sum(1)
    return {"cosine": [round(float(value), 6) for value in cosines], "score": pairs.scores.tolist()}


def difference(
    before: np.ndarray, after: np.ndarray, measure: Callable[[np.ndarray, np.ndarray], float]
) -> tuple[float, float, float]:
    """Measure after less before, x 100, with its interval over resampled units; ``measure(units, numbers)``."""
    generator = np.random.default_rng(0)
    count = len(before)
    whole = np.arange(count)
    drawn = [generator.integers(count, size=count) for _ in range(DRAWS)]
    each = [measure(after, numbers) - measure(before, numbers) for numbers in drawn]
    low, high = np.quantile(each, (0.025, 0.975))
    return 100 * (measure(after, whole) - measure(before, whole)), 100 * float(low), 100 * float(high)


def mean_of(units: np.ndarray, numbers: np.ndarray) -> float:
    return float(units[numbers].mean())


def correlation(units: np.ndarray, numbers: np.ndarray) -> float:
    return float(stats.spearmanr(units[numbers, 0], units[numbers, 1]).statistic)


def units_of(outcome: dict[str, Any]) -> dict[str, tuple[np.ndarray, Callable[[np.ndarray, np.ndarray], float]]]:
    """Each test as units and their measure."""
    imdb = np.array(outcome["IMDB"]["right"], float)
    tokens = np.array(outcome["IMDB"]["tokens"])
    hits = np.array(outcome["Cranfield"]["hits"], float)
    found: dict[str, Any] = {}
    for name, low, high in BUCKETS:
        found[f"IMDB accuracy, {name}"] = (imdb[(tokens > low) & (tokens <= high)], mean_of)
    found["IMDB accuracy, all"] = (imdb, mean_of)
    for name, low, high in BUCKETS:
        held = (hits[:, 0] > low) & (hits[:, 0] <= high)
        found[f"Cranfield recall@10, documents of {name}"] = (hits[held, 1], mean_of)
    found["Cranfield nDCG@10"] = (np.array(outcome["Cranfield"]["ndcg"]), mean_of)
    found["STSb Spearman (short)"] = (np.array([outcome["STSb"]["cosine"], outcome["STSb"]["score"]]).T, correlation)
    found["AG News accuracy (short)"] = (np.array(outcome["AG News"]["right"], float), mean_of)
    return found


def write(kept: Kept, names: list[str]) -> None:
    runs = kept.runs
    names = [name for name in names if f"tests {name}" in runs]
    base = units_of(runs["tests 1"])
    lines = ["# Attention temperature", "", "Mean cosine of two of 100 reviews, cut to so many tokens:", ""]
    lines += [f"| temperature | {' | '.join(map(str, LENGTHS))} | 256 less 16 |", "| --- " * (len(LENGTHS) + 2) + "|"]
    for tau in TAUS:
        run = runs[f"collapse {tau:g}"]
        cosines = run["cosines"][f"{tau:g}"]
        low, high = np.quantile(run["gaps"], (0.025, 0.975))
        cells = " | ".join(f"{value:.3f}" for value in cosines)
        lines.append(f"| {tau:g} | {cells} | {cosines[-1] - cosines[0]:.3f} ({low:.3f} to {high:.3f}) |")
    steps = np.array(runs["collapse 0.8"]["gaps"]) - np.array(runs["collapse 1"]["gaps"])
    low, high = np.quantile(steps, (0.025, 0.975))
    lines += [
        "",
        f"The gap at 0.8 less the gap at 1, on the same resamples: {steps.mean():+.3f} ({low:+.3f} to {high:+.3f}).",
    ]
    lines += ["", "Filter rate by layer (mean over heads and 8 texts) at 16 and at 256 tokens:", ""]
    lines += ["| layer | 16, at 1 | 256, at 1 | 16, at 0.8 | 256, at 0.8 |", "| --- | --- | --- | --- | --- |"]
    for layer, (one, sharp) in enumerate(
        zip(runs["collapse 1"]["rates"]["1"], runs["collapse 0.8"]["rates"]["0.8"], strict=True), 1
    ):
        lines.append(f"| {layer} | {one[0]:.2f} | {one[-1]:.2f} | {sharp[0]:.2f} | {sharp[-1]:.2f} |")
    lines += [
        "",
        "What the search picked on samples of other reviews, and its gain on the half that did not choose:",
        "",
    ]
    lines += ["| | temperature | gain in reciprocal rank x 100 |", "| --- | --- | --- |"]
    searches = [*(f"search {sample}" for sample in range(SAMPLES)), "search by layer 0"]
    for name in (name for name in searches if name in runs):
        run = runs[name]
        picked = told(run["taus"]) if len(set(run["taus"])) > 1 else f"{run['taus'][0]:g}"
        low, high = run["interval"]
        lines.append(f"| {name} | {picked} | {100 * run['gain']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}) |")
    lines += ["", "Tests that neither saw, x 100: the model as it is, and differences to it:", ""]
    lines += [f"| | n | 1 | {' | '.join(names[1:])} |", "| --- " * (len(names) + 2) + "|"]
    for test, (units, measure) in base.items():
        cells = []
        for name in names[1:]:
            change = difference(units, units_of(runs[f"tests {name}"])[test][0], measure)
            cells.append("{:+.1f} ({:+.1f} to {:+.1f})".format(*change))
        start = 100 * measure(units, np.arange(len(units)))
        lines.append(f"| {test} | {len(units):,} | {start:.1f} | {' | '.join(cells)} |")
    lines += ["", "Intervals: 95 % percentile bootstrap over reviews, queries, judged pairs or pairs."]
    lines += [f"Made by `python experiments/tempscale.py` on {machine()['processor']}."]
    report("tempscale", lines)
    one, sharp = runs["collapse 1"], runs["collapse 0.8"]
    both = Collapse(
        "minilm", one["texts"], LENGTHS, one["cosines"] | sharp["cosines"], {}, one["rates"] | sharp["rates"]
    )
    draw(both, FIGURE)


if __name__ == "__main__":
    main()
