"""Vectors on disk: found again by what decides them, never by less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vecloom.encoders import StaticEncoder
from vecloom.encoders.protocol import finish
from vecloom.evaluate.cache import CachedEncoder, Shelf, prompts_of

TEXTS = ["one text", "another", "one text", ""]


class Counting:
    """An encoder that remembers what it was asked, and gives vectors from the text and the prompt."""

    name, dim, max_length, tokenizer = "counting", 4, 512, None

    def __init__(self, fingerprint: str = "a", prompts: dict[str, str] | None = None) -> None:
        self.fingerprint = fingerprint
        self.asked: list[str] = []
        self.settings = type("Settings", (), {"prompts": prompts or {}})()

    def encode(
        self, texts: Any, *, kind: Any = "document", dim: Any = None, normalize: bool = True, **given: Any
    ) -> Any:
        self.asked += texts
        prompt = given.get("prompt")
        before = self.settings.prompts.get(kind, "") if prompt is None else prompt
        rows = [np.random.default_rng(list((before + text).encode() or b"\0")).normal(size=4) for text in texts]
        return finish(np.array(rows, np.float32).reshape(-1, 4), dim, normalize)


def test_a_text_is_computed_once_for_all_calls_and_processes(tmp_path: Path) -> None:
    first = Counting()
    vectors = CachedEncoder(first, tmp_path).encode(TEXTS)  # type: ignore[arg-type]
    assert first.asked == ["one text", "another", ""]
    second = Counting()
    again = CachedEncoder(second, tmp_path)  # type: ignore[arg-type]
    assert (again.encode(TEXTS) == vectors).all()
    assert again.encode(["another", "a new one"]).shape == (2, 4)
    assert second.asked == ["a new one"]


def test_cached_vectors_are_those_of_the_encoder_at_any_dim(tmp_path: Path) -> None:
    cached = CachedEncoder(Counting(), tmp_path)  # type: ignore[arg-type]
    for dim in (None, 2, 3):
        assert cached.encode(TEXTS, dim=dim) == pytest.approx(Counting().encode(TEXTS, dim=dim), abs=1e-6)


def test_fewer_dimensions_share_the_vectors_of_the_whole(tmp_path: Path) -> None:
    counting = Counting()
    cached = CachedEncoder(counting, tmp_path)  # type: ignore[arg-type]
    cached.encode(TEXTS)
    cached.encode(TEXTS, dim=2)
    assert len(counting.asked) == 3


def test_another_prompt_or_model_is_another_vector(tmp_path: Path) -> None:
    prompts = {"query": "q: "}
    cached = CachedEncoder(Counting(prompts=prompts), tmp_path)  # type: ignore[arg-type]
    plain, asked = cached.encode(["x"]), cached.encode(["x"], kind="query")
    told = cached.encode(["x"], prompt="t: ")
    other = CachedEncoder(Counting("b"), tmp_path)  # type: ignore[arg-type]
    other.encode(["x"])
    assert not np.allclose(plain, asked)
    assert not np.allclose(plain, told)
    assert other.encoder.asked == ["x"]  # type: ignore[attr-defined]
    assert (cached.encode(["x"], kind="query") == asked).all()


def test_without_prompts_queries_and_documents_share_vectors(tmp_path: Path) -> None:
    counting = Counting()
    cached = CachedEncoder(counting, tmp_path)  # type: ignore[arg-type]
    cached.encode(["x"], kind="query")
    cached.encode(["x"], kind="document")
    assert counting.asked == ["x"]


def test_vectors_that_are_not_normalised_are_not_kept(tmp_path: Path) -> None:
    counting = Counting()
    cached = CachedEncoder(counting, tmp_path)  # type: ignore[arg-type]
    cached.encode(["x"], normalize=False)
    cached.encode(["x"], normalize=False)
    assert counting.asked == ["x", "x"]


def test_a_part_without_its_keys_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.add([b"k" * 16], np.ones((1, 4), np.float32))
    np.save(tmp_path / "killed.npy", np.zeros((3, 4), np.float32))
    again = Shelf(tmp_path)
    assert list(again.places) == [b"k" * 16]
    assert (again.take([b"k" * 16], 4) == 1).all()


def test_no_text_gives_no_vector(tmp_path: Path) -> None:
    assert CachedEncoder(Counting(), tmp_path).encode([]).shape == (0, 4)  # type: ignore[arg-type]


def test_progress_counts_every_text(tmp_path: Path) -> None:
    class Telling(Counting):
        def encode(self, texts: Any, *, progress: Any = None, **given: Any) -> Any:
            if progress:
                progress(len(texts))
            return super().encode(texts, **given)

    told: list[int] = []
    cached = CachedEncoder(Telling(), tmp_path)  # type: ignore[arg-type]
    cached.encode(["a", "b"], progress=told.append)
    cached.encode(["a", "b", "c"], progress=told.append)
    assert sum(told) == 5


def test_prompts_are_found_on_models_that_store_them() -> None:
    assert prompts_of(Counting(prompts={"query": "q: "})) == {"query": "q: "}  # type: ignore[arg-type]
    assert StaticEncoder  # the real ones keep theirs under the same names; tests/encoders hold that
