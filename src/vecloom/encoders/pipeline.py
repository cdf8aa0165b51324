"""Any dense sentence-transformers pipeline as an ``Encoder``, run by sentence-transformers itself.

For pipelines that ``TransformerEncoder`` does not compute exactly: routers with modules of their own for queries, word
vectors with an LSTM or CNN, bags of words, modules on token vectors, lengths for each side, adapters. Vectors are those of
``encode_query`` and ``encode_document``; so is the speed. Needs the extra ``[torch]``.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.encoders import texts as clean
from vecloom.encoders.protocol import Kind, Progress, Vectors, check_finite, finish
from vecloom.errors import MissingExtraError, ModelError, first_line, from_os_error
from vecloom.files import atomic_folder, check_free, file_digest, text_digest
from vecloom.runtime.directory import is_trusted

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BLOCK = 1024
"""Texts handed over at a time, so that progress can be told; sentence-transformers sorts them by length."""
_NOT_WEIGHTS = {".md", ".png", ".gitattributes", ".onnx"}


class PipelineEncoder:
    """A model directory opened by sentence-transformers. Calls from several threads take turns.

    Attributes:
        name: what the user called the model.
        path: its directory.
    """

    def __init__(self, directory: str | PathLike[str], *, name: str | None = None, threads: int | None = None) -> None:
        """Open a model directory; it is loaded when it is first used.

        Args:
            directory: a sentence-transformers directory.
            name: for people; the directory's name by default.
            threads: CPU threads; torch's own choice by default.
        """
        self.path = Path(directory)
        self.name = name or self.path.resolve().name
        self.truncated = 0
        self._threads = threads
        self._lock = threading.Lock()

    @cached_property
    def model(self) -> Any:
        """The ``SentenceTransformer``.

        Raises:
            MissingExtraError: torch or sentence-transformers is not installed.
            ModelError: it cannot be loaded.
        """
        try:
            import torch
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingExtraError(f"Running {self.path} needs sentence-transformers.", "torch") from error
        from vecloom.runtime.torch_session import quiet_loading

        if self._threads:
            torch.set_num_threads(self._threads)
        try:
            with quiet_loading():
                opened = SentenceTransformer(
                    str(self.path), local_files_only=True, trust_remote_code=is_trusted(self.path)
                )
        except Exception as error:  # whatever a foreign model raises, the user needs one sentence
            raise ModelError(
                f"sentence-transformers cannot load {self.path}: {first_line(error)}.", "Check the model."
            ) from error
        return opened.float().eval()

    @cached_property
    def dim(self) -> int:
        """Dimensions of a full vector."""
        return int(self._run([""], "document", None).shape[1])

    @cached_property
    def max_length(self) -> int:
        """Tokens after which a text is cut; a very large number where there is no limit."""
        limit = getattr(self.model, "max_seq_length", None)
        return int(limit) if limit and limit < clean.NO_LIMIT else clean.NO_LIMIT

    @property
    def prompts(self) -> Mapping[str, str]:
        """The model's stored prompts, by name."""
        return {name: text for name, text in self.model.prompts.items() if isinstance(text, str)}

    @cached_property
    def fingerprint(self) -> str:
        """Digest of every file that decides the vectors."""
        files = sorted(file for file in self.path.rglob("*") if file.is_file() and file.suffix not in _NOT_WEIGHTS)
        parts = [f"{file.relative_to(self.path)} {file_digest(file)}" for file in files]
        return text_digest("\n".join(["pipeline", *parts]))

    @cached_property
    def tokenizer(self) -> Tokenizer | None:
        """A tokenizer that does not cut, for counting and chunking; None where the model's is not of that kind."""
        from tokenizers import Tokenizer

        own = getattr(self.model, "tokenizer", None)
        backend = getattr(own, "backend_tokenizer", own)
        if not isinstance(backend, Tokenizer):
            return None
        copied: Tokenizer = Tokenizer.from_str(backend.to_str())
        copied.no_truncation()
        copied.no_padding()
        return copied

    def encode(
        self,
        texts: Sequence[str],
        *,
        kind: Kind = "document",
        dim: int | None = None,
        normalize: bool = True,
        prompt: str | None = None,
        progress: Progress | None = None,
    ) -> Vectors:
        """Encode texts in input order; see ``Encoder.encode``.

        With ``normalize=False`` the vectors are the model's own, which it may have normalised.
        """
        given = clean.checked(texts)
        if not given:
            return finish(np.empty((0, self.dim), np.float32), dim, normalize)
        distinct, places = clean.unique(clean.all_readable(given))
        parts = []
        for start in range(0, len(distinct), BLOCK):
            part = distinct[start : start + BLOCK]
            parts.append(self._run(part, kind, prompt))
            if progress:
                progress(len(part))
        if progress and len(given) > len(distinct):
            progress(len(given) - len(distinct))
        found = np.concatenate(parts)
        check_finite(found, distinct, self.name)
        vectors = finish(found, dim, normalize)
        return vectors if places is None else vectors[places]

    def save(self, directory: str | PathLike[str]) -> None:
        """Write a copy of the model directory, wholly or not at all.

        Raises:
            OutputError: the directory exists and is not empty, or cannot be written.
        """
        target = Path(directory)
        check_free(target)
        try:
            with atomic_folder(target) as made:
                shutil.copytree(self.path, made, dirs_exist_ok=True)
        except OSError as error:
            raise from_os_error(error, "saving the model", target) from error

    def _run(self, texts: list[str], kind: Kind, prompt: str | None) -> Vectors:
        with self._lock:
            encode = self.model.encode_query if kind == "query" else self.model.encode_document
            found = encode(texts, prompt=prompt, convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(found, np.float32)
