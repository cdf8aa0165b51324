"""A deterministic encoder that needs no model, and documents to feed it."""

import hashlib
import time

import numpy as np

from vecloom.data.records import Document
from vecloom.encoders.protocol import finish


class HashEncoder:
    """Each text's bytes seed its vector: equal texts, equal vectors, whatever stands around them."""

    name = "hash"
    tokenizer = None
    max_length = 8

    def __init__(self, dim=12, fingerprint="f00d", seconds_per_text=0.0):
        self.dim = dim
        self.fingerprint = fingerprint
        self.seconds_per_text = seconds_per_text
        self.truncated = 0
        self.calls = []

    def encode(self, texts, *, kind="document", dim=None, normalize=True, prompt=None, progress=None):
        self.calls.append((list(texts), kind, prompt))
        time.sleep(self.seconds_per_text * len(texts))
        self.truncated += sum(len(text.split()) > self.max_length for text in texts)
        seeds = [int.from_bytes(hashlib.blake2b(f"{prompt}{t}".encode(), digest_size=8).digest()) for t in texts]
        vectors = np.array([np.random.default_rng(s).standard_normal(self.dim) for s in seeds], dtype=np.float32)
        if progress:
            progress(len(texts))
        return finish(vectors.reshape(len(texts), self.dim), dim, normalize)

    def save(self, directory):
        raise NotImplementedError


def documents(count, start=0):
    return [
        Document(id=f"d{i}", text=f"text number {i}", source="a.jsonl", position=i + 1) for i in range(start, count)
    ]
