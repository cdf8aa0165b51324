"""Longer texts for rotary models: small encoders trained on short texts, stretched to eight times that with each method.

    python experiments/extend_rotary.py [--seeds 0 1 2]

No rotary model is bundled, so each seed trains one from nothing: a bidirectional encoder of 2 layers and width 64 with rotary
positions (EuroBERT's code of transformers), mean pooling, on texts of 8 to 32 words. A text is filler in which "X to Y" is
hidden; the question is "X to Y", and "Y to X" stands in another text, so that finding the words is not enough: order has to be
read. InfoNCE over 48 texts and their mirrors. Then 100 texts (50 and their mirrors) of 32 to 256 words:
Acc@1 of 50 questions, and the share of questions for which the text comes before its mirror. Means over seeds with 95 % t
intervals. Questions and texts go through the same model. "unchanged" reads on at positions that it never saw.
Writes ``experiments/results/extend_rotary.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tokenizers import Tokenizer, models, pre_tokenizers

import vecloom as vl
from training import Kept, cell, machine, report
from vecloom import extend

NAME = "extend_rotary"
SHORT, LENGTHS = 32, (32, 64, 128, 256)
FILLER = [f"f{place}" for place in range(12)]
NAMES = [f"n{place}" for place in range(80)]
STEPS, BATCH, RATE, TEMPERATURE = 600, 48, 2e-3, 0.05
QUESTIONS = 50
METHODS: dict[str, dict[str, Any]] = {
    "truncated": {},
    "unchanged": {},
    "windows": {"method": "windows"},
    "grouped": {"method": "grouped"},
    "linear": {"method": "linear"},
    "ntk": {"method": "ntk"},
    "yarn": {"method": "yarn"},
    "self_extend": {"method": "self_extend"},
    "self_extend, scaled": {"method": "self_extend", "attention_scaling": True},
}


def hidden(pair: tuple[str, str], words: int, generator: random.Random) -> str:
    """Filler of so many words with "X to Y" at a random place."""
    begin = generator.randrange(len(FILLER))
    filler = [FILLER[(begin + place) % len(FILLER)] for place in range(words - 3)]
    place = generator.randint(0, len(filler))
    return " ".join([*filler[:place], pair[0], "to", pair[1], *filler[place:]])


def draw_pairs(count: int, generator: random.Random) -> list[tuple[str, str]]:
    """Different pairs of names, of which none is another's mirror."""
    found: dict[frozenset[str], tuple[str, str]] = {}
    while len(found) < count:
        left, right = generator.sample(NAMES, 2)
        found.setdefault(frozenset((left, right)), (left, right))
    return list(found.values())


def make_network(folder: Path, seed: int) -> Path:
    """A sentence-transformers directory with random weights."""
    torch.manual_seed(seed)
    words = ["<pad>", "<unk>", "to", *FILLER, *NAMES]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", model_max_length=SHORT
    )
    config = transformers.EuroBertConfig(
        vocab_size=len(words), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
        intermediate_size=128, max_position_embeddings=SHORT, pad_token_id=0, bos_token_id=1, eos_token_id=1,
        mask_token_id=1, rope_theta=10_000.0,
    )  # fmt: skip
    bare = folder / "bare"
    fast.save_pretrained(bare)
    transformers.AutoModel.from_config(config).save_pretrained(bare)
    stack = [
        modules.Transformer(str(bare), max_seq_length=SHORT),
        modules.Pooling(64, pooling_mode="mean"),
        modules.Normalize(),
    ]
    SentenceTransformer(modules=stack, device="cpu").save(str(folder / "start"))
    return folder / "start"


def train(folder: Path, seed: int, steps: int) -> Path:
    """Train on texts of 32 words and save."""
    model = SentenceTransformer(str(make_network(folder, seed)), device="cpu").train()
    generator = random.Random(seed)
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in range(steps):
        pairs = draw_pairs(BATCH, generator)
        texts = [hidden(pair, generator.randint(8, SHORT), generator) for pair in pairs]
        mirrors = [hidden(pair[::-1], generator.randint(8, SHORT), generator) for pair in pairs]
        questions = [f"{left} to {right}" for left, right in pairs]
        vectors = [model(model.preprocess(column))["sentence_embedding"] for column in (questions, texts + mirrors)]
        loss = torch.nn.functional.cross_entropy(vectors[0] @ vectors[1].T / TEMPERATURE, torch.arange(BATCH))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    print(f"seed {seed}: last loss {loss.item():.3f}", flush=True)
    model.save(str(folder / "trained"))
    return folder / "trained"


def judge(encoder: vl.Encoder, words: int, seed: int) -> dict[str, float]:
    """Acc@1, and how often a text comes before its mirror."""
    generator = random.Random(f"{seed} {words}")
    pairs = draw_pairs(QUESTIONS, generator)
    texts = [hidden(pair, words, generator) for pair in (*pairs, *(pair[::-1] for pair in pairs))]
    scores = encoder.encode([f"{left} to {right}" for left, right in pairs]) @ encoder.encode(texts).T
    own, mirror = np.diag(scores), np.diag(scores[:, QUESTIONS:])
    return {
        "acc@1": float((scores.argmax(1) == np.arange(QUESTIONS)).mean()),
        "before its mirror": float((own > mirror).mean()),
    }


def extended(source: Path, folder: Path, name: str, words: int) -> Path:
    """A model for texts of so many words."""
    if name == "truncated" or words == SHORT:
        return source
    out = folder / f"{name}-{words}"
    if name == "unchanged":  # positions that were never seen
        extend.extend_context(str(source), out, to=words, method="ntk", base_factor=1.0 + 1e-9)
    else:
        extend.extend_context(str(source), out, to=words, **METHODS[name])
    return out


def run_seed(seed: int, steps: int = STEPS) -> dict[str, Any]:
    """All methods at all lengths."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = train(folder, seed, steps)
        found: dict[str, Any] = {}
        for method in METHODS:
            for words in LENGTHS:
                path = extended(source, folder, method, words)
                encoder = vl.load(path, backend="torch", precision="f32", threads=1)
                found[f"{method} {words}"] = judge(encoder, words, seed)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    seeds = parser.parse_args().seeds
    kept = Kept(NAME)
    runs = {seed: kept.run(f"seed {seed}", lambda seed=seed: run_seed(seed)) for seed in seeds}
    write_report(runs)


def write_report(runs: Mapping[int, Mapping[str, Any]]) -> None:
    lines = [f"# Longer texts for small rotary encoders trained on {SHORT} words", ""]
    for measure in ("acc@1", "before its mirror"):
        lines += table(runs, measure)
    lines += [
        f"{len(runs)} seeds, {QUESTIONS} questions over {2 * QUESTIONS} texts each; 95 % t intervals. Acc@1 by chance is",
        f"{1 / (2 * QUESTIONS):.2f}, before its mirror by chance .50. Each method stretches to the length of its column.",
        f"Made by `python experiments/{NAME}.py` on {machine()['processor']}.",
    ]
    report(NAME, lines)


def table(runs: Mapping[int, Mapping[str, Any]], measure: str) -> list[str]:
    head = [f"{measure.capitalize()}, by words of the texts:", ""]
    head += [f"| method | {' | '.join(map(str, LENGTHS))} |", f"| --- | {' | '.join(['---'] * len(LENGTHS))} |"]
    shown: Callable[[str], str] = lambda name: " | ".join(  # noqa: E731
        cell([run[f"{name} {words}"][measure] for run in runs.values()], digits=2) for words in LENGTHS
    )
    return [*head, *(f"| {name} | {shown(name)} |" for name in METHODS), ""]


if __name__ == "__main__":
    main()
