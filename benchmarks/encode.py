"""Encoding speed beside the peers, in one run: same texts, same threads, systems interleaved, medians.

    python benchmarks/encode.py                    # all workloads, 5 rounds
    python benchmarks/encode.py --rounds 7 --json out.json --only short

Workloads: ``short`` (sentences, mean about 18 tokens), ``documents`` (200 to 256 tokens), ``query`` (one text at a time).
Texts come from the public collections under ``VECLOOM_DATA``. Peers are what the extra ``[bench]`` installs:
sentence-transformers in fp32 (its default, batch 32), bf16, ONNX and OpenVINO, and fastembed with the same ONNX file.
The share of the CPU's measured matmul peak is that of vecloom's forward passes: padding counts as loss.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import vecloom
from vecloom.files import write_text
from vecloom.runtime import cpu

Encode = Callable[[list[str]], np.ndarray]
SEED = 20260
REFERENCE = "sentence-transformers fp32"


def main() -> None:
    options = parse()
    warnings.filterwarnings("ignore")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    print(f"{cpu.name()}, {', '.join(cpu.features())}, {options.threads} threads, {time.strftime('%Y-%m-%d')}")
    with tempfile.TemporaryDirectory() as folder:
        systems = open_systems(Path(folder), options.threads, options.systems)
        tables = {name: run(name, systems, options.rounds) for name in WORKLOADS if options.only in ("", name)}
    peak = matmul_peak(options.threads)
    report = {
        "machine": machine(options.threads),
        "rounds": options.rounds,
        "seed": SEED,
        "peak_tflops": peak,
        "workloads": tables,
    }
    for name, table in tables.items():
        show(name, table)
    show_peak(tables, peak)
    if options.json:
        write_text(options.json, json.dumps(report, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=cpu.threads())
    parser.add_argument("--only", default="", choices=["", *WORKLOADS])
    parser.add_argument("--systems", nargs="*", default=None, help="names from the table; all by default")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def machine(threads: int) -> dict[str, object]:
    return {"cpu": cpu.name(), "features": cpu.features(), "threads": threads, "date": time.strftime("%Y-%m-%d")}


# --- texts ---------------------------------------------------------------------------------------------------------


def short_texts(count: int = 3000) -> list[str]:
    """Sentences of eight words or more of two STS sets: about 18 tokens on average."""
    rows = [json.loads(line) for line in (data() / "sts" / "sts15" / "test.jsonl").open()]
    rows += [json.loads(line) for line in (data() / "sts" / "stsb-en" / "train.jsonl").open()]
    found = list(dict.fromkeys(row[side] for row in rows for side in ("sentence1", "sentence2")))
    found = [text for text in found if len(text.split()) >= 8]
    random.Random(SEED).shuffle(found)
    return found[:count]


def document_texts(count: int = 240) -> list[str]:
    """Runs of whole sentences of the Brown corpus that come to 200 to 256 tokens."""
    tokenizer = vecloom.load("minilm").tokenizer
    found: list[str] = []
    run: list[str] = []
    for line in (data() / "text" / "brown" / "sentences.jsonl").open():
        run.append(json.loads(line)["text"])
        length = len(tokenizer.encode(" ".join(run)).ids)
        if 200 <= length <= 256:
            found.append(" ".join(run))
        if length >= 200:
            run = []
        if len(found) == count:
            break
    return found


def data() -> Path:
    if "VECLOOM_DATA" not in os.environ:
        raise SystemExit("Set VECLOOM_DATA to the folder of public test collections.")
    return Path(os.environ["VECLOOM_DATA"])


# --- systems -------------------------------------------------------------------------------------------------------


def open_systems(folder: Path, threads: int, wanted: list[str] | None) -> dict[str, Encode]:
    makers = {
        "vecloom": lambda: vecloom_auto(threads),
        REFERENCE: lambda: sentence_transformers(threads, "float32"),
        "sentence-transformers bf16": lambda: sentence_transformers(threads, "bfloat16"),
        "sentence-transformers ONNX": lambda: sentence_transformers_backend("onnx", folder),
        "sentence-transformers OpenVINO": lambda: sentence_transformers_backend("openvino", folder),
        "fastembed": lambda: fastembed(folder, threads),
    }
    systems = {}
    for name, make in makers.items():
        if wanted and name not in wanted:
            continue
        try:
            systems[name] = make()
            systems[name](["warm up"])
        except ImportError as error:
            print(f"  {name}: left out, {error}")
    return systems


def vecloom_auto(threads: int) -> Encode:
    encoder = vecloom.load("minilm", threads=threads)
    return lambda texts: encoder.encode(texts)


def model_path() -> str:
    from vecloom.encoders.resolve import resolve

    return str(resolve("minilm"))


def sentence_transformers(threads: int, dtype: str) -> Encode:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(model_path(), device="cpu", model_kwargs={"torch_dtype": getattr(torch, dtype)})
    return lambda texts: model.encode(texts)


def sentence_transformers_backend(backend: str, folder: Path) -> Encode:
    from sentence_transformers import SentenceTransformer

    options = {"export": True} if backend == "onnx" else {}
    model = SentenceTransformer(model_path(), device="cpu", backend=backend, model_kwargs=options)
    model.save_pretrained(str(folder / backend))
    set_truncation(folder / backend, 256)
    return lambda texts: model.encode(texts)


def set_truncation(folder: Path, length: int) -> None:
    """Have fastembed cut where the others do: it obeys the tokenizer settings, which say 128 for this model, not 256."""
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**settings, "model_max_length": length, "max_length": length}), encoding="utf-8")


def fastembed(folder: Path, threads: int) -> Encode:
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    TextEmbedding.add_custom_model(
        model="local/minilm",
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf="local/minilm"),
        dim=384,
        model_file="onnx/model.onnx",
    )
    model = TextEmbedding("local/minilm", specific_model_path=str(folder / "onnx"), threads=threads)
    return lambda texts: np.stack(list(model.embed(texts, batch_size=32)))


# --- measuring -----------------------------------------------------------------------------------------------------


def run(workload: str, systems: dict[str, Encode], rounds: int) -> dict[str, dict[str, float]]:
    texts = WORKLOADS[workload]()
    times: dict[str, list[float]] = {name: [] for name in systems}
    checks = {name: encode(texts[:64]) for name, encode in systems.items()}
    one_by_one = workload == "query"
    for _ in range(rounds):
        for name, encode in systems.items():
            times[name].append(latency(encode, texts) if one_by_one else duration(encode, texts))
    tokens = [len(ids.ids) for ids in vecloom.load("minilm").tokenizer.encode_batch(texts)]
    rate = (lambda seconds: 1 / seconds) if one_by_one else (lambda seconds: len(texts) / seconds)
    return {
        name: {
            "texts_per_second": round(rate(statistics.median(seconds)), 1),
            "low": round(rate(max(seconds)), 1),
            "high": round(rate(min(seconds)), 1),
            "milliseconds": round(1000 * statistics.median(seconds), 3),
            "min_cosine": round(float(cosines(checks[name], checks.get(REFERENCE, checks[name])).min()), 5),
            "mean_tokens": round(statistics.mean(tokens), 1),
            "texts": len(texts),
        }
        for name, seconds in times.items()
    }


def duration(encode: Encode, texts: list[str]) -> float:
    start = time.perf_counter()
    encode(texts)
    return time.perf_counter() - start


def latency(encode: Encode, texts: list[str]) -> float:
    """Median seconds of one text alone."""
    return statistics.median(duration(encode, [text]) for text in texts)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def matmul_peak(threads: int) -> float:
    """TFLOP/s of bf16 linear layers at the model's own shapes (2,048 rows), as torch's oneDNN runs them."""
    import torch

    torch.set_num_threads(threads)
    best = 0.0
    for inner, outer in ((384, 384), (384, 1536), (1536, 384)):
        x, w = torch.randn(2048, inner).bfloat16(), torch.randn(outer, inner).bfloat16()
        for _ in range(50):
            start = time.perf_counter()
            torch.nn.functional.linear(x, w)
            best = max(best, 2 * 2048 * inner * outer / (time.perf_counter() - start) / 1e12)
    return round(best, 2)


def flops(tokens: float) -> float:
    """Useful floating-point operations of all-MiniLM-L6-v2 on one text: linear layers, scores and mixing."""
    return 6 * tokens * (2 * (4 * 384 * 384 + 2 * 384 * 1536) + 4 * tokens * 384)


def show(workload: str, table: dict[str, dict[str, float]]) -> None:
    some = next(iter(table.values()))
    print(f"\n{workload}: {some['texts']} texts, mean {some['mean_tokens']} tokens")
    base = table.get(REFERENCE, some)["texts_per_second"]
    unit = "ms each" if workload == "query" else "texts/s"
    print(f"| system | {unit} | range | x default | min cosine |\n| --- | ---: | ---: | ---: | ---: |")
    for name, row in sorted(table.items(), key=lambda item: -item[1]["texts_per_second"]):
        value = row["milliseconds"] if workload == "query" else row["texts_per_second"]
        low, high = (1000 / row["high"], 1000 / row["low"]) if workload == "query" else (row["low"], row["high"])
        print(
            f"| {name} | {value:,.1f} | {low:,.1f} - {high:,.1f} | "
            f"{row['texts_per_second'] / base:.2f} | {row['min_cosine']:.5f} |"
        )


def show_peak(tables: dict[str, dict[str, dict[str, float]]], peak: float) -> None:
    print(f"\nMeasured matmul peak at the model's shapes: {peak} TFLOP/s (bf16).")
    for workload, table in tables.items():
        row = table.get("vecloom")
        if row and workload != "query":
            used = row["texts_per_second"] * flops(row["mean_tokens"]) / 1e12
            print(f"  {workload}: vecloom does {used:.2f} TFLOP/s of useful work, {100 * used / peak:.0f} % of it")


WORKLOADS: dict[str, Callable[[], list[str]]] = {
    "short": short_texts,
    "documents": document_texts,
    "query": lambda: short_texts(200),
}

if __name__ == "__main__":
    main()
