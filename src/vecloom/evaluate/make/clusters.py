"""Clustering sets from a hierarchy: diverse texts of each class, kept if they are neither too easy nor hopeless.

Source: BuiltBench (Shahinmoghadam and Motamedi, arXiv 2411.12056), its data set code and configuration.

The paper's: diverse samples of each label, several sets of a group, and the gates: a set stays if the V-measure of the
baseline is below 0.8 and that of a weak model above 1 over the number of labels. The paper's code judges a set after each
label and lets the last decide; here a set is judged once, when it is whole.

Our choices: the groups (in the paper eight by hand, with 30 to 100 samples and 2 to 6 sets each) are the classes below one
class, from the outermost level inwards, and the tags; a label whose texts are used up takes its first set again, as in the
paper, but the set says so; a set in which every label would do so is not made; k-means is seeded, with ten starts; texts
that are the same count once.

When to use it: to see whether an encoder groups as the dictionary does. When not: to compare the baseline with other
encoders. The gates are made by it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from vecloom.encoders.protocol import Vectors
from vecloom.evaluate.make.dictionary import Dictionary, Entry, Path_
from vecloom.evaluate.make.sampling import Strategy, diverse_sample

Source: TypeAlias = Literal["file", "target"]
Encode: TypeAlias = Callable[[Sequence[str]], Vectors]
TAGS = 0


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """How clustering sets are made.

    Attributes:
        samples: texts of each label in a set; 30 to 100 in the paper.
        sets: sets of each group; 2 to 6 in the paper.
        groups: groups at most; 8 in the paper.
        fewest: texts that a label must have to be in a group; the paper's smallest label has 8.
        upper: the baseline's V-measure must be below; 0.8 in the paper.
        strategy: "chain" (the paper's) or "farthest".
    """

    samples: int = 50
    sets: int = 3
    groups: int = 8
    fewest: int = 8
    upper: float = 0.8
    strategy: Strategy = "chain"


@dataclass(frozen=True, slots=True)
class ClusterGroup:
    """Labels that are told apart in one set.

    Attributes:
        name: for the report.
        level: the level of the hierarchy whose names are the labels, 1 for the outermost; 0 for the tags.
        labels: names on that level; entries with others are left out.
        within: only entries below these classes; () for all.
        source: which dictionary.
        samples: texts of each label in a set; None for the settings' number.
        sets: None for the settings' number.
    """

    name: str
    level: int
    labels: tuple[str, ...]
    within: Path_ = ()
    source: Source = "file"
    samples: int | None = None
    sets: int | None = None


@dataclass(frozen=True, slots=True)
class ClusterSet:
    """One set before it is judged: row numbers by label, and the labels that had to take their first set again."""

    picked: Mapping[str, tuple[int, ...]]
    reused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """One set of texts with what the gates said.

    Attributes:
        group: its group's name.
        number: 1-based, within the group.
        sentences: shuffled.
        labels: of each sentence.
        baseline: V-measure of the baseline.
        weak: V-measure of the weak model.
        reused: labels whose texts are those of the group's first set.
        kept: whether it passed.
    """

    group: str
    number: int
    sentences: tuple[str, ...]
    labels: tuple[str, ...]
    baseline: float
    weak: float
    reused: tuple[str, ...]
    kept: bool


def hierarchy_groups(dictionary: Dictionary, source: Source, settings: ClusterSettings) -> list[ClusterGroup]:
    """The classes below one class, for each class, the outermost level first; on the first level also the tags.

    A label needs ``settings.fewest`` entries and a group two labels.
    """
    counts: dict[tuple[int, Path_], Counter[str]] = defaultdict(Counter)
    for entry in dictionary.entries:
        for level, name in enumerate(entry.path, 1):
            if name:
                counts[level, entry.path[: level - 1]][name] += 1
        if len(entry.tags) == 1:
            counts[TAGS, ()][entry.tags[0]] += 1
    groups = []
    for (level, within), names in counts.items():
        labels = tuple(sorted(name for name, count in names.items() if count >= settings.fewest))
        if len(labels) > 1:
            groups.append(ClusterGroup(_name(dictionary, source, level, within), level, labels, within, source))
    return sorted(groups, key=lambda group: (max(group.level, 1), -sum(counts[group.level, group.within].values())))


def group_texts(dictionary: Dictionary, group: ClusterGroup, text: Callable[[Entry], str]) -> dict[str, list[str]]:
    """The different texts that are not empty of each label of a group, in the order of the file."""
    texts: dict[str, dict[str, None]] = {label: {} for label in group.labels}
    for entry in dictionary.entries:
        label = _label(entry, group)
        if label in texts and text(entry):
            texts[label][text(entry)] = None
    return {label: list(found) for label, found in texts.items()}


def cluster_sets(
    vectors: Mapping[str, Vectors], samples: int, sets: int, *, seed: int = 42, strategy: Strategy = "chain"
) -> list[ClusterSet]:
    """Sets of diverse rows of each label, disjoint while a label's rows last.

    Args:
        vectors: unit rows ``(n, dim)`` by label.
        samples: rows of each label in a set.
        sets: at most; fewer where all labels are used up.
        seed: draws the first row of each label in each set.
        strategy: how rows are picked.
    """
    drawn = {
        label: diverse_sample(rows, samples, sets, seed=seed, strategy=strategy) for label, rows in vectors.items()
    }
    made = []
    for number in range(sets):
        reused = tuple(label for label, lists in drawn.items() if not lists[number])
        if len(reused) < len(drawn):
            picked = {label: tuple(lists[number] or lists[0]) for label, lists in drawn.items()}
            made.append(ClusterSet(picked, reused))
    return made


def v_measure(vectors: Vectors, labels: Sequence[str], seed: int = 42) -> float:
    """V-measure of a seeded k-means with as many clusters as there are labels; 0 (nothing agrees) to 1."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import v_measure_score

    clusters = min(len(set(labels)), len(np.unique(vectors, axis=0)))
    found = KMeans(clusters, n_init=10, random_state=seed).fit_predict(vectors)
    return float(v_measure_score(labels, found))


def passes_gates(baseline: float, weak: float, labels: int, upper: float = 0.8) -> bool:
    """Whether a set is neither too easy for the baseline nor hopeless for the weak model."""
    return baseline < upper and weak > 1 / labels


def judged_sets(
    texts: Mapping[str, Sequence[str]],
    group: ClusterGroup,
    baseline: Encode,
    weak: Encode,
    settings: ClusterSettings,
    seed: int = 42,
) -> list[JudgedSet]:
    """Draw and judge a group's sets, each once.

    Args:
        texts: different texts by label; labels without texts are left out.
        group: names the sets and may state their number and size.
        baseline: encodes for the diversity sampler and the upper gate.
        weak: encodes for the lower gate.
        settings: where the group states nothing, and the gate.
        seed: of the draws, the shuffling and k-means.
    """
    filled = {label: found for label, found in texts.items() if found}
    if len(filled) < 2:
        return []
    vectors = {label: baseline(found) for label, found in filled.items()}
    samples, sets = group.samples or settings.samples, group.sets or settings.sets
    drawn = cluster_sets(vectors, samples, sets, seed=seed, strategy=settings.strategy)
    judged = []
    for number, chosen in enumerate(drawn, 1):
        pairs = [(filled[label][row], label) for label, rows in chosen.picked.items() for row in rows]
        np.random.default_rng([seed, number]).shuffle(pairs)
        sentences, labels = zip(*pairs, strict=True)
        high = v_measure(baseline(sentences), labels, seed)
        low = high if weak is baseline else v_measure(weak(sentences), labels, seed)
        kept = passes_gates(high, low, len(filled), settings.upper)
        judged.append(JudgedSet(group.name, number, sentences, labels, high, low, chosen.reused, kept))
    return judged


def _label(entry: Entry, group: ClusterGroup) -> str | None:
    if group.level == TAGS:
        return entry.tags[0] if len(entry.tags) == 1 else None
    if len(entry.path) < group.level or entry.path[: len(group.within)] != group.within:
        return None
    return entry.path[group.level - 1]


def _name(dictionary: Dictionary, source: Source, level: int, within: Path_) -> str:
    if level == TAGS:
        return f"{source}: tags"
    above = " > ".join(dictionary.label(name) for name in within if name)
    return f"{source}: level {level}{f' of {above}' if above else ''}"
