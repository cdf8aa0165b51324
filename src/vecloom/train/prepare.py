"""What a recipe has done to rows before they are checked: translated ones put right, pairs made triplets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vecloom.data.rows import Read
from vecloom.errors import DataError
from vecloom.train.checks import check_text, score_of
from vecloom.train.contrast import NEGATIVES, Contrast, class_contrasts, scored_contrasts
from vecloom.train.recipe import DataSource
from vecloom.train.shapes import Layout, layout_of
from vecloom.train.translated import cleaned
from vecloom.train.triplets import CONTRADICTION, Triplet, label_of, nli_triplets, scored_triplets

MADE_OF = {"nli": "labelled-pairs", "scores": "scored", "classes": "labels", "sts": "scored"}
"""What rows are that triplets are made of, by the recipe's word."""
_PAIRS = {"scored": ("sentence1", "sentence2"), "labelled-pairs": ("sentence1", "sentence2")}


class Prepared:
    """Rows of a data set, as it wants them.

    Args:
        source: what the recipe says.
        layout: of the rows as they are read.
        found: the rows.
        where: the file, for messages.

    Attributes:
        rows: what is to be checked and trained on.
        layout: of these.
        notes: what was done, in words.

    Raises:
        DataError: a label or score cannot be used, or no triplet comes out.
    """

    def __init__(self, source: DataSource, layout: Layout, found: Iterable[Read], where: str) -> None:
        self.layout = layout
        self.notes: tuple[str, ...] = ()
        self.rows: Iterable[Read] = found
        self._source, self._where = source, where
        if source.translated:
            self.rows = list(self._cleaned(found))
        if source.triplets:
            self.rows = self._triplets()
            self.layout = layout_of(list(Triplet._fields), "triplets", {}, where)

    def _cleaned(self, found: Iterable[Read]) -> Iterator[Read]:
        columns = self.layout.columns
        first, second = (columns.get(name, "") for name in _PAIRS.get(self.layout.shape, ("anchor", "positive")))
        given = list(found)
        kept = [Read(*row) for row in cleaned(given, first, second, self._denies)]
        dropped = len(given) - len(kept)
        if dropped:
            self.notes += (f"pairs whose texts became one in translation, against their label: {dropped:,}",)
        return iter(kept)

    def _denies(self, values: dict[str, Any]) -> bool:
        """Whether a row's label says that its texts differ."""
        columns = self.layout.columns
        if self.layout.shape == "scored":
            return score_of(values.get(columns["score"]), 0, self._source.scale, self._where) < 1
        if self.layout.shape == "labelled-pairs":
            return label_of(values.get(columns["label"])) == CONTRADICTION
        return False

    def _triplets(self) -> list[Read]:
        made = self._made()
        if not made:
            raise DataError(
                f"{self._where}: no text has both a positive and a negative, so there is no triplet.",
                "Leave triplets out, or add rows.",
            )
        self.notes += (f"triplets made of the rows: {len(made):,}",)
        return [Read(number, row._asdict()) for number, row in enumerate(made, 1)]

    def _made(self) -> Sequence[Triplet | Contrast]:
        kind, count = self._source.triplets, self._source.negatives or NEGATIVES
        if kind == "nli":
            return nli_triplets(self._inferences())
        if kind == "scores":
            return scored_triplets(self._scores())
        if kind == "sts":
            return scored_contrasts(self._scores(), count)
        texts, labels = self._classes()
        return class_contrasts(texts, labels, count)

    def _classes(self) -> tuple[list[str], list[str]]:
        columns = self.layout.columns
        found = [
            (check_text(row.values.get(columns["text"]), columns["text"], f"{self._where}:{row.line}"), row)
            for row in self.rows
        ]
        return [text for text, _ in found], [str(row.values.get(columns["label"])) for _, row in found]

    def _inferences(self) -> Iterator[tuple[str, str, str]]:
        columns = self.layout.columns
        for row in self.rows:
            label = label_of(row.values.get(columns["label"]))
            if label is None:
                raise DataError(
                    f"{self._where}:{row.line}: the label {row.values.get(columns['label'])!r} is no class of inference.",
                    "Use entailment, neutral and contradiction, or 0, 1 and 2.",
                )
            yield row.values[columns["sentence1"]], row.values[columns["sentence2"]], label

    def _scores(self) -> Iterator[tuple[str, str, float]]:
        columns = self.layout.columns
        for row in self.rows:
            score = score_of(row.values.get(columns["score"]), row.line, self._source.scale, self._where)
            yield row.values[columns["sentence1"]], row.values[columns["sentence2"]], score
