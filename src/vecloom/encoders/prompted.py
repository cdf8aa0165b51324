"""sentence-transformers' Transformer and Pooling, with prompts that are left out of pooling exactly.

sentence-transformers counts the tokens of the prompt alone and leaves out so many. Where a tokenizer joins the prompt's end and
the text's start ("Query: " and "what" become ":" and " what"), that also leaves out the text's first word. Here the border
is found from the tokens' offsets, for each text (``runtime.borders``). Models whose prompts take part in pooling need neither.

Imported by sentence-transformers, which finds the names in ``modules.json``, and by what builds such models; needs torch.
"""

from __future__ import annotations

from typing import Any

import torch
from sentence_transformers.sentence_transformer import modules
from torch import Tensor

from vecloom.runtime.borders import prompt_tokens

LENGTHS = "prompt_lengths"
"""Features: (n,) int64, how many leading tokens of each text, padding not counted, pooling leaves out."""


class Transformer(modules.Transformer):  # type: ignore[misc]
    """A Transformer that tells how many tokens of each text are the prompt's."""

    def preprocess(
        self, inputs: Any, prompt: str | None = None, processing_kwargs: Any = None, **settings: Any
    ) -> dict[str, Any]:
        """Tokens of texts with ``prompt`` before each; with a prompt also ``prompt_lengths``."""
        if not prompt:
            made: dict[str, Any] = super().preprocess(
                inputs, prompt=None, processing_kwargs=processing_kwargs, **settings
            )
            return made
        asked = {"return_offsets_mapping": True, "return_special_tokens_mask": True}
        given = processing_kwargs or {}
        made = super().preprocess(
            inputs, prompt=prompt, processing_kwargs={**given, "text": {**given.get("text", {}), **asked}}, **settings
        )
        offsets, special = made.pop("offset_mapping", None), made.pop("special_tokens_mask", None)
        if offsets is not None and "attention_mask" in made:
            made[LENGTHS] = _lengths(offsets[..., 1], special, made["attention_mask"], len(prompt))
        return made

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Run the network; it is not told of prompts."""
        lengths = features.pop(LENGTHS, None)
        made: dict[str, Any] = super().forward(features, **kwargs)
        if lengths is not None:
            made[LENGTHS] = lengths
        return made


class Pooling(modules.Pooling):  # type: ignore[misc]
    """A Pooling that leaves out as many tokens of each text as the Transformer says."""

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Pool; texts whose prompts have equally many tokens together."""
        lengths = None if self.include_prompt else features.get(LENGTHS)
        if lengths is None:
            made: dict[str, Any] = super().forward(features, **kwargs)
            return made
        tokens, mask = features["token_embeddings"], features["attention_mask"]
        lengths = torch.minimum(lengths.to(mask.device), mask.sum(1) - 1)  # a text keeps its last token
        pooled = tokens.new_empty(len(tokens), self.pooling_output_dimension)
        for length in lengths.unique().tolist():
            rows = torch.nonzero(lengths == length).squeeze(1)
            part = {"token_embeddings": tokens[rows], "attention_mask": mask[rows], "prompt_length": int(length)}
            pooled = pooled.index_copy(0, rows, super().forward(part)["sentence_embedding"].to(pooled.dtype))
        return {**features, "sentence_embedding": pooled}


def pool_mask(mask: Tensor, lengths: Tensor | int) -> Tensor:
    """Which tokens are pooled: those after the prompt, and the last one of a text that has no other.

    Args:
        mask: (n, t) 1 for tokens, 0 for padding on the left or the right.
        lengths: tokens to leave out at the start of each text, padding not counted: (n,), or one number for all.

    Returns:
        (n, t) bool, at least one True in a row that has tokens.
    """
    there = mask.bool()
    place = there.cumsum(1)  # 1 for a text's first token
    count = place[:, -1:]
    left_out = torch.as_tensor(lengths, device=mask.device).reshape(-1, 1).clamp(min=0)
    return there & (place > torch.minimum(left_out, count - 1))


def _lengths(ends: Tensor, special: Tensor, mask: Tensor, border: int) -> Tensor:
    rows = zip(ends.numpy(), special.numpy(), mask.bool().numpy(), strict=True)
    return torch.tensor([prompt_tokens(end[kept], added[kept], border) for end, added, kept in rows])
