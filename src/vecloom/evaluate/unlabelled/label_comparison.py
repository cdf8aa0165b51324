"""Compare text classifiers on the same documents: macro F1, accuracy, speed, intervals, and which differences are real.

Source of the measure: Schopf, Braun and Matthes 2022 (arXiv:2211.16285), who rank unsupervised classifiers by macro F1.
Ours is the rest, from ``outcomes`` and ``compare``: percentile bootstrap intervals over documents, and between every two
classifiers a paired randomisation test that exchanges their labels document by document and takes macro F1 again (Yeh,
COLING 2000), with Holm's correction over all pairs. The test is on macro F1 and not on accuracy, because macro F1 is what is
reported. A class that has neither a document nor a prediction in a draw is left out of that draw's mean, as in scikit-learn.

In: n texts, n gold labels, named objects with ``predict``. Out: a ``ClassifierComparison``, scores between 0 and 1.
When to use it: for any classifiers that name one label per text. When not: for several labels per text.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from vecloom.errors import DataError, UsageError
from vecloom.evaluate.compare import Comparison, Scored, compare_all
from vecloom.evaluate.outcomes import LabelF1, Mean
from vecloom.evaluate.significance import ROUNDS, SAMPLES, Counts, percentile_interval, resampled_counts
from vecloom.wording import counted

Interval: TypeAlias = tuple[float, float]
Codes: TypeAlias = npt.NDArray[np.int64]

MEASURE = "macro F1"


class HasPredict(Protocol):
    """Anything that names one label per text."""

    def predict(self, texts: list[str], /) -> Iterable[Hashable]:
        """One label for each text, in order."""
        ...


@dataclass(frozen=True, slots=True)
class ClassifierScore:
    """How one classifier did.

    Attributes:
        name: as given to ``compare``.
        macro_f1: unweighted mean of the classes' F1, between 0 and 1.
        macro_f1_interval: its 95 % bootstrap interval over documents.
        accuracy: share of documents with the right label.
        accuracy_interval: its 95 % bootstrap interval over documents.
        per_class: F1 of each label that a document has or was given.
        documents_per_second: by the clock, over the one call of ``predict``.
    """

    name: str
    macro_f1: float
    macro_f1_interval: Interval
    accuracy: float
    accuracy_interval: Interval
    per_class: dict[Hashable, float]
    documents_per_second: float


@dataclass(frozen=True, slots=True)
class ClassifierComparison:
    """What ``compare`` found; ``dataclasses.asdict`` makes it ready for JSON.

    Attributes:
        documents: how many.
        classes: documents per label.
        seed: of the draws.
        samples: bootstrap draws.
        rounds: exchanges of the randomisation test.
        scores: one for each classifier, in the given order.
        differences: one for each pair of them: macro F1 of the first less that of the second, interval, p-values.
    """

    documents: int
    classes: dict[Hashable, int]
    seed: int
    samples: int
    rounds: int
    scores: tuple[ClassifierScore, ...]
    differences: tuple[Comparison, ...]


def compare(
    texts: Sequence[str],
    gold: Sequence[Hashable],
    classifiers: Mapping[str, HasPredict],
    *,
    labels: Sequence[Hashable] | None = None,
    seed: int = 0,
    samples: int = SAMPLES,
    rounds: int = ROUNDS,
) -> ClassifierComparison:
    """Let classifiers label the same texts and compare them.

    Args:
        texts: n documents.
        gold: their n labels; used for scoring only.
        classifiers: objects with ``predict``, by name. Each is called once, with all texts.
        labels: every label there is, where ``gold`` does not hold them all.
        seed: of bootstrap and randomisation.
        samples: bootstrap draws over documents.
        rounds: exchanges of the randomisation test between two classifiers; the smallest p is 1 / (rounds + 1).

    Raises:
        UsageError: no classifier, one without ``predict``, or ``samples`` or ``rounds`` below 1.
        DataError: texts and labels differ in number or are none, a label is missing, a classifier gives another number of
            labels than texts, or a label that is not among ``labels`` (without them: among the gold labels).
    """
    given = _checked_input(texts, gold, classifiers, samples, rounds)
    places = _label_places(gold, labels)
    truth = np.array([places[label] for label in gold], dtype=np.int64)
    counts = resampled_counts(len(given), samples, seed)
    scores, scored = [], {}
    for name, classifier in classifiers.items():
        start = time.perf_counter()
        predicted = list(classifier.predict(given))
        speed = len(given) / max(time.perf_counter() - start, 1e-9)
        codes = _coded(predicted, places, len(given), name)
        outcome = LabelF1(codes[None], truth, np.asarray(False))
        scored[name] = Scored((outcome,), outcome.bootstrap(counts), outcome.value())
        scores.append(_score(name, codes, truth, scored[name], counts, list(places), speed))
    return ClassifierComparison(
        documents=len(given),
        classes=dict(zip(places, np.bincount(truth, minlength=len(places)).tolist(), strict=True)),
        seed=seed,
        samples=samples,
        rounds=rounds,
        scores=tuple(scores),
        differences=tuple(compare_all({MEASURE: scored}, rounds=rounds, seed=seed)),
    )


def class_f1(predicted: Codes, gold: Codes, classes: int) -> npt.NDArray[np.float64]:
    """F1 = 2 right / (given + has) of each class, ``(classes,)``; NaN where no document has it or was given it.

    Args:
        predicted: ``(n,)`` class numbers.
        gold: ``(n,)`` class numbers.
        classes: how many there are.
    """
    right = np.bincount(gold[predicted == gold], minlength=classes)
    total = np.bincount(predicted, minlength=classes) + np.bincount(gold, minlength=classes)
    return np.where(total > 0, 2 * right / np.maximum(total, 1), np.nan)


def _score(
    name: str, codes: Codes, truth: Codes, scored: Scored, counts: Counts, labels: list[Hashable], speed: float
) -> ClassifierScore:
    hits = Mean((codes == truth).astype(float))
    by_class = zip(labels, class_f1(codes, truth, len(labels)).tolist(), strict=True)
    return ClassifierScore(
        name=name,
        macro_f1=scored.score,
        macro_f1_interval=percentile_interval(scored.draws),
        accuracy=hits.value(),
        accuracy_interval=percentile_interval(hits.bootstrap(counts)),
        per_class={label: f1 for label, f1 in by_class if not np.isnan(f1)},
        documents_per_second=speed,
    )


def _checked_input(
    texts: Sequence[str], gold: Sequence[Hashable], classifiers: Mapping[str, HasPredict], samples: int, rounds: int
) -> list[str]:
    if isinstance(texts, str):
        raise UsageError("compare got one string, but it takes a list of texts.", "Write compare([text], ...).")
    if len(texts) != len(gold):
        raise DataError(
            f"There are {counted(len(texts), 'text')} and {counted(len(gold), 'gold label')}.",
            "Give one label for each text.",
        )
    if not len(texts):
        raise DataError("There are no texts to compare classifiers on.", "Give labelled texts.")
    if not classifiers:
        raise UsageError("There are no classifiers to compare.", 'Give some by name: {"mine": classifier}.')
    for name, classifier in classifiers.items():
        if not callable(getattr(classifier, "predict", None)):
            kind = type(classifier).__name__
            raise UsageError(
                f"The classifier {name!r} is {kind}, which has no predict.", "Give an object with predict."
            )
    if samples < 1 or rounds < 1:
        raise UsageError(f"samples={samples}, rounds={rounds} is not possible.", "Use 1 or more of each.")
    return list(texts)


def _label_places(gold: Sequence[Hashable], labels: Sequence[Hashable] | None) -> dict[Hashable, int]:
    empty = next((i for i, label in enumerate(gold) if label is None or label != label), None)  # NaN != NaN
    if empty is not None:
        raise DataError(f"The gold label of text {empty} is {gold[empty]}.", "Label it, or leave the text out.")
    known = dict.fromkeys(labels) if labels is not None else dict.fromkeys(sorted(set(gold), key=str))
    unknown = next((label for label in gold if label not in known), None)
    if unknown is not None:
        raise DataError(f"The gold label {unknown!r} is not among the labels {list(known)}.", "Add it to labels.")
    return {label: place for place, label in enumerate(known)}


def _coded(predicted: list[Hashable], places: Mapping[Hashable, int], documents: int, classifier: str) -> Codes:
    if len(predicted) != documents:
        raise DataError(
            f"The classifier {classifier!r} gave {counted(len(predicted), 'label')} for {documents} texts.",
            "predict has to return one label for each text.",
        )
    wrong = next((i for i, label in enumerate(predicted) if label not in places), None)
    if wrong is not None:
        raise DataError(
            f"The classifier {classifier!r} gave text {wrong} the label {predicted[wrong]!r}, which is none of "
            f"{list(places)}.",
            "Use the same labels in both, or name every label there is in labels.",
        )
    return np.array([places[label] for label in predicted], dtype=np.int64)
