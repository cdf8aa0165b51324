"""What of a text a query asks for: the places of its words, as readers see them.

A word is marked as a whole where it has a stem with a word of the query in common. In scripts without blanks those letters are
marked that stand beside each other in the query too; a letter is never marked without its marks.
"""

from __future__ import annotations

from collections.abc import Iterator

from vecloom.text.folding import fold
from vecloom.text.languages import language_of
from vecloom.text.terms import cut, joined_stems, query_stems
from vecloom.text.words import cluster_spans, clusters, is_unspaced, spans

Span = tuple[int, int]


def marked(text: str, query: str, language: str = "") -> list[Span]:
    """Start and end of what to mark, in order, without overlaps.

    Args:
        text: where to mark.
        query: what was asked.
        language: of the text, where it is known.

    >>> marked("Running in the rain", "run"), marked("我爱东京塔", "东京")
    ([(0, 7)], [(2, 4)])
    """
    language = language or language_of(cut(text)) or "en"
    wanted = frozenset(query_stems(query, [language]))
    lone = frozenset(fold(query[start:end]) for start, end in spans(query) if len(clusters(query[start:end])) == 1)
    return [span for start, end in spans(text) for span in _of_word(text, start, end, language, wanted, lone)]


def _of_word(
    text: str, start: int, end: int, language: str, wanted: frozenset[str], lone: frozenset[str]
) -> Iterator[Span]:
    word = text[start:end]
    if is_unspaced(word):
        yield from ((start + first, start + last) for first, last in _of_run(word, wanted, lone))
    elif wanted.intersection(joined_stems([word.lower() if word.isascii() else word], language).split()):
        yield start, end


def _of_run(run: str, wanted: frozenset[str], lone: frozenset[str]) -> list[Span]:
    """Letters that the query has side by side, or alone; neighbours in one span."""
    places = list(cluster_spans(run))
    folded = [fold(run[start:end]) for start, end in places]
    owners = [place for place, form in enumerate(folded) for _ in form]
    found: set[int] = set()
    before: tuple[str, range] | None = None
    form = "".join(folded)
    for start, end in cluster_spans(form):
        letter, owned = form[start:end], range(owners[start], owners[end - 1] + 1)
        if letter in lone:
            found.update(owned)
        if before and before[0] + letter in wanted:
            found.update(before[1], owned)
        before = letter, owned
    return _joined([places[place] for place in sorted(found)])


def _joined(parts: list[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in parts:
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]
        joined.append((start, end))
    return joined
