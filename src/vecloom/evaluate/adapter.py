"""A vecloom encoder as mteb sees it: its ``EncoderProtocol``, and its ``SearchProtocol`` with blocked products.

mteb hands texts over in batches of a loader; here they are taken from the loader's data set at once, since vecloom
sorts, packs and removes repetitions itself. Rankings are recorded, so that what mteb scores can be looked at and
drawn again. Source of the order in which prompts are looked up: mteb 2.26, task name before task type before query or
document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from mteb._create_dataloaders import create_dataloader
from mteb.models.model_meta import ModelMeta
from mteb.types import PromptType

from vecloom.encoders.protocol import Encoder, Kind
from vecloom.errors import DataError
from vecloom.evaluate.cache import prompts_of
from vecloom.evaluate.ranking import BLOCK_BYTES, among, product, ranked

Run = dict[str, dict[str, float]]
"""Scores by query id and document id."""

KINDS: dict[PromptType | None, Kind] = {PromptType.query: "query", PromptType.document: "document", None: "document"}


@cache
def _sparse_rows() -> type:
    """CSR matrices that have a length, as mteb expects of embeddings."""
    from scipy.sparse import csr_matrix

    return type("SparseRows", (csr_matrix,), {"__len__": lambda self: self.shape[0]})


class MtebModel:
    r"""What mteb evaluates.

    Args:
        encoder: the encoder; one with ``encode_sparse`` gives sparse vectors where ``sparse``.
        name: in mteb's form, ``owner/name``.
        revision: what tells versions of the model apart.
        dim: keep the first dimensions only.
        instruct: put before each text (of a search: each query) with ``{instruction}`` replaced by the task's
            prompt, as in ``"Instruct: {instruction}\nQuery: "``.
        normalize: scale vectors to length 1; BM25 must not.
        sparse: keep a lexical encoder's vectors sparse.
        block_bytes: memory for scores while searching.
        progress: called with the number of texts that were encoded.
        head: scores pairs of the encoder's vectors (DSE); mteb's own scores of a pair are then the head's, which a task
            reads where its main score is "spearman", "pearson" or one of "similarity".

    Attributes:
        runs: rankings by (task, split, subset).
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        name: str,
        revision: str,
        dim: int | None = None,
        instruct: str | None = None,
        normalize: bool = True,
        sparse: bool = False,
        block_bytes: int = BLOCK_BYTES,
        progress: Any = None,
        head: Any = None,
    ) -> None:
        self.encoder = encoder
        self.head = head
        self.dim = dim
        self.instruct = instruct
        self.normalize = normalize
        self.sparse = sparse
        self.block_bytes = block_bytes
        self.progress = progress
        self.runs: dict[tuple[str, str, str], Run] = {}
        self._corpus: Any = None
        empty = {"name": name, "revision": revision}
        self._meta = ModelMeta.create_empty(empty)

    @property
    def mteb_model_meta(self) -> ModelMeta:
        """Name and revision."""
        return self._meta

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **_settings: Any,
    ) -> Any:
        """Vectors of the loader's texts, ``(n, dim)`` float32 in order."""
        texts = texts_of_loader(inputs)
        given = {"kind": KINDS[prompt_type], "prompt": self._prompt(task_metadata, prompt_type), "dim": self.dim}
        if self.sparse:
            return _sparse_rows()(self.encoder.encode_sparse(texts, normalize=self.normalize, **given))  # type: ignore[attr-defined]
        # A head reads vectors of their own length; cosines do not see it.
        own_length = self.head is not None and not self.encoder.spec.normalized  # type: ignore[attr-defined]
        normalize = self.normalize and not own_length
        vectors = self.encoder.encode(texts, normalize=normalize, progress=self.progress, **given)  # type: ignore[arg-type]
        _check(vectors, self.encoder.name)
        return vectors

    def similarity(self, first: Any, second: Any) -> Any:
        """Cosines of vectors ``(n, d)`` and ``(m, d)``: ``(n, m)``, one number for two single vectors; dot products for BM25."""
        one, two = (_rows(vectors) for vectors in (first, second))
        found = product(one, two) if not self.normalize else product(unit(one), unit(two))
        return found[0, 0] if np.ndim(first) == np.ndim(second) == 1 else found

    def similarity_pairwise(self, first: Any, second: Any) -> Any:
        """Cosine of each row of ``first`` with the same row of ``second``, or what the head says of them: ``(n,)``."""
        if self.head is not None:
            return _said(self.head, _rows(first), _rows(second))
        one, two = (_rows(vectors) if not self.normalize else unit(_rows(vectors)) for vectors in (first, second))
        if hasattr(one, "multiply"):
            return np.asarray(one.multiply(two).sum(axis=1)).ravel()
        return np.einsum("ij,ij->i", one, two)

    def index(self, corpus: Any, **_settings: Any) -> None:
        """Remember the documents that ``search`` ranks."""
        self._corpus = corpus

    def search(
        self,
        queries: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        top_k: int,
        encode_kwargs: Any,
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        num_proc: int | None = None,
        **_settings: Any,
    ) -> Run:
        """The ``top_k`` best documents of each query, or all its candidates ranked."""
        where = {"task_metadata": task_metadata, "hf_split": hf_split, "hf_subset": hf_subset}
        asked, documents = (
            self.encode(
                create_dataloader(data, task_metadata=task_metadata, prompt_type=side), prompt_type=side, **where
            )
            for data, side in ((queries, PromptType.query), (self._corpus, PromptType.document))
        )
        if self.head is not None:
            asked, documents = unit(asked), unit(documents)
        ids = list(self._corpus["id"])
        if top_ranked is None:
            found = self._ranked(list(queries["id"]), ids, asked, documents, top_k)
        else:
            found = _reranked(list(queries["id"]), ids, asked, documents, top_ranked, top_k)
        self.runs[(task_metadata.name, hf_split, hf_subset)] = found
        return found

    def _ranked(self, queries: list[str], ids: list[str], asked: Any, documents: Any, k: int) -> Run:
        names = np.array(ids, dtype=object)
        answers = ranked(asked, documents, k, self.block_bytes)
        return {
            query: dict(zip(names[places].tolist(), scores.tolist(), strict=True))
            for query, (places, scores) in zip(queries, answers, strict=True)
        }

    def _prompt(self, task: Any, side: PromptType | None) -> str | None:
        """The text to put before each text; None leaves the model's own for query and document."""
        if self.instruct and side is not PromptType.document:
            return self.instruct.replace("{instruction}", _instruction(task, side))
        stored = prompts_of(self.encoder)
        if not stored:
            return None
        names = (
            [task.name, task.type]
            if side is None
            else [f"{task.name}-{side.value}", task.name, f"{task.type}-{side.value}", task.type]
        )
        named = next((stored[name] for name in names if name in stored), None)
        if named is not None or side is not None:
            return named
        spec = getattr(self.encoder, "spec", None)
        return stored.get(getattr(spec, "default_prompt", None) or "", "")


def texts_of_loader(loader: Any) -> list[str]:
    """All texts of a loader, without the batches."""
    data = getattr(loader, "dataset", None)
    if data is not None and "text" in (getattr(data, "column_names", None) or []):
        return list(data["text"])
    return [text for batch in loader for text in batch["text"]]


def unit(vectors: Any) -> Any:
    """Rows scaled to length 1; zero rows stay zero."""
    from sklearn.preprocessing import normalize

    return normalize(vectors)


def _said(head: Any, first: Any, second: Any) -> Any:
    import torch

    with torch.inference_mode():
        return head.logits(torch.from_numpy(first), torch.from_numpy(second))[:, 0].numpy()


def _reranked(
    queries: list[str], ids: list[str], asked: Any, documents: Any, candidates: Mapping[str, Sequence[str]], k: int
) -> Run:
    places = {name: place for place, name in enumerate(ids)}
    found: Run = {query: {} for query in queries}
    for number, query in enumerate(queries):
        names = list(dict.fromkeys(candidates.get(query, ())))
        if not names:
            continue
        scores = among(asked[number : number + 1], documents, [places[name] for name in names])
        order = np.argsort(-scores, kind="stable")[:k]
        found[query] = {names[place]: float(scores[place]) for place in order}
    return found


def _instruction(task: Any, side: PromptType | None) -> str:
    prompt = task.prompt
    if isinstance(prompt, Mapping):
        prompt = prompt.get(side.value if side else "query", "")
    return str(prompt or task.description)


def _rows(vectors: Any) -> Any:
    if hasattr(vectors, "toarray"):
        return vectors
    return np.atleast_2d(np.asarray(vectors, np.float32))


def _check(vectors: Any, name: str) -> None:
    if not np.isfinite(vectors).all():
        bad = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise DataError(
            f"{name} gives vectors that are not finite (text {bad}).", "Try --backend torch, or another model."
        )
