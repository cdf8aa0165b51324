"""Hard negatives for pairs: texts that a model finds near an anchor and that are, as far as scores tell, no matches.

Source: Xiong et al. 2021 (ANCE, arXiv:2007.00808) for mining with a model; Moreira et al. 2024 (NV-Retriever,
arXiv:2407.15831) for thresholds that know the positive: TopK-PercPos keeps negatives up to 95 % of the positive's
score, TopK-MarginPos up to the score less 0.05. The options are those of sentence-transformers'
``mine_hard_negatives``, and the tests hold this to it. This differs where:
- ranks are places in the search's answer without the positives; there ``range_min`` counts what the thresholds have
  left;
- texts that differ in case or white space only are one text, and a text equal to the anchor or to one of its
  positives is never its negative;
- rows are written as they are found, and the file appears when all are there;
- from ``ann_from`` texts on the search is a graph (usearch), built on one thread so that the same input gives the
  same file; what it finds is scored again exactly;
- a cross-encoder, where given, decides order and thresholds alike.

Use it before training with pairs, with a better model than the one to be trained where there is one. Without a
threshold many of the nearest texts are true matches: start with ``THRESHOLDS["percpos"]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from vecloom.encoders.protocol import Encoder
from vecloom.errors import DataError, UsageError, from_os_error
from vecloom.files import atomic_path, text_digest
from vecloom.train.mine_rows import FORMATS, Found
from vecloom.train.mine_search import Nearest, encode

Scores: TypeAlias = npt.NDArray[np.float32]
Progress: TypeAlias = Callable[[str, int], None]
"""Called with "encoded" or "searched" and how many texts or anchors that was."""

THRESHOLDS: dict[str, dict[str, float]] = {
    "percpos": {"relative_margin": 0.05},  # NV-Retriever: 95 % of the positive's score
    "marginpos": {"absolute_margin": 0.05},  # NV-Retriever
}
SPARE = 10  # candidates per negative where thresholds may drop some, as in sentence-transformers
_BLOCK = 256  # anchors searched and written at a time
_FILTERS = ("max_score", "min_score", "absolute_margin", "relative_margin")


class CrossEncoder(Protocol):
    """Scores pairs of texts; a sentence-transformers ``CrossEncoder`` is one."""

    def predict(self, pairs: Any, /) -> Any:
        """(n,) scores of n pairs."""
        ...


class MineSettings(BaseModel):
    """What counts as a hard negative, and how it is written.

    Attributes:
        negatives: how many for each anchor.
        rank_min: nearest candidates that are passed over, positives not counted.
        rank_max: candidates that are looked at; by default as many as are needed, ten times that with thresholds.
        max_score: highest score of a negative.
        min_score: lowest score of a negative.
        absolute_margin: how much lower than the positive's its score has to be (TopK-MarginPos).
        relative_margin: the same as a share of the positive's score (TopK-PercPos); 0.05 is 95 %.
        sampling: the best of what is left, or any of it.
        seed: of sampling at random.
        format: "n-tuple" (anchor, positive, negative_1, ...), "triplet" (one row per negative), "labelled-pair"
            (sentence1, sentence2, score) or "labelled-list" (anchor, texts, labels).
        scores: write similarities too; in labelled formats instead of 1 and 0.
        include_positives: let positives stand among the candidates, for a reranker's test data; n-tuples only.
        ann_from: size of the corpus from which the search is approximate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    negatives: Annotated[int, Field(ge=1)] = 3  # sentence-transformers
    rank_min: Annotated[int, Field(ge=0)] = 0  # sentence-transformers
    rank_max: Annotated[int, Field(ge=1)] | None = None
    max_score: float | None = None
    min_score: float | None = None
    absolute_margin: float | None = None
    relative_margin: float | None = None
    sampling: Literal["top", "random"] = "top"  # sentence-transformers
    seed: int = 0
    format: Literal["n-tuple", "triplet", "labelled-pair", "labelled-list"] = "n-tuple"
    scores: bool = False
    include_positives: bool = False
    ann_from: int = 50_000  # as in vecloom's index

    @model_validator(mode="after")
    def _room(self) -> MineSettings:
        if self.window - self.rank_min < self.negatives:
            raise ValueError(
                f"rank_min={self.rank_min} and rank_max={self.rank_max} leave room for {max(0, self.window - self.rank_min)} "
                f"negatives, and {self.negatives} are wanted"
            )
        if self.include_positives and self.format != "n-tuple":
            raise ValueError("include_positives keeps the order of the search, which only the format n-tuple holds")
        return self

    @property
    def window(self) -> int:
        """Candidates that are looked at."""
        if self.rank_max is not None:
            return self.rank_max
        filtered = any(getattr(self, name) is not None for name in _FILTERS)
        return self.rank_min + self.negatives * (SPARE if filtered else 1)


@dataclass
class MineSummary:
    """What came of it.

    Attributes:
        pairs: different pairs of anchor and positive.
        anchors: different anchors.
        corpus: different texts that were searched.
        rows: rows written.
        negatives: negatives found.
        missing: pairs with fewer negatives than wanted; n-tuples of these are left out.
        skipped: candidates dropped by each threshold.
        scores: for "positive", "negative" and "difference": mean, std, min, 25 %, 50 %, 75 % and max.
        approximate: whether the search was.
    """

    pairs: int = 0
    anchors: int = 0
    corpus: int = 0
    rows: int = 0
    negatives: int = 0
    missing: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    approximate: bool = False


@dataclass(frozen=True)
class _Anchor:
    text: str
    positives: tuple[int, ...]
    """Numbers of its positives in the corpus."""


def mine(
    pairs: Iterable[tuple[str, str]],
    encoder: Encoder,
    out: str | PathLike[str],
    *,
    corpus: Iterable[str] | None = None,
    settings: MineSettings | None = None,
    cross_encoder: CrossEncoder | None = None,
    query_prompt: str | None = None,
    corpus_prompt: str | None = None,
    cache: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> MineSummary:
    """Find hard negatives and write them as JSON lines, wholly or not at all.

    Args:
        pairs: (anchor, positive); an anchor may come with several positives.
        encoder: the model that finds candidates.
        out: the file to write.
        corpus: texts that negatives come from, beside all positives; the positives alone where None.
        settings: what counts as a hard negative.
        cross_encoder: scores candidates and positives again.
        query_prompt: text before each anchor, instead of the encoder's own.
        corpus_prompt: text before each candidate, instead of the encoder's own.
        cache: folder in which vectors are kept for the next call.
        progress: told of what is done.

    Raises:
        DataError: there are no pairs, or one of them has an empty side.
        OutputError: the file cannot be written.
    """
    wanted = settings or MineSettings()
    anchors, texts = _read(pairs, corpus)
    vectors = encode(encoder, texts, "document", corpus_prompt, cache, progress)
    asked = encode(encoder, [anchor.text for anchor in anchors], "query", query_prompt, cache, progress)
    nearest = Nearest(vectors, approximate=len(texts) >= wanted.ann_from)
    summary = MineSummary(
        sum(len(anchor.positives) for anchor in anchors), len(anchors), len(texts), approximate=nearest.approximate
    )
    tally = _Tally(summary)
    miner = _Miner(wanted, texts, nearest, cross_encoder, tally)
    try:
        with atomic_path(out) as temporary:
            _write(temporary, miner, anchors, asked, progress)
    except OSError as error:
        raise from_os_error(error, "writing the negatives", out) from error
    tally.close()
    return summary


def keep(scores: Scores, positive: float, settings: MineSettings) -> dict[str, npt.NDArray[np.bool_]]:
    """For each threshold that is set: which candidates it lets through.

    Args:
        scores: (n,) of an anchor's candidates.
        positive: the lowest score of its positives.
        settings: the thresholds.
    """
    limits = {
        "max_score": settings.max_score,
        "absolute_margin": None if settings.absolute_margin is None else positive - settings.absolute_margin,
        # Not positive * (1 - margin): with a negative score that would be higher than the positive.
        "relative_margin": (
            None if settings.relative_margin is None else positive - abs(positive) * settings.relative_margin
        ),
    }
    passed = {name: scores <= np.float32(limit) for name, limit in limits.items() if limit is not None}
    if settings.min_score is not None:
        passed["min_score"] = scores >= np.float32(settings.min_score)
    return passed


class _Miner:
    """Finds the negatives of one anchor after another."""

    def __init__(
        self,
        settings: MineSettings,
        texts: Sequence[str],
        nearest: Nearest,
        cross_encoder: CrossEncoder | None,
        tally: _Tally,
    ) -> None:
        self.settings = settings
        self.texts = texts
        self._keys = [_folded(text) for text in texts]
        self._nearest = nearest
        self._cross = cross_encoder
        self._tally = tally

    def block(self, anchors: Sequence[_Anchor], vectors: Scores) -> Iterator[Found]:
        """Negatives of several anchors; ``vectors`` are theirs, (n, d)."""
        spare = max(len(anchor.positives) for anchor in anchors) + 1  # the positives, and the anchor itself
        found = self._nearest.search(vectors, self.settings.window + spare)
        for anchor, vector, (ids, scores) in zip(anchors, vectors, found, strict=True):
            ours = self._nearest.vectors[list(anchor.positives)] @ vector
            yield self._one(anchor, ours, ids, scores)

    def _one(self, anchor: _Anchor, ours: Scores, ids: npt.NDArray[np.int64], scores: Scores) -> Found:
        ids, scores = self._candidates(anchor, ids, scores)
        if self._cross is not None:
            ours, scores = self._judged(anchor, ids)
            order = np.argsort(-scores, kind="stable")
            ids, scores = ids[order], scores[order]
        passed = keep(scores, float(ours.min()), self.settings)
        left = np.ones(len(ids), dtype=bool)
        for name, through in passed.items():
            self._tally.skip(name, int((left & ~through).sum()))
            left &= through
        chosen = self._choose(anchor.text, np.flatnonzero(left))
        self._tally.add(ours, scores[chosen])
        positives = [self.texts[place] for place in anchor.positives]
        return Found(anchor.text, positives, ours, [self.texts[place] for place in ids[chosen]], scores[chosen])

    def _candidates(
        self, anchor: _Anchor, ids: npt.NDArray[np.int64], scores: Scores
    ) -> tuple[npt.NDArray[np.int64], Scores]:
        """Places ``rank_min`` to the window's end of the answer, without what equals the anchor or a positive."""
        own = {_folded(anchor.text)}
        if not self.settings.include_positives:
            own |= {self._keys[place] for place in anchor.positives}
        other = np.array([self._keys[place] not in own for place in ids], dtype=bool)
        window = slice(self.settings.rank_min, self.settings.window)
        return ids[other][window], scores[other][window]

    def _judged(self, anchor: _Anchor, ids: npt.NDArray[np.int64]) -> tuple[Scores, Scores]:
        assert self._cross is not None
        asked = [(anchor.text, self.texts[place]) for place in [*anchor.positives, *ids.tolist()]]
        scores = np.asarray(self._cross.predict(asked), np.float32).reshape(-1)
        return scores[: len(anchor.positives)], scores[len(anchor.positives) :]

    def _choose(self, anchor: str, left: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        count = min(self.settings.negatives, len(left))
        if self.settings.sampling == "top":
            return left[:count]
        # Seeded by the anchor, so that its negatives do not depend on what else is mined.
        rng = np.random.default_rng([self.settings.seed, int(text_digest(anchor), 16)])
        return np.sort(rng.choice(left, count, replace=False))


class _Tally:
    """Counts what is found, into a summary."""

    def __init__(self, summary: MineSummary) -> None:
        self.summary = summary
        self._positive: list[Scores] = []
        self._negative: list[Scores] = []
        self._difference: list[Scores] = []

    def skip(self, name: str, count: int) -> None:
        """A threshold dropped candidates."""
        self.summary.skipped[name] = self.summary.skipped.get(name, 0) + count

    def add(self, positive: Scores, negative: Scores) -> None:
        """An anchor's scores."""
        self.summary.negatives += len(negative)
        self._positive.append(positive)
        self._negative.append(negative)
        self._difference.append((positive[:, None] - negative).reshape(-1))

    def close(self) -> None:
        """Put the statistics into the summary."""
        for name in ("positive", "negative", "difference"):
            values = np.concatenate(getattr(self, f"_{name}"))
            if len(values):
                quarters = np.percentile(values, [0, 25, 50, 75, 100])
                found = [values.mean(), values.std(), *quarters]
                names = ("mean", "std", "min", "25 %", "50 %", "75 %", "max")
                self.summary.scores[name] = dict(zip(names, map(float, found), strict=True))


def _write(path: Path, miner: _Miner, anchors: Sequence[_Anchor], vectors: Scores, progress: Progress | None) -> None:
    import json

    rows = FORMATS[miner.settings.format]
    summary = miner._tally.summary
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, len(anchors), _BLOCK):
            part = anchors[start : start + _BLOCK]
            for found in miner.block(part, vectors[start : start + _BLOCK]):
                full = len(found.negatives) == miner.settings.negatives
                summary.missing += 0 if full else len(found.positives)
                for row in rows(found, miner.settings.negatives, miner.settings.scores):
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    summary.rows += 1
            if progress is not None:
                progress("searched", len(part))


def _read(pairs: Iterable[tuple[str, str]], corpus: Iterable[str] | None) -> tuple[list[_Anchor], list[str]]:
    """Anchors with their positives' places, and the different texts of the corpus, in order of appearance."""
    texts: dict[str, str] = {}
    given = [_checked(number, *pair) for number, pair in enumerate(pairs, 1)]
    if not given:
        raise DataError("There are no pairs to mine negatives for.", "Give at least one anchor with its positive.")
    for text in [*(corpus or ()), *(positive for _, positive in given)]:
        if text.strip():
            texts.setdefault(_folded(text), text)
    places = {key: place for place, key in enumerate(texts)}
    positives: dict[str, dict[int, None]] = {}
    for anchor, positive in given:
        positives.setdefault(anchor, {})[places[_folded(positive)]] = None
    return [_Anchor(anchor, tuple(own)) for anchor, own in positives.items()], list(texts.values())


def _checked(number: int, anchor: str, positive: str) -> tuple[str, str]:
    for side, text in (("anchor", anchor), ("positive", positive)):
        if not isinstance(text, str) or not text.strip():
            raise DataError(
                f"The {side} of pair {number} is empty: {text!r}.", "Leave such pairs out, or correct them."
            )
    return anchor, positive


def _folded(text: str) -> str:
    """What makes two texts the same: all but case and white space."""
    return " ".join(text.casefold().split())


def from_mapping(values: Mapping[str, Any]) -> MineSettings:
    """Settings from a recipe or a command line.

    Raises:
        UsageError: an option does not exist, or its value cannot be.
    """
    from pydantic import ValidationError

    try:
        return MineSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = str(first["msg"]).removeprefix("Value error, ")
        raise UsageError(
            f"{place + ': ' if place else ''}{message}.", f"Options: {', '.join(MineSettings.model_fields)}."
        ) from error
