"""NV-Embed's parts on a small decoder: both sides or one, three poolings, two stages or one. A test of the mechanics.

    VECLOOM_DATA=... OMP_NUM_THREADS=1 python experiments/nv_embed.py

No large decoder can be had without a download, so one is made here: LLaMA's architecture with 4 layers of width 128 and 4,000
byte pairs, trained to predict the next token of the Brown corpus for one pass. It knows a little English and nothing of
sentence similarity; what comes out says whether the parts work together, not what they bring to a model of 7 billion weights.

1. Attention: causal or bidirectional; 2. pooling: mean, last token, latent attention (32 latents, 4 heads). Each variant is
   trained from the same decoder, on the same pairs in the same order: STSb and SICK pairs scored at least 4, SICK
   entailments, MSRP paraphrases; 150 steps of 32 pairs with in-batch negatives. Measured on STSb's test set, and on SICK's
   validation set.
3. Stages: one stage with in-batch negatives for all data, against two: retrieval-like pairs with in-batch negatives, then these
   blended with STS pairs and TREC question classes (6 labels, so that every batch holds several texts of one class)
   without. Both see the same rows in as many steps. The one stage sees them mixed throughout. Measured besides: a
   logistic regression on TREC's vectors (1,500 training questions, 500 test questions).

Writes ``experiments/results/nv_embed.json`` and ``.md``; a stopped run goes on where it was. All settings were
fixed before the first run.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from training import Kept, Pairs, autocast, brown, cell, cosines, encode, machine, report, rows, spearman, sts, train
from vecloom.encoders.decoder import DecoderSettings, instruction, open_decoder
from vecloom.files import cache_dir
from vecloom.train.contrast import class_contrasts, scored_contrasts
from vecloom.train.lean import lean
from vecloom.train.losses import make_loss
from vecloom.train.machine import precision_of

SEEDS = (0, 1, 2)
BATCH, STEPS, TOKENS = 32, 150, 32
RATE = 1e-3
SCORED = 2000  # STSb rows in the second stage
TEMPERATURE = 0.05
NEGATIVES = 1
WIDTH, LAYERS, VOCABULARY = 128, 4, 4000
VARIANTS = {
    "causal, mean": {"attention": "causal", "pooling": "mean"},
    "causal, last token": {"attention": "causal", "pooling": "lasttoken"},
    "bidirectional, last token": {"pooling": "lasttoken"},
    "bidirectional, mean": {"pooling": "mean"},
    "bidirectional, latent": {"pooling": "latent"},
}
STAGES = ("one stage, all in-batch", "two stages")
MEASURES = ("STSb test", "SICK validation", "TREC probe")
RETRIEVE = instruction("Find the sentence that means the same")
CLASSIFY = instruction("Find a question that asks for the same kind of thing")

Step = tuple[list[list[str]], str, bool]
"""Columns, their prompt, and whether negatives come from the batch."""


# --- the decoder ---------------------------------------------------------------------------------------------------------


def base() -> Path:
    """A decoder that has read the Brown corpus once; made once."""
    folder = cache_dir("experiments") / f"decoder-{WIDTH}-{LAYERS}-{VOCABULARY}"
    if not (folder / "config.json").is_file():
        sentences = brown(3, 60)
        tokenizer = byte_pairs(sentences)
        network, loss = pretrained(tokenizer, sentences)
        print(f"decoder: {network.num_parameters():,} weights, last loss {loss:.3f} a token", flush=True)
        network.save_pretrained(folder)
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", model_max_length=128
        ).save_pretrained(folder)
    return folder


def byte_pairs(sentences: list[str]) -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(sentences, trainer)
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return made


def pretrained(tokenizer: Tokenizer, sentences: list[str]) -> tuple[Any, float]:
    """Next-token prediction over the sentences end to end, in rows of 64 tokens, once."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
    )
    network = transformers.LlamaForCausalLM(config)
    ids = [number for one in tokenizer.encode_batch(sentences) for number in [*one.ids, 1]]
    table = torch.tensor(ids[: len(ids) // 64 * 64]).view(-1, 64)
    table = table[torch.randperm(len(table), generator=torch.Generator().manual_seed(0))]
    batches = table.split(32)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=len(batches), pct_start=0.1)
    recent = []
    for step, batch in enumerate(batches):
        with autocast():
            loss = network(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        recent.append(loss.item())
        if step % 100 == 0:
            print(f"pre-training {step} of {len(batches)}: {np.mean(recent[-100:]):.3f}", flush=True)
    return network, float(np.mean(recent[-50:]))


# --- data ----------------------------------------------------------------------------------------------------------------


def pairs() -> list[tuple[str, str]]:
    """Sentences that mean the same."""
    made = []
    for parts in (("sts", "stsb-en", "train.jsonl"), ("sts", "sick", "train.jsonl")):
        made += [
            (row["sentence1"], row["sentence2"])
            for row in rows(*parts)
            if float(row["score"]) >= 4 or row.get("entailment") == "entailment"
        ]
    made += [
        (row["sentence1"], row["sentence2"])
        for row in rows("pair_classification", "msrp", "train.jsonl")
        if int(row["label"])
    ]
    return [pair for pair in dict.fromkeys(made) if pair[0] != pair[1]]


def questions(split: str) -> tuple[list[str], list[str]]:
    found = rows("classification", "trec-qc", f"{split}.jsonl")
    return [row["text"] for row in found], [str(row["label"]) for row in found]


def batched(columns: Sequence[Sequence[str]], steps: int, chance: random.Random) -> list[list[list[str]]]:
    """Rows in ever new order, cut into so many batches."""
    table, order = list(zip(*columns, strict=True)), []
    while len(order) < steps * BATCH:
        order += chance.sample(table, len(table))
    return [
        [list(column) for column in zip(*order[at : at + BATCH], strict=True)] for at in range(0, steps * BATCH, BATCH)
    ]


def retrieval(steps: int, chance: random.Random) -> list[Step]:
    left, right = zip(*pairs(), strict=True)
    return [(columns, RETRIEVE, True) for columns in batched([left, right], steps, chance)]


def blended(steps: int, chance: random.Random, seed: int, *, in_batch: bool) -> list[Step]:
    """Half each: scored pairs with BM25's negatives, and classes with negatives of other classes."""
    sample = random.Random(0).sample(rows("sts", "stsb-en", "train.jsonl"), SCORED)
    given = [(row["sentence1"], row["sentence2"], float(row["score"]) / 5) for row in sample]
    scored = scored_contrasts(given, NEGATIVES, seed)
    classed = class_contrasts(*questions("train"), NEGATIVES, seed)
    made: list[Step] = []
    for found, prompt, share in ((scored, RETRIEVE, steps // 2), (classed, CLASSIFY, steps - steps // 2)):
        columns = [[row.anchor for row in found], [row.positive for row in found]]
        columns += [[row.negative[place] for row in found] for place in range(NEGATIVES)]
        made += [(part, prompt, in_batch) for part in batched(columns, share, chance)]
    chance.shuffle(made)
    return made


# --- runs ----------------------------------------------------------------------------------------------------------------


def model_of(settings: dict[str, Any], seed: int) -> Any:
    torch.manual_seed(seed)
    return open_decoder(base(), DecoderSettings(**settings, latents=32, heads=4), max_length=TOKENS).train()


class Switch(torch.nn.Module):
    """Both losses, chosen for each batch."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.losses = torch.nn.ModuleDict(
            {
                str(kind): make_loss(model, "mnr", {"temperature": TEMPERATURE, "in_batch": kind})
                for kind in (True, False)
            }
        )

    def forward(self, features: Any, in_batch: Any) -> Any:
        """The loss of a batch, in float32; the network runs as ``lean`` says."""
        with torch.autocast("cpu", enabled=False):
            return self.losses[str(in_batch)](features, None)


def fit(model: Any, steps: list[Step], rate: float, seed: int) -> list[float]:
    torch.manual_seed(seed)
    plain = model.preprocess
    prompts = iter([prompt for columns, prompt, _ in steps for _ in columns])
    model.preprocess = lambda texts: plain(texts, prompt=next(prompts))
    try:
        with lean(model, precision_of("auto", "cpu"), split=True, sparse=False):
            return train(model, Switch(model), [(columns, in_batch) for columns, _, in_batch in steps], rate)
    finally:
        del model.preprocess


def measured(model: Any, tests: dict[str, Pairs], *, probe: bool) -> dict[str, float]:
    model.prompts = {"same": RETRIEVE}
    model.default_prompt_name = "same"
    found = {name: spearman(cosines(model, given), given.scores) for name, given in tests.items()}
    if probe:
        model.prompts = {"same": CLASSIFY}
        (texts, labels), (asked, truth) = questions("train"), questions("test")
        chosen = random.Random(0).sample(range(len(texts)), 1500)
        scale = StandardScaler().fit(encode(model, [texts[i] for i in chosen]))
        vectors = scale.transform(encode(model, [texts[i] for i in chosen]))
        regression = LogisticRegression(max_iter=500).fit(vectors, [labels[i] for i in chosen])
        found["TREC probe"] = 100 * float(regression.score(scale.transform(encode(model, asked)), truth))
    return found


def variant(settings: dict[str, Any], seed: int, rate: float, tests: dict[str, Pairs]) -> Any:
    model = model_of(settings, seed)
    values = fit(model, retrieval(STEPS, random.Random(seed)), rate, seed)
    return {**measured(model, tests, probe=False), "losses": [round(value, 4) for value in values[::10]]}


def staged(name: str, seed: int, tests: dict[str, Pairs]) -> Any:
    model, chance = model_of({"pooling": "latent"}, seed), random.Random(seed)
    first, second = retrieval(STEPS, chance), blended(STEPS, chance, seed, in_batch=name != "two stages")
    if name == "two stages":
        values = fit(model, first, RATE, seed) + fit(model, second, RATE, seed)
    else:
        values = fit(model, random.Random(seed).sample(first + second, 2 * STEPS), RATE, seed)
    return {**measured(model, tests, probe=True), "losses": [round(value, 4) for value in values[::10]]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS, help="only these seeds")
    given = parser.parse_args()
    tests = {"STSb test": sts("stsb-en", "test.jsonl"), "SICK validation": sts("sick", "validation.jsonl")}
    kept = Kept("nv_embed")
    for seed in given.seeds:
        for name, settings in VARIANTS.items():
            kept.run(f"{name} {seed}", lambda seed=seed, settings=settings: variant(settings, seed, RATE, tests))
        for name in STAGES:
            kept.run(f"{name} {seed}", lambda seed=seed, name=name: staged(name, seed, tests))
    if all(f"{name} {seed}" in kept.runs for name in (*VARIANTS, *STAGES) for seed in SEEDS):
        write(kept)


def write(kept: Kept) -> None:
    def of(name: str, measure: str) -> list[float]:
        return [kept.runs[f"{name} {seed}"][measure] for seed in SEEDS]

    def gain(one: str, other: str, measure: str) -> str:
        return cell(np.subtract(of(one, measure), of(other, measure)), 2, True)

    lines = [
        "# NV-Embed's parts on a decoder of 4 layers",
        "",
        f"| pooling and attention | {' | '.join(MEASURES[:2])} |",
    ]
    lines += ["| --- | --- | --- |"]
    lines += [f"| {name} | {' | '.join(cell(of(name, m)) for m in MEASURES[:2])} |" for name in VARIANTS]
    lines += ["", f"| stages, bidirectional and latent | {' | '.join(MEASURES)} |", "| --- | --- | --- | --- |"]
    lines += [f"| {name} | {' | '.join(cell(of(name, m)) for m in MEASURES)} |" for name in STAGES]
    lines += ["", f"| difference from the same seed | {' | '.join(MEASURES)} |", "| --- | --- | --- | --- |"]
    for label, one, other in (
        ("bidirectional - causal, mean", "bidirectional, mean", "causal, mean"),
        ("bidirectional - causal, last token", "bidirectional, last token", "causal, last token"),
        ("latent - mean", "bidirectional, latent", "bidirectional, mean"),
        ("mean - last token", "bidirectional, mean", "bidirectional, last token"),
        ("two stages - one", *reversed(STAGES)),
    ):
        cells = [gain(one, other, m) if m in kept.runs[f"{one} 0"] else "" for m in MEASURES]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    lines += [
        "",
        f"Spearman x 100, and accuracy in percent. Mean over {len(SEEDS)} seeds (order, latent weights, draws) and its 95 % t",
        f"interval; the decoder is one. {STEPS} steps of {BATCH} rows a stage, rate {RATE:g}, temperature {TEMPERATURE:g}.",
        f"Made by `python experiments/nv_embed.py` on {machine()['processor']}.",
    ]
    report("nv_embed", lines)


if __name__ == "__main__":
    main()
