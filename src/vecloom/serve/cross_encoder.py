"""A reranker as the engine computes it: pairs of query and text, scored by a sentence-transformers CrossEncoder.

Source: Nogueira and Cho 2019 (arXiv:1901.04085). A pair's query comes as ``Ask.prompt``; its "vector" is its logit before the
sigmoid, shape (1,). torch runs it, so the extra ``[torch]`` is needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from vecloom.encoders import texts as clean
from vecloom.encoders.protocol import Vectors
from vecloom.encoders.resolve import resolve
from vecloom.errors import MissingExtraError, ModelError, first_line
from vecloom.runtime.torch_session import quiet_loading
from vecloom.serve.compute import NO_FRAME, Ask, Flight, Read, Work

MICRO_BATCHES = 4  # torch wants larger batches than a compiled network


class PairComputer:
    """A cross-encoder with one output.

    Args:
        model: a directory or a Hub id.
        name: what requests call it.

    Raises:
        ModelNotFoundError: there is no such model.
        ModelError: it is not a cross-encoder with one output.
        MissingExtraError: torch is not installed.
    """

    threads = 1
    parallel = 1
    scale = MICRO_BATCHES
    prompts: Mapping[str, str] = MappingProxyType({})
    vocabulary = 0
    frame = NO_FRAME

    def __init__(self, model: str, name: str | None = None) -> None:
        self.name, self.path = name or model, resolve(model)
        self._model = _load(self.path)
        self.limit = int(self._model.max_length or self._model.tokenizer.model_max_length)
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(self._model.tokenizer.backend_tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.limit)

    def read(self, texts: Sequence[str], ask: Ask) -> list[Read]:
        """See ``Computer.read``."""
        query, *ready = clean.all_readable([ask.prompt or "", *texts])
        found = self._tokenizer.encode_batch([(query, text) for text in ready])
        return [
            Read(len(encoding.ids), (query, text), bool(encoding.overflowing))
            for text, encoding in zip(ready, found, strict=True)
        ]

    def take_ids(self, ids: Sequence[int]) -> Read:
        """See ``Computer.take_ids``."""
        raise ValueError("a reranker does not read token ids")

    def run(self, work: Work) -> None:
        """See ``Computer.run``."""
        while (flight := work.wait()) is not None:
            self._compute(work, flight)

    def _compute(self, work: Work, flight: Flight) -> None:
        try:
            logits = self.score([item.payload for item in flight.items])
        except Exception as error:  # whatever a foreign model raises: these requests fail, the others go on
            work.failed(flight, flight.items, error)
        else:
            work.done(flight, flight.items, logits[:, None])

    def score(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """Logits of pairs: (n,) float32."""
        import torch

        scores = self._model.predict(
            list(pairs), batch_size=len(pairs), activation_fn=torch.nn.Identity(), show_progress_bar=False
        )
        return np.asarray(scores, np.float32).reshape(len(pairs))


def _load(path: Path) -> Any:
    if not _has_head(path):  # the library would put a random one there
        raise ModelError(f"{path} is no cross-encoder: it has no classification head.", "Give a reranking model.")
    try:
        from sentence_transformers import CrossEncoder
    except ImportError as error:
        raise MissingExtraError("A reranker needs torch and sentence-transformers.", "torch") from error
    try:
        with quiet_loading():
            model = CrossEncoder(str(path), device="cpu", local_files_only=True)
    except Exception as error:  # whatever a foreign model raises, the user needs one sentence
        raise ModelError(f"{path} cannot be loaded as a cross-encoder: {first_line(error)}.", "Check it.") from error
    if model.num_labels != 1:
        raise ModelError(f"{path} has {model.num_labels} outputs; a reranker has one.", "Give a reranking model.")
    return model


def _has_head(path: Path) -> bool:
    """Whether a directory holds a network that scores: a classifier, or what sentence-transformers saved as a CrossEncoder."""
    config, saved = (_json(path / name) for name in ("config.json", "config_sentence_transformers.json"))
    classifies = any("SequenceClassification" in name for name in config.get("architectures") or ())
    return classifies or saved.get("model_type") == "CrossEncoder"


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
