"""Scores of a few models on data sets of two domains."""

from __future__ import annotations

import numpy as np

from vecloom.evaluate.domain.domain_rows import ScoreRow, score_grid


def rows_of(scores, domains, task_types=None):
    """Rows from an array ``(models, data sets)``; domain 1 is special."""
    types = task_types or ["sts"] * len(domains)
    return [
        ScoreRow(f"m{i}", f"d{j}", "special" if domains[j] else "general", types[j], float(score))
        for i, line in enumerate(np.asarray(scores, float))
        for j, score in enumerate(line)
    ]


def grid_of(scores, domains, task_types=None):
    return score_grid(rows_of(scores, domains, task_types))


def drawn(seed=0, models=3, general=4, special=4, gap=-0.1):
    generator = np.random.default_rng(seed)
    domains = [0] * general + [1] * special
    scores = generator.normal(0.6, 0.05, (models, len(domains))) + generator.normal(0, 0.1, len(domains))
    return scores + gap * np.array(domains), domains
