"""The table of methods: what each needs, and the function that does it.

Every function is pure: ``(base, models, **options) -> tensors``, all by name; what it takes as options is read off its
signature. ``prepare`` finds what has to be known of whole models before the first tensor can be merged, so that the rest can
go tensor by tensor.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecloom.errors import UsageError
from vecloom.merge.boom import boom
from vecloom.merge.dare import dare_linear, dare_ties
from vecloom.merge.fisher import fisher
from vecloom.merge.linear import linear, task_arithmetic
from vecloom.merge.regmean import regmean
from vecloom.merge.self_positioning import self_positioning, whole_position
from vecloom.merge.soup import greedy_soup, whole_members
from vecloom.merge.spherical import karcher, model_stock, multislerp, slerp, whole_gram
from vecloom.merge.tensors import Tensors
from vecloom.merge.ties import ties

if TYPE_CHECKING:
    import torch

Prepare = Callable[..., dict[str, Any]]

_INNER = {"gram", "members", "statistics", "coefficients", "metric", "loss", "probe"}
"""Options that are made of data, not written in a recipe."""


@dataclass(frozen=True)
class Method:
    """One way to merge.

    Attributes:
        run: ``(base, models, **options) -> tensors``.
        does: in a few words.
        source: where it comes from.
        base: "required", "optional" or "unused".
        data: what it needs beside models: "", "pairs" (one probe set) or "pairs of each model".
        least: models at least.
        prepare: what must be known of whole models first.
    """

    run: Callable[..., dict[str, torch.Tensor]]
    does: str
    source: str
    base: str = "required"
    data: str = ""
    least: int = 1
    prepare: Prepare | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Options that a user can set, with their defaults."""
        found = inspect.signature(self.run).parameters.values()
        return {item.name: item.default for item in found if item.kind is item.KEYWORD_ONLY and item.name not in _INNER}


_PAPER = "arXiv:2410.15035"

METHODS: dict[str, Method] = {
    "linear": Method(linear, "weighted average of the models (soup)", "arXiv:2203.05482", "unused"),
    "task_arithmetic": Method(task_arithmetic, "base plus the weighted sum of task vectors", "arXiv:2212.04089"),
    "slerp": Method(slerp, "along the arc between models, folded from the left", _PAPER, "optional", prepare=whole_gram),
    "multislerp": Method(multislerp, "barycentre on the sphere, in one step", "mergekit", "optional", prepare=whole_gram),
    "karcher": Method(karcher, "barycentre on the sphere, iterated", "Pennec 2006", "optional", prepare=whole_gram),
    "ties": Method(ties, "trim, elect signs, average what agrees", "arXiv:2306.01708"),
    "dare_linear": Method(dare_linear, "drop at random, rescale, add up", "arXiv:2311.03099"),
    "dare_ties": Method(dare_ties, "drop at random, rescale, elect signs", "arXiv:2311.03099"),
    "model_stock": Method(
        model_stock, "between base and average, by their mean cosine", "arXiv:2403.19522", least=2, prepare=whole_gram
    ),
    "greedy_soup": Method(
        greedy_soup, "average of the models that raise a metric", "arXiv:2203.05482", "unused", "pairs",
        prepare=whole_members,
    ),
    "fisher": Method(
        fisher, "average by information of each parameter", "arXiv:2111.09832", "unused", "pairs of each model"
    ),
    "regmean": Method(
        regmean, "linear layers that keep each model's outputs", "arXiv:2212.09849", "unused", "pairs of each model"
    ),
    "self_positioning": Method(
        self_positioning, "coefficients found by SGD on a probe set", _PAPER, data="pairs", prepare=whole_position
    ),
    "boom": Method(boom, "Multi-SLERP of models trained on bags of the data", "arXiv:2602.05787"),
}  # fmt: skip
"""Every method by name."""

ALIASES = {"average": "linear", "soup": "linear", "dare": "dare_linear"}


def method_of(name: str) -> Method:
    """The method of a name.

    Raises:
        UsageError: there is none; the sentence offers close names.
    """
    found = METHODS.get(canonical(name))
    if found is None:
        close = difflib.get_close_matches(name, [*METHODS, *ALIASES], n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(METHODS)}."
        raise UsageError(f"There is no merge method {name!r}.", hint)
    return found


def canonical(name: str) -> str:
    """The table's name for a name as people write it."""
    plain = name.strip().lower().replace("-", "_")
    return ALIASES.get(plain, plain)


def check_call(name: str, models: int, *, base: bool, options: Sequence[str] = ()) -> None:
    """Have what a method needs, before work.

    Raises:
        UsageError: the base is missing, there are too few models, or an option is not the method's.
    """
    method = method_of(name)
    if method.base == "required" and not base:
        raise UsageError(
            f"{canonical(name)} merges task vectors and needs the base model.",
            "Give the model that all were trained from, with --base or base_model.",
        )
    if models < method.least:
        raise UsageError(f"{canonical(name)} needs {method.least} models or more, not {models}.", "Add models.")
    for option in options:
        if option not in method.options:
            close = difflib.get_close_matches(option, method.options, n=2, cutoff=0.5)
            hint = f"Did you mean {' or '.join(close)}?" if close else f"It has {', '.join(method.options) or 'none'}."
            raise UsageError(f"{canonical(name)} has no option {option!r}.", hint)


def merge_tensors(
    method: str, models: Sequence[Tensors], base: Tensors | None = None, **options: Any
) -> dict[str, torch.Tensor]:
    """Merge tensors that are in memory.

    Args:
        method: a name of ``METHODS``.
        models: tensors by name, the same names and shapes in each.
        base: where all models started.
        options: the method's.

    Raises:
        UsageError: an unknown method or option, or a missing base.
    """
    check_call(method, len(models), base=base is not None, options=[name for name in options if name not in _INNER])
    return method_of(method).run(base, models, **options)
