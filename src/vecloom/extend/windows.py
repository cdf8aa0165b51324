"""Parallel context windows: a long text in windows, their vectors averaged.

Source: Ratner et al. 2023 (arXiv:2212.10947) for language models; for embeddings Zhu et al., EMNLP 2024, arXiv 2404.12096,
section 4.2: windows of c tokens without overlap, but the last one, where it would be shorter, is the text's last c tokens; each
gets the special tokens; window vectors are averaged with equal weight before they are scaled to length 1.

Our choice: windows are cut from token numbers. The published code decodes each window to text and tokenises it again, which is
not the identity. A prompt of the model's own stands before every window, as there.

When to use it: long documents that are about one thing, with any model. When not: to find one sentence in a long text, which an
average drowns.
"""

from __future__ import annotations

from collections.abc import Sequence


def window_starts(length: int, size: int) -> list[int]:
    """First token of each window of ``size`` tokens over ``length`` tokens; the last window ends with the text."""
    if length <= size:
        return [0]
    starts = list(range(0, length - size + 1, size))
    return starts if starts[-1] + size == length else [*starts, length - size]


def windows(
    ids: Sequence[int], size: int, *, before: int, after: int, prompts: Sequence[Sequence[int]] = ()
) -> list[list[int]]:
    """Cut a text that is complete with its special tokens.

    Args:
        ids: all tokens of the text.
        size: tokens of a window, special ones and prompt included.
        before: special tokens in front of a text.
        after: special tokens behind it.
        prompts: token numbers of the model's prompts; the longest that the text begins with is repeated.

    Returns:
        windows of at most ``size`` tokens; the text itself where it is no longer.
    """
    if len(ids) <= size:
        return [list(ids)]
    content, end = list(ids[before : len(ids) - after]), list(ids[len(ids) - after :])
    prompt = max((list(each) for each in prompts if list(each) == content[: len(each)]), key=len, default=[])
    room = size - before - after - len(prompt)
    if room < 1:
        prompt, room = [], size - before - after
    head = [*ids[:before], *prompt]
    text = content[len(prompt) :]
    return [[*head, *text[start : start + room], *end] for start in window_starts(len(text), room)]
