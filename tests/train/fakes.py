"""Stand-ins for models: vectors from a table, so that a loss can be worked by hand."""

from __future__ import annotations

import numpy as np
import torch


class Table(torch.nn.Module):
    """A model whose vectors are given with the batch, under ``vectors``; the token is the text's number."""

    max_seq_length = 16
    device = torch.device("cpu")

    def __init__(self, dim: int = 2) -> None:
        super().__init__()
        self.dim = dim
        self.tokenizer = Words()

    def forward(self, features):
        return {**features, "sentence_embedding": features["vectors"]}

    def get_embedding_dimension(self) -> int:
        return self.dim

    def __getitem__(self, _):
        return torch.nn.Identity()


class Words:
    """A tokenizer that reads number 7 back as "7"."""

    all_special_ids = (0,)
    unk_token_id = None
    padding_side = "right"
    pad_token_id = 0

    def batch_decode(self, rows, **_):
        return [" ".join(str(token) for token in row) for row in rows]


class Known:
    """A guide that knows the vectors of numbered texts, and counts what it is asked."""

    def __init__(self, vectors) -> None:
        self.vectors = np.asarray(vectors, np.float32)
        self.asked: list[str] = []

    def encode(self, texts):
        self.asked += list(texts)
        return np.stack([self.vectors[int(text) - 1] for text in texts])


def column(vectors, first: int, *, grad: bool = True) -> dict:
    """A batch of texts numbered from ``first``, with these vectors."""
    given = torch.as_tensor(vectors, dtype=torch.float32).clone().requires_grad_(grad)
    ids = torch.arange(first, first + len(given)).unsqueeze(1)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "vectors": given}


def columns(*vectors) -> list[dict]:
    """Columns of different texts."""
    made, first = [], 1
    for rows in vectors:
        made.append(column(rows, first))
        first += len(rows)
    return made


def random_unit(n: int, d: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(n, d, generator=generator), dim=-1)
