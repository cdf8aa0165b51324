"""Does MMTEB's task selection keep the order of models here? Eighteen encoders on twelve local tasks.

    VECLOOM_DATA=... python experiments/mmteb_selection.py [--seed 0]

Encoders: those of ``variants.py``. Tasks: those of ``local_tasks.py``, each scored as mteb does, on samples: Spearman on
400 pairs of four STS sets; accuracy of a logistic regression on eight texts a label, mean of three draws, on 400 test
texts of four sets (25 of Banking77's labels); average precision on 400 pairs of two pair sets; MAP on TREC QA; nDCG@10 on
Cranfield.

Selection runs at both published limits. Beside the agreement of the kept tasks with all tasks (Spearman over models)

- that of 50 random subsets of the same size, and of 50 that have every task type, as the selection does;
- since the selection has seen the models that it is judged by: where each model lands when it was left out;
- since one selection is one number: ten of the models are drawn 200 times, fewer than tasks as in the paper, tasks are
  selected by them, and agreement is taken over these ten and over the eight others, less that of random subsets there.

Needs ``VECLOOM_DATA``; writes ``experiments/results/mmteb_selection.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

import vecloom as vl
from local_tasks import Texts, every_task
from variants import every_variant
from vecloom.evaluate.benchmark.aggregate import ScoreTable, correlation
from vecloom.evaluate.benchmark.select import ENGLISH, MULTILINGUAL, Limits, rank_agreement_of, select_tasks
from vecloom.files import write_text
from vecloom.runtime import cpu

RESULTS = Path(__file__).parent / "results"
LIMITS = {"English limits (0.2, 0.95)": ENGLISH, "multilingual limits (0.5, 0.8)": MULTILINGUAL}
SUBSETS = 50
FIELD, FIELDS = 10, 200


def score_table(seed: int) -> ScoreTable:
    texts = Texts()
    tasks = every_task(texts, seed)
    print(f"{len(texts.places):,} texts", flush=True)
    models, rows = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name, vectors in every_variant(list(texts.places), Path(folder), seed):
            models.append(name)
            rows.append([task.score(vectors) for task in tasks])
            print(f"{name:25}", *(f"{score:.3f}" for score in rows[-1]), flush=True)
    names, kinds = tuple(task.name for task in tasks), tuple(task.kind for task in tasks)
    return ScoreTable(tuple(models), names, kinds, np.array(rows))


def agreement(values: np.ndarray, columns: Sequence[int]) -> float:
    """Spearman between means over all and over some tasks; 0 where it is undefined."""
    return correlation(values.mean(axis=1), values[:, columns].mean(axis=1)).spearman or 0.0


def typed_subsets(table: ScoreTable, size: int, count: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Random subsets of ``size`` tasks with one of each type at least."""
    found: list[np.ndarray] = []
    while len(found) < count:
        chosen = generator.permutation(len(table.tasks))[:size]
        if {table.types[column] for column in chosen} == set(table.types):
            found.append(chosen)
    return found


def smaller_fields(table: ScoreTable, limits: Limits, seed: int) -> dict[str, Any]:
    """Selection by ``FIELD`` models, ``FIELDS`` times, beside random subsets with every type."""
    generator = np.random.default_rng(seed)
    sizes, gains = [], []
    for _ in range(FIELDS):
        order = generator.permutation(len(table.models))
        used, others = np.sort(order[:FIELD]), np.sort(order[FIELD:])
        part = replace(table, models=tuple(table.models[row] for row in used), values=table.values[used])
        columns = [table.column(task) for task in select_tasks(part, **asdict(limits)).kept]
        subsets = typed_subsets(table, len(columns), 20, generator)
        sizes.append(len(columns))
        gains.append([_gain(table.values[rows], columns, subsets) for rows in (used, others)])
    own, foreign = np.array(gains).transpose(1, 0, 2)
    return {"kept": float(np.mean(sizes)), "own": _summary(own), "others": _summary(foreign)}


def _gain(values: np.ndarray, columns: Sequence[int], subsets: Sequence[np.ndarray]) -> tuple[float, float]:
    return agreement(values, columns), float(np.mean([agreement(values, subset) for subset in subsets]))


def _summary(pairs_found: np.ndarray) -> dict[str, Any]:
    gain = pairs_found[:, 0] - pairs_found[:, 1]
    return {
        "selected": float(pairs_found[:, 0].mean()),
        "random": float(pairs_found[:, 1].mean()),
        "gain": float(gain.mean()),
        "middle": np.percentile(gain, [2.5, 97.5]).tolist(),
    }


def held_out(table: ScoreTable, limits: Limits) -> dict[str, Any]:
    """Selection without one model at a time: places that model is off, and the tasks that were kept."""
    full = rankdata(-table.values.mean(axis=1))
    moves, kept = [], []
    for row in range(len(table.models)):
        others = tuple(model for place, model in enumerate(table.models) if place != row)
        part = replace(table, models=others, values=np.delete(table.values, row, axis=0))
        result = select_tasks(part, **asdict(limits))
        columns = [table.column(task) for task in result.kept]
        moves.append(float(abs(rankdata(-table.values[:, columns].mean(axis=1))[row] - full[row])))
        kept.append(len(columns))
    return {"mean_places": float(np.mean(moves)), "most_places": max(moves), "kept": [min(kept), max(kept)]}


def interval_over_models(table: ScoreTable, kept: Sequence[str], seed: int) -> list[float]:
    """95 % bootstrap interval, over models, of Spearman between the means over all and over kept tasks."""
    full, part = table.values.mean(axis=1), table.only(kept).values.mean(axis=1)
    generator = np.random.default_rng(seed)
    draws = [generator.integers(0, len(full), len(full)) for _ in range(1000)]
    found = [correlation(full[draw], part[draw]).spearman for draw in draws]
    return [float(bound) for bound in np.percentile([value for value in found if value is not None], [2.5, 97.5])]


def selected(table: ScoreTable, limits: Limits, seed: int) -> dict[str, Any]:
    start = time.process_time()
    result = select_tasks(table, **asdict(limits))
    seconds = time.process_time() - start
    subsets = typed_subsets(table, len(result.kept), SUBSETS, np.random.default_rng(seed))
    typed = [agreement(table.values, subset) for subset in subsets]
    return {
        "kept": result.kept,
        "removed": result.removed,
        "agreement": asdict(rank_agreement_of(table, result.kept, random_subsets=SUBSETS, seed=seed)),
        "interval_over_models": interval_over_models(table, result.kept, seed),
        "typed_mean": float(np.mean(typed)),
        "typed_interval": np.percentile(typed, [2.5, 97.5]).tolist(),
        "held_out": held_out(table, limits),
        "smaller_fields": smaller_fields(table, limits, seed),
        "seconds": seconds,
    }


def disagreements(table: ScoreTable) -> list[tuple[str, str]]:
    """Pairs of models that the mean over tasks and the Borda count put in opposite order."""
    means, points = table.mean_over_tasks(), table.borda_points()
    return [
        (first, second)
        for first, second in combinations(table.models, 2)
        if (means[first] - means[second]) * (points[first] - points[second]) < 0
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    table = score_table(seed)
    report(table, {name: selected(table, limits, seed) for name, limits in LIMITS.items()}, seed)


def report(table: ScoreTable, results: dict[str, Any], seed: int) -> None:
    machine = {"processor": cpu.name(), "python": platform.python_version(), "vecloom": vl.__version__, "seed": seed}
    lines = ["# Task selection", "", *_selection_rows(table, results), "", *_kept_lines(results), ""]
    lines += [*_field_rows(results), ""]
    lines += _model_rows(table)
    pairs_off = disagreements(table)
    lines += [
        "",
        f"The mean over tasks and Borda order {len(pairs_off)} of {len(table.models) * (len(table.models) - 1) // 2} "
        f"pairs of models differently{': ' + _named(pairs_off) if pairs_off else ''}.",
        "",
        f"{len(table.models)} encoders made from MiniLM and bags of words, {len(table.tasks)} tasks. Intervals: over "
        f"models, 95 % bootstrap; of random subsets and of drawn models, the middle 95 % of {SUBSETS} and {FIELDS}. "
        f"Made by `python experiments/mmteb_selection.py --seed {seed}` on {machine['processor']}.",
    ]
    RESULTS.mkdir(exist_ok=True)
    write_text(RESULTS / "mmteb_selection.md", "\n".join(lines) + "\n")
    scores = {model: dict(zip(table.tasks, row.tolist(), strict=True)) for model, row in _rows(table)}
    stored = {**machine, "types": dict(zip(table.tasks, table.types, strict=True)), "scores": scores}
    write_text(RESULTS / "mmteb_selection.json", json.dumps({**stored, "results": results}, indent=1) + "\n")


def _rows(table: ScoreTable) -> Any:
    return zip(table.models, table.values, strict=True)


def _selection_rows(table: ScoreTable, results: dict[str, Any]) -> list[str]:
    lines = [
        "| selection | tasks kept | Spearman of means | of Borda counts | random subsets, means | with every type | "
        "a model left out of the selection |",
        "| --- | ---: | --- | ---: | --- | --- | --- |",
    ]
    for name, found in results.items():
        agreed, held = found["agreement"], found["held_out"]
        cells = [
            f"{agreed['kept']} of {agreed['tasks']}",
            _with(agreed["mean"]["spearman"], found["interval_over_models"]),
            f"{agreed['borda']['spearman']:.3f}",
            _with(agreed["random_mean"], agreed["random_interval"]),
            _with(found["typed_mean"], found["typed_interval"]),
            f"is {held['mean_places']:.1f} of {len(table.models)} places off, {held['most_places']:.0f} at most",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _field_rows(results: dict[str, Any]) -> list[str]:
    lines = [
        f"| selection by {FIELD} models | tasks kept, mean | over these models: selected, random, gain | over the others |",
        "| --- | ---: | --- | --- |",
    ]
    for name, found in results.items():
        drawn = found["smaller_fields"]
        lines.append(f"| {name} | {drawn['kept']:.1f} | {_gain_cell(drawn['own'])} | {_gain_cell(drawn['others'])} |")
    return lines


def _gain_cell(found: dict[str, Any]) -> str:
    low, high = found["middle"]
    return f"{found['selected']:.3f}, {found['random']:.3f}, {found['gain']:+.3f} ({low:+.3f} to {high:+.3f})"


def _kept_lines(results: dict[str, Any]) -> list[str]:
    return [f"Kept at the {name}: {', '.join(found['kept'])}." for name, found in results.items()]


def _model_rows(table: ScoreTable) -> list[str]:
    means, types, ranks = table.mean_over_tasks(), table.mean_over_types(), table.borda_ranks()
    lines = [
        f"| encoder | mean over tasks | over types | Borda rank | {' | '.join(table.tasks)} |",
        "|" + " --- |" + " ---: |" * (len(table.tasks) + 3),
    ]
    order = sorted(_rows(table), key=lambda row: -(means[row[0]] or 0))
    for model, row in order:
        scores = " | ".join(f"{100 * score:.1f}" for score in row)
        lines.append(f"| {model} | {100 * means[model]:.1f} | {100 * types[model]:.1f} | {ranks[model]} | {scores} |")
    return lines


def _with(value: float, bounds: Sequence[float]) -> str:
    return f"{value:.3f} ({bounds[0]:.3f} to {bounds[1]:.3f})"


def _named(found: list[tuple[str, str]]) -> str:
    shown = "; ".join(f"{first} and {second}" for first, second in found[:4])
    return shown + ("; ..." if len(found) > 4 else "")


if __name__ == "__main__":
    main()
