"""How much of the training texts a model reads: its limit before and after, and the share of texts that it cuts.

``max_length`` of a recipe changes the model that comes out, not only the training: it cuts texts there from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from vecloom.train.data import Table

SAMPLE = 2000
"""Texts whose tokens are counted: the share is then right to about two percentage points."""


@dataclass(frozen=True)
class Cutting:
    """What a model cuts.

    Attributes:
        before: tokens after which the model cut texts before the run; 0 if it did not cut.
        limit: tokens after which it cuts now; 0 if it does not cut.
        texts: how many training texts were counted.
        cut: how many of them are longer than ``limit``.
    """

    before: int
    limit: int
    texts: int
    cut: int

    def warning(self) -> str:
        """What to say before the first step if the limit shrinks; otherwise ""."""
        if not self.limit or (self.before and self.limit >= self.before):
            return ""
        was = f"it was {self.before:,}" if self.before else "there was no limit"
        return f"max_length is {self.limit:,} ({was}): the model that comes out cuts texts there for good; {self._share()}."

    def note(self) -> str:
        """The limit and what it cuts, for the summary; "" if nothing is cut."""
        if not self.limit:
            return ""
        was = f" (before: {self.before:,})" if self.before != self.limit and self.before else ""
        return f"the model reads {self.limit:,} tokens of a text{was}; {self._share()}"

    def _share(self) -> str:
        return (
            f"{self.cut:,} of {self.texts:,} training texts looked at are longer ({self.cut / max(self.texts, 1):.0%})"
        )


def count_cut(tokenizer: Any, tables: Sequence[Table], before: int, limit: int, seed: int = 0) -> Cutting:
    """Count how many training texts, prompts included, are longer than the limit.

    Args:
        tokenizer: transformers' fast tokenizer or a ``tokenizers.Tokenizer``; nothing is counted with another kind.
        tables: the data; at most ``SAMPLE`` texts are drawn from all of them.
        before: the model's limit before the run, 0 for none.
        limit: its limit now, 0 for none.
        seed: of the draw.
    """
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not limit or not hasattr(backend, "encode_batch"):
        return Cutting(before, limit, 0, 0)
    from tokenizers import Tokenizer

    counter = Tokenizer.from_str(backend.to_str())  # the model's own is not to be changed
    counter.no_truncation()
    counter.no_padding()
    texts = _sampled(tables, seed)
    cut = sum(len(encoding.ids) > limit for encoding in counter.encode_batch(texts))
    return Cutting(before, limit, len(texts), cut)


def _sampled(tables: Sequence[Table], seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    columns = [(table, name) for table in tables for name in table.text_columns]
    total = sum(len(table) for table, _ in columns)
    found: list[str] = []
    for table, name in columns:
        share = min(len(table), -(-SAMPLE * len(table) // total))
        places = np.sort(random.choice(len(table), share, replace=False)).tolist()
        prompt = table.prompts.get(name, "")
        found += [prompt + text for text in table.rows[places][name]]
    return found
