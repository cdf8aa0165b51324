"""What the output types of ``/v1/embeddings`` keep: cosine to float32, and the nearest neighbours.

    python benchmarks/output_types.py --json benchmarks/results/output_types.json

The bundled model on 3,000 sentences of the Brown corpus under ``VECLOOM_DATA``. Neighbours are the ten nearest of each of the
first 300 sentences among all others, by the product of the numbers as they are sent; for bits, by the number of equal ones.
uint8 and binary are int8 and ubinary with another offset, so they are not measured again.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import vecloom
from serve import sentences
from vecloom.encoders.protocol import finish
from vecloom.files import write_text
from vecloom.serve.dtypes import OutputDtype, converted

SENTENCES, QUERIES, NEAREST = 3000, 300, 10
DIMENSIONS = (384, 128)
DTYPES: tuple[OutputDtype, ...] = ("float16", "int8", "ubinary")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    full = vecloom.load("minilm").encode(sentences()[:SENTENCES])
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "rows": [row(finish(full, dim, normalize=True), dtype) for dim in DIMENSIONS for dtype in DTYPES],
    }
    print(table(report))
    if options.json:
        write_text(options.json, json.dumps(report, indent=1) + "\n")
        write_text(options.json.with_suffix(".md"), table(report))


def row(vectors: np.ndarray, dtype: OutputDtype) -> dict[str, Any]:
    dim, numbers = vectors.shape[1], converted(vectors, dtype)
    values = meant(numbers, dtype, dim)
    cosines = (values * vectors).sum(axis=1) / np.linalg.norm(values, axis=1)
    shared = [len(set(a) & set(b)) / NEAREST for a, b in zip(nearest(vectors), nearest(values), strict=True)]
    return {
        "dim": dim, "dtype": dtype, "bytes": numbers[0].nbytes, "cosine_mean": float(cosines.mean()),
        "cosine_lowest": float(cosines.min()), "neighbours_kept": float(np.mean(shared)),
    }  # fmt: skip


def meant(numbers: np.ndarray, dtype: OutputDtype, dim: int) -> np.ndarray:
    """What the numbers stand for, up to a factor."""
    if dtype == "ubinary":
        return np.unpackbits(numbers, axis=1, count=dim).astype(np.float32) * 2 - 1
    return numbers.astype(np.float32)


def nearest(vectors: np.ndarray) -> np.ndarray:
    scores = vectors[:QUERIES] @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :NEAREST]


def table(report: dict[str, Any]) -> str:
    lines = [
        f"Made by `python benchmarks/output_types.py` on {report['date']}: all-MiniLM-L6-v2, {SENTENCES:,} sentences.\n",
        "| dimensions | `output_dtype` | bytes | cosine to float32, mean (lowest) | of the 10 nearest, kept |",
        "| ---: | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {one['dim']} | {one['dtype']} | {one['bytes']:,} | {one['cosine_mean']:.5f} ({one['cosine_lowest']:.5f}) "
        f"| {one['neighbours_kept']:.1%} |"
        for one in report["rows"]
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
