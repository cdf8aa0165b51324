"""A tiny encoder that needs no weights: words are hashed to directions."""

from __future__ import annotations

import hashlib
import importlib

import numpy as np
import pytest

import vecloom.data
from vecloom.encoders.protocol import finish
from vecloom.search import Index


class HashEncoder:
    """The sum of one pseudo-random direction per word, scaled to length 1: texts that share words are near."""

    tokenizer = None
    max_length = 256

    def __init__(self, dim=16, name="hash", fingerprint="f" * 64):
        self.dim, self.name, self.fingerprint = dim, name, fingerprint
        self.encoded: list[str] = []

    def encode(self, texts, *, kind="document", dim=None, normalize=True, prompt=None, progress=None):
        if kind == "document":
            self.encoded.extend(texts)
        rows = [sum((self._word(word) for word in text.lower().split()), np.zeros(self.dim)) for text in texts]
        return finish(np.asarray(rows, dtype=np.float32).reshape(len(texts), self.dim), dim, normalize)

    def _word(self, word):
        seed = hashlib.sha256(word.encode("utf-8", "replace")).digest()[:8]
        return np.random.default_rng(int.from_bytes(seed, "little")).standard_normal(self.dim)

    def save(self, directory):
        raise NotImplementedError


@pytest.fixture
def encoder():
    return HashEncoder()


@pytest.fixture
def index(tmp_path, encoder):
    return Index.create(tmp_path / "index", encoder)
