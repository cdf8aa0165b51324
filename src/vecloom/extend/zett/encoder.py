"""A frozen sentence encoder that takes rows in place of its token table, so that a gradient reaches them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vecloom.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENS = 1024  # of a piece of a batch, padding included


class FrozenEncoder:
    """A sentence-transformers model whose weights do not change.

    Args:
        path: its directory.
        device: where it computes, as torch names it.
        precision: "fp32" or "bf16" (autocast).

    Attributes:
        table: (V, d) float32: its own rows.

    Raises:
        ModelError: it changes rows after it has looked them up, so that they cannot be handed to it.
    """

    def __init__(self, path: Path, device: str = "cpu", precision: str = "fp32") -> None:
        from sentence_transformers import SentenceTransformer

        from vecloom.runtime.torch_session import quiet_loading

        with quiet_loading():
            self._modules = SentenceTransformer(str(path), device=device).eval().float().requires_grad_(False)
        self._network = self._modules[0].auto_model
        self._device, self._precision = device, precision
        embedding = self._network.get_input_embeddings()
        self.table: Tensor = embedding.weight.detach()
        probe = torch.arange(min(8, len(self.table)), device=device)
        if not torch.equal(embedding(probe), self.table[probe]):
            raise ModelError(
                f"{path} changes the rows of its token table after looking them up.", "Give a model of the BERT family."
            )

    def vectors(self, sequences: Sequence[Sequence[int]], rows: Tensor) -> Tensor:
        """Vectors of texts whose tokens are rows.

        Args:
            sequences: for each text the numbers of its rows, special tokens included, one at least.
            rows: (r, d) float32.

        Returns:
            (n, d') float32 with the gradient of ``rows``, in the order of ``sequences``.
        """
        order = sorted(range(len(sequences)), key=lambda place: len(sequences[place]))
        parts = [self._piece([sequences[place] for place in piece], rows) for piece in pieces(sequences, order)]
        back = torch.empty(len(order), dtype=torch.long, device=self._device)
        back[torch.tensor(order, device=self._device)] = torch.arange(len(order), device=self._device)
        return torch.cat(parts)[back]

    def _piece(self, sequences: list[Sequence[int]], rows: Tensor) -> Tensor:
        longest = max(map(len, sequences))
        ids = torch.zeros(len(sequences), longest, dtype=torch.long)
        mask = torch.zeros(len(sequences), longest, dtype=torch.long)
        for place, sequence in enumerate(sequences):
            ids[place, : len(sequence)] = torch.tensor(sequence)
            mask[place, : len(sequence)] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        with self._autocast():
            states = self._network(inputs_embeds=rows[ids], attention_mask=mask).last_hidden_state
        features = {"token_embeddings": states.float(), "attention_mask": mask}
        for module in list(self._modules)[1:]:
            features = module(features)
        return features["sentence_embedding"]

    def _autocast(self) -> AbstractContextManager[None]:
        if self._precision == "fp32":
            return nullcontext()
        cast: AbstractContextManager[None] = torch.autocast(torch.device(self._device).type, torch.bfloat16)
        return cast


def pieces(sequences: Sequence[Sequence[int]], order: Sequence[int]) -> Iterator[list[int]]:
    """Cut a batch, sorted by length, into pieces of like length and of bounded size."""
    piece: list[int] = []
    for place in order:
        longest = len(sequences[place])
        if piece and longest * (len(piece) + 1) > TOKENS:
            yield piece
            piece = []
        piece.append(place)
    if piece:
        yield piece


def frame_ids(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The special ids that a tokenizer puts before and behind a text."""
    encoding = tokenizer.encode("a")
    inside = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
    if not inside:
        return list(encoding.ids), []
    return list(encoding.ids[: inside[0]]), list(encoding.ids[inside[-1] + 1 :])
