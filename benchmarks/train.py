"""Training speed beside plain sentence-transformers: same model, pairs, loss, batch and steps, rounds interleaved.

    python benchmarks/train.py                                   # speed: 5 rounds, then quality: 3 seeds
    python benchmarks/train.py --rounds 3 --batch 32 128 --seeds 0 --json out.json
    python benchmarks/train.py --device cuda --batch 256         # adds the share of the GPU's measured matmul peak

The model is the bundled MiniLM, the loss multiple negatives ranking at its default, the pairs STSb (score 3 and up), SICK
(entailment) and MSRP (paraphrases) under ``VECLOOM_DATA``. "sentence-transformers" is its trainer with default arguments (fp32);
"sentence-transformers bf16" is the same with ``bf16=True``; vecloom is a recipe with defaults (bf16 where the hardware has it,
batches encoded in pieces of like length, tokenising ahead). The other rows leave one of these out, or add length grouping.

A step's time is from one step's end to the next one's, waiting for the batch included, the first two of each run left out; a
round's figure is the median of its steps. CPU time, of all threads, is told too: it stands still where other work takes the
processor away. Quality: each system trains with each seed, and STSb's test pairs are scored in fp32; the interval of the mean
difference is a bootstrap over pairs and seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vecloom.encoders.resolve import resolve
from vecloom.files import text_digest, write_text
from vecloom.runtime import cpu
from vecloom.train.machine import device_of, hardware, precision_of

SEED = 20260
SKIPPED = 2  # steps at the start of a run: first calls of kernels
REFERENCE = "sentence-transformers"
RATE = 2e-5
RESULT = Path(__file__).with_name("results") / "train.json"
Timed = Callable[[Path, int, int, int], tuple[np.ndarray, Path]]
"""Pairs' file, batch, steps, seed to (steps, 2) seconds by the clock and of the CPU, and the trained model's directory."""


def main() -> None:
    options = parse()
    warnings.filterwarnings("ignore")
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    torch.set_num_threads(options.threads)
    report = json.loads(options.json.read_text()) if options.json.is_file() else {}
    print(f"{hardware()}, {', '.join(cpu.features())}, {options.threads} threads, {time.strftime('%Y-%m-%d')}")
    with tempfile.TemporaryDirectory() as folder:
        wanted = {REFERENCE, *(options.systems or SYSTEMS)}
        systems = {name: made for name, made in SYSTEMS.items() if name in wanted}
        if options.rounds:
            tables = {str(batch): speed(systems, batch, options, Path(folder)) for batch in options.batch}
            about = {"rounds": options.rounds, "steps": options.steps, "seed": SEED}
            report[f"speed on {options.device}"] = {"machine": machine(options), **about, "batch": tables}
        if options.seeds:
            report["quality"] = {"machine": machine(options), **quality(options, Path(folder))}
    write_text(options.json, json.dumps(report, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of the comparison of speed; 0: none")
    parser.add_argument("--steps", type=int, default=12, help="of each run in a round")
    parser.add_argument("--batch", type=int, nargs="*", default=[32])
    parser.add_argument("--seeds", type=int, default=3, help="of the comparison of quality; 0: none")
    parser.add_argument("--quality-steps", type=int, default=80)
    parser.add_argument("--threads", type=int, default=cpu.threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--systems", nargs="*", help="names from the table; all by default")
    parser.add_argument("--json", type=Path, default=RESULT, help="where the results go; other parts of it stay")
    options = parser.parse_args()
    os.environ["BENCH_DEVICE"] = device_of(options.device)
    return options


def machine(options: argparse.Namespace) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "hardware": hardware() if options.device == "cuda" else cpu.name(),
        "features": cpu.features(),
        "threads": options.threads,
        "device": options.device,
        "precision": precision_of("auto", options.device),
        "versions": {name: version(name) for name in ("torch", "transformers", "sentence-transformers")},
        "date": time.strftime("%Y-%m-%d"),
    }


# --- data ------------------------------------------------------------------------------------------------------------


def data() -> Path:
    if "VECLOOM_DATA" not in os.environ:
        raise SystemExit("Set VECLOOM_DATA to the folder of public test collections.")
    return Path(os.environ["VECLOOM_DATA"])


def rows(*parts: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data().joinpath(*parts).open(encoding="utf-8")]


def pairs() -> list[tuple[str, str]]:
    """Different pairs that mean the same, in a fixed random order."""
    found = [row for row in rows("sts", "stsb-en", "train.jsonl") if row["score"] >= 3]
    found += [row for row in rows("sts", "sick", "train.jsonl") if row["entailment"] == "entailment"]
    found += [row for row in rows("pair_classification", "msrp", "train.jsonl") if int(row["label"]) == 1]
    kept = list(dict.fromkeys((row["sentence1"], row["sentence2"]) for row in found))
    return [kept[place] for place in np.random.default_rng(SEED).permutation(len(kept))]


def write_pairs(folder: Path, kept: list[tuple[str, str]]) -> Path:
    path = folder / f"pairs-{len(kept)}-{text_digest(kept[0][0])}.jsonl"
    write_text(path, "".join(json.dumps({"anchor": one, "positive": two}) + "\n" for one, two in kept))
    return path


# --- systems ---------------------------------------------------------------------------------------------------------


def sentence_transformers(**arguments: Any) -> Timed:
    """Its trainer with default arguments, and these."""

    def run(path: Path, batch: int, steps: int, seed: int) -> tuple[np.ndarray, Path]:
        from datasets import Dataset
        from sentence_transformers import (
            SentenceTransformer,
            SentenceTransformerTrainer,
            SentenceTransformerTrainingArguments,
        )
        from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
        from transformers import TrainerCallback

        ends: list[tuple[float, float]] = []

        class Clock(TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                ends.append(now())

        output = path.parent / "sentence-transformers"
        device = os.environ["BENCH_DEVICE"]
        model = SentenceTransformer(str(resolve("minilm")), device=device)
        given = SentenceTransformerTrainingArguments(
            output_dir=str(output),
            per_device_train_batch_size=batch,
            max_steps=steps,
            learning_rate=RATE,
            warmup_steps=0.1,
            seed=seed,
            use_cpu=device == "cpu",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_steps=10_000,
            **arguments,
        )
        table = Dataset.from_json(str(path))
        trainer = SentenceTransformerTrainer(
            model, given, table, loss=MultipleNegativesRankingLoss(model), callbacks=[Clock()]
        )
        trainer.train()
        model.save_pretrained(str(output / "model"), create_model_card=False)
        return np.diff(ends, axis=0), output / "model"

    return run


def vecloom(**changes: Any) -> Timed:
    """A recipe with its defaults, and these."""

    def run(path: Path, batch: int, steps: int, seed: int) -> tuple[np.ndarray, Path]:
        from vecloom import train

        ends: list[tuple[float, float]] = []

        def clock(_: Any) -> None:
            ends.append(now())

        recipe = train.Recipe(
            model="minilm",
            output=str(path.parent / "vecloom"),
            data=({"path": str(path)},),
            loss="mnr",
            batch_size=batch,
            steps=steps,
            learning_rate=RATE,
            weight_decay=0.0,  # sentence-transformers' default
            seed=seed,
            device=os.environ["BENCH_DEVICE"],
            checkpoints={"every": steps},
            logging={"every": 10_000, "to": ()},
            **changes,
        )
        summary = train.run(recipe, resume=False, progress=clock)
        return np.diff(ends, axis=0), Path(summary.output)

    return run


SYSTEMS: dict[str, Timed] = {
    REFERENCE: sentence_transformers(),
    "sentence-transformers bf16": sentence_transformers(bf16=True),
    "vecloom": vecloom(),
    "vecloom, length_grouping 20": vecloom(length_grouping=20),
    "vecloom, padding longest": vecloom(padding="longest"),
    "vecloom, precision fp32": vecloom(precision="fp32"),
}


def now() -> tuple[float, float]:
    wait()
    return time.perf_counter(), time.process_time()


def wait() -> None:
    if os.environ["BENCH_DEVICE"] == "cuda":
        torch.cuda.synchronize()


# --- speed -----------------------------------------------------------------------------------------------------------


def speed(systems: dict[str, Timed], batch: int, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Medians over rounds; in each round every system trains on the same fresh pairs."""
    steps = options.steps + SKIPPED + 1
    kept = pairs()
    per_round = steps * batch
    found: dict[str, list[np.ndarray]] = {name: [] for name in systems}
    for turn in range(options.rounds):
        first = turn * per_round % max(len(kept) - per_round, 1)
        path = write_pairs(folder, kept[first : first + per_round])
        for name, run in systems.items():
            times, _ = run(path, batch, steps, SEED + turn)
            found[name].append(np.median(times[SKIPPED:], axis=0))
        rates = ", ".join(f"{name} {batch / times[-1][0]:.0f}" for name, times in found.items())
        print(f"batch {batch}, round {turn + 1}, pairs/s: {rates}", flush=True)
    table = {name: figures(np.array(times), np.array(found[REFERENCE]), batch) for name, times in found.items()}
    if options.device == "cuda":
        add_utilisation(table, kept)
    show(table, batch)
    return table


def figures(times: np.ndarray, reference: np.ndarray, batch: int) -> dict[str, Any]:
    """From (rounds, 2) seconds per step."""
    ratios = reference / times
    return {
        "pairs_per_s": batch / float(np.median(times[:, 0])),
        "pairs_per_cpu_s": batch / float(np.median(times[:, 1])),
        "seconds_per_step": times[:, 0].tolist(),
        "cpu_seconds_per_step": times[:, 1].tolist(),
        "ratio": float(np.median(ratios[:, 0])),
        "ratio_range": [float(ratios[:, 0].min()), float(ratios[:, 0].max())],
        "cpu_ratio": float(np.median(ratios[:, 1])),
    }


def show(table: dict[str, Any], batch: int) -> None:
    print(f"\nbatch {batch:<24} pairs/s   ratio (of rounds)      by CPU time")
    for name, row in table.items():
        low, high = row["ratio_range"]
        used = f"   {100 * row['mfu']:.1f} % of peak" if "mfu" in row else ""
        print(
            f"{name:<30} {row['pairs_per_s']:7.1f}   {row['ratio']:.2f} ({low:.2f} to {high:.2f})   {row['cpu_ratio']:.2f}{used}"
        )
    print()


def add_utilisation(table: dict[str, Any], kept: list[tuple[str, str]]) -> None:
    """Share of the measured bf16 matmul peak: 6 FLOPs per weight of the layers and token, real tokens only."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(resolve("minilm")), device="cpu")
    weights = sum(p.numel() for p in model[0].auto_model.encoder.parameters())
    sample = [text for pair in kept[:500] for text in pair]
    tokens = float(model.preprocess(sample)["attention_mask"].sum()) / len(sample)
    one = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    for _ in range(3):
        one @ one
    wait()
    began = time.perf_counter()
    for _ in range(20):
        one @ one
    wait()
    peak = 20 * 2 * 8192**3 / (time.perf_counter() - began)
    for row in table.values():
        row["mfu"] = row["pairs_per_s"] * 2 * tokens * 6 * weights / peak


# --- quality ---------------------------------------------------------------------------------------------------------


def quality(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """STSb test after equal steps: the reference and vecloom, each with each seed."""
    batch = options.batch[0]
    path = write_pairs(folder, pairs()[: options.quality_steps * batch])
    cosines: dict[str, list[np.ndarray]] = {}
    names = [REFERENCE, "vecloom", "vecloom, length_grouping 20"]
    for seed in range(options.seeds):
        for name in names:
            _, model = SYSTEMS[name](path, batch, options.quality_steps, seed)
            cosines.setdefault(name, []).append(test_cosines(model))
            print(f"seed {seed}, {name}: {spearman(cosines[name][-1]):.4f}", flush=True)
    untouched = spearman(test_cosines(resolve("minilm")))
    report: dict[str, Any] = {
        "steps": options.quality_steps,
        "batch": batch,
        "pairs": len(pairs()),
        "before": untouched,
    }
    print(f"\nSTSb test, Spearman; before training {untouched:.4f}")
    for name in names:
        scores = [spearman(each) for each in cosines[name]]
        difference = interval(cosines[name], cosines[REFERENCE])
        report[name] = {"scores": scores, "mean": float(np.mean(scores)), "difference": difference}
        mean, low, high = difference
        print(f"{name:<30} {np.mean(scores):.4f}   {mean:+.4f} [{low:+.4f}, {high:+.4f}] against {REFERENCE}")
    return report


def test_cosines(model: Path) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    opened = SentenceTransformer(str(model), device=os.environ["BENCH_DEVICE"])
    test = rows("sts", "stsb-en", "test.jsonl")
    sides = [
        opened.encode([row[side] for row in test], normalize_embeddings=True, show_progress_bar=False, batch_size=64)
        for side in ("sentence1", "sentence2")
    ]
    return np.einsum("nd,nd->n", *sides)


def gold() -> np.ndarray:
    return np.array([row["score"] for row in rows("sts", "stsb-en", "test.jsonl")])


def spearman(cosines: np.ndarray, chosen: np.ndarray | None = None) -> float:
    from scipy.stats import spearmanr

    scores = gold()
    chosen = np.arange(len(scores)) if chosen is None else chosen
    return float(spearmanr(cosines[chosen], scores[chosen]).statistic)


def interval(own: list[np.ndarray], other: list[np.ndarray], samples: int = 1000) -> tuple[float, float, float]:
    """Mean difference over seeds, and its 95 % bootstrap interval over pairs and seeds."""
    random = np.random.default_rng(SEED)

    def difference(chosen: np.ndarray | None, seeds: np.ndarray) -> float:
        return float(np.mean([spearman(own[seed], chosen) - spearman(other[seed], chosen) for seed in seeds]))

    size, count = len(own[0]), len(own)
    drawn = [difference(random.integers(size, size=size), random.integers(count, size=count)) for _ in range(samples)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return difference(None, np.arange(count)), float(low), float(high)


if __name__ == "__main__":
    main()
