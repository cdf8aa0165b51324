"""A short tuning after a transfer: pairs of a corpus's sentences scored by the old model, and the recipe that trains on them.

The new model is to put the same texts at the same distances as the old one did (similarity distillation). So the old model
scores pairs of sentences, one near neighbour and one drawn at random for each, and ``vecloom train`` makes the new one's cosines
those scores. Everything moves, embeddings most; no labels are needed. Which pairs, and how many, is our choice.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vecloom.encoders.protocol import Encoder
from vecloom.errors import DataError, OutputError, from_os_error
from vecloom.files import write_text
from vecloom.wording import counted

SENTENCES = 4000
NEAR = 10  # the near neighbour is drawn among so many
_SHORTEST, _LONGEST = 4, 60  # words
_END = re.compile(r"(?<=[.!?])\s+|\n+")
_ROWS = 512


def sentences(texts: Sequence[str], most: int = SENTENCES, seed: int = 0) -> list[str]:
    """Different sentences of 4 to 60 words, at most so many, drawn at random.

    Raises:
        DataError: there are fewer than two.
    """
    found = list(dict.fromkeys(part.strip() for text in texts for part in _END.split(text)))
    kept = [part for part in found if _SHORTEST <= len(part.split()) <= _LONGEST]
    if len(kept) < 2:
        raise DataError(
            f"The corpus has {counted(len(kept), 'sentence')} of {_SHORTEST} to {_LONGEST} words.", "Give more text."
        )
    return random.Random(seed).sample(kept, min(most, len(kept)))


def scored_pairs(encoder: Encoder, texts: Sequence[str], seed: int = 0) -> Iterator[dict[str, Any]]:
    """Two pairs for each text, one with a text near it and one with any other, and their cosine by ``encoder``, 0 at least.

    Args:
        encoder: the model as it was.
        texts: different ones, two or more.
        seed: of what is drawn.
    """
    vectors = encoder.encode(texts)
    generator = np.random.default_rng(seed)
    for start in range(0, len(texts), _ROWS):
        scores = vectors[start : start + _ROWS] @ vectors.T
        for row, similarities in enumerate(scores):
            own = start + row
            similarities[own] = -np.inf
            count = min(NEAR, len(texts) - 1)
            near = np.argpartition(-similarities, count - 1)[:count]
            other = int(generator.integers(len(texts) - 1))
            for place in (int(generator.choice(near)), other + (other >= own)):
                score = float(np.clip(similarities[place], 0, 1))  # recipes know scores from 0 to 1
                yield {"sentence1": texts[own], "sentence2": texts[place], "score": round(score, 6)}


def write_tuning(path: Path, model: str, tuned: str, pairs: Sequence[dict[str, Any]], seed: int = 0) -> Path:
    """Write a recipe, and the pairs beside it.

    Args:
        path: of the recipe, a YAML file; the pairs get its name and ``.jsonl``.
        model: the directory to tune.
        tuned: the directory to write.
        pairs: as ``scored_pairs`` gives them.
        seed: for the recipe.

    Returns:
        the file of pairs.

    Raises:
        OutputError: one of the files cannot be written.
    """
    data = path.with_suffix(".jsonl")
    if data == path:
        raise OutputError(f"{path} is no name for a recipe.", "Let it end in .yaml.")
    try:
        write_text(data, "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs))
        write_text(path, recipe_text(model, tuned, str(data), seed))
    except OSError as error:
        raise from_os_error(error, "writing the recipe", path) from error
    return data


def recipe_text(model: str, tuned: str, data: str, seed: int = 0) -> str:
    """A recipe for ``vecloom train``."""
    return (
        "# The model after its vocabulary was changed, tuned to the old one's similarities.\n"
        f"model: {json.dumps(model)}\n"
        f"output: {json.dumps(tuned)}\n"
        "data:\n"
        f"  - path: {json.dumps(data)}\n"
        "loss: cosine\n"
        "batch_size: 32\n"
        "duplicates: allow  # no text is a negative here\n"
        "epochs: 1\n"
        "learning_rate: 5e-5\n"
        f"seed: {seed}\n"
    )
