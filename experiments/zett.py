"""ZeTT beside the heuristics: a domain's tokenizer for MiniLM, before and after a short tuning, and for a tuned sibling.

    VECLOOM_DATA=... OMP_NUM_THREADS=1 python experiments/zett.py [--seeds 0 1 2] [--work FOLDER]

Each seed trains a byte-level BPE of 8,000 tokens on a random four fifths of Cranfield's abstracts, lower case as MiniLM is,
and a hypernetwork on 12,000 Brown sentences and all abstracts (no queries, no judgements). The hypernetwork sees random
unigram tokenizers only, never the BPE. FOCUS learns its similarities from the same texts. Learning rate 3e-4 was chosen
from three (1e-4 and 1e-3 the others) by the main loss of one further seed; nothing else was.

Measured: Spearman x 100 on 800 pairs of STSb's test, nDCG@10 x 100 on Cranfield (first 48 tokens under MiniLM's tokenizer), mean
cosine of 300 Brown sentences that nobody trained on to MiniLM's own vectors, tokens per text. Tuning is 16 steps of 32 texts
towards MiniLM's vectors, all weights. The sibling is MiniLM after 30 steps on STSb's training pairs.
Writes ``experiments/results/zett.json`` and ``.md``; a stopped run goes on where it was.

``--look`` is one seed of it at a third of the training (44 steps of 16 texts, half a minute), before tuning, on 300 pairs and 200
sentences: less than an answer, and soon there.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import vecloom as vl
from training import Kept, Pairs, brown, cell, load, machine, report, rows, spearman, sts, train
from vecloom.data import Chunker, Document
from vecloom.extend.vocabulary.transfer import transfer_tokenizer
from vecloom.extend.zett import Settings, train_hypernetwork
from vecloom.files import cache_dir

SIZE = 8_000
TRAINING = {
    "steps": 80, "identity_steps": 8, "batch_size": 32, "identity_tokens": 1024, "auxiliary_tokens": 256, "layers": 2,
    "vocabulary_size": 8_192, "queue_texts": 1_024, "precision": "bf16", "max_length": 64, "checkpoint_every": 20,
}  # fmt: skip
LOOK = {**TRAINING, "steps": 44, "identity_steps": 4, "batch_size": 16, "queue_texts": 512, "seed": 99}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "lexical overlap": ("lexical", {}),
    "mean of pieces": ("mean", {}),
    "FOCUS": ("focus", {}),
    "ZeTT": ("zett", {}),
    "ZeTT, shared tokens copied": ("zett", {"copy": True}),
}
TUNED = ("mean of pieces", "FOCUS", "ZeTT")
SIBLING = ("mean of pieces", "FOCUS", "ZeTT", "ZeTT, shared tokens copied")
TUNING_STEPS, TUNING_BATCH, TUNING_RATE = 16, 32, 1e-4
SIBLING_STEPS, SIBLING_RATE = 30, 5e-5


class Texts:
    """All that is read: what is trained on, and what is measured on."""

    def __init__(self) -> None:
        sentences = brown(5, 40)
        self.held_out = sentences[-300:]
        own = vl.load("minilm").tokenizer
        chunker, short = Chunker(own, 64, 0), Chunker(own, 48, 0)
        corpus = rows("retrieval", "cranfield", "corpus.jsonl")
        abstracts = {row["_id"]: f"{row['title']} {row['text']}".strip() for row in corpus}
        self.abstracts = {name: text for name, text in abstracts.items() if text}
        passages = [
            chunk.text for name, text in self.abstracts.items() for chunk in chunker.chunk(Document(name, text))
        ]
        self.training = sentences[:12_000] + passages
        self.heads = {name: short.chunk(Document(name, text))[0].text for name, text in self.abstracts.items()}
        self.queries = {row["_id"]: row["text"] for row in rows("retrieval", "cranfield", "queries.jsonl")}
        self.grades = read_grades()
        self.pairs = sts("stsb-en", "test.jsonl").some(800)


def read_grades() -> dict[str, dict[str, int]]:
    """Query to document to grade."""
    import os

    grades: dict[str, dict[str, int]] = defaultdict(dict)
    path = Path(os.environ["VECLOOM_DATA"], "retrieval", "cranfield", "qrels", "test.tsv")
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        grades[query][document] = int(grade)
    return dict(grades)


def domain_tokenizer(texts: Texts, seed: int, path: Path) -> Path:
    """A byte-level BPE of the domain."""
    chosen = random.Random(seed).sample(sorted(texts.abstracts), len(texts.abstracts) * 4 // 5)
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=SIZE, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator([texts.abstracts[name] for name in chosen], trainer)
    made.save(str(path))
    return path


def opened(name: str | Path) -> Any:
    return vl.load(str(name), backend="openvino", precision="bf16", threads=1)


def sts_score(encoder: Any, pairs: Pairs) -> float:
    left, right = encoder.encode(pairs.left), encoder.encode(pairs.right)
    return spearman((left * right).sum(1), pairs.scores)


def ndcg(scores: np.ndarray, names: list[str], grades: dict[str, int]) -> float:
    """At 10, with grades as gains."""
    discounts = 1 / np.log2(np.arange(2, 12))
    gains = np.array([max(grades.get(names[place], 0), 0) for place in np.argsort(-scores, kind="stable")[:10]])
    best = np.sort([max(grade, 0) for grade in grades.values()])[::-1][:10]
    return float((gains * discounts).sum() / (best * discounts[: len(best)]).sum())


def measured(model: str | Path, texts: Texts, wanted: np.ndarray) -> dict[str, float]:
    """All measures of a model."""
    encoder = opened(model)
    names = list(texts.heads)
    documents = encoder.encode([texts.heads[name] for name in names])
    asked = [name for name in texts.queries if texts.grades.get(name)]
    similar = encoder.encode([texts.queries[name] for name in asked]) @ documents.T
    found = [ndcg(line, names, texts.grades[name]) for line, name in zip(similar, asked, strict=True)]
    cosine = (encoder.encode(texts.held_out) * wanted).sum(1).mean()
    return {"STSb": sts_score(encoder, texts.pairs), "Cranfield": 100 * float(np.mean(found)), "cosine": float(cosine)}


def tokens(model: str | Path, texts: Texts) -> dict[str, float]:
    """Tokens of a text, special ones included."""
    tokenizer = vl.load(str(model)).tokenizer
    sides = {
        "abstract": list(texts.abstracts.values()),
        "query": list(texts.queries.values()),
        "STSb": texts.pairs.left,
    }
    return {
        name: float(np.mean([len(found.ids) for found in tokenizer.encode_batch(side)])) for name, side in sides.items()
    }


class Distil(torch.nn.Module):
    """1 minus the cosine to vectors that are given as labels."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, columns: Any, labels: torch.Tensor) -> torch.Tensor:
        """The mean over texts."""
        vectors = self.model(columns[0])["sentence_embedding"]
        return 1 - torch.nn.functional.cosine_similarity(vectors, labels).mean()


class Scored(torch.nn.Module):
    """Squared error of the cosine against a score between 0 and 1."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, columns: Any, labels: torch.Tensor) -> torch.Tensor:
        """The mean over pairs."""
        left, right = (self.model(column)["sentence_embedding"] for column in columns)
        return (torch.nn.functional.cosine_similarity(left, right) - labels).square().mean()


def tuned(source: Path, target: Path, texts: Texts, seed: int) -> Path:
    """A model moved towards MiniLM's vectors."""
    torch.manual_seed(seed)
    model = load(source, 64)
    chosen = random.Random(seed).sample(texts.training, TUNING_STEPS * TUNING_BATCH)
    wanted = torch.from_numpy(opened("minilm").encode(chosen))
    places = range(0, len(chosen), TUNING_BATCH)
    batches = [([chosen[at : at + TUNING_BATCH]], wanted[at : at + TUNING_BATCH]) for at in places]
    train(model, Distil(model), batches, TUNING_RATE)
    model.max_seq_length = 256
    model.save(str(target), create_model_card=False)
    return target


def sibling(folder: Path) -> Path:
    """MiniLM tuned on STSb's training pairs."""
    target = folder / "sibling"
    if not target.exists():
        torch.manual_seed(0)
        model, pairs = load("minilm", 64), sts("stsb-en", "train.jsonl").some(SIBLING_STEPS * 32, seed=1)
        scores = torch.from_numpy(pairs.scores / 5).float()
        order = np.random.default_rng(0).permutation(len(scores)).reshape(SIBLING_STEPS, 32)
        batches = [([[pairs.left[i] for i in part], [pairs.right[i] for i in part]], scores[part]) for part in order]
        train(model, Scored(model), batches, SIBLING_RATE)
        model.max_seq_length = 256
        model.save(str(target), create_model_card=False)
    return target


def transferred(
    model: str, tokenizer: Path, hypernetwork: Path, name: str, target: Path, texts: Texts, seed: int
) -> Path:
    """A model with the domain's tokenizer."""
    if not target.exists():
        method, options = METHODS[name]
        given = {**options, "hypernetwork": str(hypernetwork)} if method == "zett" else options
        learned = texts.training if method == "focus" else []
        transfer_tokenizer(model, str(tokenizer), target, method=method, options=given, texts=learned, seed=seed)
    return target


def one_seed(seed: int, folder: Path, texts: Texts, kept: Kept, wanted: np.ndarray, sister: Path) -> None:
    """Everything that depends on a seed."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer, hypernetwork = domain_tokenizer(texts, seed, folder / "tokenizer.json"), folder / "h"

    def trained() -> dict[str, float]:
        told = train_hypernetwork(
            "minilm", texts.training, hypernetwork, Settings(**TRAINING, seed=seed), overwrite=True
        )
        return {name: value for name, value in told.as_dict().items() if name != "output"}

    def make(model: str, name: str) -> Path:
        place = folder / f"{Path(model).name} {name}"
        return transferred(model, tokenizer, hypernetwork, name, place, texts, seed)

    if not hypernetwork.exists():
        kept.runs.pop(f"hypernetwork {seed}", None)
    kept.run(f"hypernetwork {seed}", trained)
    for name in METHODS:
        kept.run(f"{name} {seed}", lambda name=name: measured(make("minilm", name), texts, wanted))
    kept.run(f"tokens {seed}", lambda: tokens(make("minilm", "mean of pieces"), texts))
    for name in SIBLING:
        kept.run(
            f"sibling {name} {seed}",
            lambda name=name: {"STSb": sts_score(opened(make(str(sister), name)), texts.pairs)},
        )
    for name in TUNED:
        target = folder / f"tuned {name}"
        kept.run(
            f"tuned {name} {seed}",
            lambda name=name, target=target: measured(tuned(make("minilm", name), target, texts, seed), texts, wanted),
        )


def look(folder: Path, texts: Texts) -> dict[str, dict[str, float]]:
    """One seed, a short training, zero-shot only."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer, hypernetwork = domain_tokenizer(texts, 0, folder / "tokenizer.json"), folder / "h"
    if not hypernetwork.exists():
        train_hypernetwork("minilm", texts.training, hypernetwork, Settings(**LOOK))
    own, held_out, pairs = opened("minilm"), texts.held_out[:200], texts.pairs.some(300)
    wanted = own.encode(held_out)
    found = {"MiniLM's own tokenizer": {"STSb": sts_score(own, pairs), "cosine": 1.0}}
    for name in METHODS:
        encoder = opened(transferred("minilm", tokenizer, hypernetwork, name, folder / name, texts, 99))
        cosine = float((encoder.encode(held_out) * wanted).sum(1).mean())
        found[name] = {"STSb": sts_score(encoder, pairs), "cosine": cosine}
    return found


def looked(found: dict[str, dict[str, float]]) -> list[str]:
    """The page of a look."""
    lines = ["# ZeTT beside the heuristics: a look", "", "| | STSb | cosine to MiniLM's |", "| --- | --- | --- |"]
    lines += [f"| {name} | {row['STSb']:.1f} | {row['cosine']:.3f} |" for name, row in found.items()]
    return [
        *lines,
        "",
        f"One seed, {LOOK['steps']} steps of {LOOK['batch_size']} texts, before any tuning, no intervals: this decides nothing.",
        f"Made by `python experiments/zett.py --look` on {machine()['processor']}.",
    ]


def said(values: list[float], digits: int = 1, sign: bool = False) -> str:
    """The mean over seeds with its interval; one seed has none."""
    return cell(values, digits, sign) if len(values) > 1 else f"{values[0]:{'+' if sign else ''}.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=cache_dir("experiments", "zett"), help="where models are kept")
    parser.add_argument("--look", action="store_true", help="one short seed, zero-shot only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    texts, kept = Texts(), Kept("zett")
    if options.look:
        found = kept.run("look", lambda: look(options.work / "look", texts))
        report("zett", looked(found))
        return
    wanted = opened("minilm").encode(texts.held_out)
    sister = sibling(options.work)
    kept.run("MiniLM", lambda: measured("minilm", texts, wanted))
    kept.run("sibling", lambda: {"STSb": sts_score(opened(sister), texts.pairs)})
    kept.run("tokens", lambda: tokens("minilm", texts))
    for seed in options.seeds:
        one_seed(seed, options.work / str(seed), texts, kept, wanted, sister)
    write(kept)


def write(kept: Kept) -> None:
    """The page."""
    seeds = [seed for seed in range(20) if f"tuned {TUNED[-1]} {seed}" in kept.runs]
    if not seeds:
        return

    def values(name: str, measure: str) -> list[float]:
        return [kept.runs[f"{name} {seed}"][measure] for seed in seeds]

    def gap(name: str, other: str, measure: str) -> list[float]:
        return [a - b for a, b in zip(values(name, measure), values(other, measure), strict=True)]

    own, sister = kept.runs["MiniLM"], kept.runs["sibling"]
    lines = ["# ZeTT beside the heuristics", "", *table(values, own, sister), "", *differences(gap), ""]
    lines += said_tokens(kept, seeds)
    shapes = kept.runs[f"hypernetwork {seeds[0]}"]
    spread = f"Mean over {len(seeds)} seeds (tokenizer, hypernetwork, order) and its 95 % t interval."
    if len(seeds) == 1:
        spread = "One seed, so there are no intervals, and small differences say nothing."
    lines += [
        "",
        f"{spread} The hypernetwork has "
        f"{shapes['parameters']:,} numbers; {TRAINING['steps']} steps of {TRAINING['batch_size']} texts took "
        f"{np.mean([kept.runs[f'hypernetwork {seed}']['seconds'] for seed in seeds]):,.0f} s a seed on a busy core.",
        f"Made by `python experiments/zett.py --seeds {' '.join(map(str, seeds))}` on {machine()['processor']}.",
    ]
    report("zett", lines)


def table(values: Callable[[str, str], list[float]], own: Any, sister: Any) -> list[str]:
    """The measures of all methods."""
    lines = [
        "| | STSb | Cranfield nDCG@10 | cosine to MiniLM's | sibling's STSb |",
        "| --- | --- | --- | --- | --- |",
        f"| MiniLM's own tokenizer | {own['STSb']:.1f} | {own['Cranfield']:.1f} | 1 | {sister['STSb']:.1f} |",
    ]
    for name in METHODS:
        tail = said(values(f"sibling {name}", "STSb")) if name in SIBLING else "-"
        lines.append(f"| {_cells(name, name, values)} | {tail} |")
    lines += [f"| {_cells(f'{name}, tuned', f'tuned {name}', values)} | - |" for name in TUNED]
    return lines


def _cells(label: str, name: str, values: Callable[[str, str], list[float]]) -> str:
    measures = said(values(name, "STSb")), said(values(name, "Cranfield")), said(values(name, "cosine"), 3)
    return f"{label} | {' | '.join(measures)}"


def differences(gap: Callable[[str, str, str], list[float]]) -> list[str]:
    """ZeTT against each heuristic, seed by seed."""
    lines = [
        "ZeTT minus a heuristic, with the same tokenizer:",
        "",
        "| | STSb | Cranfield nDCG@10 | cosine |",
        "| --- | --- | --- | --- |",
    ]
    for before, others in (("", ("lexical overlap", "mean of pieces", "FOCUS")), ("tuned ", TUNED[:2])):
        for ours in ("ZeTT", "ZeTT, shared tokens copied") if not before else ("ZeTT",):
            for name in others:
                pair = (f"{before}{ours}", f"{before}{name}")
                cells = [
                    said(gap(*pair, measure), digits, True)
                    for measure, digits in (("STSb", 1), ("Cranfield", 1), ("cosine", 3))
                ]
                lines.append(f"| {before}{ours} - {name} | {' | '.join(cells)} |")
    for name in SIBLING[:2]:
        gaps = {ours: said(gap(f"sibling {ours}", f"sibling {name}", "STSb"), 1, True) for ours in SIBLING[2:]}
        lines += [f"| sibling: {ours} - {name} | {said} | - | - |" for ours, said in gaps.items()]
    return lines


def said_tokens(kept: Kept, seeds: list[int]) -> list[str]:
    """How much shorter texts get."""
    before = kept.runs["tokens"]
    lines = [
        "Tokens of a text, special ones included:",
        "",
        "| | before | after | change |",
        "| --- | --- | --- | --- |",
    ]
    for name, count in before.items():
        after = float(np.mean([kept.runs[f"tokens {seed}"][name] for seed in seeds]))
        lines.append(f"| {name} | {count:.1f} | {after:.1f} | {100 * (after / count - 1):+.1f} % |")
    return lines


if __name__ == "__main__":
    main()
