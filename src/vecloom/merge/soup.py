"""Greedy soup: average only the models that make the average better.

Source: model soups (Wortsman et al. 2022, arXiv:2203.05482, recipe 1). Models are sorted by their own score; each joins
the average if the score does not fall. Any callable can be the metric: higher is better, and it must not look at the test
set. Use it for runs of one task with several hyper-parameters; costs two evaluations a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vecloom.errors import UsageError
from vecloom.merge.linear import linear
from vecloom.merge.tensors import Tensors

if TYPE_CHECKING:
    import torch

Metric = Callable[[Tensors], float]


def greedy_soup(
    base: Tensors | None,
    models: Sequence[Tensors],
    *,
    metric: Metric | None = None,
    members: Sequence[int] | None = None,
) -> dict[str, torch.Tensor]:
    """Average of the members that ``choose`` finds.

    Args:
        base: not used.
        models: tensors by name.
        metric: score of a model, higher is better.
        members: places of the models to average, where they are known.

    Raises:
        UsageError: there is neither a metric nor a choice.
    """
    chosen = members if members is not None else choose(models, metric)
    return linear(base, [models[place] for place in chosen])


def choose(models: Sequence[Tensors], metric: Metric | None) -> list[int]:
    """Places of the models that join the soup, in the order in which they joined."""
    if metric is None:
        raise UsageError(
            "greedy_soup needs a metric.", "Give metric=, a function from tensors to a score, or --probe FILE."
        )
    alone = [metric(model) for model in models]
    order = sorted(range(len(models)), key=lambda place: -alone[place])
    chosen, best = [order[0]], alone[order[0]]
    for place in order[1:]:
        score = metric(linear(None, [models[member] for member in [*chosen, place]]))
        if score >= best:
            chosen, best = [*chosen, place], score
    return chosen


def whole_members(
    _base: Tensors | None, models: Sequence[Tensors], *, metric: Metric | None = None, **_options: Any
) -> dict[str, Any]:
    """The members, before the first tensor is merged."""
    return {"members": choose(models, metric)}
