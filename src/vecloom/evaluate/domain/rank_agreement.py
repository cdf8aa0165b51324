"""Do models rank on a special benchmark as they rank on a general one? Spearman's correlation, with what it is worth.

Source: FinMTEB (Tang and Yang, 2025, arXiv 2502.10990) and "Do We Need Domain-Specific Embedding Models?" (2024,
arXiv 2409.18511) correlate models' means on MTEB and on FinMTEB by task type. The p-values printed there are those of
Spearman's test by the t distribution with five models, so this one is given under ``p``. Ours: the p-value over all
orders of the models (``p_exact``), which is the right one for so few, and the note on what n models can show.

The t distribution gives a perfect correlation p = 0 even with three models; trust ``p_exact``.
When to use it: to see whether a general leaderboard chooses the right model for a domain. When not: with fewer than six
models, where even a strong correlation is often chance; and no correlation found is not one shown to be absent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from itertools import permutations
from typing import Any

import numpy as np

from vecloom.evaluate.domain.domain_rows import Floats, ScoreGrid

EXACT_MODELS = 8  # 40,320 orders
FEW_MODELS = 10
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class RankAgreement:
    """Spearman's correlation between two rankings of models.

    Attributes:
        task_type: of the tasks behind the scores; "all" where they are given as they are.
        n: models with a score on both sides.
        rho: Spearman's correlation; None where it is undefined.
        p: two-sided, by the t distribution, as printed in the papers.
        p_exact: two-sided, over all orders of the models; None with more than ``EXACT_MODELS``.
        needed: the smallest |rho| that is significant at 5 % with so many models; None where none is.
        left_out: models with a score on one side only.
        note: what to mind when reading it.
    """

    task_type: str
    n: int
    rho: float | None
    p: float | None
    p_exact: float | None
    needed: float | None
    left_out: tuple[str, ...]
    note: str

    def as_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


def rank_agreement(
    general: Mapping[str, float], special: Mapping[str, float], *, task_type: str = "all"
) -> RankAgreement:
    """Correlate the ranks of models on two benchmarks.

    Args:
        general: model -> score on the general one.
        special: model -> score on the special one; models that are not in both are left out and named.
        task_type: for the result.
    """
    models = sorted(set(general) & set(special))
    left_out = tuple(sorted(set(general) ^ set(special)))
    first = np.array([general[model] for model in models], float)
    second = np.array([special[model] for model in models], float)
    n = len(models)
    needed = smallest_significant(n)
    if n < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        why = "Three models are needed." if n < 3 else "All models have the same score, so they have no ranks."
        return RankAgreement(task_type, n, None, None, None, needed, left_out, why)
    rho = spearman(first, second)
    exact = _exact_p(first, second, rho) if n <= EXACT_MODELS else None
    return RankAgreement(task_type, n, rho, t_p_value(rho, n), exact, needed, left_out, _note(n, needed))


def rank_agreement_by_type(grid: ScoreGrid) -> tuple[RankAgreement, ...]:
    """Agreement between models' means on the data sets of either domain, for each task type that has both."""
    found = []
    grid = grid.comparable()
    for task_type in grid.task_types:
        part = grid.of_type(task_type)
        sides = [part.scores[:, part.flags == flag].mean(axis=1) for flag in (False, True)]
        general, special = (dict(zip(part.models, side.tolist(), strict=True)) for side in sides)
        found.append(rank_agreement(general, special, task_type=task_type))
    return tuple(found)


def spearman(first: Floats, second: Floats) -> float:
    """Spearman's rank correlation of two ``(n,)`` arrays, ties sharing their mean rank."""
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def t_p_value(rho: float, n: int) -> float:
    """Two-sided p-value of a correlation by t = rho sqrt((n - 2) / (1 - rho^2)) with n - 2 degrees of freedom."""
    from scipy.stats import t

    if 1 - abs(rho) < 1e-12:
        return 0.0
    return float(2 * t.sf(abs(rho) * math.sqrt((n - 2) / (1 - rho * rho)), n - 2))


@cache
def smallest_significant(n: int, alpha: float = ALPHA) -> float | None:
    """The smallest |rho| that is significant with ``n`` models; None where none is.

    Over all orders up to ``EXACT_MODELS`` models (four models or fewer can show nothing), by the t distribution above.
    """
    from scipy.stats import t

    if n > EXACT_MODELS:
        bound = float(t.isf(alpha / 2, n - 2))
        return bound / math.sqrt(n - 2 + bound * bound)
    if n < 3:
        return None
    ranks = np.arange(n, dtype=float)
    sizes, counts = np.unique(np.round(np.abs(_all_correlations(ranks, ranks)), 9), return_counts=True)
    tails = np.cumsum(counts[::-1])[::-1] / counts.sum()
    significant = sizes[tails <= alpha]
    return float(significant[0]) if len(significant) else None


def _exact_p(first: Floats, second: Floats, rho: float) -> float:
    from scipy.stats import rankdata

    return float((np.abs(_all_correlations(rankdata(first), rankdata(second))) >= abs(rho) - 1e-12).mean())


def _all_correlations(first: Floats, second: Floats) -> Floats:
    """Correlation of ``first`` with every order of ``second``."""
    left, right = first - first.mean(), second - second.mean()
    orders = np.array(list(permutations(right)))
    found: Floats = orders @ left / math.sqrt(float(left @ left) * float(right @ right))
    return found


def _note(n: int, needed: float | None) -> str:
    if n >= FEW_MODELS:
        return ""
    if needed is None:
        return f"{n} models are too few: whatever their order, it is not significant at 5 %."
    return (
        f"{n} models are few: only |rho| of {needed:.2f} or more is significant at 5 %, "
        "and a smaller one does not show that the ranks disagree."
    )
