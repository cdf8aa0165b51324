"""Parallel context windows as a change of a model directory; ``windows`` holds the cutting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vecloom.errors import ModelError
from vecloom.extend.module_files import put_transformer, put_window_mean
from vecloom.extend.source import Source
from vecloom.runtime.directory import read_tokenizer


def parallel_windows(source: Source, made: Path, target: int) -> dict[str, Any]:
    """A long text is the mean of its windows' vectors; short texts stay as they are.

    Args:
        source: any transformer.
        made: the copy.
        target: tokens.

    Raises:
        ModelError: the model's windows have no room for text.
    """
    tokenizer = read_tokenizer(source.spec)
    mask = tokenizer.encode("a").special_tokens_mask
    before, after = _run(mask), _run(mask[::-1])
    if source.length - before - after < 1:
        raise ModelError(f"{source.name} reads {source.length} tokens, and special tokens are all of them.", "")
    ids = {text: tokenizer.encode(text, add_special_tokens=False).ids for text in source.spec.prompts.values() if text}
    prompts = [found for found in ids.values() if found]
    put_transformer(source, made, "WindowedTransformer", target, before=before, after=after, prompts=prompts)
    put_window_mean(made)
    return {"window": source.length}


def _run(mask: list[int]) -> int:
    """Ones before the first zero."""
    return mask.index(0) if 0 in mask else len(mask)
