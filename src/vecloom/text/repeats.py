"""Words of scripts without blanks, as far as counting shows them: runs of letters that come again and again.

A run of two to ``LONGEST`` letters is a word here if it occurs ``LEAST`` times, and is not just part of a longer one. That is
enough for labels, and needs no dictionary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vecloom.text.words import clusters

LEAST = 3
LONGEST = 6
_PART_OF = 0.7  # share of a run's occurrences within a longer one at which it is a part of it


def repeats(runs: Sequence[str]) -> Counter[str]:
    """How often each run of letters occurs that does again and again.

    >>> repeats(["东京塔", "看东京塔", "去东京塔"])
    Counter({'东京塔': 3})
    """
    cut = [tuple(clusters(run)) for run in runs]
    counts: dict[tuple[str, ...], int] = {}
    parts: set[tuple[str, ...]] = set()
    for length in range(2, LONGEST + 1):
        seen = Counter(
            letters
            for run in cut
            for letters in (run[start : start + length] for start in range(len(run) - length + 1))
            if length == 2 or (letters[:-1] in counts and letters[1:] in counts)
        )
        kept = {letters: count for letters, count in seen.items() if count >= LEAST}
        for letters, count in kept.items():
            parts.update(
                part for part in (letters[:-1], letters[1:]) if count >= _PART_OF * counts.get(part, 2 * count)
            )
        counts |= kept
    return Counter({"".join(letters): count for letters, count in counts.items() if letters not in parts})
