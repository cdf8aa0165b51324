"""Results that others measured, in mteb's files, beside one's own.

They have no units, so neither interval nor test; a report shows them for what they are.
"""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

import numpy as np

from vecloom.errors import DataError
from vecloom.evaluate.benchmark.result_files import read_results
from vecloom.evaluate.evaluation import Evaluation, ModelInfo, Score

MOST = 20  # models shown; the public repository has hundreds


def beside(evaluation: Evaluation, folder: str | PathLike[str]) -> Evaluation:
    """Add the models of a folder of results that have a score on every task of the evaluation.

    Args:
        evaluation: one's own.
        folder: results in mteb's layout, such as a download of the public results repository.

    Raises:
        DataError: no model of the folder has all tasks.
    """
    table = read_results(folder, skip_bad=True)
    names = [task.name for task in evaluation.tasks]
    missing = [name for name in names if name not in table.tasks]
    if missing:
        raise DataError(f"{folder} has no results for {', '.join(missing[:3])}.", "Give results of the same tasks.")
    found = table.only(names)
    whole = np.flatnonzero(np.isfinite(found.values).all(axis=1))
    own = {model.label for model in evaluation.models} | {model.name for model in evaluation.models}
    rows = [row for row in whole if found.models[row] not in own]
    if not rows:
        raise DataError(f"No other model of {folder} has a score on all {len(names)} tasks.", "Name fewer tasks.")
    best = sorted(rows, key=lambda row: -found.values[row].mean())[:MOST]
    models = tuple(ModelInfo(found.models[row], found.models[row], "published", None, False) for row in best)
    scores = tuple(
        Score(task, found.models[row], float(found.values[row, column]), None, None, 0.0)
        for row in best
        for column, task in enumerate(names)
    )
    return replace(evaluation, models=evaluation.models + models, scores=evaluation.scores + scores)
