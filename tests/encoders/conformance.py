"""What every ``Encoder`` must do, whatever it is made of: call ``check_encoder(encoder)`` in its tests.

``tolerance`` is the largest cosine distance that another composition of batches may cause (0 where the arithmetic does
not depend on the batch).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vecloom.encoders.protocol import Encoder
from vecloom.errors import UsageError

TEXTS = [
    "The cat sat on the mat.",
    "",
    "   \n\t ",
    "A dog barked at the cat, twice!",
    "lone surrogates \ud800 and \udfff here",
    "a pair in two halves \ud83d\ude00",
    "קוראים טקסט מימין לשמאל",
    "مرحبا بالعالم",
    "emoji 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽",
    "日本語のテキスト",
    "nul \x00 and control \x01 characters",
    "The cat sat on the mat.",
    "combining e\u0301 against é",
    "word " * 700,
]


def check_encoder(encoder: Encoder, *, tolerance: float = 1e-6, examples: int = 10) -> None:
    """Run every check; an ``AssertionError`` says which one failed."""
    check_attributes(encoder)
    check_shapes(encoder)
    check_odd_texts(encoder)
    check_duplicates(encoder, tolerance)
    check_order(encoder, tolerance, examples)
    check_truncation_and_length(encoder)
    check_progress(encoder)
    check_prompt(encoder, tolerance)
    check_bad_calls(encoder)


def check_attributes(encoder: Encoder) -> None:
    assert isinstance(encoder, Encoder)
    assert isinstance(encoder.name, str)
    assert encoder.name
    assert encoder.dim >= 1
    assert encoder.max_length >= 1
    assert int(encoder.fingerprint, 16) >= 0
    assert encoder.fingerprint == encoder.fingerprint
    if encoder.tokenizer is not None:
        assert len(encoder.tokenizer.encode("word " * 700).ids) >= 700, (
            "the tokenizer cuts, so nobody can count with it"
        )


def check_shapes(encoder: Encoder) -> None:
    for texts in ([], ["one text"], TEXTS):
        vectors = encoder.encode(texts)
        assert vectors.shape == (len(texts), encoder.dim)
        assert vectors.dtype == np.float32
        assert vectors.flags.c_contiguous
    assert encoder.encode(("a", "tuple")).shape == (2, encoder.dim)
    assert encoder.encode([], dim=1).shape == (0, 1)


def check_odd_texts(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert np.isfinite(vectors).all()
    norms = np.linalg.norm(vectors, axis=1)
    assert np.all((np.abs(norms - 1) < 1e-5) | (norms == 0)), "neither length 1 nor the zero vector"
    assert norms[0] > 0.99


def check_duplicates(encoder: Encoder, tolerance: float) -> None:
    once = encoder.encode(["a dog", "the cat"])
    often = encoder.encode(["the cat", "a dog", "the cat", "a dog", "the cat"])
    assert np.array_equal(often[0], often[2])
    assert np.array_equal(often[1], often[3])
    assert_same(often[[1, 0]], once, tolerance)


def check_order(encoder: Encoder, tolerance: float, examples: int) -> None:
    """A permutation in, the same vectors out, whatever stands beside a text."""
    alone = encoder.encode(TEXTS)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(st.integers(0, len(TEXTS) - 1), min_size=1, max_size=20))
    def permuted(places: list[int]) -> None:
        assert_same(encoder.encode([TEXTS[place] for place in places]), alone[places], tolerance)

    permuted()


def check_truncation_and_length(encoder: Encoder) -> None:
    texts = TEXTS[:4]
    raw = encoder.encode(texts, normalize=False)
    width = max(1, encoder.dim // 2)
    assert np.allclose(encoder.encode(texts, dim=width, normalize=False), raw[:, :width], rtol=1e-2, atol=1e-3)
    for vectors in (encoder.encode(texts), encoder.encode(texts, dim=width)):
        expected = raw[:, : vectors.shape[1]]
        lengths = np.linalg.norm(expected, axis=1, keepdims=True)
        expected = np.divide(expected, lengths, out=np.zeros_like(expected), where=lengths > 0)
        assert np.allclose(vectors, expected, rtol=1e-2, atol=1e-3)
        assert vectors.flags.c_contiguous


def check_progress(encoder: Encoder) -> None:
    finished: list[int] = []
    encoder.encode([*TEXTS, *TEXTS], progress=finished.append)
    assert sum(finished) == 2 * len(TEXTS)
    assert all(step >= 0 for step in finished)


def check_prompt(encoder: Encoder, tolerance: float) -> None:
    assert_same(
        encoder.encode(["mat"], prompt="The cat sat on the "),
        encoder.encode(["The cat sat on the mat"], prompt=""),
        tolerance,
    )
    for kind in ("document", "query"):
        assert encoder.encode(["the cat"], kind=kind).shape == (1, encoder.dim)


def check_bad_calls(encoder: Encoder) -> None:
    calls: list[dict[str, Any]] = [{"dim": 0}, {"dim": encoder.dim + 1}]
    for call in calls:
        with pytest.raises(UsageError):
            encoder.encode(["x"], **call)
    with pytest.raises(UsageError, match="one string"):
        encoder.encode("a single string")


def assert_same(left: np.ndarray, right: np.ndarray, tolerance: float) -> None:
    """Rows agree in cosine distance; zero rows agree with zero rows."""
    assert left.shape == right.shape
    cosines = (left.astype(np.float64) * right).sum(axis=1)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    both_zero = (np.linalg.norm(left, axis=1) == 0) & (np.linalg.norm(right, axis=1) == 0)
    distances = np.where(both_zero, 0.0, 1 - cosines / np.maximum(lengths, 1e-30))
    assert distances.max(initial=0.0) <= max(tolerance, 1e-6)
