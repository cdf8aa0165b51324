"""The modules of extended models that a position table or a configuration cannot express.

sentence-transformers imports them (torch):

    ExtendedTransformer    other position numbers for long texts, SelfExtend, or queries scaled with the length
    WindowedTransformer    a long text as windows, one row each
    WindowMean             the mean of a text's window vectors, behind the pooling

Settings lie under "extension" in ``sentence_bert_config.json``. A directory with one of these opens with
``vecloom.load(directory)`` and ``SentenceTransformer(directory, trust_remote_code=True)``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import torch
from sentence_transformers.base.modules import Module, Transformer
from torch import Tensor

from vecloom.errors import ModelError
from vecloom.extend.attention import Reading, frequencies_of, install, reading
from vecloom.extend.windows import windows

ROWS = 64  # windows that run at once


def position_ids(rule: str, mask: Tensor, source_length: int, factor: int, first: int = 0) -> Tensor | None:
    """Position number of each token.

    Args:
        rule: "stretched" (``p * factor`` in texts of at most ``source_length`` tokens, ``p`` in longer ones), "grouped"
            (``p // factor``), "grouped_by_text" (``p // ceil(n / source_length)`` for a text of n tokens), "zero", or "" for the
            network's own.
        mask: (B, n), 0 for padding, which may stand on either side.
        source_length: tokens that the model was made for.
        factor: the scaling factor.
        first: number of the first position.

    Returns:
        (B, n) int64; padding gets some valid number. None where the rule is "".
    """
    if not rule:
        return None
    count = mask.long().sum(1, keepdim=True)
    place = (mask.long().cumsum(1) - 1).clamp(min=0)
    if rule == "zero":
        return torch.zeros_like(place)
    if rule == "stretched":
        return first + torch.where(count <= source_length, place * factor, place)
    step = torch.full_like(count, factor)
    if rule == "grouped_by_text":
        step = torch.div(count + source_length - 1, source_length, rounding_mode="floor").clamp(min=1)
    return first + torch.div(place, step, rounding_mode="floor")


class ExtendedTransformer(Transformer):  # type: ignore[misc]
    """A Transformer that reads more tokens than its network was made for.

    Args:
        model_name_or_path: the directory.
        extension: ``source_length``, ``target_length``; ``positions`` (a rule of ``position_ids``), ``factor``, ``first``;
            ``attention_scaling``; ``window`` and ``group`` of SelfExtend. The last six may be missing.
        given: sentence-transformers' own arguments.
    """

    config_keys = [*Transformer.config_keys, "extension"]  # noqa: RUF012 - the library's form

    def __init__(self, model_name_or_path: str, *, extension: Mapping[str, Any], **given: Any) -> None:
        super().__init__(model_name_or_path, **given)
        self.extension = dict(extension)
        if self.tokenizer is not None:  # sentence-transformers caps it at the network's positions
            self.tokenizer.model_max_length = int(self.extension["target_length"])
        self.own_attention = bool(self.extension.get("attention_scaling") or self.extension.get("window"))
        if self.own_attention:
            install(self.model)

    def forward(self, features: dict[str, Any], **given: Any) -> dict[str, Any]:
        """Run the network with the extension's positions and attention."""
        mask = features["attention_mask"]
        told = self.extension
        rule = "zero" if told.get("window") else str(told.get("positions", ""))
        ids = position_ids(rule, mask, told["source_length"], told.get("factor", 1), told.get("first", 0))
        changed = dict(features) if ids is None else {**features, "position_ids": ids}
        with self._attention(mask) as now:
            out: dict[str, Any] = super().forward(changed, **given)
        if now is not None and not now.layers:
            raise ModelError(
                f"A {self.config.model_type} network computes its attention by itself, which vecloom cannot replace.",
                "Use a method without attention_scaling.",
            )
        if ids is not None:
            out.pop("position_ids", None)
        return out

    def use_stock_attention(self) -> None:
        """Give the network its own attention and positions back, to compare."""
        self.model.set_attn_implementation("eager")
        self.extension |= {"window": 0, "attention_scaling": False}
        self.own_attention = False

    def _attention(self, mask: Tensor) -> contextlib.AbstractContextManager[Reading | None]:
        if not self.own_attention:
            return contextlib.nullcontext()
        told = self.extension
        return reading(
            Reading(
                first=mask.long().argmax(1),
                count=mask.long().sum(1),
                source_length=told["source_length"],
                scaled=bool(told.get("attention_scaling")),
                window=int(told.get("window", 0)),
                group=int(told.get("group", 1)),
                frequencies=frequencies_of(self.model) if told.get("window") else None,
            )
        )


class WindowedTransformer(Transformer):  # type: ignore[misc]
    """A Transformer that gives each window of a long text a row of its own; ``WindowMean`` joins them again.

    Args:
        model_name_or_path: the directory.
        extension: ``source_length`` (tokens of a window), ``target_length``, ``before`` and ``after`` (special tokens around a
            text), ``prompts`` (token numbers of the model's prompts).
        given: sentence-transformers' own arguments.
    """

    config_keys = [*Transformer.config_keys, "extension"]  # noqa: RUF012 - the library's form

    def __init__(self, model_name_or_path: str, *, extension: Mapping[str, Any], **given: Any) -> None:
        super().__init__(model_name_or_path, **given)
        self.extension = dict(extension)
        if self.tokenizer is not None:
            self.tokenizer.model_max_length = int(self.extension["target_length"])

    def forward(self, features: dict[str, Any], **given: Any) -> dict[str, Any]:
        """Run all windows; ``input_ids``, ``attention_mask`` and ``token_embeddings`` come out with a row for each window.

        ``window_counts`` says how many rows each text has.
        """
        told = self.extension
        ids, mask = features["input_ids"], features["attention_mask"].bool()
        cut = [
            windows(
                row[kept].tolist(),
                told["source_length"],
                before=told["before"],
                after=told["after"],
                prompts=told["prompts"],
            )
            for row, kept in zip(ids, mask, strict=True)
        ]
        rows = [window for text in cut for window in text]
        features["input_ids"], features["attention_mask"] = self._padded(rows, ids.device)
        features.pop("token_type_ids", None)
        features["token_embeddings"] = self._hidden(features, given)
        features["window_counts"] = torch.tensor([len(text) for text in cut], device=ids.device)
        return features

    def _padded(self, rows: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
        width = max(map(len, rows))
        left = getattr(self.tokenizer, "padding_side", "right") == "left"
        padding = self.config.pad_token_id or 0
        ids = torch.full((len(rows), width), padding, dtype=torch.int64)
        mask = torch.zeros((len(rows), width), dtype=torch.int64)
        for place, row in enumerate(rows):
            where = slice(width - len(row), width) if left else slice(0, len(row))
            ids[place, where], mask[place, where] = torch.tensor(row), 1
        return ids.to(device), mask.to(device)

    def _hidden(self, features: Mapping[str, Any], given: Mapping[str, Any]) -> Tensor:
        """(windows, tokens, d), a few rows at a time."""
        found = []
        for start in range(0, len(features["input_ids"]), ROWS):
            part = {name: features[name][start : start + ROWS] for name in ("input_ids", "attention_mask")}
            found.append(super().forward(part, **given)["token_embeddings"])
        return torch.cat(found)


class WindowMean(Module):  # type: ignore[misc]
    """The mean of each text's window vectors, which have the lengths that the network gave them."""

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """``sentence_embedding`` (windows, d) becomes (texts, d); without ``window_counts`` nothing is done."""
        counts = features.pop("window_counts", None)
        if counts is not None:
            parts = features["sentence_embedding"].float().split(counts.tolist())
            joined = torch.stack([part.mean(0) for part in parts])
            features["sentence_embedding"] = joined.to(features["sentence_embedding"].dtype)
        return features

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write the module's (empty) settings."""
        self.save_config(output_path)

    @classmethod
    def load(cls, model_name_or_path: str = "", **_: Any) -> WindowMean:
        """There is nothing to read."""
        return cls()
