"""What happens to texts before any encoder sees them: checked, prompted, each different one kept once.

Lone surrogates (half of a UTF-16 pair, as they come out of broken JSON) cannot be written as UTF-8, so tokenizers
and HTTP refuse them; pairs are joined and lone ones become U+FFFD, the character for "unreadable".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vecloom.encoders.protocol import Kind
from vecloom.errors import UsageError
from vecloom.runtime.directory import prompt_of

NO_LIMIT = 2**31 - 1
"""``max_length`` of an encoder that never cuts a text."""


def checked(texts: Sequence[str]) -> list[str]:
    """Return ``texts`` as a list of ``str``.

    Raises:
        UsageError: a single string was given, which would be read as its characters, or an item is no string.
    """
    if isinstance(texts, str):
        raise UsageError("encode got one string, but it takes a list of texts.", "Write encode([text]).")
    kept = list(texts)
    place = next((i for i, text in enumerate(kept) if not isinstance(text, str)), None)
    if place is not None:
        raise UsageError(f"Text {place} is {type(kept[place]).__name__}, not str.", "Convert it, or leave it out.")
    return kept


def readable(text: str) -> str:
    """Join surrogate pairs and replace lone surrogates, so that the text can be written as UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def all_readable(texts: list[str]) -> list[str]:
    """``readable`` for every text that needs it; the same list where none does."""
    if all(text.isascii() for text in texts):
        return texts
    return [text if _is_utf8(text) else readable(text) for text in texts]


def prompted(texts: list[str], kind: Kind, prompt: str | None, prompts: Mapping[str, str]) -> list[str]:
    """Put the given prompt, or the model's own for this kind, before every text."""
    if prompt is None:
        prompt = prompt_of(prompts, kind)
    return [prompt + text for text in texts] if prompt else texts


def unique(texts: list[str]) -> tuple[list[str], npt.NDArray[np.intp] | None]:
    """Each different text once, in order of first appearance, and for each input its place there.

    The places are None where nothing repeats, so that the caller can skip a copy.
    """
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    if len(places) == len(texts):
        return texts, None
    return list(places), np.fromiter(map(places.__getitem__, texts), dtype=np.intp, count=len(texts))


def blocks(texts: list[str], most_texts: int, most_characters: int) -> Iterator[list[str]]:
    """Cut into runs that stay under both limits; a text above the second limit stands alone."""
    start = characters = 0
    for end, text in enumerate(texts):
        if end > start and (end - start == most_texts or characters + len(text) > most_characters):
            yield texts[start:end]
            start, characters = end, 0
        characters += len(text)
    if start < len(texts):
        yield texts[start:]


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
