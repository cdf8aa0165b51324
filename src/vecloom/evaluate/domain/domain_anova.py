"""Does the domain of a data set decide its scores? Analyses of variance and a permutation test.

Source: "Do We Need Domain-Specific Embedding Models?" (Tang and Yang, 2024, arXiv 2409.18511), whose table crosses models
and domains without interaction: y = mu + model + domain + error. Its residual degrees of freedom, 6992 with 7 models
and 2 domains, are those of 500 observations a cell, that is of bootstrap means over data sets; we infer that.

- ``bootstrap_anova`` is the paper's form. Its F values grow with the number of resamples, without limit, so its p-values
  are no evidence; the table carries that warning.
- ``nested_anova`` is ours: the data set is the unit. Data sets are random within their domain (and task type), so the domain
  is tested against the variation between data sets, and models against their interaction with data sets.
- ``permutation_test`` is ours: the domain flag is dealt anew among the data sets of each task type.

When to use them: nested and permutation to decide, bootstrap to stand beside the paper's figures. When not: with one or two
data sets a domain, where no test can tell anything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import reduce
from itertools import combinations
from math import comb, prod
from typing import Any

import numpy as np

from vecloom.errors import DataError
from vecloom.evaluate.domain.domain_rows import Floats, ScoreGrid

BOOTSTRAPS = 500  # a cell: 7 models x 2 domains x 500 = 7000 observations give the table's 6992 residual df
PERMUTATIONS = 10_000
EXACT_LIMIT = 200_000  # ways to deal the flags up to which all are tried
NOT_EVIDENCE = (
    "Resamples are not independent data: F grows with their number, so these p-values say nothing. "
    "Read the nested table and the permutation test."
)
ALL_TYPES = "all"


@dataclass(frozen=True, slots=True)
class Effect:
    """A line of an ANOVA table; ``f`` and ``p`` are None where there is no error to test against."""

    ss: float
    df: int
    f: float | None = None
    p: float | None = None


@dataclass(frozen=True, slots=True)
class AnovaTable:
    """An analysis of variance of scores by model and domain.

    Attributes:
        method: "bootstrap" or "nested".
        task_type: of the data sets; "all" for all together.
        model: variation between models.
        domain: variation between the two domains.
        datasets: variation between the data sets of a domain, the error of ``domain``; None in the bootstrap form.
        residual: the rest.
        gap: special minus general, in the score's unit; task types weigh as their data sets allow.
        note: what to mind when reading it.
    """

    method: str
    task_type: str
    model: Effect
    domain: Effect
    residual: Effect
    gap: float
    datasets: Effect | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PermutationTest:
    """How often a random deal of the domain flag gives a gap as wide as the true one.

    Attributes:
        task_type: of the data sets; "all" for all together.
        gap: special minus general.
        p: two-sided.
        permutations: how many deals were looked at.
        exact: whether these are all.
        smallest_p: what ``p`` would be if no other deal gave so wide a gap; above 0.05 the test cannot reject.
    """

    task_type: str
    gap: float
    p: float
    permutations: int
    exact: bool
    smallest_p: float

    def as_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


def effect(ss: float, df: int, error_ss: float, error_df: int) -> Effect:
    """Test a sum of squares against another: F = (ss / df) / (error_ss / error_df), and its p-value."""
    from scipy.stats import f as f_distribution

    if df < 1 or error_df < 1 or error_ss <= 0:
        return Effect(ss, df)
    ratio = (ss / df) / (error_ss / error_df)
    return Effect(ss, df, float(ratio), float(f_distribution.sf(ratio, df, error_df)))


def two_way_anova(values: Floats, *, task_type: str = ALL_TYPES, note: str = "") -> AnovaTable:
    """Balanced two-way ANOVA without interaction.

    Args:
        values: ``(models, 2, replicates)``, the general domain first.
        task_type: for the table.
        note: for the table.
    """
    models, domains, replicates = values.shape
    mean = values.mean()
    of_models, of_domains = values.mean(axis=(1, 2)), values.mean(axis=(0, 2))
    ss_model = float(domains * replicates * ((of_models - mean) ** 2).sum())
    ss_domain = float(models * replicates * ((of_domains - mean) ** 2).sum())
    fitted = of_models[:, None, None] + of_domains[None, :, None] - mean
    ss_error = _rounded_off(float(((values - fitted) ** 2).sum()), values)
    df_error = values.size - models - domains + 1
    return AnovaTable(
        method="bootstrap",
        task_type=task_type,
        model=effect(ss_model, models - 1, ss_error, df_error),
        domain=effect(ss_domain, domains - 1, ss_error, df_error),
        residual=Effect(ss_error, df_error),
        gap=float(of_domains[1] - of_domains[0]),
        note=note,
    )


def bootstrap_anova(
    grid: ScoreGrid, *, bootstraps: int = BOOTSTRAPS, seed: int = 0, task_type: str = ALL_TYPES
) -> AnovaTable:
    """The paper's table: a cell holds the means of ``bootstraps`` draws of data sets with replacement.

    Data sets are drawn within each domain and task type, the same for all models; task types weigh the same.

    Raises:
        DataError: no task type has data sets of both domains.
    """
    grid = _both_domains(grid)
    generator = np.random.default_rng(seed)
    flags, codes = grid.flags, grid.type_codes
    cells = np.zeros((len(grid.models), 2, bootstraps))
    for code in range(len(grid.task_types)):
        for domain in (0, 1):
            columns = np.flatnonzero((codes == code) & (flags == bool(domain)))
            drawn = generator.choice(columns, (bootstraps, len(columns)))
            cells[:, domain] += grid.scores[:, drawn].mean(axis=2) / len(grid.task_types)
    return two_way_anova(cells, task_type=task_type, note=NOT_EVIDENCE)


def nested_anova(grid: ScoreGrid, *, task_type: str = ALL_TYPES) -> AnovaTable:
    """ANOVA with the data set as the unit, random within domain and task type.

    With one task type F of the domain is the square of the t-test's t between the domains' data-set means.

    Raises:
        DataError: no task type has data sets of both domains.
    """
    grid = _both_domains(grid)
    models, units = grid.scores.shape
    means = grid.scores.mean(axis=0)
    types = np.eye(len(grid.task_types))[grid.type_codes]
    without = _residual_ss(types, means)
    within = _residual_ss(np.column_stack([types, grid.flags]), means)
    ss_model = float(units * ((grid.scores.mean(axis=1) - grid.scores.mean()) ** 2).sum())
    fitted = grid.scores.mean(axis=1)[:, None] + means[None, :] - grid.scores.mean()
    ss_error = _rounded_off(float(((grid.scores - fitted) ** 2).sum()), grid.scores)
    ss_units, df_units = _rounded_off(models * within, grid.scores), units - types.shape[1] - 1
    df_error = (models - 1) * (units - 1)
    note = "" if df_units >= 1 else "No data sets are left over to test the domain against."
    return AnovaTable(
        method="nested",
        task_type=task_type,
        model=effect(ss_model, models - 1, ss_error, df_error),
        domain=effect(models * (without - within), 1, ss_units, df_units),
        datasets=Effect(ss_units, df_units),
        residual=Effect(ss_error, df_error),
        gap=_centred(grid)[1],
        note=note,
    )


def permutation_test(
    grid: ScoreGrid, *, permutations: int = PERMUTATIONS, seed: int = 0, task_type: str = ALL_TYPES
) -> PermutationTest:
    """Deal the domain flag anew among the data sets of each task type, and compare the gaps.

    All deals are tried where there are at most ``EXACT_LIMIT``, else ``permutations`` random ones.

    Raises:
        DataError: no task type has data sets of both domains.
    """
    grid = _both_domains(grid)
    centred, gap, scale = _centred(grid)
    codes, flags = grid.type_codes, grid.flags
    groups = [(centred[codes == code], int(flags[codes == code].sum())) for code in range(len(grid.task_types))]
    ways = prod(comb(len(values), special) for values, special in groups)
    exact = ways <= EXACT_LIMIT
    if exact:
        dealt = reduce(np.add.outer, [_all_sums(values, special) for values, special in groups]).ravel()
    else:
        generator = np.random.default_rng(seed)
        dealt = np.zeros(permutations)
        for values, special in groups:
            dealt += generator.permuted(np.tile(values, (permutations, 1)), axis=1)[:, :special].sum(axis=1)
    wide = int((np.abs(dealt / scale) >= abs(gap) * (1 - 1e-9) - 1e-15).sum())  # the true deal, whatever its rounding
    # the true deal counts as one of the random ones, so that p is never 0
    p = wide / ways if exact else (wide + 1) / (permutations + 1)
    # deals that swap the domains give the same width where both have equally many data sets
    mirrored = 2 if all(2 * special == len(values) for values, special in groups) else 1
    smallest = mirrored / ways if exact else 1 / (permutations + 1)
    return PermutationTest(task_type, gap, p, ways if exact else permutations, exact, smallest)


def _both_domains(grid: ScoreGrid) -> ScoreGrid:
    comparable = grid.comparable()
    if not comparable.units:
        raise DataError(
            f"No task type has data sets of both {grid.general!r} and {grid.special!r}.",
            "Score both domains on tasks of one type.",
        )
    return comparable


def _centred(grid: ScoreGrid) -> tuple[Floats, float, float]:
    """Data-set means less their task type's, the gap between domains within types, and the gap's scale.

    The gap is the domain's coefficient in a regression of the means on domain and task type. It is the sum of the
    special sets' centred means over the scale, which no deal of the flag within types changes.
    """
    types = np.eye(len(grid.task_types))[grid.type_codes]
    sizes = types.sum(axis=0)
    means = grid.scores.mean(axis=0)
    centred = means - types @ (types.T @ means / sizes)
    flag = grid.flags - types @ (types.T @ grid.flags / sizes)
    scale = float((flag**2).sum())
    return centred, float(centred @ flag) / scale, scale


def _all_sums(values: Floats, chosen: int) -> Floats:
    """The sum of every choice of ``chosen`` values."""
    places = np.array(list(combinations(range(len(values)), chosen)), np.int64)
    sums: Floats = values[places].sum(axis=1)
    return sums


def _residual_ss(design: Floats, target: Floats) -> float:
    coefficients = np.linalg.lstsq(design, target, rcond=None)[0]
    return float(((target - design @ coefficients) ** 2).sum())


def _rounded_off(ss: float, values: Floats) -> float:
    """A sum of squares that is rounding error and nothing else becomes 0."""
    return 0.0 if ss <= 1e-20 * max(float((values**2).sum()), 1e-300) else ss
