"""What a cosine of the bundled model means: bounds for "close", "fair" and "far", and for "nothing fits well".

    VECLOOM_DATA=... python experiments/score_bands.py [--seed 0]

Five collections are indexed as ``vecloom index`` does it. To each index at most 300 of its own queries are put, and as many of
each other collection's, to which it has no answer. Queries are asked as they are, and shortened to their one, two and three
rarest words that the collection has, because people type a word or two as often as a sentence.

1. "Nothing fits well" is said where no hit of the first ten reaches the bound ``fair`` and none holds the query's words
   (``vecloom.search.closeness``). Counted: how often that is said of own queries (false alarms) and of other collections'
   (detected).
2. Of the ten best documents of own queries: the share that people judged relevant among those that are far, fair and close.
   Judgements are sparse (one function for a query of cosqa), so the shares are lower bounds, and only compare within a
   collection.

The rule for ``fair``: the largest multiple of 0.05 at which whole own queries are told "nothing fits" in at most 3 % of the
cases, averaged over the collections. For ``close``: the smallest multiple of 0.05 above it at which what is shown is relevant at
least 1.3 times as often as what is shown on average, in every collection. Both are found again without each collection in turn.
Writes ``experiments/results/score_bands.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import vecloom as vl
from vecloom.files import write_text
from vecloom.search import closeness

RESULTS = Path(__file__).parent / "results"
COLLECTIONS = ("cranfield", "xquad-en", "time", "cosqa", "job-skills")
QUERIES = 300
SHOWN = 10
CHUNKS = 3 * SHOWN
GRID = [round(0.05 * step, 2) for step in range(4, 16)]
MOST_FALSE_ALARMS = 0.03
LEAST_LIFT = 1.3
LENGTHS = (0, 3, 2, 1)  # words of a query; 0: as it is

Array = npt.NDArray[Any]


@dataclass
class Collection:
    """An index, its queries by length, and what people judged relevant to each."""

    name: str
    index: vl.Index
    queries: dict[int, list[str]]
    relevant: list[set[str]]


@dataclass
class Asked:
    """Queries of one collection put to one index; ``(queries, 10)``, NaN where fewer documents were found."""

    cosines: Array
    relevant: Array
    worded: Array  # (queries,) whether a hit holds the query's words

    def silent(self, bound: float) -> float:
        """The share of queries of which "nothing fits well" is said."""
        return float((~self.worded & (np.nanmax(self.cosines, axis=1) < bound)).mean())


def lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in file.open(encoding="utf-8")]


def shortened(query: str, frequency: Counter[str], words: int) -> str:
    """The query's rarest words in their order."""
    known = [word for word in dict.fromkeys(re.findall(r"[a-z]+", query.lower())) if frequency[word] and len(word) > 2]
    kept = sorted(known, key=lambda word: frequency[word])[:words]
    return " ".join(word for word in known if word in kept) or query


def read(name: str, folder: Path, encoder: vl.Encoder, rng: np.random.Generator) -> Collection:
    """Index a collection, and choose its queries."""
    place = Path(os.environ["VECLOOM_DATA"], "retrieval", name)
    records = [
        {"id": one["_id"], "title": one.get("title", ""), "text": one["text"]} for one in lines(place / "corpus.jsonl")
    ]
    index = vl.Index.create(folder / name, encoder)
    index.add(records)
    judged: dict[str, set[str]] = {}
    for line in (place / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            judged.setdefault(query, set()).add(document)
    asked = {one["_id"]: one["text"] for one in lines(place / "queries.jsonl") if one["_id"] in judged}
    chosen = [sorted(asked)[at] for at in sorted(rng.permutation(len(asked))[:QUERIES])]
    frequency: Counter[str] = Counter()
    for one in records:
        frequency.update(set(re.findall(r"[a-z]+", f"{one['title']} {one['text']}".lower())))
    queries = {n: [shortened(asked[id], frequency, n) if n else asked[id] for id in chosen] for n in LENGTHS}  # noqa: A001
    return Collection(name, index, queries, [judged[id] for id in chosen])  # noqa: A001


def ask(index: vl.Index, queries: Sequence[str], relevant: Sequence[set[str]]) -> Asked:
    """Put queries as the page does: meaning and words fused, documents by their best chunk."""
    cosines = np.full((len(queries), SHOWN), np.nan)
    hit, worded = np.zeros(cosines.shape, bool), np.zeros(len(queries), bool)
    for row, (query, hits) in enumerate(zip(queries, index.search_many(queries, CHUNKS), strict=True)):
        best = {one.document_id: one for one in reversed(hits)}
        shown = [best[name] for name in list(dict.fromkeys(one.document_id for one in hits))[:SHOWN]]
        cosines[row, : len(shown)] = [one.cosine for one in shown]
        hit[row, : len(shown)] = [one.document_id in relevant[row] for one in shown]
        worded[row] = any(closeness.holds_words(query, one) for one in shown)
    return Asked(cosines, hit, worded)


def fair_bound(own: dict[str, Asked]) -> float:
    """The rule for ``fair``."""
    return max(t for t in GRID if np.mean([one.silent(t) for one in own.values()]) <= MOST_FALSE_ALARMS)


def close_bound(own: dict[str, Asked]) -> float:
    """The rule for ``close``."""
    return min(t for t in GRID if all(lift(one, t) >= LEAST_LIFT for one in own.values()))


def lift(one: Asked, bound: float) -> float:
    """How much more often what reaches the bound is relevant than what is shown on average."""
    shown = ~np.isnan(one.cosines)
    reached = one.cosines >= bound
    return float(one.relevant[reached].mean() / one.relevant[shown].mean()) if reached.any() else 0.0


def bands(one: Asked, fair: float, close: float) -> dict[str, dict[str, float]]:
    """Of each band the share of what is shown, of that the share that is relevant, and the share of all relevant ones."""
    limits = {"far": (-1.0, fair), "fair": (fair, close), "close": (close, 2.0)}
    shown, found = ~np.isnan(one.cosines), {}
    for name, (low, high) in limits.items():
        inside = (one.cosines >= low) & (one.cosines < high)
        found[name] = {
            "shown": float(inside.sum() / shown.sum()),
            "relevant": float(one.relevant[inside].mean()) if inside.any() else 0.0,
            "of all relevant": float((one.relevant & inside).sum() / one.relevant.sum()),
        }
    return found


def measure(collections: Sequence[Collection]) -> dict[str, Any]:
    """Everything that is written."""
    own = {one.name: ask(one.index, one.queries[0], one.relevant) for one in collections}
    fair, close = fair_bound(own), close_bound(own)
    without = {name: {"fair": fair_bound(rest), "close": close_bound(rest)} for name in own
               for rest in [{other: asked for other, asked in own.items() if other != name}]}  # fmt: skip
    detection: dict[str, Any] = {}
    for length in LENGTHS:
        for one in collections:
            others = [
                ask(one.index, other.queries[length], other.relevant) for other in collections if other is not one
            ]
            mine = own[one.name] if not length else ask(one.index, one.queries[length], one.relevant)
            detection.setdefault(str(length), {})[one.name] = {
                "false alarms": mine.silent(fair),
                "false alarms by cosine alone": float((np.nanmax(mine.cosines, axis=1) < fair).mean()),
                "detected": float(np.mean([other.silent(fair) for other in others])),
            }
    return {
        "fair": fair, "close": close, "found without": without, "detection": detection,
        "bands": {name: bands(asked, fair, close) for name, asked in own.items()},
        "false alarms by bound": {str(t): {name: asked.silent(t) for name, asked in own.items()} for t in GRID},
    }  # fmt: skip


def table(found: dict[str, Any]) -> str:
    """The results as a page."""
    rows = [
        "| collection | far: shown | relevant | fair: shown | relevant | close: shown | relevant | close: of all relevant |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, by_band in found["bands"].items():
        cells = [
            f"{100 * by_band[band][what]:.0f} %" for band in ("far", "fair", "close") for what in ("shown", "relevant")
        ]
        rows.append(f"| {name} | " + " | ".join([*cells, f"{100 * by_band['close']['of all relevant']:.0f} %"]) + " |")
    rows += ["", "| query | " + " | ".join(COLLECTIONS) + " | mean | by cosine alone |", "| --- |" + " ---: |" * 7]
    for length, by_name in found["detection"].items():
        label = "as it is" if length == "0" else f"{length} words" if length != "1" else "1 word"
        for what in ("false alarms", "detected"):
            values = [by_name[name][what] for name in COLLECTIONS]
            alone = (
                np.mean([by_name[name]["false alarms by cosine alone"] for name in COLLECTIONS])
                if what != "detected"
                else None
            )
            cells = [f"{100 * value:.1f} %" for value in [*values, float(np.mean(values))]]
            rows.append(
                f"| {label}, {what} | " + " | ".join(cells) + f" | {'' if alone is None else f'{100 * alone:.1f} %'} |"
            )
    without = "; ".join(
        f"{name} {one['fair']:.2f} and {one['close']:.2f}" for name, one in found["found without"].items()
    )
    head = [
        "# What a cosine of the bundled model means",
        "",
        f"Bounds: **fair from {found['fair']:.2f}, close from {found['close']:.2f}**. "
        f"Found again without one collection: {without}.",
        "",
        "`python experiments/score_bands.py`. Upper table: documents that are shown for own queries. Lower table: of how "
        'many queries "nothing fits well" is said; *false alarms* are an index\'s own queries, *detected* are those of the '
        "four other collections.",
        "",
    ]
    return "\n".join([*head, *rows, ""])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    rng, encoder = np.random.default_rng(parser.parse_args().seed), vl.load("minilm")
    with tempfile.TemporaryDirectory() as folder:
        found = measure([read(name, Path(folder), encoder, rng) for name in COLLECTIONS])
    write_text(RESULTS / "score_bands.json", json.dumps({"model": encoder.fingerprint, **found}, indent=1) + "\n")
    write_text(RESULTS / "score_bands.md", table(found))
    print(table(found))


if __name__ == "__main__":
    main()
