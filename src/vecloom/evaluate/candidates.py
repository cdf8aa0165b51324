"""What is evaluated: models as the user names them, at some number of dimensions, and the baselines of counted words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vecloom.encoders.protocol import Encoder
from vecloom.encoders.resolve import BUNDLED, load, looks_like_hub_id
from vecloom.errors import UsageError
from vecloom.evaluate.baselines import BASELINES, DENSE, fitted
from vecloom.evaluate.cache import CachedEncoder
from vecloom.evaluate.ranking import BLOCK_BYTES

PUBLISHED = {BUNDLED: "sentence-transformers/all-MiniLM-L6-v2"}  # the name under which leaderboards have its results
WORDS_REVISION = "words-1"
_AT_DIM = re.compile(r"(.+)@(\d+)")


@dataclass(frozen=True)
class Candidate:
    """A model at some number of dimensions.

    Attributes:
        label: what reports call it.
        encoder: computes its vectors; None for a baseline, which is fitted on each task.
        dim: only the first dimensions; None for all.
        instruct: text before queries, see ``MtebModel``.
    """

    label: str
    encoder: Encoder | None = None
    dim: int | None = None
    instruct: str | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether it counts words."""
        return self.encoder is None

    @property
    def mteb_name(self) -> str:
        """``owner/name``, as mteb wants it: a Hub id stays itself."""
        if self.encoder is None:
            return f"baseline/{self.label.replace('/', '-')}"
        name = PUBLISHED.get(self.encoder.name, self.encoder.name)
        if not looks_like_hub_id(name) or Path(name).is_dir():
            name = f"local/{Path(name).name or 'model'}"
        return f"{name}-{self.dim}d" if self.dim else name

    @property
    def revision(self) -> str:
        """What tells versions of the model apart: its fingerprint, backend and instruction."""
        if self.encoder is None:
            return WORDS_REVISION
        session = getattr(self.encoder, "session", None)
        backend = f"-{session.backend}-{session.precision}" if session else ""
        from vecloom.files import text_digest

        instruct = f"-{text_digest(self.instruct)[:8]}" if self.instruct else ""
        return f"{self.encoder.fingerprint[:24]}{backend}{instruct}"

    def _head(self) -> Any:
        """What scores pairs of whole vectors, where the model has it."""
        spec = getattr(self.encoder, "spec", None)
        return _scores_pairs(spec.path) if spec is not None and self.dim is None else None

    def for_task(self, task: Any, *, block_bytes: int = BLOCK_BYTES, progress: Any = None) -> Any:
        """The model as mteb evaluates it on a loaded task."""
        from vecloom.evaluate.adapter import MtebModel

        named = {"name": self.mteb_name, "revision": self.revision, "block_bytes": block_bytes, "progress": progress}
        if self.encoder is not None:
            return MtebModel(self.encoder, dim=self.dim, instruct=self.instruct, head=self._head(), **named)
        words = fitted(self.label, task)
        normalize = words.settings.weighting != "bm25"
        sparse = task.metadata.type not in DENSE
        return MtebModel(words, normalize=normalize, sparse=sparse, **named)


def _scores_pairs(path: Path) -> Any:
    """The head of a model directory that gives one score for a pair, or None."""
    from vecloom.runtime.directory import has_head

    if not has_head(path):
        return None
    from vecloom.encoders.pair_head import head_of

    head = head_of(path)
    return head if head is not None and head.labels == 1 else None


def split_dim(name: str) -> tuple[str, int | None]:
    """A model's name and the dimensions asked for: "minilm@128" is minilm at 128; a folder of that name is itself."""
    found = _AT_DIM.fullmatch(name)
    if found is None or Path(name).is_dir():
        return name, None
    return found[1], int(found[2])


def open_models(
    models: Sequence[str | Encoder],
    *,
    dims: Sequence[int] = (),
    baselines: bool = True,
    cache: Path | None = None,
    instruct: str | None = None,
    backend: str = "auto",
    precision: str | None = None,
    threads: int | None = None,
) -> list[Candidate]:
    """Open what is to be evaluated.

    Args:
        models: names (with ``@DIM`` for fewer dimensions), or encoders.
        dims: evaluate every model also at these.
        baselines: add the baselines of counted words.
        cache: folder of vectors; None computes them without.
        instruct: text before queries, see ``MtebModel``.
        backend: as for ``load``.
        precision: as for ``load``.
        threads: as for ``load``.

    Raises:
        ModelNotFoundError: no such model.
        UsageError: a number of dimensions is not possible, or a model comes twice.
    """
    opened: dict[str, Encoder] = {}
    found: list[Candidate] = []
    for given in models:
        name, dim = split_dim(given) if isinstance(given, str) else (given.name, None)
        if name not in opened:
            encoder = (
                load(name, backend=backend, precision=precision, threads=threads) if isinstance(given, str) else given
            )
            opened[name] = _cached(encoder, cache)
        wanted = [dim, *(d for d in dims if d < opened[name].dim)] if dim is None else [dim]
        found += [_candidate(name, opened[name], d, instruct) for d in wanted]
    labels = [candidate.label for candidate in found]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice:
        raise UsageError(f"The model {twice} is named twice.", "Name each model once.")
    return found + [Candidate(name) for name in (BASELINES if baselines else ())]


def _candidate(name: str, encoder: Encoder, dim: int | None, instruct: str | None) -> Candidate:
    if dim is not None and not 1 <= dim <= encoder.dim:
        raise UsageError(f"{name}@{dim} is not possible: the model has {encoder.dim} dimensions.", "Use fewer.")
    short = Path(name).name if Path(name).is_dir() else name
    return Candidate(f"{short}@{dim}" if dim else short, encoder, dim, instruct)


def _cached(encoder: Encoder, cache: Path | None) -> Encoder:
    # Counted words cost less to count again than to read.
    if cache is None or hasattr(encoder, "encode_sparse"):
        return encoder
    return CachedEncoder(encoder, cache)
