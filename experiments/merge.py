"""Merging specialists of four tasks: every method, joint training and Self Positioning, on held-out tests.

    VECLOOM_DATA=... python experiments/merge.py [--seeds 0 1 2]

The paper's table in small (arXiv:2410.15035). Base: the bundled all-MiniLM-L6-v2. Specialists, one
epoch each, batch 32, 40 tokens, AdamW 1e-4, products in bfloat16, on rows drawn from

- sts: scored pairs of STSb-en and SICK train (1,536; CoSENT),
- intent: pairs of one intent of Banking77 train (1,280; InfoNCE, as the others),
- retrieval: questions and answers of TREC QA train, queries and judged abstracts of 110 of Cranfield's 225 queries (512),
- paraphrase: paraphrases of MSRP train (768).

Joint training: the same batches, of one task each, shuffled; as many steps as all specialists have together. Resampled: as
many steps, the tasks in equal parts. BOOM: two joint models on half of each data set and on the rest. Probe, for Self
Positioning, greedy soup, and the scale of the tuned task arithmetic: rows held out from the train files (or validation files), in
no training set and in no test. All other methods have the defaults of vecloom; nothing was tuned on the tests.

Scores x 100: Spearman on STSb test; accuracy of the nearest centroid (8 texts an intent) on Banking77 test; MAP on TREC QA test;
nDCG@10 on Cranfield's other 100 queries (first 40 words of each abstract); average precision on MSRP test. Outside the tasks:
Spearman on STS15, accuracy (16 texts a class) on TREC question classes. At most 1,500
rows a test. Differences to joint training have a t interval over seeds; the JSON
has bootstrap intervals over pairs, texts or queries of each score.

Update: a joint model of three tasks exists when the paraphrases arrive. BOOM trains an update model on these and on 40 % of the
old rows, and merges it with the old one; beside it stands going on with the old model on the new rows alone.
Writes ``experiments/results/merge.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import vecloom as vl
from merge_report import page
from merge_scores import interval, read_cranfield, rows, scores_of, shuffled, tests
from vecloom import merge
from vecloom.encoders.resolve import resolve
from vecloom.files import write_text
from vecloom.merge import geometry
from vecloom.merge.directory import open_model
from vecloom.merge.network import EncoderNetwork, input_products, metric_of, squared_gradients
from vecloom.merge.pairs import Pair, batches, interleaved, label_pairs
from vecloom.merge.tensors import Tensors, gram
from vecloom.runtime import cpu

RESULTS = Path(__file__).parent / "results"
BATCH, RATE, LENGTH = 32, 1e-4, 40
ROWS = {"sts": 1536, "intent": 1280, "retrieval": 512, "paraphrase": 768}
PROBE_BATCHES = 4  # a task
POSITION_STEPS = 48
TASKS = ("sts", "intent", "retrieval", "paraphrase")
NEW = "paraphrase"  # arrives last, in the test of updates


class Scored(NamedTuple):
    """A pair of texts and how alike people find them."""

    anchor: str
    positive: str
    score: float


class TaskNetwork(EncoderNetwork):
    """InfoNCE on pairs, CoSENT on scored pairs; matrix products in bfloat16."""

    def vectors(self, texts: Sequence[str]) -> Any:
        """Vectors of length 1."""
        import torch

        with torch.autocast("cpu", torch.bfloat16):
            found = super().vectors(texts)
        return torch.nn.functional.normalize(found.float(), dim=-1)

    def loss(self, batch: Sequence[Any]) -> Any:
        """Mean InfoNCE, or CoSENT."""
        import torch

        if not isinstance(batch[0], Scored):
            return super().loss(batch)
        left, right = self.vectors([row.anchor for row in batch]), self.vectors([row.positive for row in batch])
        cosines = (left * right).sum(1) / self.temperature
        scores = torch.tensor([row.score for row in batch])
        gaps = (cosines[None, :] - cosines[:, None])[scores[:, None] > scores[None, :]]
        return torch.logsumexp(torch.cat([torch.zeros(1), gaps]), 0)


# --- data ----------------------------------------------------------------------------------------------------------


def scored(*parts: str) -> list[Scored]:
    return [Scored(row["sentence1"], row["sentence2"], float(row["score"])) for row in rows(*parts)]


def cut(items: Sequence[Any]) -> list[list[Any]]:
    return [list(items[start : start + BATCH]) for start in range(0, len(items) - BATCH + 1, BATCH)]


def training_data(seed: int) -> tuple[dict[str, list[Any]], dict[str, list[list[Any]]], list[str]]:
    """Rows to train on and probe batches by task, and Cranfield's queries that are kept for the test."""
    sts = shuffled(scored("sts", "stsb-en", "train.jsonl") + scored("sts", "sick", "train.jsonl"), seed)
    held_sts = shuffled(scored("sts", "stsb-en", "validation.jsonl") + scored("sts", "sick", "validation.jsonl"), seed)
    bank = shuffled([(row["text"], row["label"]) for row in rows("classification", "banking77", "train.jsonl")], seed)
    corpus, queries, grades = read_cranfield()
    names = shuffled(sorted(queries), seed)
    found = [Pair(queries[name], corpus[doc]) for name in names[:110] for doc in grades[name] if doc in corpus]
    held = [Pair(queries[name], corpus[doc]) for name in names[110:125] for doc in grades[name] if doc in corpus]
    answers = {
        part: [Pair(row["query"], row["text"]) for row in rows("reranking", "trecqa", f"{part}.jsonl") if row["label"]]
        for part in ("train", "validation")
    }
    same = shuffled(
        [
            Pair(r["sentence1"], r["sentence2"])
            for r in rows("pair_classification", "msrp", "train.jsonl")
            if r["label"]
        ],
        seed,
    )
    train = {
        "sts": sts,
        "intent": label_pairs(bank[1500:], seed),
        "retrieval": shuffled(found + answers["train"], seed),
        "paraphrase": same[300:],
    }
    train = {task: items[: ROWS[task]] for task, items in train.items()}
    probe_rows = {
        "sts": held_sts,
        "intent": label_pairs(bank[:1500], seed),
        "retrieval": held + answers["validation"],
        "paraphrase": same[:300],
    }
    probe = {name: batched(name, items, seed)[:PROBE_BATCHES] for name, items in probe_rows.items()}
    return train, probe, names[125:]


def batched(task: str, items: Sequence[Any], seed: int) -> list[list[Any]]:
    return cut(shuffled(items, seed)) if task == "sts" else batches(items, BATCH, seed)


# --- training ------------------------------------------------------------------------------------------------------


def train_model(base: Path, every: Sequence[list[Any]], out: Path, seed: int) -> dict[str, Any]:
    """One pass over the batches; the length of the way from the base at each quarter."""
    import torch

    done = out.with_name(f"{out.name}.json")
    if done.is_file():
        return dict(json.loads(done.read_text()))
    torch.manual_seed(seed)
    network = TaskNetwork(open_model(str(base)), max_length=LENGTH)
    network.model.train()
    parameters = list(network.parameters.values())
    start = [item.detach().clone() for item in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=RATE)
    warm = max(1, len(every) // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / warm))
    way, began = [], time.perf_counter()
    quarters = {max(1, round(len(every) * share / 4)) for share in (1, 2, 3, 4)}
    for step, batch in enumerate(every, 1):
        optimizer.zero_grad(set_to_none=True)
        network.loss(batch).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step in quarters:
            moved = sum(
                float((item.detach() - old).square().sum()) for item, old in zip(parameters, start, strict=True)
            )
            way.append((step, moved**0.5))
    network.model.save(str(out), create_model_card=False)
    seconds = time.perf_counter() - began
    print(f"trained {out.name}: {len(every)} steps, {seconds:.0f} s", flush=True)
    told = {"steps": len(every), "seconds": seconds, "way": way}
    write_text(done, json.dumps(told))
    return told


def train_all(base: Path, train: Mapping[str, list[Any]], folder: Path, seed: int) -> dict[str, Any]:
    """Specialists, joint and resampled training, and BOOM's two bags."""
    every = {task: batched(task, train[task], seed) for task in TASKS}
    told = {task: train_model(base, every[task], folder / task, seed) for task in TASKS}
    pool = [batch for task in TASKS for batch in every[task]]
    told["joint"] = train_model(base, shuffled(pool, seed), folder / "joint", seed)
    share = len(pool) // len(TASKS)
    equal = [every[task][place % len(every[task])] for place in range(share) for task in TASKS]
    told["resampled"] = train_model(base, equal, folder / "resampled", seed)
    for place, bag in enumerate(merge.bagging_plan({t: len(train[t]) for t in TASKS}, (0.5, "rest"), seed), 1):
        part = [batch for t in TASKS for batch in batched(t, [train[t][row] for row in bag[t]], seed)]
        told[f"bag{place}"] = train_model(base, shuffled(part, seed), folder / f"bag{place}", seed)
    return told


# --- merging -------------------------------------------------------------------------------------------------------


def merges(
    base: Path, folder: Path, train: Mapping[str, list[Any]], probe: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """All merges of the specialists, and what they found."""
    network = TaskNetwork(open_model(str(base)), max_length=LENGTH)
    paths = tuple(str(folder / task) for task in TASKS)
    held = [open_model(path).tensors for path in paths]
    told: dict[str, Any] = {}

    def made(name: str, method: str, sources: tuple[str, ...] = paths, parameters: Any = None, **data: Any) -> None:
        began = time.perf_counter()
        recipe = merge.Recipe(method, sources, str(base), parameters=parameters or {})
        summary = merge.run(recipe, folder / name, overwrite=True, **data)
        told[name] = {**summary.found, "seconds": time.perf_counter() - began}
        print(f"merged {name}: {told[name]}", flush=True)

    for method in ("linear", "task_arithmetic", "slerp", "multislerp", "karcher", "ties", "dare_linear", "dare_ties"):
        made(method, method)
    made("model_stock", "model_stock")
    made("fisher", "fisher", statistics=fisher_of(network, held, train, seed))
    made("regmean", "regmean", statistics=inputs_of(network, held, train))
    metric = metric_of(network, [probe[task] for task in TASKS])
    made("greedy_soup", "greedy_soup", metric=metric)
    scale = best_scale(metric, open_model(str(base)).tensors, held)
    made("task_arithmetic, scale by probe", "task_arithmetic", parameters={"scale": scale})
    told["task_arithmetic, scale by probe"]["scale"] = scale
    turns = interleaved([probe[task] for task in TASKS])
    for mu in (0.0, 0.01):
        made(
            f"self_positioning, mu {mu}", "self_positioning", parameters={"mu": mu, "steps": POSITION_STEPS},
            loss=network.loss_and_gradient, probe=turns,
        )  # fmt: skip
    made("boom", "boom", (str(folder / "bag1"), str(folder / "bag2")))
    losses = {"base": -metric(open_model(str(base)).tensors)}
    losses |= {name: -metric(open_model(str(folder / name)).tensors) for name in (*told, "joint", "resampled")}
    return {"merges": told, "probe loss": losses}


def fisher_of(network: Any, held: Sequence[Tensors], train: Mapping[str, list[Any]], seed: int) -> list[Tensors]:
    found = []
    for task, tensors in zip(TASKS, held, strict=True):
        every = [batch[:8] for batch in batched(task, train[task], seed)[:32]]
        found.append(squared_gradients(network, tensors, every))
    return found


def inputs_of(network: Any, held: Sequence[Tensors], train: Mapping[str, list[Any]]) -> list[Tensors]:
    found = []
    for task, tensors in zip(TASKS, held, strict=True):
        texts = [text for row in train[task][:256] for text in (row.anchor, row.positive)]
        found.append(input_products(network, tensors, texts))
    return found


def best_scale(metric: Callable[[Tensors], float], base: Tensors, held: Sequence[Tensors]) -> float:
    grid = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
    return max(grid, key=lambda scale: metric(merge.merge_tensors("task_arithmetic", held, base, scale=scale)))


# --- report --------------------------------------------------------------------------------------------------------


def geometry_of(base: Path, folder: Path, trained: Mapping[str, Any]) -> dict[str, Any]:
    """Angles between all trained models' task vectors, and how straight their length grows with the steps."""
    names = [*TASKS, "joint", "resampled"]
    products = gram(open_model(str(base)).tensors, [open_model(str(folder / name)).tensors for name in names])
    fits = {}
    for name in names:
        steps, way = np.array(trained[name]["way"]).T
        fits[name] = {"R2 linear": float(np.corrcoef(steps, way)[0, 1] ** 2),
                      "R2 square root": float(np.corrcoef(np.sqrt(steps), way)[0, 1] ** 2)}  # fmt: skip
    lengths = products.diagonal().sqrt().tolist()
    return {"models": names, "lengths": lengths, "cosines": geometry.cosines(products).tolist(), "growth": fits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, help="keep the trained models here, and take those that are there")
    options = parser.parse_args()
    base = resolve("minilm")
    file = RESULTS / "merge.json"
    seeds: dict[str, Any] = json.loads(file.read_text())["seeds"] if file.is_file() else {}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as scratch:
            folder = (options.work or Path(scratch)) / str(seed)
            folder.mkdir(parents=True, exist_ok=True)
            kept = seeds.setdefault(str(seed), {})
            for part, run in (("results", table), ("update", updated)):
                if part not in kept:
                    kept.update(run(base, folder, seed))
                    machine = {"processor": cpu.name(), "python": platform.python_version(), "vecloom": vl.__version__}
                    write_text(file, json.dumps({**machine, "seeds": seeds}, indent=1) + "\n")
    write_text(RESULTS / "merge.md", "\n".join(page(seeds, cpu.name())) + "\n")


def table(base: Path, folder: Path, seed: int) -> dict[str, Any]:
    """Joint training, specialists and all merges of one seed."""
    train, probe, names = training_data(seed)
    sizes = {task: len(found) for task, found in train.items()}
    trained = train_all(base, train, folder, seed)
    found = merges(base, folder, train, probe, seed)
    places = {"base": base} | {name: folder / name for name in (*TASKS, "joint", "resampled", *found["merges"])}
    results = judged(places, names, seed)
    return {
        "sizes": sizes,
        "trained": trained,
        **found,
        "geometry": geometry_of(base, folder, trained),
        "results": results,
    }


def updated(base: Path, folder: Path, seed: int) -> dict[str, Any]:
    """BOOM's update when one task's rows arrive after the others', beside going on with the old model."""
    train, _, names = training_data(seed)
    old = [task for task in TASKS if task != NEW]
    pool = [batch for task in old for batch in batched(task, train[task], seed)]
    train_model(base, shuffled(pool, seed), folder / "old", seed)
    train_model(folder / "old", batched(NEW, train[NEW], seed), folder / "old, then new", seed)
    plan = merge.update_plan({task: len(train[task]) for task in old}, {NEW: len(train[NEW])}, seed=seed)
    part = [batch for task in TASKS for batch in batched(task, [train[task][row] for row in plan[task]], seed)]
    train_model(base, shuffled(part, seed), folder / "update", seed)
    merge.run(
        merge.Recipe("boom", (str(folder / "old"), str(folder / "update")), str(base)),
        folder / "boom, updated",
        overwrite=True,
    )
    places = {name: folder / name for name in ("old", "old, then new", "update", "boom, updated")}
    return {"update": judged(places, names, seed)}


def judged(places: Mapping[str, Path], names: list[str], seed: int) -> dict[str, Any]:
    """Scores and bootstrap intervals of each model."""
    asked = tests(names, seed)
    results: dict[str, Any] = {}
    for name, place in places.items():
        each = scores_of(place, asked, seed)
        results[name] = {test: {"score": score, "interval": interval(draws)} for test, (score, draws) in each.items()}
        print(name, {test: round(score, 1) for test, (score, _) in each.items()}, flush=True)
    return results


if __name__ == "__main__":
    main()
