"""Which texts of a corpus are nearest to an anchor: exactly, or by a graph that is the same every time.

Source of the graph: Malkov, Yashunin 2018, as implemented by usearch. It is built on one thread, since the order in
which several threads insert decides its edges. What it finds is scored again in float32, so only membership is
approximate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vecloom.encoders.protocol import Encoder, Kind, Vectors
from vecloom.files import atomic_path, text_digest

BLOCK_BYTES = 64 << 20  # scores held at a time
EXPANSION = 4  # how many times the wanted number the graph's search keeps in sight
_ENCODED_AT_ONCE = 4096

Answer = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
"""Places in the corpus and cosines, best first; equal cosines in order of place."""


class Nearest:
    """A corpus' vectors, searched exactly or by a graph.

    Attributes:
        vectors: (n, d), unit length.
        approximate: whether by a graph.
    """

    def __init__(self, vectors: Vectors, *, approximate: bool) -> None:
        self.vectors = vectors
        self.approximate = approximate
        self._graph = _graph(vectors) if approximate else None

    def search(self, anchors: Vectors, k: int) -> list[Answer]:
        """The ``k`` nearest to each of (m, d) unit vectors, or all where there are fewer."""
        k = min(k, len(self.vectors))
        if self._graph is None:
            return self._exact(anchors, k)
        self._graph.expansion_search = max(64, EXPANSION * k)
        # Several at a time would come back in another form than one; each in turn costs little beside the encoding.
        found = [self._graph.search(np.ascontiguousarray(anchor), k).keys for anchor in anchors]
        return [self._scored(anchor, keys.astype(np.int64)) for anchor, keys in zip(anchors, found, strict=True)]

    def _exact(self, anchors: Vectors, k: int) -> list[Answer]:
        step = max(1, BLOCK_BYTES // (4 * len(self.vectors)))
        answers: list[Answer] = []
        for start in range(0, len(anchors), step):
            products = anchors[start : start + step] @ self.vectors.T
            answers.extend(_best(scores, k) for scores in products)
        return answers

    def _scored(self, anchor: npt.NDArray[np.float32], places: npt.NDArray[np.int64]) -> Answer:
        places = np.sort(places)
        scores = self.vectors[places] @ anchor
        order = np.argsort(-scores, kind="stable")
        return places[order], scores[order]


def encode(
    encoder: Encoder,
    texts: Sequence[str],
    kind: Kind,
    prompt: str | None,
    cache: str | PathLike[str] | None,
    progress: Callable[[str, int], None] | None,
) -> Vectors:
    """Unit vectors of texts, from ``cache`` where they were encoded before by the same model with the same prompt."""
    kept = None if cache is None else Path(cache) / f"{_key(encoder, texts, kind, prompt)}.npy"
    if kept is not None and kept.is_file():
        loaded: Vectors = np.load(kept)
        return loaded
    parts = []
    for start in range(0, len(texts), _ENCODED_AT_ONCE):
        part = texts[start : start + _ENCODED_AT_ONCE]
        parts.append(encoder.encode(part, kind=kind, prompt=prompt))
        if progress is not None:
            progress("encoded", len(part))
    vectors = np.concatenate(parts)
    if kept is not None:
        with atomic_path(kept) as temporary:
            np.save(temporary, vectors)
    return vectors


def _key(encoder: Encoder, texts: Sequence[str], kind: str, prompt: str | None) -> str:
    return text_digest("\n".join([encoder.fingerprint, kind, repr(prompt), *map(text_digest, texts)]))


def _best(scores: npt.NDArray[np.float32], k: int) -> Answer:
    n = len(scores)
    if k < n:
        threshold = scores[np.argpartition(scores, n - k)[n - k :]].min()
        # All that reach the threshold, so that ties at the border fall to the smaller place.
        places = np.flatnonzero(scores >= threshold)
    else:
        places = np.arange(n)
    places = places[np.argsort(-scores[places], kind="stable")][:k]
    return places.astype(np.int64), scores[places]


def _graph(vectors: Vectors) -> Any:
    from usearch.index import Index

    graph = Index(ndim=vectors.shape[1], metric="ip", dtype="f16")
    graph.add(np.arange(len(vectors), dtype=np.uint64), np.ascontiguousarray(vectors), threads=1)
    return graph
