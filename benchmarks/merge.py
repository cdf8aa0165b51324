"""Merging models on disk: time and memory of one whole command, beside mergekit on the same recipe.

    python benchmarks/merge.py                                         # 8 models of 400 MB, 3 rounds
    python benchmarks/merge.py --mergekit /path/to/python --json out.json

The models are made for the run (random numbers, the shapes of a Qwen2 of 100 million parameters, float32, one file each) and
deleted after it. A job is a process of its own from its start to its end, so it includes importing torch; ours also
makes SHA-256 digests of all inputs, for the first time, and has the system write to disk before it ends; mergekit does neither.
Systems are interleaved, medians of the rounds are given. Memory: ``peak RSS`` is what the system counts, file pages that
were mapped included; ``private`` is the highest sum of anonymous pages seen, every 10 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vecloom.files import write_text
from vecloom.runtime import cpu

SEED = 20261
LAYERS, WIDTH, INNER, WORDS = 8, 768, 3072, 32_000  # 100.1 million numbers
OURS = "from vecloom.merge import load_recipe, run; import sys; run(load_recipe(sys.argv[1]), sys.argv[2])"
JOBS: dict[str, dict[str, Any]] = {
    "linear": {"parameters": {"weight": 1.0}},
    "task_arithmetic": {"base": True, "parameters": {"weight": 0.3}},
    "ties": {"base": True, "parameters": {"weight": 1.0, "density": 0.3}},
    "dare_ties": {"base": True, "parameters": {"weight": 1.0, "density": 0.3}},
    "multislerp": {"base": True, "parameters": {"weight": 1.0}},
    "model_stock": {"base": True, "parameters": {}},
    "slerp": {"base": True, "count": 1, "parameters": {"t": [0.2, 0.8]}},
}


def main() -> None:
    options = parse()
    print(f"{cpu.name()}, {options.threads} threads, {time.strftime('%Y-%m-%d')}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        models = make_models(Path(folder), options.models + 1)
        systems: dict[str, Callable[[Path, Path], list[str]]] = {"vecloom": ours}
        if options.mergekit:
            systems["mergekit"] = lambda recipe, out: mergekit(options.mergekit, recipe, out)
        results = {
            job: run_job(job, models, systems, options, Path(folder)) for job in JOBS if options.only in ("", job)
        }
    report = {
        "machine": {"cpu": cpu.name(), "threads": options.threads, "date": time.strftime("%Y-%m-%d")},
        "models": options.models, "megabytes": size_of_one() // 10**6, "rounds": options.rounds, "jobs": results,
    }  # fmt: skip
    print("\n" + table(report))
    if options.json:
        write_text(options.json, json.dumps(report, indent=1) + "\n")
        write_text(options.json.with_suffix(".md"), table(report))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=8, help="models to merge; the base comes on top")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cpu.threads())
    parser.add_argument("--only", default="", choices=["", *JOBS])
    parser.add_argument("--mergekit", metavar="PYTHON", help="an interpreter that has mergekit")
    parser.add_argument("--folder", help="where to make the models; the system's temporary folder by default")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


# --- models --------------------------------------------------------------------------------------------------------


def shapes() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (WORDS, WIDTH), "norm.weight": (WIDTH,)}
    for layer in range(LAYERS):
        name = f"layers.{layer}."
        for part in "qkv":
            found[f"{name}self_attn.{part}_proj.weight"] = (WIDTH, WIDTH)
            found[f"{name}self_attn.{part}_proj.bias"] = (WIDTH,)
        found[f"{name}self_attn.o_proj.weight"] = (WIDTH, WIDTH)
        found |= {f"{name}mlp.{part}_proj.weight": (INNER, WIDTH) for part in ("gate", "up")}
        found[f"{name}mlp.down_proj.weight"] = (WIDTH, INNER)
        found |= {f"{name}{part}_layernorm.weight": (WIDTH,) for part in ("input", "post_attention")}
    return found


def size_of_one() -> int:
    import math

    return 4 * sum(math.prod(shape) for shape in shapes().values())


def make_models(folder: Path, count: int) -> list[Path]:
    """A base and its fine-tunes: noise on the base."""
    import torch
    from safetensors.torch import save_file

    config = {
        "model_type": "qwen2", "architectures": ["Qwen2Model"], "hidden_size": WIDTH, "intermediate_size": INNER,
        "num_hidden_layers": LAYERS, "num_attention_heads": 12, "num_key_value_heads": 12, "vocab_size": WORDS,
        "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
    }  # fmt: skip
    generator = torch.Generator().manual_seed(SEED)
    base = {name: torch.randn(shape, generator=generator) * 0.05 for name, shape in shapes().items()}
    found = []
    for place in range(count):
        path = folder / f"model{place}"
        path.mkdir()
        (path / "config.json").write_text(json.dumps(config))
        moved = {
            name: tensor + (0.002 * torch.randn(tensor.shape, generator=generator) if place else 0)
            for name, tensor in base.items()
        }
        save_file(moved, path / "model.safetensors", {"format": "pt"})
        found.append(path)
    return found


def recipe_of(job: str, models: list[Path]) -> dict[str, Any]:
    told = JOBS[job]
    base, *tuned = models
    chosen = tuned[: told.get("count", len(tuned))]
    parameters = told["parameters"]
    own = {key: value for key, value in parameters.items() if key in ("weight", "density")}
    recipe: dict[str, Any] = {"merge_method": job, "dtype": "float32"}
    recipe["models"] = [{"model": str(path), **({"parameters": own} if own else {})} for path in chosen]
    if told.get("base"):
        recipe["base_model"] = str(base)
    if job == "slerp":
        recipe["models"].insert(0, {"model": str(base)})
        recipe["parameters"] = parameters
    return recipe


# --- running -------------------------------------------------------------------------------------------------------


def ours(recipe: Path, out: Path) -> list[str]:
    return [sys.executable, "-c", OURS, str(recipe), str(out)]


def mergekit(python: str, recipe: Path, out: Path) -> list[str]:
    return [python, "-m", "mergekit.scripts.run_yaml", str(recipe), str(out)]


def run_job(
    job: str, models: list[Path], systems: dict[str, Callable[[Path, Path], list[str]]], options: Any, folder: Path
) -> dict[str, Any]:
    import yaml

    recipe = folder / f"{job}.yaml"
    recipe.write_text(yaml.safe_dump(recipe_of(job, models)))
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in systems}
    for turn in range(options.rounds):
        for name, command in systems.items():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                out = Path(scratch, "out")
                runs[name].append(measured(command(recipe, out), Path(scratch), options.threads))
                if turn == 0:
                    print(job, name, runs[name][-1], flush=True)
    found: dict[str, Any] = {name: medians(each) for name, each in runs.items()}
    if "mergekit" in found:
        found["ratio"] = {key: found["vecloom"][key] / found["mergekit"][key] for key in found["vecloom"]}
    return found


def measured(command: list[str], scratch: Path, threads: int) -> dict[str, float]:
    """Seconds, and the highest memory in MB, of a process."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "VECLOOM_CACHE": str(scratch / "cache")}
    began = time.perf_counter()
    private, peak = 0, 0
    with (scratch / "stderr").open("w") as told:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=told)
        while process.poll() is None:
            private, peak = max(private, status(process.pid, "RssAnon")), max(peak, status(process.pid, "VmHWM"))
            time.sleep(0.01)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {(scratch / 'stderr').read_text()}")
    return {"seconds": seconds, "peak_rss_mb": peak / 1000, "private_mb": private / 1000}


def status(pid: int, field: str) -> int:
    """A field of the process's status, in kB; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field + ":")), 0)


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def table(report: dict[str, Any]) -> str:
    """Markdown of all jobs, and of the machine."""
    lines = ["| job | system | seconds | peak RSS, MB | private, MB |", "| --- | --- | ---: | ---: | ---: |"]
    for job, found in report["jobs"].items():
        for name, told in found.items():
            form = "{:.2f}" if name == "ratio" else "{:,.1f}"
            lines.append(f"| {job} | {name} | {' | '.join(form.format(value) for value in told.values())} |")
    machine = report["machine"]
    told = f"{report['models']} models of {report['megabytes']} MB and their base (slerp: one and the base), a process each"
    lines += ["", f"{told}; medians of {report['rounds']} rounds, {machine['threads']} threads, {machine['cpu']}."]
    return "\n".join([*lines, "Made by `python benchmarks/merge.py --mergekit PYTHON`."]) + "\n"


if __name__ == "__main__":
    main()
