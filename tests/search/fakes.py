"""Stand-ins for the tests of search: an encoder without weights."""

from __future__ import annotations

import hashlib

import numpy as np

from vecloom.encoders.protocol import finish


class HashEncoder:
    """The sum of one pseudo-random direction per word, scaled to length 1: texts that share words are near.

    A text that holds the word "NAN" gets a vector that is not finite.
    """

    tokenizer = None
    max_length = 10**9

    def __init__(self, dim=16, name="hash", fingerprint="f" * 64):
        self.dim, self.name, self.fingerprint = dim, name, fingerprint
        self.encoded: list[str] = []

    def encode(self, texts, *, kind="document", dim=None, normalize=True, prompt=None, progress=None):
        if kind == "document":
            self.encoded.extend(texts)
        rows = [sum((self._word(word) for word in text.lower().split()), np.zeros(self.dim)) for text in texts]
        vectors = finish(np.asarray(rows, dtype=np.float32).reshape(len(texts), self.dim), dim, normalize)
        vectors[[row for row, text in enumerate(texts) if "NAN" in text.split()]] = np.nan
        return vectors

    def _word(self, word):
        seed = hashlib.sha256(word.encode("utf-8", "replace")).digest()[:8]
        return np.random.default_rng(int.from_bytes(seed, "little")).standard_normal(self.dim)

    def save(self, directory):
        raise NotImplementedError
