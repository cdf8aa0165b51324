"""Do models do worse on a special domain because of the domain, or because its texts are harder?

Source: "Do We Need Domain-Specific Embedding Models? An Empirical Investigation" (Tang and Yang, 2024, arXiv 2409.18511).
From the paper: the two-way ANOVA of model and domain; scores by domain inside low, medium and high complexity; the
regression of the score on domain with complexity controlled; the rank correlation of models between the benchmarks.
Our choice, because the paper's details are not known to us: tertiles over the data sets of both domains; one regression
a measure, because the measures go together; models and task types as fixed effects; standard errors clustered by data
set, because a data set seen by seven models is one unit; tests with the data set as the unit (see ``domain_anova``).

A gap that stays in every group and in the regressions is not explained by that measure of complexity. That does not yet
say that the domain causes it: data sets differ in more than both.
When to use it: with scores of a few models on at least ten data sets a domain. When not: with two or three, where the
tests cannot reject anything and the table of means says all there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vecloom.errors import DataError, MissingExtraError, UsageError
from vecloom.evaluate.domain.domain_anova import (
    ALL_TYPES,
    BOOTSTRAPS,
    PERMUTATIONS,
    AnovaTable,
    PermutationTest,
    bootstrap_anova,
    nested_anova,
    permutation_test,
)
from vecloom.evaluate.domain.domain_rows import Complexity, Floats, ScoreGrid, ScoreRow, score_grid
from vecloom.evaluate.domain.rank_agreement import RankAgreement, rank_agreement_by_type

Method = Literal["all", "anova", "permutation", "subgroup", "regression", "ranks"]
METHODS: tuple[Method, ...] = ("all", "anova", "permutation", "subgroup", "regression", "ranks")
NEEDS_COMPLEXITY = ("subgroup", "regression")
LEVELS = ("low", "medium", "high")
FEW_SETS = 10  # in a domain; below, cluster-robust errors are known to be too small


@dataclass(frozen=True, slots=True)
class Subgroup:
    """Mean scores of both domains between two values of a measure; None where a domain has no data set there."""

    level: str
    low: float | None
    high: float | None
    general_sets: int
    special_sets: int
    general_mean: float | None
    special_mean: float | None
    gap: float | None


@dataclass(frozen=True, slots=True)
class SubgroupTable:
    """Scores by domain inside low, medium and high complexity.

    Attributes:
        measure: of complexity.
        groups: low, medium, high, by tertiles of the measure over the data sets of both domains.
        holds: whether the special domain scores lower in every group; None where a group lacks a domain.
        missing: data sets without this measure.
    """

    measure: str
    groups: tuple[Subgroup, ...]
    holds: bool | None
    missing: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Coefficient:
    """An estimate with its clustered standard error, p-value and 95 % interval."""

    estimate: float
    error: float
    p: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class GapRegression:
    """The score regressed on domain, complexity, model and task type.

    Attributes:
        measure: of complexity.
        domain: special minus general with complexity controlled, in the score's unit.
        complexity: change of the score for one unit of the measure.
        raw_domain: special minus general without the control, on the same rows.
        correlation: of domain and complexity over data sets; near 1 or -1 the two cannot be told apart.
        datasets: clusters.
        rows: observations.
        missing: data sets without this measure.
        note: what to mind when reading it.
    """

    measure: str
    domain: Coefficient
    complexity: Coefficient
    raw_domain: Coefficient
    correlation: float
    datasets: int
    rows: int
    missing: tuple[str, ...] = ()
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DomainGapReport:
    """All that was found; parts that were not asked for, or could not be had, are empty.

    Attributes:
        general: name of the general domain.
        special: name of the special one.
        models: their names.
        general_sets: data sets of the general domain.
        special_sets: data sets of the special one.
        anova: for each task type with both domains, and for all together, the bootstrap and the nested table.
        permutation: likewise, the permutation test.
        subgroups: one a measure.
        regressions: one a measure.
        ranks: one a task type with both domains.
        dropped: data sets that some model has no score on; they count nowhere.
        notes: what could not be done, and why.
        seed: of the resamples and permutations.
    """

    general: str
    special: str
    models: tuple[str, ...]
    general_sets: tuple[str, ...]
    special_sets: tuple[str, ...]
    anova: tuple[AnovaTable, ...] = ()
    permutation: tuple[PermutationTest, ...] = ()
    subgroups: tuple[SubgroupTable, ...] = ()
    regressions: tuple[GapRegression, ...] = ()
    ranks: tuple[RankAgreement, ...] = ()
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


def subgroup_table(grid: ScoreGrid, complexity: Complexity, measure: str) -> SubgroupTable:
    """Compare the domains inside the tertiles of a measure.

    Raises:
        DataError: fewer than three data sets have the measure.
    """
    grid, values, missing = _measured(grid, complexity, measure)
    if len(values) < len(LEVELS):
        raise DataError(f"{len(values)} data sets have {measure}.", "Three levels need at least three.")
    means, flags = grid.scores.mean(axis=0), grid.flags
    edges = np.quantile(values, [1 / 3, 2 / 3])
    level_of = np.searchsorted(edges, values)  # a value on an edge belongs to the lower level
    groups = []
    for place, level in enumerate(LEVELS):
        inside = level_of == place
        sides = [means[inside & (flags == flag)] for flag in (False, True)]
        general, special = (float(side.mean()) if len(side) else None for side in sides)
        gap = None if general is None or special is None else special - general
        low, high = (float(bound(values[inside])) if inside.any() else None for bound in (np.min, np.max))
        groups.append(Subgroup(level, low, high, len(sides[0]), len(sides[1]), general, special, gap))
    gaps = [group.gap for group in groups]
    holds = None if None in gaps else all(gap is not None and gap < 0 for gap in gaps)
    return SubgroupTable(measure, tuple(groups), holds, missing)


def gap_regression(grid: ScoreGrid, complexity: Complexity, measure: str) -> GapRegression:
    """Ordinary least squares of the score on domain, a measure, model and task type; errors clustered by data set.

    Raises:
        DataError: domain, measure and task type cannot be told apart on these data sets.
        MissingExtraError: statsmodels is not installed.
    """
    grid, values, missing = _measured(grid, complexity, measure)
    flags = grid.flags.astype(float)
    types = np.eye(len(grid.task_types))[grid.type_codes][:, 1:]
    controls = np.column_stack([np.ones(len(values)), types])
    plain = np.column_stack([flags, controls])
    full = np.column_stack([flags, _scaled(values), controls])
    few = min(grid.flags.sum(), (~grid.flags).sum()) < 2  # the error of a domain with one data set would be 0
    if few or len(values) <= full.shape[1] or np.linalg.matrix_rank(full) < full.shape[1]:
        raise DataError(
            f"{measure}: domain, complexity and task type cannot be told apart on {len(values)} data sets.",
            "Both domains need several data sets, of differing complexity, within the same task types.",
        )
    _, first, clusters = np.unique([unit.dataset for unit in grid.units], return_index=True, return_inverse=True)
    raw, (controlled, slope) = _fit(grid.scores, plain, clusters, 1)[0], _fit(grid.scores, full, clusters, 2)
    spread = float(np.std(values))
    return GapRegression(
        measure=measure,
        domain=controlled,
        complexity=Coefficient(
            slope.estimate / spread, slope.error / spread, slope.p, slope.low / spread, slope.high / spread
        ),
        raw_domain=raw,
        correlation=float(np.corrcoef(flags, values)[0, 1]),
        datasets=len(first),
        rows=grid.scores.size,
        missing=missing,
        note=_few_sets_note(grid.flags[first]),
    )


def domain_gap(
    scores: Iterable[ScoreRow],
    complexity: Complexity | None = None,
    *,
    method: Method = "all",
    general: str | None = None,
    bootstraps: int = BOOTSTRAPS,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> DomainGapReport:
    """Compare models' scores on a general and a special domain, with and without complexity controlled.

    Args:
        scores: one row a model and data set.
        complexity: data set -> measure -> value, as ``ComplexityProfile.measures`` gives it.
        method: one of ``METHODS``; "all" does what the data allow and notes the rest.
        general: name of the general domain; "general" or "0" by default.
        bootstraps: observations in a cell of the paper's table.
        permutations: random deals, where not all can be tried.
        seed: of both.

    Raises:
        DataError: the rows are not what they have to be (see ``score_grid``), or allow no such comparison.
        MissingExtraError: statsmodels is needed and not installed.
        UsageError: the method is unknown, or needs complexity and none is given.
    """
    if method not in METHODS:
        raise UsageError(f"method={method!r} is not possible.", f"Choose from {', '.join(METHODS)}.")
    if method in NEEDS_COMPLEXITY and not complexity:
        raise UsageError(f"method={method!r} needs the data sets' complexity.", "Give it, as read_complexity_csv does.")
    grid = score_grid(scores, general=general)
    notes: list[str] = []
    parts: dict[str, Callable[[], tuple[Any, ...]]] = {
        "anova": lambda: _anova(grid, bootstraps, seed),
        "permutation": lambda: _permutation(grid, permutations, seed),
        "subgroup": lambda: _for_measures(subgroup_table, grid, complexity or {}, notes),
        "regression": lambda: _for_measures(gap_regression, grid, complexity or {}, notes),
        "ranks": lambda: rank_agreement_by_type(grid),
    }
    found = {name: part() for name, part in parts.items() if method == name} or _all_of(parts, complexity, notes)
    return DomainGapReport(
        general=grid.general,
        special=grid.special,
        models=grid.models,
        general_sets=_names(grid, False),
        special_sets=_names(grid, True),
        anova=found.get("anova", ()),
        permutation=found.get("permutation", ()),
        subgroups=found.get("subgroup", ()),
        regressions=found.get("regression", ()),
        ranks=found.get("ranks", ()),
        dropped=grid.dropped,
        notes=tuple(dict.fromkeys(notes)),
        seed=seed,
    )


def _all_of(
    parts: dict[str, Callable[[], tuple[Any, ...]]], complexity: Complexity | None, notes: list[str]
) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for name, part in parts.items():
        if name in NEEDS_COMPLEXITY and not complexity:
            notes.append("Without the data sets' complexity nothing is controlled for it.")
            continue
        try:
            found[name] = part()
        except DataError as error:
            notes.append(error.what)
    return found


def _parts_by_type(grid: ScoreGrid) -> list[tuple[str, ScoreGrid]]:
    """Each task type with both domains, and all of these together where there are several."""
    both = grid.comparable()
    found = [(task_type, both.of_type(task_type)) for task_type in both.task_types]
    return found if len(found) == 1 else [*found, (ALL_TYPES, both)]


def _anova(grid: ScoreGrid, bootstraps: int, seed: int) -> tuple[AnovaTable, ...]:
    tables = []
    for task_type, part in _parts_by_type(grid):
        tables.append(bootstrap_anova(part, bootstraps=bootstraps, seed=seed, task_type=task_type))
        tables.append(nested_anova(part, task_type=task_type))
    return tuple(tables)


def _permutation(grid: ScoreGrid, permutations: int, seed: int) -> tuple[PermutationTest, ...]:
    return tuple(
        permutation_test(part, permutations=permutations, seed=seed, task_type=task_type)
        for task_type, part in _parts_by_type(grid)
    )


def _for_measures(
    analyse: Callable[[ScoreGrid, Complexity, str], Any], grid: ScoreGrid, complexity: Complexity, notes: list[str]
) -> tuple[Any, ...]:
    """The analysis for each measure that some data set has; those that cannot be made are noted."""
    measures = dict.fromkeys(name for unit in grid.units for name in complexity.get(unit.dataset, {}))
    if not measures:
        raise DataError("No data set of the scores has a complexity.", "Use the same data set names in both.")
    found = []
    for measure in measures:
        try:
            found.append(analyse(grid, complexity, measure))
        except DataError as error:
            notes.append(error.what)
    return tuple(found)


def _measured(grid: ScoreGrid, complexity: Complexity, measure: str) -> tuple[ScoreGrid, Floats, tuple[str, ...]]:
    """The data sets that have the measure, its values, and the names of the others."""
    values = [complexity.get(unit.dataset, {}).get(measure) for unit in grid.units]
    known = [value is not None and bool(np.isfinite(value)) for value in values]
    missing = tuple(unit.dataset for unit, has in zip(grid.units, known, strict=True) if not has)
    kept = np.array([value for value, has in zip(values, known, strict=True) if has], np.float64)
    return grid.kept(known), kept, missing


def _scaled(values: Floats) -> Floats:
    """Values to mean 0 and deviation 1, so that the rank of a design does not hang on the measure's unit."""
    centred: Floats = values - values.mean()
    spread = float(values.std())
    return centred / spread if spread > 1e-12 * max(float(np.abs(values).max()), 1e-300) else np.zeros_like(values)


def _fit(scores: Floats, per_unit: Floats, clusters: npt.NDArray[np.int64], wanted: int) -> list[Coefficient]:
    """The first ``wanted`` coefficients of OLS on the data sets' columns and a dummy for each model but the first."""
    try:
        from statsmodels.regression.linear_model import OLS
    except ImportError as error:
        raise MissingExtraError("The regression needs statsmodels.", extra="eval") from error
    models, units = scores.shape
    dummies = np.repeat(np.eye(models)[:, 1:], units, axis=0)
    design = np.column_stack([np.tile(per_unit, (models, 1)), dummies])
    groups = {"groups": np.tile(clusters, models)}
    fitted = OLS(scores.ravel(), design).fit(cov_type="cluster", cov_kwds=groups, use_t=True)
    with np.errstate(invalid="ignore"):  # with more models than data sets some dummies have no variance; not looked at
        errors, p_values, bounds = fitted.bse, fitted.pvalues, fitted.conf_int()
    return [
        Coefficient(*(float(x) for x in (fitted.params[i], errors[i], p_values[i], *bounds[i]))) for i in range(wanted)
    ]


def _few_sets_note(special: npt.NDArray[np.bool_]) -> str:
    fewest = int(min(special.sum(), (~special).sum()))
    if fewest >= FEW_SETS:
        return ""
    return (
        f"A domain has only {fewest} data sets: clustered errors come out too small. Trust the permutation test more."
    )


def _names(grid: ScoreGrid, special: bool) -> tuple[str, ...]:
    return tuple(dict.fromkeys(unit.dataset for unit in grid.units if unit.special == special))
