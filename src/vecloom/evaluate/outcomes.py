"""What a model did on one split of a task, unit by unit, so that its score can be drawn again and compared.

A task's score is a statistic of units: queries, pairs, documents or texts. An ``Outcome`` keeps what each unit contributed and
computes the same statistic as mteb does

- on all units (``value``, which equals mteb's main score),
- on bootstrap resamples, given as counts per unit (``bootstrap``),
- as the difference of two models whose units were exchanged at random (``exchanged``), where units can be exchanged.

No resample is sorted again: scores are ranked once and weighted ranks follow from running sums, so that 1,000 resamples of
10,000 pairs take a second.
Shapes: n units, B resamples, R rounds; counts ``(B, n)`` and swaps ``(R, n)`` are float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from vecloom.evaluate.significance import Counts, Floats, Swaps

CELLS = 1 << 22  # numbers held at a time while resamples are computed


class Outcome(Protocol):
    """Units of one split and the statistic over them."""

    @property
    def units(self) -> int:
        """How many units there are."""
        ...

    def value(self) -> float:
        """The statistic on all units."""
        ...

    def bootstrap(self, counts: Counts) -> Floats:
        """The statistic on each resample: ``(B,)``; NaN where it is undefined there."""
        ...

    def exchanged(self, other: Self, swap: Swaps) -> Floats | None:
        """Difference to ``other`` after exchanging units: ``(R,)``; None where units cannot be exchanged."""
        ...

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What to store; ``OUTCOMES[kind](**arrays)`` makes it again."""
        ...


@dataclass(frozen=True, eq=False)
class Mean:
    """A score that is the mean of the units' scores: nDCG of queries, accuracy of documents.

    Attributes:
        scores: ``(n,)`` float64.
    """

    scores: Floats

    @property
    def units(self) -> int:
        """How many units there are."""
        return len(self.scores)

    def value(self) -> float:
        """The mean."""
        return float(self.scores.mean())

    def bootstrap(self, counts: Counts) -> Floats:
        """The weighted means."""
        return np.asarray(counts @ self.scores / np.maximum(counts.sum(axis=1), 1e-30), float)

    def exchanged(self, other: Mean, swap: Swaps) -> Floats | None:
        """Means of differences with the signs of exchanged units turned."""
        differences = (self.scores - other.scores).astype(np.float32)
        return np.asarray(float(differences.mean()) - 2 * (swap @ differences) / self.units, float)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What to store."""
        return {"scores": self.scores}


@dataclass(frozen=True, eq=False)
class RankCorrelation:
    """Spearman's correlation of scores and gold over pairs (STS).

    Attributes:
        scores: ``(n,)`` the model's similarities.
        gold: ``(n,)`` what people said.
    """

    scores: Floats
    gold: Floats

    @property
    def units(self) -> int:
        """How many pairs there are."""
        return len(self.scores)

    def value(self) -> float:
        """Spearman's correlation; NaN where scores or gold do not vary."""
        return float(self.bootstrap(np.ones((1, self.units), np.float32))[0])

    def bootstrap(self, counts: Counts) -> Floats:
        """Spearman's correlation on each resample, ranks drawn anew."""
        found = [
            weighted_pearson(weighted_ranks(self.scores, part), weighted_ranks(self.gold, part), part)
            for part in blocks_of(counts)
        ]
        return np.concatenate(found)

    def exchanged(self, other: RankCorrelation, swap: Swaps) -> Floats | None:
        """Differences after exchanging each model's own ranks, correlated with the ranks of the gold.

        Models' similarities have scales of their own, ranks have not. Without an exchange this is the difference of the
        Spearman correlations; after one, the ranks are not drawn anew, so that a round is a few sums.
        """
        gold, one, two = (_centred_ranks(values) / self.units for values in (self.gold, other.scores, self.scores))
        moments = np.stack([two * gold, two, two**2, one * gold, one, one**2], axis=1)
        shift = swap @ (moments[:, :3] - moments[:, 3:]).astype(np.float32)
        total = moments.sum(axis=0)
        spread = float(np.sqrt((gold**2).sum()))
        return _correlation(total[:3] - shift, self.units, spread) - _correlation(total[3:] + shift, self.units, spread)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What to store."""
        return {"scores": self.scores, "gold": self.gold}


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """Average precision of pairs ranked by score; the best of several similarities, as mteb's ``max_ap``.

    Attributes:
        scores: ``(kinds, n)`` similarities, higher is more alike.
        labels: ``(n,)`` 0 or 1.
    """

    scores: Floats
    labels: Floats

    @property
    def units(self) -> int:
        """How many pairs there are."""
        return len(self.labels)

    def value(self) -> float:
        """The highest average precision of any kind of similarity."""
        return float(self.bootstrap(np.ones((1, self.units), np.float32))[0])

    def bootstrap(self, counts: Counts) -> Floats:
        """Average precision on each resample; NaN where a resample has no positive pair."""
        parts = blocks_of(counts)
        return np.concatenate(
            [np.max([weighted_precision(kind, self.labels, part) for kind in self.scores], axis=0) for part in parts]
        )

    def exchanged(self, other: AveragePrecision, swap: Swaps) -> Floats | None:
        """Differences after exchanging the ranks of each model's best kind of similarity."""
        one, two = self._best_ranks(), other._best_ranks()
        found = []
        for part in blocks_of(swap):
            turned = part > 0
            first, second = np.where(turned, two, one), np.where(turned, one, two)
            found.append(_row_precision(first, self.labels) - _row_precision(second, self.labels))
        return np.concatenate(found)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What to store."""
        return {"scores": self.scores, "labels": self.labels}

    def _best_ranks(self) -> npt.NDArray[Any]:
        """Ranks from the best pair on, doubled so that shared ranks are whole: ``(n,)`` small integers sort fastest."""
        ones = np.ones((1, self.units), np.float32)
        best = int(np.argmax([weighted_precision(kind, self.labels, ones)[0] for kind in self.scores]))
        ranks = 2 * weighted_ranks(-self.scores[best], ones)[0]
        return np.asarray(ranks, np.uint16 if 2 * self.units < 1 << 16 else np.int32)


@dataclass(frozen=True, eq=False)
class LabelF1:
    """F1 over labels, averaged over labels and over experiments (classification by F1, bitext mining).

    Attributes:
        predicted: ``(experiments, n)`` label numbers.
        gold: ``(n,)`` label numbers.
        weighted: weight each label by its share of the units ("weighted"), else all labels alike ("macro").
    """

    predicted: npt.NDArray[np.int64]
    gold: npt.NDArray[np.int64]
    weighted: npt.NDArray[np.bool_]

    @property
    def units(self) -> int:
        """How many documents or sentences there are."""
        return len(self.gold)

    def value(self) -> float:
        """The mean over experiments."""
        return float(self.bootstrap(np.ones((1, self.units), np.float32))[0])

    def bootstrap(self, counts: Counts) -> Floats:
        """F1 on each resample."""
        return np.concatenate([self._f1([part for _ in self.predicted], part) for part in blocks_of(counts)])

    def exchanged(self, other: LabelF1, swap: Swaps) -> Floats | None:
        """Differences after exchanging predictions document by document."""
        found = []
        for part in blocks_of(swap):
            kept = np.ones_like(part)
            mine = _mixed_f1(self, other, 1 - part, part, kept)
            theirs = _mixed_f1(self, other, part, 1 - part, kept)
            found.append(mine - theirs)
        return np.concatenate(found)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What to store."""
        return {"predicted": self.predicted, "gold": self.gold, "weighted": np.asarray(self.weighted)}

    def _f1(self, weights: Sequence[Counts], drawn: Counts) -> Floats:
        parts = [self._tallies(experiment, weight) for experiment, weight in zip(self.predicted, weights, strict=True)]
        support = drawn @ self._gold
        return np.asarray(np.mean([_f1_of(hits, found, support, bool(self.weighted)) for hits, found in parts], axis=0))

    def _tallies(self, predicted: npt.NDArray[np.int64], weights: Counts) -> tuple[Floats, Floats]:
        hits = weights * (predicted == self.gold) @ self._gold
        return np.asarray(hits, float), np.asarray(weights @ _one_hot(predicted, self._labels), float)

    @cached_property
    def _labels(self) -> int:
        return int(max(self.predicted.max(), self.gold.max())) + 1

    @cached_property
    def _gold(self) -> Any:
        return _one_hot(self.gold, self._labels)


@dataclass(frozen=True, eq=False)
class VMeasure:
    """V-measure of clusterings (Rosenberg and Hirschberg, EMNLP 2007), the mean over draws and levels.

    mteb clusters ten draws (with replacement) of the documents. A draw is kept as how often it holds each document and
    which cluster that got, so that documents can be drawn again. Two models' cluster numbers mean nothing to each
    other, so units cannot be exchanged and a paired bootstrap compares models.

    Attributes:
        clusters: ``(draws, n)`` cluster of each document; -1 where the draw does not hold it.
        times: ``(draws, n)`` how often the draw holds it.
        labels: ``(draws, n)`` gold label numbers at the draw's level.
    """

    clusters: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]

    @property
    def units(self) -> int:
        """How many documents there are."""
        return int(self.clusters.shape[1])

    def value(self) -> float:
        """The mean over draws."""
        return float(self.bootstrap(np.ones((1, self.units), np.float32))[0])

    def bootstrap(self, counts: Counts) -> Floats:
        """The V-measure of the same clusterings on other draws of documents."""
        draws = zip(self.clusters, self.times, self.labels, strict=True)
        return np.asarray(np.mean([_draw_v_measure(*draw, counts) for draw in draws], axis=0))

    def exchanged(self, other: VMeasure, swap: Swaps) -> Floats | None:
        """Units cannot be exchanged."""
        return None

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What to store."""
        return {"clusters": self.clusters, "times": self.times, "labels": self.labels}


OUTCOMES: dict[str, type[Any]] = {
    "mean": Mean,
    "spearman": RankCorrelation,
    "ap": AveragePrecision,
    "f1": LabelF1,
    "v_measure": VMeasure,
}
"""Each kind of outcome by the name under which it is stored."""


def kind_of(outcome: Outcome) -> str:
    """The name under which an outcome is stored."""
    return next(name for name, kind in OUTCOMES.items() if isinstance(outcome, kind))


def blocks_of(rows: Counts) -> Iterator[Counts]:
    """Cut ``(B, n)`` into runs of rows of about ``CELLS`` numbers."""
    step = max(1, CELLS // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def weighted_ranks(values: Floats, counts: Counts) -> Floats:
    """Average ranks when ``values[i]`` occurs ``counts[b, i]`` times: ``(B, n)`` float64, from 1."""
    order, starts = _groups(values)
    in_groups = np.add.reduceat(counts[:, order].astype(float), starts, axis=1)
    ranks = np.cumsum(in_groups, axis=1) - in_groups + (in_groups + 1) / 2
    spread = np.repeat(np.arange(len(starts)), np.diff([*starts, len(values)]))
    found = np.empty(counts.shape)
    found[:, order] = ranks[:, spread]
    return found


def weighted_pearson(left: Floats, right: Floats, counts: Counts) -> Floats:
    """Pearson's correlation of the rows of ``(B, n)`` with weights ``counts``; NaN where one side does not vary."""
    weights = counts.astype(float)
    weights /= weights.sum(axis=1, keepdims=True)
    left = left - (weights * left).sum(axis=1, keepdims=True)
    right = right - (weights * right).sum(axis=1, keepdims=True)
    covered = (weights * left * right).sum(axis=1)
    spread = np.sqrt((weights * left**2).sum(axis=1) * (weights * right**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(spread > 1e-12, covered / spread, np.nan))


def weighted_precision(scores: Floats, labels: Floats, counts: Counts) -> Floats:
    """Average precision when pair ``i`` occurs ``counts[b, i]`` times: ``(B,)``; equal scores share one threshold."""
    order, starts = _groups(-scores)
    drawn = counts[:, order].astype(float)
    positives = np.add.reduceat(drawn * labels[order], starts, axis=1)
    everything = np.cumsum(np.add.reduceat(drawn, starts, axis=1), axis=1)
    precision = np.cumsum(positives, axis=1) / np.maximum(everything, 1e-30)
    total = positives.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(total > 0, (positives * precision).sum(axis=1) / total, np.nan))


def _row_precision(ranks: npt.NDArray[Any], labels: Floats) -> Floats:
    """Average precision of each row of ``(B, n)`` ranks, 1 the best; equal ranks in order of position."""
    ordered = labels.astype(np.float32)[np.argsort(ranks, axis=1, kind="stable")]
    precision = np.cumsum(ordered, axis=1) / np.arange(1, ordered.shape[1] + 1, dtype=np.float32)
    return np.asarray((ordered * precision).sum(axis=1) / max(float(labels.sum()), 1e-30), float)


def _groups(values: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The order that sorts values, and where in it each run of equal values begins."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    return order, np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))


def _centred_ranks(values: Floats) -> Floats:
    ranks = weighted_ranks(values, np.ones((1, len(values)), np.float32))[0]
    return np.asarray(ranks - ranks.mean())


def _correlation(moments: Floats, units: int, gold_spread: float) -> Floats:
    """Pearson's correlation from rows of (sum xy, sum x, sum x^2), where y is centred and has norm ``gold_spread``."""
    spread = np.sqrt(np.maximum(moments[:, 2] - moments[:, 1] ** 2 / units, 1e-30))
    return np.asarray(moments[:, 0] / (spread * max(gold_spread, 1e-30)))


def _one_hot(labels: npt.NDArray[np.int64], width: int) -> Any:
    from scipy.sparse import csr_matrix

    rows = np.arange(len(labels))
    return csr_matrix((np.ones(len(labels), np.float32), (rows, labels)), shape=(len(labels), width))


def _f1_of(hits: Floats, found: Floats, support: Floats, weighted: bool) -> Floats:
    f1 = 2 * hits / np.maximum(found + support, 1e-30)
    if weighted:
        return np.asarray((f1 * support).sum(axis=1) / np.maximum(support.sum(axis=1), 1e-30))
    present = (found + support) > 0  # scikit-learn averages over labels that are predicted or in the gold
    return np.asarray((f1 * present).sum(axis=1) / np.maximum(present.sum(axis=1), 1))


def _mixed_f1(first: LabelF1, second: LabelF1, of_first: Counts, of_second: Counts, drawn: Counts) -> Floats:
    """F1 of predictions that come from ``first`` or ``second`` by document."""
    width = max(first._labels, second._labels)
    gold = _one_hot(first.gold, width)
    support = np.asarray(drawn @ gold, float)
    scores = []
    for one, two in zip(first.predicted, second.predicted, strict=True):
        hits = (of_first * (one == first.gold) + of_second * (two == first.gold)) @ gold
        found = of_first @ _one_hot(one, width) + of_second @ _one_hot(two, width)
        scores.append(_f1_of(np.asarray(hits, float), np.asarray(found, float), support, bool(first.weighted)))
    return np.asarray(np.mean(scores, axis=0))


def _draw_v_measure(
    clusters: npt.NDArray[np.int64], times: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], counts: Counts
) -> Floats:
    held = np.flatnonzero(times)
    label, cluster = labels[held], clusters[held]
    width = int(cluster.max()) + 1
    cells = _one_hot(label * width + cluster, (int(label.max()) + 1) * width)
    weights = counts[:, held] * times[held].astype(np.float32)
    found = [v_measure((part @ cells).reshape(len(part), -1, width)) for part in blocks_of(weights)]
    return np.concatenate(found)


def v_measure(tables: npt.NDArray[Any]) -> Floats:
    """V-measure of contingency tables ``(B, labels, clusters)``: ``(B,)``, 1 where there is one label."""
    share = np.asarray(tables, float) / np.maximum(tables.sum(axis=(1, 2), keepdims=True), 1e-30)
    of_label, of_cluster = share.sum(axis=2), share.sum(axis=1)
    label_entropy, cluster_entropy = _entropy(of_label), _entropy(of_cluster)
    mutual = label_entropy + cluster_entropy - _entropy(share.reshape(len(share), -1))
    homogeneity = np.where(label_entropy > 0, mutual / np.maximum(label_entropy, 1e-30), 1)
    completeness = np.where(cluster_entropy > 0, mutual / np.maximum(cluster_entropy, 1e-30), 1)
    return np.asarray(2 * homogeneity * completeness / np.maximum(homogeneity + completeness, 1e-30))


def _entropy(share: Floats) -> Floats:
    return np.asarray(-(share * np.log(np.maximum(share, 1e-300))).sum(axis=-1))
