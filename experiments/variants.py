"""Encoders of many strengths made from the bundled MiniLM, for experiments that need a field of models to rank.

Layers cut away, [CLS] in place of the mean, dimensions cut away, a random projection, words left out, static tables,
bags of words. None is a model anyone would publish; what counts is that their scores differ, in more ways than one.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

import vecloom as vl
from vecloom.encoders.lexical import LexicalSettings
from vecloom.encoders.protocol import Vectors, finish
from vecloom.encoders.resolve import resolve

Encode = Callable[[Sequence[str]], Vectors]

LAYERS = 6
DIMS = (128, 64, 32)
LEXICAL_DIM = 2048


def shallow(folder: Path, layers: int) -> Path:
    """A copy of the model with only its first ``layers`` layers."""
    from safetensors.numpy import load_file, save_file

    copied = _copy(folder / f"layers-{layers}")
    config = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    (copied / "config.json").write_text(json.dumps({**config, "num_hidden_layers": layers}), encoding="utf-8")
    tensors = load_file(copied / "model.safetensors")
    save_file({name: kept for name, kept in tensors.items() if _layer(name) < layers}, copied / "model.safetensors")
    return copied


def cls_pooled(folder: Path) -> Path:
    """A copy of the model that takes the first token's vector."""
    copied = _copy(folder / "cls")
    path = copied / "1_Pooling" / "config.json"
    pooling = json.loads(path.read_text(encoding="utf-8"))
    modes = {name: name == "pooling_mode_cls_token" for name in pooling if name.startswith("pooling_mode")}
    path.write_text(json.dumps({**pooling, **modes}), encoding="utf-8")
    return copied


def without_words(texts: Sequence[str], share: float, seed: int) -> list[str]:
    """Texts with a share of their words left out at random; a text keeps one word at least."""
    generator = np.random.default_rng(seed)
    kept = []
    for text in texts:
        words = text.split()
        chosen = [word for word, draw in zip(words, generator.random(len(words)), strict=True) if draw >= share]
        kept.append(" ".join(chosen or words[:1]))
    return kept


def every_variant(texts: Sequence[str], folder: Path, seed: int) -> Iterator[tuple[str, Vectors]]:
    """Name and vectors ``(n, d)``, of length 1, of each variant; each encodes the texts once.

    Args:
        texts: n different ones; the bags of words are fitted on them.
        folder: for copies of the model.
        seed: of the left-out words and of the projection.
    """
    full = vl.load("minilm")
    vectors = full.encode(texts)
    yield "minilm", vectors
    yield from ((f"{dim} dimensions", finish(vectors, dim, normalize=True)) for dim in DIMS)
    projection = np.random.default_rng(seed).standard_normal((vectors.shape[1], 32)).astype(np.float32)
    yield "projected to 32", finish(vectors @ projection, None, normalize=True)
    for layers in range(1, LAYERS):
        yield f"{layers} layers" if layers > 1 else "1 layer", vl.load(shallow(folder, layers)).encode(texts)
    yield "[CLS]", vl.load(cls_pooled(folder)).encode(texts)
    for share in (0.3, 0.6):
        yield f"{share:.0%} of words left out", full.encode(without_words(texts, share, seed))
    yield "static 256", vl.distill(full, dim=256).encode(texts)
    yield "static 32", vl.distill(full, dim=32).encode(texts)
    yield "tf-idf", vl.LexicalEncoder.fit(texts, most_terms=LEXICAL_DIM).encode(texts)
    counts = vl.LexicalEncoder.hashed(LEXICAL_DIM)
    yield "hashed words", counts.encode(texts)
    trigrams = LexicalSettings(weighting="count", analyzer="char_wb", ngrams=(3, 3))
    yield "hashed trigrams", vl.LexicalEncoder.hashed(LEXICAL_DIM, settings=trigrams).encode(texts)


def _copy(target: Path) -> Path:
    shutil.copytree(resolve("minilm"), target)
    return target


def _layer(tensor: str) -> int:
    found = re.search(r"encoder\.layer\.(\d+)\.", tensor)
    return int(found[1]) if found else -1
