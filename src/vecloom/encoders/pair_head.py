"""A small network over two sentence vectors: what a cross-encoder says of a pair, from vectors that are made once.

Source: DSE (Barkan et al., AAAI 2020, arXiv:1908.05161), as its published code has it. With u, v of D dimensions:

    h = [u ; v ; u * v ; |u - v|]   (4 D)       logits = W2 ReLU(W1 h + b1) + b2

or h = u . v ("dot", one number, which is the logit itself where there is no hidden layer; an index can search by it), or the
cosine ("cosine", ours). u and v are not interchangeable: score(a, b) is not score(b, a) with "concat".

One query against n candidates needs no n x 4 D matrix. With W1 = [Wu Wv Wp Wd] and a fixed u, the hidden layer is
Wu u + b1 + (Wv + Wp diag(u)) v + Wd |u - v|: two products of (n, D) with (D, H) instead of four.

A module of a ``SentenceTransformer`` behind the pooling: it is saved and loaded with the model and leaves its vectors alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
from sentence_transformers.base.modules import Module
from torch import Tensor

from vecloom.errors import UsageError

Features = Literal["concat", "dot", "cosine"]
Task = Literal["binary", "multiclass", "regression"]
BLOCK = 4096  # candidates scored at a time: two (BLOCK, D) matrices stay in memory


def pair_features(first: Tensor, second: Tensor, kind: Features) -> Tensor:
    """(n, 4 D) for "concat" in the order u, v, u * v, |u - v|; (n, 1) for "dot" and "cosine"; from (n, D) each."""
    if kind == "concat":
        return torch.cat([first, second, first * second, (first - second).abs()], dim=-1)
    if kind == "cosine":
        return torch.nn.functional.cosine_similarity(first, second, dim=-1).unsqueeze(-1)
    return (first * second).sum(-1, keepdim=True)


class PairHead(Module):  # type: ignore[misc]
    """Scores pairs of vectors.

    Args:
        dim: width of a sentence vector.
        labels: numbers that come out: the classes, or 1 for binary tasks and for scores.
        features: "concat", "dot" or "cosine".
        hidden: widths of the hidden layers; none for "dot" and "cosine" with one label makes the feature the logit.
        task: what the logits mean: log-odds ("binary"), log-probabilities up to a constant ("multiclass"), or a score.

    Raises:
        UsageError: the number of labels does not go with the task or the features.
    """

    config_keys = ["dim", "labels", "features", "hidden", "task"]  # noqa: RUF012 - the library's form

    def __init__(
        self,
        dim: int,
        labels: int = 1,
        features: Features = "concat",
        hidden: Sequence[int] = (512,),
        task: Task = "binary",
    ) -> None:
        super().__init__()
        if (task == "multiclass") != (labels > 1):
            raise UsageError(
                f"labels is {labels} for a {task} task.", "Use 1, or the number of classes for multiclass."
            )
        if features == "cosine" and (labels > 1 or hidden):
            raise UsageError("The feature 'cosine' is the score itself.", "Use one label and no hidden layer.")
        self.dim, self.labels, self.features = dim, labels, features
        self.hidden, self.task = list(hidden), task
        widths = [4 * dim if features == "concat" else 1, *self.hidden]
        parts: list[torch.nn.Module] = []
        for before, after in pairwise(widths):
            parts += [torch.nn.Linear(before, after), torch.nn.ReLU()]
        if features == "concat" or self.hidden or labels > 1:
            parts.append(torch.nn.Linear(widths[-1], labels))
        self.layers = torch.nn.Sequential(*parts)

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Leave a batch as it is: the head works on pairs."""
        return features

    def logits(self, first: Tensor, second: Tensor) -> Tensor:
        """(n, labels) of n pairs of vectors, (n, D) each."""
        made: Tensor = self.layers(pair_features(first, second, self.features))
        return made

    def against(self, vector: Tensor, candidates: Tensor, *, turned: bool = False) -> Tensor:
        """One text against many.

        Args:
            vector: (D,).
            candidates: (n, D).
            turned: whether the candidates stand first in each pair.

        Returns:
            (n, labels), without gradients.
        """
        with torch.inference_mode():
            return self._blocks(vector, candidates, turned)

    def _blocks(self, vector: Tensor, candidates: Tensor, turned: bool) -> Tensor:
        parts = [self._block(vector, candidates[at : at + BLOCK], turned) for at in range(0, len(candidates), BLOCK)]
        return torch.cat(parts) if parts else candidates.new_empty(0, self.labels)

    def _block(self, vector: Tensor, candidates: Tensor, turned: bool) -> Tensor:
        if self.features == "dot":
            made: Tensor = self.layers((candidates @ vector).unsqueeze(-1))
            return made
        if self.features == "cosine":
            lengths = candidates.norm(dim=1).mul_(vector.norm()).clamp_(min=1e-8)
            return ((candidates @ vector) / lengths).unsqueeze(-1)
        first = self.layers[0]
        own, other, product, distance = first.weight.split(self.dim, dim=1)
        if turned:
            own, other = other, own
        moved = candidates @ (other + product * vector).T + (candidates - vector).abs_() @ distance.T
        rest: Tensor = self.layers[1:](moved + (own @ vector + first.bias))
        return rest

    def save(self, output_path: str, *_: Any, safe_serialization: bool = True, **__: Any) -> None:
        """Write settings and weights."""
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **hub: Any) -> PairHead:
        """Read a local directory or a Hub repository."""
        names = ("token", "cache_folder", "revision", "local_files_only")
        known = {"subfolder": subfolder, **{name: hub[name] for name in names if name in hub}}
        made = cls(**cls.load_config(model_name_or_path, **known))
        if made.state_dict():
            cls.load_torch_weights(model_name_or_path, model=made, **known)
        return made


def head_of(directory: Path) -> PairHead | None:
    """The head that a model directory holds, ready to score, or None."""
    import json

    listed = directory / "modules.json"
    modules = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else []
    for module in modules:
        if str(module["type"]).endswith(f".{PairHead.__name__}"):
            head = PairHead.load(str(directory), subfolder=module["path"])
            head.eval()
            return head
    return None
