"""Run by tests in a process of its own: trains from a recipe, and says each step, so that it can be killed between two."""

import json
import os
import sys

import torch

from vecloom import train

if __name__ == "__main__":
    recipe = train.load_recipe(sys.argv[1], sys.argv[2:])
    torch.set_num_threads(1)
    summary = train.run(recipe, progress=lambda now: print("step", now.step, flush=True))
    if os.environ.get("RANK", "0") == "0":
        print("done", json.dumps(summary.as_dict()), flush=True)
