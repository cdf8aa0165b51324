"""A domain's tokenizer for a model that has another: tokens saved, quality kept, before and after a short tuning.

    VECLOOM_DATA=... OMP_NUM_THREADS=1 python experiments/tokenizer_transfer.py

The model is all-MiniLM-L6-v2, the domain Cranfield (1,400 abstracts of aeronautics). For each of three seeds a WordPiece
tokenizer of 8,000 tokens is trained on 80 % of the abstracts and takes the place of the model's, by each method of ``vecloom
extend tokenizer``; methods that learn get the same 80 %. Then the recipe that ``--recipe`` writes tunes one of them with
``vecloom train`` on 1,000 sentences scored by the original. Beside it: trimming to the corpus, and adding its words.

Measured: tokens of the other 20 %; 400 of their sentences against the original model (mean cosine to its vectors, Spearman
x 100 of all pairwise cosines, and how often the original's nearest vector is of the same sentence); nDCG@10 x 100 on
Cranfield, of which every model reads the first 64 tokens; Spearman x 100 on STSb test, which is not of the domain.
Writes ``experiments/results/tokenizer_transfer.json`` and ``.md``; a stopped run goes on where it was.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

import vecloom as vl
from training import Kept, cell, machine, report, rows, spearman, sts
from vecloom.extend.vocabulary.resize import resize_vocabulary
from vecloom.extend.vocabulary.transfer import transfer_tokenizer
from vecloom.extend.vocabulary.tuning import scored_pairs, sentences, write_tuning

SEEDS = (0, 1, 2)
SIZE = 8000
READ = 64  # tokens of an abstract
SENTENCES = 1000  # for the tuning
HEURISTICS = ("lexical", "mean", "wechsel", "focus", "omp")
MEASURES = ("tokens", "cosine", "structure", "found", "ndcg", "stsb")


def main() -> None:
    kept = Kept("tokenizer_transfer")
    kept.run("as it is 0", lambda: measure(vl.load("minilm", **BACKEND), 0))
    kept.run("random 0", lambda: transferred("random", 0))
    for seed in SEEDS:
        # the model as it is differs from seed to seed only in the abstracts whose tokens are counted
        kept.run(
            f"as it is {seed}", lambda seed=seed: kept.runs["as it is 0"] | {"tokens": held_tokens("minilm", seed)}
        )
        for method in ("mean", "lexical"):
            kept.run(f"{method} {seed}", lambda method=method, seed=seed: transferred(method, seed))
        kept.run(f"mean, tuned {seed}", lambda seed=seed: transferred("mean", seed, tune=True))
        for name, wanted in RESIZED.items():
            kept.run(name, lambda wanted=wanted: resized(**wanted))
    for seed in SEEDS:
        for method in HEURISTICS:
            kept.run(f"{method} {seed}", lambda method=method, seed=seed: transferred(method, seed))
    write(kept)


BACKEND: dict[str, Any] = {"backend": "openvino", "precision": "bf16", "threads": 1}
RESIZED: dict[str, dict[str, Any]] = {
    "trimmed": {"trim": True},
    "500 words added": {"add": 500},
    "both": {"trim": True, "add": 500},
}


def abstracts() -> list[str]:
    found = rows("retrieval", "cranfield", "corpus.jsonl")
    return [f"{row.get('title', '')} {row['text']}".strip() for row in found]


def split(seed: int) -> tuple[list[str], list[str]]:
    """Four fifths of the abstracts, and the rest."""
    texts = abstracts()
    random.Random(seed).shuffle(texts)
    return texts[: len(texts) * 4 // 5], texts[len(texts) * 4 // 5 :]


def domain_tokenizer(texts: Sequence[str], path: Path) -> None:
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=special, show_progress=False)
    )
    made.save(str(path))


def transferred(method: str, seed: int, *, tune: bool = False) -> dict[str, float]:
    """Measure a model with the domain's tokenizer."""
    texts, _ = split(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        domain_tokenizer(texts, folder / "domain.json")
        transfer_tokenizer(
            "minilm", str(folder / "domain.json"), folder / "model", method=method, texts=texts, seed=seed
        )
        if tune:
            tuned(folder, texts, seed)
        return measure(vl.load(folder / "model", **BACKEND), seed)


def tuned(folder: Path, texts: Sequence[str], seed: int) -> None:
    """Train by the recipe that the command line writes, in the model's place."""
    from vecloom import train

    pairs = list(scored_pairs(vl.load("minilm", **BACKEND), sentences(texts, SENTENCES, seed), seed))
    write_tuning(folder / "tune.yaml", str(folder / "model"), str(folder / "tuned"), pairs, seed)
    train.run(train.load_recipe(folder / "tune.yaml"))
    shutil.rmtree(folder / "model")
    (folder / "tuned").rename(folder / "model")


def resized(**wanted: Any) -> dict[str, Any]:
    """Measure a model with a vocabulary of another size, and whether texts that are not concerned are as they were."""
    with tempfile.TemporaryDirectory() as name:
        done = resize_vocabulary("minilm", abstracts(), Path(name, "model"), **wanted)
        made, original = (vl.load(model, **BACKEND | {"precision": "f32"}) for model in (Path(name, "model"), "minilm"))
        size = sum(file.stat().st_size for file in Path(name, "model").rglob("*") if file.is_file())
        texts = [text for text in held_sentences(0) if not set(re.findall(r"\w+", text.lower())) & set(done.added)]
        same = float(np.abs(made.encode(texts) - original.encode(texts)).max())
        changes = {"unconcerned": len(texts), "largest difference": same, "parameters": done.parameters}
        return (
            measure(vl.load(Path(name, "model"), **BACKEND), 0)
            | changes
            | {"size": size, "vocabulary": done.tokens_after}
        )


def held_sentences(seed: int) -> list[str]:
    """400 sentences of abstracts that no tokenizer of this seed has seen."""
    return sentences(split(seed)[1], 400, seed)


def held_tokens(model: str, seed: int) -> float:
    return tokens_of(vl.load(model, **BACKEND), seed)


def tokens_of(encoder: Any, seed: int) -> float:
    """Mean tokens of an abstract that no tokenizer of this seed has seen."""
    return float(np.mean([len(encoding.ids) for encoding in encoder.tokenizer.encode_batch(split(seed)[1])]))


def measure(encoder: Any, seed: int) -> dict[str, float]:
    """All measures of a model."""
    original = vl.load("minilm", **BACKEND)
    texts = held_sentences(seed)
    before, after = original.encode(texts), encoder.encode(texts)
    upper = np.triu_indices(len(texts), 1)
    pairs = sts("stsb-en", "test.jsonl")
    return {
        "tokens": tokens_of(encoder, seed),
        "cosine": float((before * after).sum(1).mean()),
        "structure": spearman((after @ after.T)[upper], (before @ before.T)[upper]),
        "found": 100 * float(((after @ before.T).argmax(1) == np.arange(len(texts))).mean()),
        "ndcg": cranfield(encoder),
        "stsb": spearman((encoder.encode(pairs.left) * encoder.encode(pairs.right)).sum(1), pairs.scores),
    }


def cranfield(encoder: Any) -> float:
    """Mean nDCG@10 x 100 over queries, of which and of abstracts the first tokens are read."""
    asked = rows("retrieval", "cranfield", "queries.jsonl")
    place = {str(row["_id"]): number for number, row in enumerate(rows("retrieval", "cranfield", "corpus.jsonl"))}
    grades: dict[str, dict[int, int]] = {}
    path = Path(os.environ["VECLOOM_DATA"], "retrieval", "cranfield", "qrels", "test.tsv")
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0 and document in place:
            grades.setdefault(query, {})[place[document]] = int(grade)
    asked = [row for row in asked if str(row["_id"]) in grades]
    scores = encoded(encoder, [row["text"] for row in asked]) @ encoded(encoder, abstracts()).T
    discounts = 1 / np.log2(np.arange(2, 12))
    found = []
    for row, each in zip(asked, scores, strict=True):
        judged = grades[str(row["_id"])]
        ideal = sorted(judged.values(), reverse=True)[:10]
        gained = [judged.get(number, 0) for number in np.argsort(-each)[:10].tolist()]
        found.append(np.dot(gained, discounts) / np.dot(ideal, discounts[: len(ideal)]))
    return 100 * float(np.mean(found))


def encoded(encoder: Any, texts: Sequence[str]) -> np.ndarray:
    """Unit vectors of the texts' first tokens."""
    cut = [encoding.ids for encoding in encoder.tokenizer.encode_batch(list(texts))]
    vectors = encoder.encode_ids([ids if len(ids) <= READ else [*ids[: READ - 1], ids[-1]] for ids in cut])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write(kept: Kept) -> None:
    runs = kept.runs
    lines = ["# A domain's tokenizer for a model", ""]
    lines += ["| method | seeds | tokens of an abstract | cosine | structure | found | Cranfield nDCG@10 | STSb |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for name in ("as it is", "random", *HEURISTICS, "mean, tuned"):
        seeds = [seed for seed in SEEDS if f"{name} {seed}" in runs]
        cells = [
            shown([runs[f"{name} {seed}"][what] for seed in seeds], 3 if what == "cosine" else 1) for what in MEASURES
        ]
        lines += [f"| {name} | {len(seeds)} | {' | '.join(cells)} |"] if seeds else []
    lines += ["", "Differences to `mean`, on the same tokenizers:", ""]
    lines += ["| method | seeds | structure | Cranfield nDCG@10 | STSb |", "| --- | --- | --- | --- | --- |"]
    for name in (*(method for method in HEURISTICS if method != "mean"), "mean, tuned"):
        seeds = [seed for seed in SEEDS if f"{name} {seed}" in runs and f"mean {seed}" in runs]
        gains = [
            shown([runs[f"{name} {seed}"][what] - runs[f"mean {seed}"][what] for seed in seeds], 1, sign=True)
            for what in ("structure", "ndcg", "stsb")
        ]
        lines += [f"| {name} | {len(seeds)} | {' | '.join(gains)} |"] if seeds else []
    lines += [
        "",
        "Mean over seeds (which abstracts the tokenizer saw, and what is drawn); a 95 % t interval where there are three.",
    ]
    lines += [
        "",
        "Other sizes, by the whole corpus; difference: the largest in vectors of sentences without a new word.",
        "",
    ]
    lines += ["| | tokens in the vocabulary | MB | tokens of an abstract | Cranfield nDCG@10 | STSb | difference |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
    start = runs["as it is 0"]
    lines += [f"| as it is | 30,522 | 91 | {start['tokens']:.1f} | {start['ndcg']:.1f} | {start['stsb']:.1f} | |"]
    for name in (name for name in RESIZED if name in runs):
        run = runs[name]
        lines.append(
            f"| {name} | {run['vocabulary']:,} | {run['size'] / 1e6:.0f} | {run['tokens']:.1f} | {run['ndcg']:.1f} | "
            f"{run['stsb']:.1f} | {run['unconcerned']}: {run['largest difference']:.1e} |"
        )
    lines += ["", f"Made by `python experiments/tokenizer_transfer.py` on {machine()['processor']}."]
    report("tokenizer_transfer", lines)


def shown(values: Sequence[float], digits: int, *, sign: bool = False) -> str:
    """A mean with its interval; without one where there are fewer than three values."""
    if len(values) > 2:
        return cell(values, digits, sign)
    return f"{np.mean(values) if values else np.nan:{'+' if sign else ''}.{digits}f}"


if __name__ == "__main__":
    main()
