"""A tiny model, small data and short recipes for tests of the trainer."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.encoders.tiny import WORDS, make

from vecloom.train.recipe import Recipe


def sentence(chance: random.Random, low: int = 3, high: int = 12) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(chance.randint(low, high)))


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def pairs(path: Path, count: int = 120, seed: int = 1) -> Path:
    chance = random.Random(seed)
    texts = [sentence(chance) for _ in range(count)]
    rows = [{"anchor": text, "positive": " ".join(reversed(text.split()))} for text in texts]
    return write_rows(path, rows)


def scored(path: Path, count: int = 40, seed: int = 2) -> Path:
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        words, kept = sentence(chance, 6, 6).split(), chance.randint(0, 6)
        other = words[:kept] + sentence(chance, 6, 6).split()[kept:]
        rows.append({"sentence1": " ".join(words), "sentence2": " ".join(other), "score": kept / 6})
    return write_rows(path, rows)


def model(folder: Path, *, dropout: float | None = None) -> Path:
    """A two-layer BERT of width 32 with random weights."""
    made = make(folder)
    if dropout is not None:
        config = json.loads((made / "config.json").read_text())
        config |= {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
        (made / "config.json").write_text(json.dumps(config))
    return made


def recipe(folder: Path, **changes: Any) -> Recipe:
    """Twelve steps of pairs; ``folder`` holds model and data already."""
    values: dict[str, Any] = {
        "model": str(folder / "model"),
        "output": str(folder / "out"),
        "data": ({"path": str(folder / "pairs.jsonl")},),
        "loss": "mnr",
        "batch_size": 8,
        "steps": 12,
        "learning_rate": 1e-4,
        "precision": "fp32",
        "logging": {"every": 1, "to": ()},
        "watch": {"collapse": 1.0},
    }
    return Recipe(**(values | changes))
