"""The page of ``experiments/merge.py``: means over seeds, and intervals of the difference to joint training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from merge_scores import INSIDE, OUTSIDE
from training import cell

COLUMNS = (*INSIDE, "mean", *OUTSIDE, "mean outside")
Seeds = Mapping[str, Mapping[str, Any]]


def page(seeds: Seeds, processor: str) -> list[str]:
    """Markdown lines."""
    every = [seed for seed in seeds.values() if "results" in seed]
    lines = ["# Merging specialists of four tasks", "", *scores([seed["results"] for seed in every])]
    over = "95 % t interval over seeds" if len(every) > 1 else "95 % paired bootstrap interval over test units"
    lines += [
        "",
        f"Scores x 100, means over {len(every)} seed{'s' if len(every) > 1 else ''} (rows, order, dropout); last column:",
        f"the difference of the mean of the five to joint training of the same seed, with its {over}.",
        "",
    ]
    updates = [{"joint": seed["results"]["joint"], **seed["update"]} for seed in every if "update" in seed]
    if updates:
        lines += ["BOOM's update: a joint model of three tasks, then paraphrases arrive.", "", *scores(updates), ""]
    lines += [*losses([seed["probe loss"] for seed in every]), "", *geometry(every[0]), ""]
    run = " ".join(name for name, seed in seeds.items() if "results" in seed)
    return [*lines, f"Made by `python experiments/merge.py --seeds {run}` on {processor}."]


def scores(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """One row a model."""
    lines = [f"| model | {' | '.join(COLUMNS)} | mean - joint |", f"| --- |{' ---: |' * len(COLUMNS)} --- |"]
    for name in results[0]:
        means = [np.mean([result[name][column]["score"] for result in results]) for column in COLUMNS]
        shown = (
            ""
            if name == "joint"
            else gain([result[name] for result in results], [result["joint"] for result in results])
        )
        lines.append(f"| {name} | {' | '.join(f'{mean:.1f}' for mean in means)} | {shown} |")
    return lines


def gain(models: Sequence[Mapping[str, Any]], joints: Sequence[Mapping[str, Any]]) -> str:
    """Difference of the means, with its t interval over seeds; of one seed, its bootstrap interval where that is known."""
    gains = [model["mean"]["score"] - joint["mean"]["score"] for model, joint in zip(models, joints, strict=True)]
    if len(gains) > 1:
        return cell(gains, 1, True)
    if "mean - joint" not in models[0]:
        return f"{gains[0]:+.1f}"
    low, high = models[0]["mean - joint"]["interval"]
    return f"{gains[0]:+.1f} ({low:+.1f} to {high:+.1f})"


def losses(found: Sequence[Mapping[str, float]]) -> list[str]:
    """Loss on the probe, the mean over seeds."""
    names = sorted(found[0], key=lambda name: float(np.mean([each[name] for each in found])))
    told = ", ".join(f"{name} {np.mean([each[name] for each in found]):.3f}" for name in names)
    return [f"Loss on the probe, lowest first: {told}."]


def geometry(seed: Mapping[str, Any]) -> list[str]:
    """Angles and lengths of one seed's task vectors."""
    shape = seed["geometry"]
    lines = ["Task vectors of the first seed:", "",
             f"| task vector | rows | steps | length | R2, linear | {' | '.join(shape['models'])} |",
             f"| --- |{' ---: |' * (4 + len(shape['models']))}"]  # fmt: skip
    for place, name in enumerate(shape["models"]):
        cosines = " | ".join(f"{value:.2f}" for value in shape["cosines"][place])
        size = seed["sizes"].get(name, sum(seed["sizes"].values()))
        lines.append(f"| {name} | {size:,} | {seed['trained'][name]['steps']} | {shape['lengths'][place]:.3f} | "
                     f"{shape['growth'][name]['R2 linear']:.3f} | {cosines} |")  # fmt: skip
    return lines
