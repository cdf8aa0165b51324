"""The published quality of the bundled model, on public collections, through vecloom's own parts."""

from __future__ import annotations

import importlib.util
import os
import runpy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vecloom as vl
from vecloom.runtime import cpu

ROOT = Path(__file__).parents[2]
BACKENDS = [("openvino", "f32"), ("openvino", "bf16"), ("torch", "f32"), ("torch", "bf16"), ("onnx", "f32")]
# published, https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 and its MTEB results
STS = {"sts14": 75.60, "sts15": 85.39, "stsb-en": 82.03}
CRANFIELD = 38.1
NEEDS = {"torch": "sentence_transformers", "onnx": "onnxruntime"}

pytestmark = pytest.mark.skipif("VECLOOM_DATA" not in os.environ, reason="VECLOOM_DATA is not set")


@cache
def experiment(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "experiments" / f"{name}.py"))


def spearman_of(backend: str, precision: str, task: str) -> float:
    if precision == "bf16" and not cpu.has_bf16():
        pytest.skip("this processor has no bfloat16")
    if backend in NEEDS and importlib.util.find_spec(NEEDS[backend]) is None:
        pytest.skip(f"{NEEDS[backend]} is not installed")
    quality = experiment("quality")
    first, second, scores = quality["read_pairs"](task)
    vectors = vl.load("minilm", backend=backend, precision=precision).encode(first + second)
    return float(quality["spearman"](quality["cosines"](vectors), scores))


@pytest.mark.parametrize("task", STS)
def test_openvino_in_bf16_has_the_published_similarity(task: str) -> None:
    assert spearman_of("openvino", "bf16", task) == pytest.approx(STS[task], abs=0.1)


@pytest.mark.parametrize(("backend", "precision"), BACKENDS)
def test_every_backend_has_the_published_similarity(backend: str, precision: str) -> None:
    assert spearman_of(backend, precision, "stsb-en") == pytest.approx(STS["stsb-en"], abs=0.1)


@pytest.mark.slow  # 16,000 sentences on each of the slower backends: minutes
@pytest.mark.parametrize("task", ["sts14", "sts15"])
@pytest.mark.parametrize(("backend", "precision"), BACKENDS)
def test_every_backend_has_the_published_similarity_on_every_set(backend: str, precision: str, task: str) -> None:
    assert spearman_of(backend, precision, task) == pytest.approx(STS[task], abs=0.1)


def test_vector_search_on_cranfield_has_the_published_ndcg(tmp_path: Path) -> None:
    cranfield = experiment("cranfield")
    records, queries, judgements = cranfield["read_collection"]()
    index = cranfield["make_index"](tmp_path / "index", records, vl.load("minilm"), 0)
    assert np.mean(cranfield["scores"](index, queries, judgements, "vector")) == pytest.approx(CRANFIELD, abs=0.2)


def test_ndcg_uses_the_grades_as_gains() -> None:
    # found: grade 1 first, nothing, grade 3 third: 1/log2(2) + 3/log2(4) = 2.5; ideal: 3/log2(2) + 1/log2(3) = 3.63093
    assert experiment("cranfield")["ndcg"](["a", "x", "b"], {"a": 1, "b": 3}) == pytest.approx(2.5 / 3.63093, abs=1e-5)
