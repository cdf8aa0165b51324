"""all-MiniLM-L6-v2 by plain transformers: an ``Encoder`` to compare with that shares no code with vecloom's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vecloom.encoders.protocol import Vectors, finish


class Teacher:
    """Mean-pooled BERT; a text goes in whole, without prompts."""

    def __init__(self, directory: Path) -> None:
        import torch
        from tokenizers import Tokenizer
        from transformers import AutoModel

        torch.set_num_threads(2)
        self.name = directory.name
        self.dim = 384
        self.max_length = 256
        self.fingerprint = "00"
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.network = AutoModel.from_pretrained(str(directory)).eval()

    def encode_ids(self, sequences: Sequence[Sequence[int]]) -> Vectors:
        import torch

        vectors = np.zeros((len(sequences), self.dim), np.float32)
        lengths = np.array([len(sequence) for sequence in sequences])
        for length in np.unique(lengths):  # equal lengths need no padding
            places = np.flatnonzero(lengths == length)
            for batch in np.array_split(places, max(1, len(places) // 256)):
                with torch.inference_mode():
                    ids = torch.tensor([list(sequences[place]) for place in batch])
                    vectors[batch] = self.network(ids).last_hidden_state.mean(1).numpy()
        return vectors

    def encode(self, texts, *, kind="document", dim=None, normalize=True, prompt=None, progress=None) -> Vectors:
        encodings = self.tokenizer.encode_batch([(prompt or "") + text for text in texts])
        vectors = self.encode_ids([encoding.ids[: self.max_length - 1] + encoding.ids[-1:] for encoding in encodings])
        if progress:
            progress(len(texts))
        return finish(vectors, dim, normalize)

    def save(self, directory) -> None:
        raise NotImplementedError
