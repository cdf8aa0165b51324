"""Run by tests in a process of its own: trains a hypernetwork, and says each step, so that it can be killed between two."""

import json
import sys
from pathlib import Path

import torch
from tests.extend.zett import toys

from vecloom.extend.zett import Settings, train_hypernetwork

if __name__ == "__main__":
    torch.set_num_threads(1)
    model, output, settings = sys.argv[1:]
    summary = train_hypernetwork(
        model,
        toys.texts(80),
        Path(output),
        Settings(**json.loads(settings)),
        progress=lambda now: print("step", now.step, flush=True),
    )
    print("done", json.dumps(summary.as_dict()), flush=True)
