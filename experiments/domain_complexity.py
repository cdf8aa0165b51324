"""Is a domain hard for encoders because of the domain, or because its texts are harder? And a placebo.

    VECLOOM_DATA=... python experiments/domain_complexity.py [--parser en_core_web_sm] [--seed 0]

1. Complexity of public collections, 500 texts each: entropy, Gunning Fog, and, where ``--parser`` names an installed spaCy
   pipeline, mean dependency distance (of each text's first 2,000 characters).
2. Domain gap: texts written by users (forums, tweets, students' answers, customers' questions, reviews) as the special
   domain, edited texts as the general one. 16 STS sets (SemEval 2012, 2014 and 2015 by subset, and SICK; at most 750 pairs)
   and 9 classification sets. Four encoders: MiniLM, its first 64 dimensions, its distilled token table, and tf-idf fitted
   on the data set's own texts. Scores: Spearman of cosine and human score; accuracy of logistic regression on eight
   texts a label (mean of five draws) on 500 others. Which set is of which domain was fixed before scoring.
3. Joined sentences: AG News with its full stops turned into "and": the measures move, the domain does not.
4. Placebo: AG News cut at random into 40 sets, which are called two domains at random 200 times. How often is the
   domain "significant" at 5 % (binomial 95 % interval)?

Writes ``experiments/results/domain_complexity.json`` and ``.md``, and the figure of ``docs/systems/domain-complexity.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

import vecloom as vl
from vecloom.encoders.protocol import finish
from vecloom.evaluate.domain.complexity import ComplexityProfile, complexity_profile
from vecloom.evaluate.domain.dependency import SpacyParser, spacy_parser
from vecloom.evaluate.domain.domain_gap import DomainGapReport, domain_gap
from vecloom.evaluate.domain.domain_rows import ScoreRow
from vecloom.evaluate.domain.plots_domain import score_plot
from vecloom.evaluate.domain.rank_agreement import spearman
from vecloom.files import atomic_path, write_text
from vecloom.runtime import cpu

RESULTS = Path(__file__).parent / "results"
FIGURE = Path(__file__).parents[1] / "docs" / "systems" / "domain-complexity.png"
TEXTS = 500
PAIRS = 750
SHOTS, DRAWS = 8, 5
PARSED = 2000  # characters of a text
SETS, SPLITS = 40, 200
USERS = ("deft-forum", "tweet-news", "answers-forums", "answers-students", "belief")
USERS += ("banking77", "movie-reviews", "imdb", "yelp")

Features = Callable[[list[str]], Any]


class Texts(NamedTuple):
    """Labelled texts: a pool to draw training texts from, and the texts to score."""

    pool: list[tuple[str, str]]
    test: list[tuple[str, str]]


def records(path: str) -> Iterator[dict[str, Any]]:
    with Path(os.environ["VECLOOM_DATA"], path).open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def labelled(path: str) -> list[tuple[str, str]]:
    return [(record["text"], str(record["label"])) for record in records(path)]


def brown_genres() -> list[tuple[str, str]]:
    """Sentences of eight words or more, labelled by the letter of their category."""
    rows = [(record["text"], record["doc"][1]) for record in records("text/brown/sentences.jsonl")]
    return [row for row in rows if len(row[0].split()) >= 8]


def divided(rows: list[tuple[str, str]], seed: int) -> Texts:
    """500 texts to score and, of the others, at most 30 a label to draw from."""
    mixed = random.Random(seed).sample(rows, len(rows))
    pool: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in mixed[TEXTS:]:
        if len(pool[row[1]]) < 30:
            pool[row[1]].append(row)
    return Texts([row for label in sorted(pool) for row in pool[label]], mixed[:TEXTS])


def classification_sets(seed: int) -> dict[str, Texts]:
    folder = "classification"
    rows = {
        "ag-news": labelled(f"{folder}/ag-news/test.jsonl"),
        "trec-qc": labelled(f"{folder}/trec-qc/train.jsonl"),
        "brown": brown_genres(),
        "subjectivity": labelled(f"{folder}/subjectivity/all.jsonl"),
        "critics": labelled(f"{folder}/textfooler-mr/test.jsonl"),
        "banking77": labelled(f"{folder}/banking77/train.jsonl"),
        "movie-reviews": labelled(f"{folder}/movie-reviews/all.jsonl"),
        "imdb": labelled(f"{folder}/textfooler-imdb/test.jsonl"),
        "yelp": labelled(f"{folder}/textfooler-yelp/test.jsonl"),
    }
    return {name: divided(found, seed) for name, found in rows.items()}


def sts_sets(seed: int) -> dict[str, list[dict[str, Any]]]:
    """Pairs by subset; a subset that comes in two years carries the year."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for year in ("12", "14", "15"):
        for record in records(f"sts/sts{year}/test.jsonl"):
            again = record["subset"] in ("OnWN", "headlines", "images")
            found[f"{record['subset']}{year if again else ''}"].append(record)
    found["sick"] = list(records("sts/sick/train.jsonl"))
    return {name: random.Random(seed).sample(rows, min(PAIRS, len(rows))) for name, rows in found.items()}


def few_shot_accuracy(train: Any, train_labels: np.ndarray, test: Any, test_labels: np.ndarray, seed: int) -> float:
    """Mean accuracy of logistic regression on ``SHOTS`` rows a label, over ``DRAWS`` draws."""
    generator = np.random.default_rng(seed)
    labels = np.unique(train_labels)
    accuracies = []
    for _ in range(DRAWS):
        rows = np.concatenate(
            [generator.permutation(np.flatnonzero(train_labels == label))[:SHOTS] for label in labels]
        )
        model = LogisticRegression(max_iter=100).fit(train[rows], train_labels[rows])
        accuracies.append(float((model.predict(test) == test_labels).mean()))
    return float(np.mean(accuracies))


def encoders() -> dict[str, Features]:
    minilm = vl.load("minilm")
    shared, static = remembered(minilm.encode), vl.distill(minilm, dim=256)
    return {
        "minilm": shared,
        "minilm, 64 dims": lambda texts: finish(shared(texts), 64, normalize=True),
        "static 256": static.encode,
        "tf-idf": lambda texts: vl.LexicalEncoder.fit(texts).encode_sparse(texts),
    }


def remembered(encode: Features) -> Features:
    """MiniLM's two forms share one run of the network."""
    last: dict[str, Any] = {}

    def features(texts: list[str]) -> Any:
        if last.get("texts") != texts:
            last.update(texts=texts, found=encode(texts))
        return last["found"]

    return features


def cosines(features: Any, n: int) -> np.ndarray:
    """Cosine of row i and row n + i of vectors of length 1."""
    left, right = features[:n], features[n:]
    products = left.multiply(right) if hasattr(left, "multiply") else left * right
    return np.asarray(products.sum(axis=1)).ravel()


def score_sets(models: dict[str, Features], seed: int) -> tuple[list[ScoreRow], dict[str, list[str]]]:
    """A row for each model and data set, and 500 texts of each data set."""
    rows, texts_of = [], {}
    for name, pairs in sts_sets(seed).items():
        texts = [pair["sentence1"] for pair in pairs] + [pair["sentence2"] for pair in pairs]
        gold = np.array([pair["score"] for pair in pairs], float)
        for model, encode in models.items():
            rows.append(row(model, name, "sts", spearman(cosines(encode(texts), len(pairs)), gold)))
        texts_of[name] = random.Random(seed).sample(texts, min(TEXTS, len(texts)))
    for name, data in classification_sets(seed).items():
        texts, labels = zip(*data.pool, *data.test, strict=True)
        known, n = np.array(labels), len(data.pool)
        for model, encode in models.items():
            found = encode(list(texts))
            accuracy = few_shot_accuracy(found[:n], known[:n], found[n:], known[n:], seed)
            rows.append(row(model, name, "classification", accuracy))
        texts_of[name] = list(texts[n:])
        print(name, flush=True)
    return rows, texts_of


def row(model: str, name: str, task_type: str, score: float) -> ScoreRow:
    return ScoreRow(model, name, "users" if name in USERS else "edited", task_type, score)


class FirstPart:
    """A parser that reads the first characters of a text, because some reviews are very long."""

    def __init__(self, parser: SpacyParser) -> None:
        self.parser, self.name = parser, parser.name

    def __call__(self, text: str) -> Any:
        """As ``Parser``."""
        return self.parser(text[:PARSED])


def profile(texts: list[str], parser: FirstPart | None, seed: int) -> ComplexityProfile:
    measures = ("entropy", "fog", "mdd") if parser else ("entropy", "fog")
    return complexity_profile(texts, measures=measures, parser=parser, seed=seed)


def collections(parser: FirstPart | None, seed: int) -> dict[str, ComplexityProfile]:
    """Profiles of 500 texts of each collection."""
    cranfield = [record["text"] for record in records("retrieval/cranfield/corpus.jsonl") if record["text"].strip()]
    sources = {
        "Cranfield (aeronautics abstracts)": cranfield,
        "Banking77 (questions)": [text for text, _ in labelled("classification/banking77/test.jsonl")],
        "movie reviews": [text for text, _ in labelled("classification/movie-reviews/all.jsonl")],
        "Brown (sentences)": [text for text, _ in brown_genres()],
        "STS 2015 (sentences)": [record["sentence1"] for record in records("sts/sts15/test.jsonl")],
    }
    news: dict[str, list[str]] = defaultdict(list)
    for text, label in labelled("classification/ag-news/test.jsonl"):
        news[f"AG News, {label}"].append(text)
    found = {}
    for name, texts in {**sources, **news}.items():
        found[name] = profile(random.Random(seed).sample(texts, TEXTS), parser, seed)
    plain = random.Random(seed).sample([text for texts in news.values() for text in texts], TEXTS)
    found["AG News, all"] = profile(plain, parser, seed)
    found["AG News, sentences joined"] = profile([joined(text) for text in plain], parser, seed)
    return found


def joined(text: str) -> str:
    """All sentences of a text as one."""
    return " and".join(part for part in text.replace("! ", ". ").replace("? ", ". ").split(". ") if part)


def placebo(models: dict[str, Features], seed: int) -> dict[str, Any]:
    """Share of random domains of AG News that each analysis calls significant at 5 %."""
    data = labelled("classification/ag-news/test.jsonl")
    random.Random(seed).shuffle(data)
    size = len(data) // SETS
    rows, complexity = [], {}
    for number in range(SETS):
        texts, labels = zip(*data[number * size : (number + 1) * size], strict=True)
        half, known, name = size // 2, np.array(labels), f"part {number}"
        for model, encode in models.items():
            found = encode(list(texts))
            accuracy = few_shot_accuracy(found[:half], known[:half], found[half:], known[half:], seed)
            rows.append(ScoreRow(model, name, "general", "classification", accuracy))
        complexity[name] = complexity_profile(texts, measures=("entropy", "fog"), seed=seed).measures()
    counts: dict[str, int] = defaultdict(int)
    for split in range(SPLITS):
        special = {f"part {number}" for number in random.Random(f"{seed} {split}").sample(range(SETS), SETS // 2)}
        flagged = [replace(found, domain="special") if found.dataset in special else found for found in rows]
        for name, p in p_values(domain_gap(flagged, complexity, permutations=2000, seed=split)).items():
            counts[name] += p < 0.05
    bounds = {name: binomtest(count, SPLITS).proportion_ci() for name, count in counts.items()}
    return {n: {"share": count / SPLITS, "interval": [float(x) for x in bounds[n]]} for n, count in counts.items()}


def p_values(report: DomainGapReport) -> dict[str, float]:
    """The p-value of the domain in each analysis."""
    found = {f"{table.method} ANOVA": table.domain.p for table in report.anova}
    found["permutation test"] = report.permutation[0].p
    found["regression, raw"] = report.regressions[0].raw_domain.p
    return {**found, **{f"regression, {each.measure}": each.domain.p for each in report.regressions}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parser", help="an installed spaCy pipeline")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    seed, reader = arguments.seed, FirstPart(spacy_parser(arguments.parser)) if arguments.parser else None
    models = encoders()
    profiles = collections(reader, seed)
    rows, texts_of = score_sets(models, seed)
    complexity = {name: profile(texts, reader, seed).measures() for name, texts in texts_of.items()}
    gap = domain_gap(rows, complexity, general="edited", seed=seed)
    by_chance = placebo(models, seed)
    print(by_chance)
    with atomic_path(FIGURE) as path:
        score_plot(rows, complexity, "fog", general="edited").savefig(path, dpi=80)
    report(profiles, rows, complexity, gap, by_chance, arguments)


def report(
    profiles: dict[str, ComplexityProfile],
    rows: list[ScoreRow],
    complexity: dict[str, dict[str, float]],
    gap: DomainGapReport,
    by_chance: dict[str, Any],
    arguments: argparse.Namespace,
) -> None:
    seed, option = arguments.seed, f" --parser {arguments.parser}" if arguments.parser else ""
    machine = {"processor": cpu.name(), "python": platform.python_version(), "vecloom": vl.__version__, "seed": seed}
    parsers = {found.parser for found in profiles.values() if found.parser}
    lines = [
        "# Domain gap and complexity",
        *["", "## Complexity of public collections", "", *profile_table(profiles)],
        *["", "## Scores, and the domain gap", "", *score_table(rows)],
        *["", *test_table(gap), "", *regression_table(gap), "", *subgroup_lines(gap), "", *rank_table(gap)],
        *["", "## Placebo: random domains of AG News", "", *placebo_table(by_chance), ""],
        f"Domains: users' texts against edited ones. {TEXTS} texts a profile; dependency distance by",
        f"{', '.join(parsers) or 'no parser'}. Chat model's error rate: not taken, no chat model was at hand.",
        f"Made by `python experiments/domain_complexity.py{option} --seed {seed}` on {machine['processor']}.",
    ]
    stored = {
        **machine,
        "profiles": {name: found.as_dict() for name, found in profiles.items()},
        "scores": [[r.model, r.dataset, r.domain, r.task_type, round(r.score, 5)] for r in rows],
        "complexity": complexity,
        "gap": gap.as_dict(),
        "placebo": by_chance,
    }
    RESULTS.mkdir(exist_ok=True)
    write_text(RESULTS / "domain_complexity.md", "\n".join(lines) + "\n")
    write_text(RESULTS / "domain_complexity.json", json.dumps(stored, indent=1) + "\n")


def profile_table(profiles: dict[str, ComplexityProfile]) -> list[str]:
    lines = [
        "| collection | Fog | entropy per text | entropy of a sample | words in it | dependency distance | words/sentence | "
        "letters/word | syllables/word |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, found in profiles.items():
        mdd = "" if found.mdd is None else f"{found.mdd:.2f}"
        lines.append(
            f"| {name} | {found.fog:.1f} | {found.entropy_text:.2f} | {found.entropy_sample:.2f} | {found.sampled_words:,} | "
            f"{mdd} | {found.words_per_sentence:.1f} | {found.letters_per_word:.2f} | {found.syllables_per_word:.2f} |"
        )
    return lines


def score_table(rows: list[ScoreRow]) -> list[str]:
    """Mean score x 100 of each model by task type and domain."""
    models = list(dict.fromkeys(found.model for found in rows))
    lines = [f"| task type | domain | sets | {' | '.join(models)} |", f"| --- | --- | ---: |{' ---: |' * len(models)}"]
    for task_type in ("sts", "classification"):
        for domain in ("edited", "users"):
            part = [found for found in rows if (found.task_type, found.domain) == (task_type, domain)]
            means = [np.mean([found.score for found in part if found.model == model]) for model in models]
            cells = " | ".join(f"{100 * mean:.1f}" for mean in means)
            lines.append(f"| {task_type} | {domain} | {len(part) // len(models)} | {cells} |")
    return lines


def test_table(gap: DomainGapReport) -> list[str]:
    lines = ["| task type | gap x 100 | p, bootstrap ANOVA (no evidence) | p, nested ANOVA | p, permutation |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    tables = {(table.method, table.task_type): table for table in gap.anova}
    for test in gap.permutation:
        paper, nested = (tables[method, test.task_type].domain.p for method in ("bootstrap", "nested"))
        cells = " | ".join("" if p is None else f"{p:.2g}" for p in (paper, nested, test.p))
        lines.append(f"| {test.task_type} | {100 * test.gap:+.1f} | {cells} |")
    return lines


def regression_table(gap: DomainGapReport) -> list[str]:
    lines = ["| controlled for | gap x 100 | p | without control | score x 100 for one unit more | domain ~ measure |"]
    lines.append("| --- | --- | ---: | --- | --- | ---: |")
    for found in gap.regressions:
        cells = [_cell(c) for c in (found.domain, found.raw_domain, found.complexity)]
        lines.append(
            f"| {found.measure} | {cells[0]} | {found.domain.p:.2f} | {cells[1]} | {cells[2]} | {found.correlation:+.2f} |"
        )
    return [*lines, "", *sorted({found.note for found in gap.regressions if found.note})]


def subgroup_lines(gap: DomainGapReport) -> list[str]:
    lines = ["| measure | low | medium | high | users lower in all |", "| --- | --- | --- | --- | --- |"]
    for table in gap.subgroups:
        cells = [
            ("" if group.gap is None else f"{100 * group.gap:+.1f}")
            + f" ({group.general_sets}, {group.special_sets} sets)"
            for group in table.groups
        ]
        holds = {None: "cannot tell", True: "yes", False: "no"}[table.holds]
        lines.append(f"| {table.measure} | {' | '.join(cells)} | {holds} |")
    return ["Gap x 100 inside thirds of each measure (edited, users):", "", *lines]


def rank_table(gap: DomainGapReport) -> list[str]:
    lines = ["| task type | models | Spearman of ranks | p | p over all orders | needed |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for found in gap.ranks:
        cells = " | ".join("" if x is None else f"{x:.2f}" for x in (found.rho, found.p, found.p_exact, found.needed))
        lines.append(f"| {found.task_type} | {found.n} | {cells} |")
    return lines


def placebo_table(by_chance: dict[str, Any]) -> list[str]:
    lines = [f"| analysis | domain significant at 5 %, share of {SPLITS} splits |", "| --- | --- |"]
    for name, found in by_chance.items():
        low, high = found["interval"]
        lines.append(f"| {name} | {100 * found['share']:.1f} % ({100 * low:.1f} to {100 * high:.1f}) |")
    return lines


def _cell(found: Any) -> str:
    return f"{100 * found.estimate:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


if __name__ == "__main__":
    main()
