"""Why bags of words win FinMTEB's similarity tasks: pairs of sentences that share nearly all words.

    VECLOOM_DATA=... python experiments/finmteb_subtle_shift.py [--seed 0]

300 sentences of AG News that hold a figure and at least eight content words. Each is paired with itself after k of its
content words were replaced, k in {0, 1, 2, 4, 8}, and the gold similarity is 1 - k / 8, so a replaced word counts the same
whatever it means. Two ways to choose the words: figures and words of direction first (a figure becomes another figure, "rose"
becomes "fell"), then content words of other sentences; or content words anywhere.
Beside them SemEval STS 2015, where people judged and pairs share few words.

Measured: Spearman's rank correlation x 100 of cosine and gold, its 95 % percentile bootstrap interval over sentences (over
pairs for STS 2015), and the interval of each difference to MiniLM on the same draws. counts and tf-idf are fitted on the
task's own sentences. This shows the mechanism; it is not FinSTS itself.
Writes ``experiments/results/finmteb_subtle_shift.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer, TfidfVectorizer

import vecloom as vl
from vecloom.encoders.lexical import WORD
from vecloom.evaluate.domain.complexity import sentences_of
from vecloom.evaluate.domain.rank_agreement import spearman
from vecloom.files import write_text
from vecloom.runtime import cpu

RESULTS = Path(__file__).parent / "results"
SENTENCES = 300
REPLACED = (0, 1, 2, 4, 8)
SAMPLES = 1000
REMNANTS = "#\\&<>"  # of markup, as in "#39;s": no figures
ENCODERS = ("counts", "tf-idf", "minilm")
TOKEN = re.compile(r"\d[\d,.]*\d|\d|[^\W\d_]+|[^\w\s]|\s+")
OPPOSITES = (
    "rose fell|rise fall|rises falls|rising falling|up down|gain loss|gains losses|gained lost|higher lower|high low"
)
OPPOSITES += "|increase decrease|increased decreased|profit deficit|more less|above below|strong weak|growth decline"
PAIRS = [pair.split() for pair in OPPOSITES.split("|")]
DIRECTIONS = {word: other for one, two in PAIRS for word, other in ((one, two), (two, one))}


class Task(NamedTuple):
    """Pairs, their gold similarity, and the sentence that each pair was made of (the unit of the bootstrap)."""

    first: list[str]
    second: list[str]
    gold: np.ndarray
    units: np.ndarray


def is_figure(token: str) -> bool:
    return token[0].isdigit()


def is_content(token: str) -> bool:
    """A figure, a word of direction, or a lower-case word of four letters or more that is no stop word."""
    plain = token.isalpha() and token.islower() and len(token) >= 4 and token not in ENGLISH_STOP_WORDS
    return is_figure(token) or token in DIRECTIONS or plain


def chosen_sentences(seed: int) -> list[list[str]]:
    """Tokens, spaces among them, of sentences of AG News that hold a figure and eight content words or more."""
    path = Path(os.environ["VECLOOM_DATA"], "classification", "ag-news", "test.jsonl")
    texts = [json.loads(line)["text"] for line in path.open(encoding="utf-8")]
    found = dict.fromkeys(
        part.strip() for text in texts for part in sentences_of(text) if not set(part) & set(REMNANTS)
    )
    cut = [TOKEN.findall(sentence) for sentence in found]
    fitting = [
        tokens for tokens in cut if any(map(is_figure, tokens)) and sum(map(is_content, tokens)) >= max(REPLACED)
    ]
    return random.Random(seed).sample(fitting, SENTENCES)


def replacement(token: str, pool: list[str], drawn: random.Random) -> str:
    """Another figure of as many digits, the opposite direction, or a content word of another sentence."""
    if token in DIRECTIONS:
        return DIRECTIONS[token]
    while True:
        figure = re.sub(r"\d", lambda _: str(drawn.randint(1, 9)), token)
        new = figure if is_figure(token) else drawn.choice(pool)
        if new != token:
            return new


def shifted(tokens: list[str], count: int, pool: list[str], telling_first: bool, drawn: random.Random) -> str:
    """The sentence with ``count`` content words replaced."""
    places = [place for place, token in enumerate(tokens) if is_content(token)]
    drawn.shuffle(places)
    if telling_first:
        places.sort(key=lambda place: not (is_figure(tokens[place]) or tokens[place] in DIRECTIONS))
    new = tokens.copy()
    for place in places[:count]:
        new[place] = replacement(tokens[place], pool, drawn)
    return "".join(new)


def shift_task(sentences: list[list[str]], telling_first: bool, seed: int) -> Task:
    drawn = random.Random(seed)
    pool = [token for tokens in sentences for token in tokens if is_content(token) and token.isalpha()]
    first, second, gold = [], [], []
    for tokens in sentences:
        for count in REPLACED:
            first.append("".join(tokens))
            second.append(shifted(tokens, count, pool, telling_first, drawn))
            gold.append(1 - count / max(REPLACED))
    return Task(first, second, np.array(gold), np.repeat(np.arange(len(sentences)), len(REPLACED)))


def sts15() -> Task:
    path = Path(os.environ["VECLOOM_DATA"], "sts", "sts15", "test.jsonl")
    records = [json.loads(line) for line in path.open(encoding="utf-8")]
    scores = np.array([record["score"] for record in records], float)
    first, second = ([record[name] for record in records] for name in ("sentence1", "sentence2"))
    return Task(first, second, scores, np.arange(len(records)))


def cosines(task: Task, minilm: vl.Encoder) -> dict[str, np.ndarray]:
    """Cosine of each pair by each encoder."""
    texts, n = task.first + task.second, len(task.first)
    vectors: dict[str, Any] = {"minilm": minilm.encode(texts)}
    for name, vectorizer in (("counts", CountVectorizer), ("tf-idf", TfidfVectorizer)):
        vectors[name] = vectorizer(token_pattern=WORD).fit_transform(texts)
    found = {}
    for name in ENCODERS:
        left, right = vectors[name][:n], vectors[name][n:]
        if name == "minilm":
            found[name] = (left * right).sum(axis=1)
        else:
            lengths = [np.sqrt(np.asarray(side.multiply(side).sum(axis=1)).ravel()) for side in (left, right)]
            products = np.asarray(left.multiply(right).sum(axis=1)).ravel()
            # rounded, so that equal pairs of any length are tied at 1
            found[name] = np.round(products / np.maximum(lengths[0] * lengths[1], 1e-12), 12)
    return found


def measured(task: Task, minilm: vl.Encoder, seed: int) -> dict[str, Any]:
    """Spearman x 100 of each encoder, and its difference to MiniLM, with 95 % bootstrap intervals over units."""
    by_encoder = cosines(task, minilm)
    rows = [np.flatnonzero(task.units == unit) for unit in range(int(task.units.max()) + 1)]
    generator = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in ENCODERS}
    for _ in range(SAMPLES):
        chosen = np.concatenate([rows[unit] for unit in generator.integers(0, len(rows), len(rows))])
        for name in ENCODERS:
            draws[name].append(100 * spearman(by_encoder[name][chosen], task.gold[chosen]))
    whole = {name: 100 * spearman(by_encoder[name], task.gold) for name in ENCODERS}
    found: dict[str, Any] = {"pairs": len(task.gold), "shared words": shared_words(task)}
    for name in ENCODERS:
        found[name] = {"spearman": whole[name], "interval": interval(draws[name])}
        if name != "minilm":
            gap = np.array(draws[name]) - np.array(draws["minilm"])
            found[f"{name} - minilm"] = {"spearman": whole[name] - whole["minilm"], "interval": interval(gap)}
    return found


def shared_words(task: Task) -> float:
    """Mean Jaccard overlap of the words of a pair."""
    cut = re.compile(WORD)
    overlaps = []
    for one, other in zip(task.first, task.second, strict=True):
        left, right = (set(cut.findall(text.lower())) for text in (one, other))
        overlaps.append(len(left & right) / max(len(left | right), 1))
    return float(np.mean(overlaps))


def interval(values: Any) -> list[float]:
    return [float(bound) for bound in np.percentile(values, [2.5, 97.5])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    sentences = chosen_sentences(seed)
    tasks = {
        "figures and directions replaced first": shift_task(sentences, True, seed),
        "any content words replaced": shift_task(sentences, False, seed),
        "SemEval STS 2015": sts15(),
    }
    minilm = vl.load("minilm")
    results = {}
    for name, task in tasks.items():
        results[name] = measured(task, minilm, seed)
        print(name, results[name], flush=True)
    sample = tasks["figures and directions replaced first"]
    report(results, [(sample.first[row], sample.second[row]) for row in (1, 2, 3)], seed)


def report(results: dict[str, Any], examples: list[tuple[str, str]], seed: int) -> None:
    columns = (*ENCODERS, *(f"{name} - minilm" for name in ENCODERS[:-1]))
    lines = [
        "# Subtle shifts: Spearman x 100",
        "",
        f"| pairs | number | words shared | {' | '.join(columns)} |",
        "| --- | ---: | ---: | --- | --- | --- | --- | --- |",
    ]
    for name, found in results.items():
        lines.append(
            f"| {name} | {found['pairs']:,} | {found['shared words']:.2f} | "
            f"{' | '.join(_cell(found[column], column) for column in columns)} |"
        )
    machine = {"processor": cpu.name(), "python": platform.python_version(), "vecloom": vl.__version__, "seed": seed}
    lines += [
        "",
        f"{SENTENCES} sentences of AG News with k in {REPLACED} content words replaced, gold 1 - k / 8; 95 % bootstrap",
        "interval over sentences (STS 2015: over pairs), differences on the same draws. Words shared: mean Jaccard overlap.",
        f"Made by `python experiments/finmteb_subtle_shift.py --seed {seed}` on {machine['processor']}.",
    ]
    RESULTS.mkdir(exist_ok=True)
    stored = {**machine, "results": results, "examples": examples}
    write_text(RESULTS / "finmteb_subtle_shift.md", "\n".join(lines) + "\n")
    write_text(RESULTS / "finmteb_subtle_shift.json", json.dumps(stored, indent=1, ensure_ascii=False) + "\n")


def _cell(found: dict[str, Any], column: str) -> str:
    low, high = found["interval"]
    sign = "+" if " - " in column else ""
    return f"{found['spearman']:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


if __name__ == "__main__":
    main()
