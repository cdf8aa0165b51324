"""Find a temperature on texts of several lengths, without labels and without training.

Source: TempScale (arXiv:2410.24200) leaves open how tau is chosen; the search, the probe and the check are ours. The probe asks
what retrieval asks: for each length, the first n tokens of a text have to find the next n of the same text among those
of all others. Where texts have labels (the column ``label``) the five nearest texts of like length should have the same one.
Half of the probe chooses among a few values; the other half says what the choice is worth, since the best of several looks better
than it is.

Layer by layer is coordinate ascent from the last layer to the first, one round, from the best common value. It has more
to choose from, and so more to be fooled by: look at the check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vecloom.errors import DataError
from vecloom.extend.temperature_network import ProbedNetwork, cut_tokens

GRID = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
LENGTHS = (16, 32, 64, 128)
BUCKET = 200  # texts for each length, both halves of the probe together
NEAREST = 5
_LEAST = 8  # texts below which a length says nothing
_DRAWS = 1000
_SAME = 1e-9

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bucket:
    """Texts of one length.

    Attributes:
        length: tokens, special ones included; the longest where lengths differ.
        texts: token sequences.
        partners: the sequence that each text has to find, in their order; empty where labels decide.
        labels: of the texts; empty where partners decide.
    """

    length: int
    texts: tuple[tuple[int, ...], ...]
    partners: tuple[tuple[int, ...], ...] = ()
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def halves(self) -> tuple[Bucket, Bucket]:
        """Every second text, and the others."""
        return self._some(slice(0, None, 2)), self._some(slice(1, None, 2))

    def _some(self, which: slice) -> Bucket:
        return Bucket(self.length, self.texts[which], self.partners[which], self.labels[which])


@dataclass(frozen=True)
class Choice:
    """What a search found.

    Attributes:
        taus: one for each layer.
        tried: temperature of all layers to its mean score on the first half.
        before: by length, the score of the second half as the model is.
        after: by length, with the temperatures.
        gain: mean over the lengths of after less before.
        interval: 95 % of the gain, by resampling texts.
        measure: "reciprocal rank of the next part" or "same label among the nearest 5".
    """

    taus: tuple[float, ...]
    tried: dict[str, float]
    before: dict[int, float]
    after: dict[int, float]
    gain: float
    interval: tuple[float, float]
    measure: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def probe_of_parts(network: ProbedNetwork, texts: Sequence[str], lengths: Sequence[int] = LENGTHS) -> list[Bucket]:
    """Buckets of first parts and next parts.

    Args:
        network: whose tokenizer cuts.
        texts: those with twice the tokens of a length serve for it.
        lengths: tokens of a part, special ones included; those above the model's limit are left out.

    Raises:
        DataError: no length has eight texts.
    """
    frame = len(network.tokenizer.encode("").ids)
    found = []
    for length in lengths:
        if length > network.spec.max_length:
            continue
        first = cut_tokens(network.tokenizer, texts, length)
        second = cut_tokens(network.tokenizer, texts, length, offset=length - frame)
        pairs = [(tuple(a), tuple(b)) for a, b in zip(first, second, strict=True) if a and b][:BUCKET]
        if len(pairs) >= _LEAST:
            found.append(Bucket(length, tuple(a for a, _ in pairs), tuple(b for _, b in pairs)))
    if not found:
        raise DataError(
            f"There are not {_LEAST} texts of {2 * min(lengths)} tokens.", "Give more texts, or longer ones."
        )
    return found


def probe_of_labels(
    network: ProbedNetwork, texts: Sequence[str], labels: Sequence[str], lengths: Sequence[int] = LENGTHS
) -> list[Bucket]:
    """Buckets of labelled texts: each text is in the bucket of the smallest length that holds it, or of the last one, cut.

    Raises:
        DataError: no length has eight texts with two labels.
    """
    limits = sorted(length for length in lengths if length <= network.spec.max_length)
    whole = network.tokenizer.encode_batch(list(texts))
    held: dict[int, list[tuple[tuple[int, ...], str]]] = {length: [] for length in limits}
    for text, encoding, label in zip(texts, whole, labels, strict=True):
        length = next((limit for limit in limits if len(encoding.ids) <= limit), None)
        ids = encoding.ids if length else cut_tokens(network.tokenizer, [text], limits[-1])[0]
        bucket = held[length or limits[-1]]
        if ids and len(bucket) < BUCKET:
            bucket.append((tuple(ids), label))
    found = [
        Bucket(length, tuple(ids for ids, _ in rows), labels=tuple(label for _, label in rows))
        for length, rows in held.items()
        if len(rows) >= _LEAST and len({label for _, label in rows}) > 1
    ]
    if not found:
        raise DataError(f"No length has {_LEAST} texts with more than one label.", "Give more labelled texts.")
    return found


def scores(network: ProbedNetwork, bucket: Bucket) -> Scores:
    """What each text of a bucket scores with the network as it is: (n,) float64 in [0, 1]."""
    vectors = network.vectors(bucket.texts)
    if bucket.partners:
        return reciprocal_ranks(vectors @ network.vectors(bucket.partners).T)
    return label_agreement(vectors @ vectors.T, bucket.labels)


def reciprocal_ranks(similarities: npt.NDArray[Any]) -> Scores:
    """1 / rank of the diagonal in each row of (n, n); what is equally near counts as nearer."""
    own = np.diagonal(similarities)[:, None]
    return np.asarray(1.0 / (similarities >= own).sum(axis=1), np.float64)


def label_agreement(similarities: npt.NDArray[Any], labels: Sequence[str], nearest: int = NEAREST) -> Scores:
    """Share of the nearest other texts that have a text's own label: (n, n) similarities to (n,)."""
    known = np.asarray(labels)
    others = np.array(similarities, np.float64)
    np.fill_diagonal(others, -np.inf)
    order = np.argsort(-others, axis=1, kind="stable")[:, : min(nearest, len(known) - 1)]
    return np.asarray((known[order] == known[:, None]).mean(axis=1), np.float64)


def search(
    network: ProbedNetwork,
    probe: Sequence[Bucket],
    *,
    grid: Sequence[float] = GRID,
    per_layer: bool = False,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Choice:
    """Choose temperatures.

    Args:
        network: the model.
        probe: texts by length.
        grid: what is tried; 1 is always among it.
        per_layer: one for each layer.
        seed: of the interval's draws.
        progress: called with 1 after each trial.

    Returns:
        the choice, with its worth on the other half. Of equal scores the one nearer to 1 is chosen.
    """
    tuning, checking = zip(*(bucket.halves() for bucket in probe), strict=True)
    values = sorted({1.0, *grid}, reverse=True)

    def mean_at(taus: Sequence[float]) -> float:
        with network.temperature.at(taus):
            found = float(np.mean([scores(network, bucket).mean() for bucket in tuning]))
        if progress:
            progress(1)
        return found

    tried = {value: mean_at([value] * network.layers) for value in values}
    best = first_best(tried.items())
    taus = [best] * network.layers
    if per_layer:
        taus = _by_layer(taus, tried[best], values, mean_at)
    before = [scores(network, bucket) for bucket in checking]
    with network.temperature.at(taus):
        after = [scores(network, bucket) for bucket in checking]
    gain, interval = gain_interval(before, after, seed)
    measure = "reciprocal rank of the next part" if probe[0].partners else f"same label among the nearest {NEAREST}"
    return Choice(
        taus=tuple(taus),
        tried={f"{value:g}": score for value, score in tried.items()},
        before={bucket.length: float(each.mean()) for bucket, each in zip(checking, before, strict=True)},
        after={bucket.length: float(each.mean()) for bucket, each in zip(checking, after, strict=True)},
        gain=gain,
        interval=interval,
        measure=measure,
    )


def trials(layers: int, grid: Sequence[float] = GRID, *, per_layer: bool = False) -> int:
    """How many trials a search makes."""
    values = len({1.0, *grid})
    return values + layers * (values - 1) * per_layer


def gain_interval(
    before: Sequence[Scores], after: Sequence[Scores], seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Mean over buckets of the mean difference, and 95 % of it over resampled texts."""
    differences = [b - a for a, b in zip(before, after, strict=True)]
    generator = np.random.default_rng(seed)
    drawn = [row[generator.integers(len(row), size=(_DRAWS, len(row)))].mean(axis=1) for row in differences]
    low, high = np.quantile(np.mean(drawn, axis=0), (0.025, 0.975))
    return float(np.mean([row.mean() for row in differences])), (float(low), float(high))


def first_best(tried: Any) -> float:
    """The value of the highest score; of those as high the first."""
    best: tuple[float, float] | None = None
    for value, score in tried:
        if best is None or score > best[1] + _SAME:
            best = (value, score)
    if best is None:
        raise ValueError("nothing was tried")
    return best[0]


def _by_layer(
    taus: list[float], score: float, values: Sequence[float], mean_at: Callable[[Sequence[float]], float]
) -> list[float]:
    """One round of coordinate ascent, last layer first."""
    found = list(taus)
    for layer in reversed(range(len(found))):
        offers = dict(_around(found, layer, values, mean_at))
        offers[found[layer]] = score
        best = first_best(sorted(offers.items(), reverse=True))
        score = offers[best]
        found[layer] = best
    return found


def _around(
    taus: Sequence[float], layer: int, values: Sequence[float], mean_at: Callable[[Sequence[float]], float]
) -> Iterator[tuple[float, float]]:
    for value in values:
        if value != taus[layer]:
            yield value, mean_at([*taus[:layer], value, *taus[layer + 1 :]])
