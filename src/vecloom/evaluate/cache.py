"""Vectors on disk, by what decides them: an encoder that computes each text once for all tasks and all runs.

A vector is found by the encoder's fingerprint (weights, tokenizer, pooling, prompts, length), the backend and precision that
computed it, the prompt that went before the text, and a digest of the text. Whole vectors are kept and cut to fewer dimensions
when they are read, so that one computation serves every point of a Matryoshka curve.

A folder for each encoder and prompt holds parts: ``NAME.npy``, float32 ``(n, dim)``, and ``NAME.keys``, 16 bytes a
row. Parts are only ever added, each under a name of its own and its keys last, so that several processes may write at
once and a killed one leaves nothing half-written.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vecloom.encoders.protocol import Encoder, Kind, Progress, Vectors, finish
from vecloom.encoders.texts import checked, unique
from vecloom.files import atomic_path

KEY_BYTES = 16


class CachedEncoder:
    """An ``Encoder`` that asks another one only for what is not on disk.

    Args:
        encoder: what computes; a transformer or static model, whose vectors do not depend on other texts.
        folder: where vectors are kept; several encoders may share it.

    Attributes:
        computed: texts that were encoded, and ``seconds`` what that took; for speed figures.
    """

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self.encoder = encoder
        self.folder = folder
        self.computed = 0
        self.seconds = 0.0
        self._shelves: dict[Path, Shelf] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)

    def encode(
        self,
        texts: Sequence[str],
        *,
        kind: Kind = "document",
        dim: int | None = None,
        normalize: bool = True,
        prompt: str | None = None,
        progress: Progress | None = None,
    ) -> Vectors:
        """Encode texts; see ``Encoder.encode``. Vectors that are not normalised are not cached."""
        if not normalize:
            return self.encoder.encode(texts, kind=kind, dim=dim, normalize=False, prompt=prompt, progress=progress)
        given, places = unique(checked(texts))
        vectors = self._looked_up(given, kind, prompt, progress)
        if places is not None:
            vectors = vectors[places]
        return finish(vectors, dim, normalize=True)

    def _looked_up(self, texts: list[str], kind: Kind, prompt: str | None, progress: Progress | None) -> Vectors:
        import time

        shelf = self._shelf(kind, prompt)
        keys = [_key(text) for text in texts]
        missing = [place for place, key in enumerate(keys) if key not in shelf.places]
        if progress and len(missing) < len(texts):
            progress(len(texts) - len(missing))
        if missing:
            started = time.perf_counter()
            new = self.encoder.encode([texts[i] for i in missing], kind=kind, prompt=prompt, progress=progress)
            self.seconds += time.perf_counter() - started
            self.computed += len(missing)
            shelf.add([keys[i] for i in missing], new)
        return shelf.take(keys, self.encoder.dim)

    def _shelf(self, kind: Kind, prompt: str | None) -> Shelf:
        if prompt is None and not prompts_of(self.encoder):
            kind = "document"  # with no prompts both kinds are the same vectors
        session = getattr(self.encoder, "session", None)
        backend = f"{session.backend} {session.precision}" if session else ""
        parts = [self.encoder.fingerprint, backend, kind if prompt is None else "", repr(prompt)]
        path = self.folder / hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        if path not in self._shelves:
            self._shelves[path] = Shelf(path)
        return self._shelves[path]


class Shelf:
    """The vectors of one encoder with one prompt.

    Attributes:
        places: for each key the part and the row in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[bytes, tuple[int, int]] = {}
        self._parts: list[Vectors] = []
        for keys in sorted(path.glob("*.keys")):
            part = keys.with_suffix(".npy")
            if part.is_file():
                self._open(part, keys.read_bytes())

    def add(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Write a new part and read it from now on."""
        self.path.mkdir(parents=True, exist_ok=True)
        part = self.path / f"{uuid.uuid4().hex}.npy"
        with atomic_path(part) as temporary, temporary.open("wb") as stream:
            np.save(stream, np.ascontiguousarray(vectors, np.float32))
        joined = b"".join(keys)
        with atomic_path(part.with_suffix(".keys")) as temporary:
            temporary.write_bytes(joined)
        self._open(part, joined)

    def take(self, keys: Sequence[bytes], dim: int) -> Vectors:
        """The vectors of keys that are all here: ``(len(keys), dim)``, in memory."""
        found = np.array([self.places[key] for key in keys], np.int64).reshape(-1, 2)
        vectors = np.empty((len(keys), dim), np.float32)
        for part in np.unique(found[:, 0]):
            rows = np.flatnonzero(found[:, 0] == part)
            vectors[rows] = self._parts[part][found[rows, 1]]
        return vectors

    def _open(self, part: Path, keys: bytes) -> None:
        vectors = np.load(part, mmap_mode="r")
        number = len(self._parts)
        self._parts.append(vectors)
        for row in range(min(len(vectors), len(keys) // KEY_BYTES)):
            self.places[keys[row * KEY_BYTES : (row + 1) * KEY_BYTES]] = (number, row)


def prompts_of(encoder: Encoder) -> Mapping[str, str]:
    """The prompts that a model's directory stores, by name."""
    known = getattr(encoder, "spec", None) or getattr(encoder, "settings", None) or encoder
    prompts: Mapping[str, str] = getattr(known, "prompts", None) or {}
    return prompts


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()
