"""Kill -9 between checkpoints, again and again: the losses and the weights are those of a run left in peace, bit by bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from tests.train import toys

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("training_process.py")


def train_until(recipe: Path, step: int | None) -> dict | None:
    """Train, and kill the process once it has said ``step``; what it came to where it was left alone."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, SCRIPT, recipe], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("done"):
            process.wait()
            return json.loads(line.removeprefix("done"))
        if step is not None and int(line.split()[1]) >= step:
            process.kill()
    process.wait()
    assert step is not None, "it failed"
    return None


def written(folder: Path, output: str, loss: object, data: Path) -> Path:
    recipe = {
        "model": str(folder / "model"),
        "output": str(folder / output),
        "data": str(data),
        "loss": loss,
        "batch_size": 8,
        "epochs": 2.5,
        "learning_rate": 1e-3,
        "evaluation": {"tasks": str(folder / "sts.jsonl"), "every": 7},
        "checkpoints": {"every": 5},
        "logging": {"every": 3, "to": []},
        "watch": {"collapse": 1.0},
    }
    path = folder / f"{output}.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def test_killed_between_checkpoints_it_trains_the_same_weights_by_the_same_losses(tmp_path):
    toys.model(tmp_path)
    toys.scored(tmp_path / "sts.jsonl")
    rows = [json.loads(line) for line in toys.pairs(tmp_path / "pairs.jsonl", 96).read_text().splitlines()]
    data = toys.write_rows(tmp_path / "texts.jsonl", [{"text": row["anchor"]} for row in rows])
    loss = {"name": "esimcse", "queue_size": 40}  # its queue and momentum encoder have to come back, too
    calm = train_until(written(tmp_path, "calm", loss, data), None)
    rough = written(tmp_path, "rough", loss, data)
    for step in (9, 24):  # in the first epoch, and in the second one (12 steps each)
        assert train_until(rough, step) is None
    again = train_until(rough, None)
    assert again["resumed_from"] == 20
    assert again["curve"] == calm["curve"]
    assert (again["before"], again["scores"], again["best_step"]) == (calm["before"], calm["scores"], calm["best_step"])
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("calm", "rough")]
    assert weights[0] == weights[1]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
