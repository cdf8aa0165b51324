"""A model whose position table alone learns, read at positions that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vecloom.runtime.torch_session import quiet_loading


class PositionNetwork:
    """A sentence-transformers model with one trainable tensor.

    Args:
        directory: with a table of the new length.
        first: first row that a text uses.
        tokens: after which texts are cut.
        frozen: (rows behind ``first``,) bool, those that get no gradient.

    Attributes:
        table: the position table, (first + rows, width).
    """

    def __init__(
        self, directory: Path, *, first: int, tokens: int, frozen: np.ndarray[Any, np.dtype[np.bool_]]
    ) -> None:
        from sentence_transformers import SentenceTransformer

        with quiet_loading():
            self.model = SentenceTransformer(str(directory), device="cpu", local_files_only=True)
        self.model.max_seq_length = tokens
        self.model.eval()  # without dropout, which would teach few rows to make up for noise
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        (embedding,) = [
            module for name, module in self.model.named_modules() if name.endswith("embeddings.position_embeddings")
        ]
        self.table: Tensor = embedding.weight.requires_grad_(True)
        self.first = first
        kept = torch.zeros(len(self.table), dtype=torch.bool)
        kept[first : first + len(frozen)] = torch.from_numpy(~frozen)
        self.table.register_hook(lambda gradient: gradient * kept[:, None].to(gradient.device, gradient.dtype))

    def vectors(self, texts: Sequence[str], span: int, generator: torch.Generator) -> Tensor:
        """Vectors of length 1 with gradient, (n, d); each text begins at a position drawn from 0 to ``span``."""
        tokens = self.model.preprocess(list(texts)) if hasattr(self.model, "preprocess") else self.model.tokenize(texts)
        features = {name: value.to(self.model.device) for name, value in tokens.items() if hasattr(value, "to")}
        mask = features["attention_mask"].long()
        starts = torch.randint(0, span + 1, (len(texts), 1), generator=generator).to(mask.device)
        features["position_ids"] = self.first + starts + (mask.cumsum(1) - 1).clamp(min=0)
        return torch.nn.functional.normalize(self.model(features)["sentence_embedding"], dim=-1)
