"""The map of an index: two coordinates for each vector, clusters, and words that tell them apart.

t-SNE (van der Maaten and Hinton 2008, JMLR 9) by openTSNE, on the first 50 principal components, begun from the first
two: the layout keeps neighbours together; distances between far groups mean little. Clusters are k-means on the
components. A cluster's label are its words of the highest class-based tf-idf (Grootendorst 2022, arXiv:2203.05794,
equation 2): frequency of a word in the cluster times log(1 + A / f), A the mean number of words of a cluster, f the word's
frequency in all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vecloom.encoders.protocol import Vectors
from vecloom.errors import MissingExtraError
from vecloom.text import is_unspaced, letters, repeats, words

COMPONENTS = 50
SEED = 0
ITERATIONS = (250, 500)  # with exaggeration, and without
SMALL = 10  # rows below which principal components alone make the map
MOST_CLUSTERS = 24
LABEL_WORDS = 3
SHORTEST = 3  # letters of a word
Step = Callable[[float], None]
"""Called with the share that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A map.

    Attributes:
        keys: (n,) int64, the rows.
        xy: (n, 2) float32 between 0 and 1; both axes have one scale.
        clusters: (n,) uint8.
        labels: a few words for each cluster.
    """

    keys: npt.NDArray[np.int64]
    xy: npt.NDArray[np.float32]
    clusters: npt.NDArray[np.uint8]
    labels: Sequence[str]


def layout(keys: npt.NDArray[np.int64], vectors: Vectors, texts: Sequence[str], step: Step) -> Layout:
    """Compute the map of ``(n, dim)`` vectors.

    Raises:
        MissingExtraError: openTSNE is not installed.
    """
    components = principal(vectors)
    step(0.05)
    clusters = grouped(components)
    labels = label(clusters, texts)
    step(0.1)
    places = components[:, :2] if len(vectors) <= SMALL else embedded(components, lambda done: step(0.1 + 0.9 * done))
    return Layout(keys, scaled(places), clusters, labels)


def principal(vectors: Vectors) -> npt.NDArray[np.float32]:
    """(n, at most 50) principal components; at least two columns."""
    from sklearn.decomposition import PCA

    count = min(COMPONENTS, *vectors.shape)
    if count < 2:
        return np.zeros((len(vectors), 2), np.float32)
    found = PCA(count, svd_solver="randomized" if count == COMPONENTS else "full", random_state=SEED).fit_transform(
        vectors
    )
    return np.asarray(found, np.float32)


def embedded(components: npt.NDArray[np.float32], step: Step) -> npt.NDArray[np.float32]:
    """(n, 2) t-SNE."""
    try:
        from openTSNE import TSNEEmbedding, affinity, initialization
    except ModuleNotFoundError:
        raise MissingExtraError("The map needs openTSNE.", extra="serve") from None
    rows = len(components)
    perplexity = min(30.0, (rows - 1) / 3)
    method = "approx" if rows > 1000 else "exact"
    near = affinity.PerplexityBasedNN(components, perplexity=perplexity, method=method, random_state=SEED, n_jobs=-1)
    step(0.3)
    start = initialization.pca(components, random_state=SEED)
    gradient = "fft" if rows > 10_000 else "bh"
    points = TSNEEmbedding(start, near, negative_gradient_method=gradient, random_state=SEED, n_jobs=-1)
    total, done = sum(ITERATIONS), 0

    def told(iteration: int, _error: float, _points: object) -> None:
        step(0.3 + 0.7 * (done + iteration) / total)

    for iterations, strength, momentum in ((ITERATIONS[0], 12, 0.5), (ITERATIONS[1], None, 0.8)):
        points = points.optimize(
            n_iter=iterations, exaggeration=strength, momentum=momentum, callbacks=[told], callbacks_every_iters=25
        )
        done += iterations
    return np.asarray(points, np.float32)


def scaled(places: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Into the unit square, centred, with one scale for both axes."""
    if not len(places):
        return places.reshape(0, 2)
    low, high = places.min(0), places.max(0)
    size = float((high - low).max()) or 1.0
    return np.asarray((places - (low + high) / 2) / size + 0.5, np.float32)


def grouped(components: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """(n,) clusters: about the square root of half the rows, at most 24."""
    from sklearn.cluster import MiniBatchKMeans

    count = int(min(MOST_CLUSTERS, max(1, round((len(components) / 2) ** 0.5)), len(np.unique(components, axis=0))))
    if count < 2:
        return np.zeros(len(components), np.uint8)
    found = MiniBatchKMeans(count, random_state=SEED, n_init=3, batch_size=4096).fit_predict(components)
    return np.unique(found, return_inverse=True)[1].astype(np.uint8)


def label(clusters: npt.NDArray[np.uint8], texts: Sequence[str]) -> list[str]:
    """The most telling words of each cluster, the best first."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    count = int(clusters.max()) + 1 if len(clusters) else 0
    counts: list[Counter[str]] = [Counter() for _ in range(count)]
    runs: list[list[str]] = [[] for _ in range(count)]  # of scripts without blanks
    for cluster, text in zip(clusters.tolist(), texts, strict=True):
        for word in words(text.lower()):
            if is_unspaced(word):
                runs[cluster].append(word)
            elif letters(word) >= SHORTEST and not any(map(str.isdigit, word)) and word not in ENGLISH_STOP_WORDS:
                counts[cluster][word] += 1
    for counted, found in zip(counts, runs, strict=True):
        counted.update(repeats(found))
    total = sum(counts, Counter())
    mean = sum(total.values()) / max(1, count)
    return [", ".join(_telling(counted, total, mean)) for counted in counts]


def _telling(counted: Counter[str], total: Counter[str], mean: float) -> list[str]:
    size = max(1, sum(counted.values()))
    weights = {word: n / size * float(np.log1p(mean / total[word])) for word, n in counted.items()}
    return sorted(weights, key=lambda word: (-weights[word], word))[:LABEL_WORDS]
