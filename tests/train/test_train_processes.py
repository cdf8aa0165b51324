"""Two processes under torchrun train what one process trains, and only the first writes."""

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

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("training_process.py")
LAUNCHERS = {
    "torchrun": "torch.distributed.run --standalone --nproc-per-node=2".split(),
    # --multi_gpu is accelerate's name for one machine with several processes; the recipe says that they are on the CPU
    "accelerate": "accelerate.commands.launch --multi_gpu --num_processes=2 --num_machines=1 --mixed_precision=no "
    "--dynamo_backend=no".split(),
}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    toys.model(folder, dropout=0.0)  # each process draws its own dropout, so only without can they be compared
    toys.pairs(folder / "pairs.jsonl", 64)
    toys.scored(folder / "sts.jsonl")
    return folder


def trained(folder: Path, output: str, launcher: list[str]) -> dict:
    recipe = {
        "model": str(folder / "model"),
        "output": str(folder / output),
        "data": str(folder / "pairs.jsonl"),
        "loss": "mnr",
        "batch_size": 8,
        "epochs": 2,
        "learning_rate": 1e-3,
        "warmup": 0,
        "precision": "fp32",
        "device": "cpu",
        "evaluation": {"tasks": str(folder / "sts.jsonl"), "every": 8},
        "checkpoints": {"every": 8},
        "logging": {"every": 1, "to": []},
        "watch": {"collapse": 1.0},
    }
    path = folder / f"{output}.yaml"
    path.write_text(yaml.safe_dump(recipe))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *(["-m", *launcher] if launcher else []), str(SCRIPT), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    said = [line for line in done.stdout.splitlines() if line.startswith("step ")]
    assert len(said) == 16  # one process reports: 64 rows, 8 batches, 2 epochs
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("done")).removeprefix("done"))


@pytest.fixture(scope="module")
def alone(workshop) -> dict:
    return trained(workshop, "alone", [])


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_train_what_one_trains_on_the_joined_batch(workshop, alone, launcher):
    both = trained(workshop, launcher, LAUNCHERS[launcher])
    # the first loss is of equal weights; later ones follow weights that differ in the last digits of float32
    first = torch.tensor([loss for _, loss in alone["curve"]])
    second = torch.tensor([loss for _, loss in both["curve"]])
    torch.testing.assert_close(second, first, atol=1e-4, rtol=1e-4)
    one, two = (load_file(workshop / name / "model.safetensors") for name in ("alone", launcher))
    before = load_file(workshop / "model" / "model.safetensors")
    moved = max(float((one[name] - before[name]).abs().max()) for name in one)
    assert moved > 1e-3
    for name in one:
        # a softmax does not see what is added to all its inputs: the keys' bias has no gradient but rounding, which Adam blows up
        if not name.endswith("key.bias"):
            torch.testing.assert_close(two[name], one[name], atol=moved / 50, rtol=0)
    assert both["scores"]["mean"] == pytest.approx(alone["scores"]["mean"], abs=5e-3)
    assert "2 processes" in (workshop / launcher / "README.md").read_text()
