"""Two processes train the student that one trains on the joined batch: encoder and head."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tests.train import toys
from tests.train.test_distill import cross_encoder

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("training_process.py")
TORCHRUN = "-m torch.distributed.run --standalone --nproc-per-node=2".split()


def trained(folder: Path, output: str, launcher: list[str]) -> dict[str, torch.Tensor]:
    recipe = {
        "model": str(folder / "model"),
        "output": str(folder / output),
        "data": [{"path": str(folder / "scored.jsonl"), "teacher": str(folder / "teacher")}],
        "loss": {"name": "dse", "task": "regression", "layers": 2, "hidden": [8], "dropout": 0.0},
        "batch_size": 8,
        "steps": 8,
        "learning_rate": 1e-3,
        "precision": "fp32",
        "device": "cpu",
        "logging": {"every": 1, "to": []},
        "watch": {"collapse": 1.0},
    }
    (folder / f"{output}.yaml").write_text(yaml.safe_dump(recipe))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment["VECLOOM_CACHE"] = str(folder / "cache")
    command = [sys.executable, *launcher, str(SCRIPT), str(folder / f"{output}.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    made = folder / output
    listed = json.loads((made / "modules.json").read_text())
    head = made / next(module["path"] for module in listed if module["type"].endswith("PairHead"))
    return {**load_file(made / "model.safetensors"), **load_file(head / "model.safetensors")}


@pytest.mark.slow  # three processes import torch and sentence-transformers
def test_two_processes_train_what_one_trains(tmp_path):
    toys.model(tmp_path, dropout=0.0)  # each process draws its own dropout, so only without can they be compared
    toys.scored(tmp_path / "scored.jsonl")
    (tmp_path / "other").mkdir()
    cross_encoder(tmp_path / "other").rename(tmp_path / "teacher")
    one, two = trained(tmp_path, "alone", []), trained(tmp_path, "both", TORCHRUN)
    before = load_file(tmp_path / "model" / "model.safetensors")
    moved = max(float((one[name] - before[name]).abs().max()) for name in before)
    assert moved > 1e-3
    assert any(name.startswith("layers.") for name in one)
    for name in one:
        # a softmax does not see what is added to all its inputs: the keys' bias has no gradient but rounding, which Adam blows up
        if not name.endswith("key.bias"):
            torch.testing.assert_close(two[name], one[name], atol=moved / 50, rtol=0)
