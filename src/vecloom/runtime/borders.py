"""Where a prompt ends among the tokens of a text, told from offsets, without torch.

A tokenizer may join the end of a prompt and the start of a text: after "Query: " a byte-pair encoding makes one token of
the blank and the first word. Counting the prompt's own tokens then leaves out the text's first word. Here a token belongs to
the prompt if it ends where the prompt ends or before; ours, since sentence-transformers and NV-Embed's own code count.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def prompt_tokens(ends: npt.ArrayLike, special: npt.ArrayLike, border: int) -> int:
    """Tokens before the first one of the text: special ones at the start and the prompt's.

    Args:
        ends: (t,) where each token ends, in characters of prompt and text together.
        special: (t,) 1 where a token was added by the tokenizer.
        border: characters of the prompt.

    Returns:
        their number; where the text has no token of its own, all but the special ones at the end.
    """
    added = np.asarray(special, bool)
    own = np.flatnonzero((np.asarray(ends) > border) & ~added)
    if len(own):
        return int(own[0])
    prompt = np.flatnonzero(~added)
    return int(prompt[-1]) + 1 if len(prompt) else 0
