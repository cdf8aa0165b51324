"""A sentence-transformers model as an ``Encoder``: transformer, pooling, Dense modules, normalisation.

Source: Reimers and Gurevych 2019 (arXiv:1908.10084); truncation to the first dimensions follows Matryoshka representation
learning, Kusupati et al. 2022 (arXiv:2205.13147). The network runs on any backend of ``vecloom.runtime``; the vectors are those
of sentence-transformers up to rounding (cosine >= 0.999 in bf16, 0.999999 in f32).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vecloom.encoders import texts as clean
from vecloom.encoders.protocol import Kind, Progress, Vectors, check_finite, finish
from vecloom.errors import from_os_error
from vecloom.files import atomic_folder, check_free
from vecloom.runtime.choose import open_session
from vecloom.runtime.directory import ModelSpec, read_spec, read_tokenizer
from vecloom.runtime.pipeline import TokenSource, run_texts, run_tokens
from vecloom.runtime.session import Session
from vecloom.runtime.tensors import read_tensors

if TYPE_CHECKING:
    from tokenizers import Tokenizer


_WIDTHS = ("hidden_size", "dim", "n_embd", "d_model")
"""What families call the width of their token vectors."""


class TransformerEncoder:
    """A transformer with pooling.

    Calls from several threads are safe; they take turns at the network.

    Attributes:
        name: what the user called the model.
        spec: what its directory says.
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        *,
        name: str | None = None,
        backend: str = "auto",
        precision: str | None = None,
        threads: int | None = None,
    ) -> None:
        """Open a model directory; the network itself is loaded when it is first used.

        Args:
            directory: a sentence-transformers directory, or a bare transformers one (mean pooling).
            name: for people; the directory's name by default.
            backend: "auto", "openvino", "torch" or "onnx".
            precision: "f32" or "bf16"; None: what the backend does best.
            threads: CPU threads; all that the process may use by default.

        Raises:
            ModelError: the directory is incomplete or broken.
        """
        self.spec: ModelSpec = read_spec(Path(directory))
        self.name = name or Path(directory).resolve().name
        self._source = TokenSource(read_tokenizer(self.spec), self.spec.max_length)
        self._wanted = (backend, precision, threads)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None  # removed when the encoder goes
        _ = self.spec.weights  # an incomplete directory is an error now, not at the first text

    @property
    def dim(self) -> int:
        """Dimensions of a full vector."""
        full = self._full_dim
        return min(full, self.spec.truncate_dim or full)

    @cached_property
    def _full_dim(self) -> int:
        if self.spec.dense:
            return int(self._dense[-1][0].shape[0])
        named = next((self.spec.config[key] for key in _WIDTHS if self.spec.config.get(key)), None)
        if not self.spec.pooling or named is None:
            return int(self._run([""]).shape[1])
        return int(named)

    @property
    def max_length(self) -> int:
        """Tokens, special ones included, after which a text is cut."""
        return self.spec.max_length

    @property
    def fingerprint(self) -> str:
        """Hex digest of weights, tokenizer and pipeline."""
        return self.spec.fingerprint

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """A tokenizer for counting and chunking, which does not cut as the encoder's own does."""
        return read_tokenizer(self.spec)

    @property
    def truncated(self) -> int:
        """Texts that were cut since the encoder was opened; each different text of a call counts once."""
        return self._source.truncated

    @cached_property
    def session(self) -> Session:
        """The network on its backend, loaded on first use.

        Raises:
            BackendError: no backend here can run it.
            MissingExtraError: the backend's packages are not installed.
        """
        backend, precision, threads = self._wanted
        return open_session(self.spec, backend, precision=precision, threads=threads)

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

        Equal texts are computed once. With ``normalize=False`` the vectors are those before the model's own Normalize module.
        """
        given = clean.checked(texts)
        if not given:
            return finish(np.empty((0, self.dim), np.float32), dim, normalize)
        before = self.spec.prompt(kind) if prompt is None else prompt
        ready = clean.all_readable([before + text for text in given] if before else given)
        distinct, places = clean.unique([text.lower() for text in ready] if self.spec.lower_case else ready)
        found = self._alone_if_not_finite(self._run(distinct, before, progress), distinct, before)
        check_finite(found, distinct, self.name)
        vectors = finish(found, dim, normalize)
        if progress and len(given) > len(distinct):
            progress(len(given) - len(distinct))
        return vectors if places is None else vectors[places]

    def encode_ids(self, sequences: Sequence[Sequence[int]]) -> Vectors:
        """Pooled vectors, not normalised, of complete token id sequences: (n, dim) float32."""
        return self.project(run_tokens(sequences, session=self.session, pooling=self.spec.pooling or "mean"))

    def save(self, directory: str | PathLike[str]) -> None:
        """Write a copy of the model directory, wholly or not at all.

        Raises:
            OutputError: the directory exists and is not empty, or cannot be written.
        """
        target = Path(directory)
        check_free(target)
        try:
            with atomic_folder(target) as made:
                shutil.copytree(self.spec.path, made, dirs_exist_ok=True)
        except OSError as error:
            raise from_os_error(error, "saving the model", target) from error

    def truncate(
        self, out: str | PathLike[str] | None = None, *, layers: int | None = None, dim: int | None = None
    ) -> TransformerEncoder:
        """Cut a smaller model out of this one; see ``vecloom.encoders.truncation``.

        Args:
            out: the directory to write. None: a temporary one that goes with the encoder; ``save`` keeps it.
            layers: how many layers to keep, from the input; all by default.
            dim: how many dimensions to keep; all by default.

        Returns:
            The smaller model, opened as this one was.

        Raises:
            UsageError: nothing is to be cut, or more is asked for than the model has.
            ModelError: the model is of a family whose layers cannot be cut.
            OutputError: ``out`` is not free, or cannot be written.
        """
        from vecloom.encoders.truncation import truncate

        temporary = None
        if out is None:
            temporary = tempfile.TemporaryDirectory(prefix="vecloom-truncated-")
            out = Path(temporary.name, self.spec.path.name)
        cut = ", ".join(f"{what} {n}" for what, n in (("layers", layers), ("dim", dim)) if n is not None)
        backend, precision, threads = self._wanted
        small = TransformerEncoder(
            truncate(self.spec.path, out, layers=layers, dim=dim),
            name=f"{self.name} ({cut})",
            backend=backend,
            precision=precision,
            threads=threads,
        )
        small._temporary = temporary
        return small

    def _run(self, texts: Sequence[str], prompt: str = "", progress: Progress | None = None) -> Vectors:
        """Vectors of texts that begin with ``prompt``."""
        left_out = {}
        if prompt and not self.spec.include_prompt:
            exact = self.spec.exact_prompt
            left_out = {"border": len(prompt)} if exact else {"skip": self._prompt_tokens(prompt)}
        return self.project(
            run_texts(
                texts,
                source=self._source,
                session=self.session,
                pooling=self.spec.pooling or "mean",
                progress=progress,
                **left_out,
            )
        )

    def _alone_if_not_finite(self, found: Vectors, texts: Sequence[str], prompt: str) -> Vectors:
        """Vectors that are not finite computed once more, each text by itself: one text's NaN spreads to those in its row."""
        for place in np.flatnonzero(~np.isfinite(found).all(axis=1)).tolist():
            found[place] = self._run([texts[place]], prompt)[0]
        return found

    def project(self, pooled: Vectors) -> Vectors:
        """Apply the Dense modules to pooled vectors (n, width), where the backend has not done so, and cut: (n, dim)."""
        for matrix, bias, activation in () if self.session.whole else self._dense:
            pooled = pooled @ matrix.T + bias
            pooled = np.tanh(pooled) if activation == "Tanh" else pooled
        return pooled[:, : self.spec.truncate_dim]

    @cached_property
    def _dense(self) -> list[tuple[Any, Any, str]]:
        """(matrix (out, in), bias, activation) of each Dense module."""
        return [read_dense(folder) for folder in self.spec.dense]

    def _prompt_tokens(self, prompt: str) -> int:
        """Tokens at the start of a text that are the prompt's: its own, less a closing special token."""
        encoding = self._source.tokenizer.encode(prompt)
        closing = len(encoding.ids) > 1 and encoding.special_tokens_mask[-1] == 1
        return len(encoding.ids) - int(closing)


def read_dense(folder: Path) -> tuple[Any, Any, str]:
    """Matrix, bias and activation name of a sentence-transformers Dense module."""
    import json

    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tensors = read_tensors(folder / "model.safetensors")
    activation = str(settings.get("activation_function", "Tanh")).rsplit(".", 1)[-1]
    return tensors["linear.weight"], tensors.get("linear.bias", np.float32(0)), activation
