"""How hard a data set is for a chat model: the share of direct questions that it answers wrongly.

Source: the first of the four complexity measures of "Do We Need Domain-Specific Embedding Models?" (Tang and Yang, 2024,
arXiv 2409.18511), there called the ChatGPT error rate. From the paper: each item of a data set becomes a question
whose key is the task's gold. Our choice, because the paper's are not known to us: the wording of the questions, one of
four texts for retrieval, a tolerance of 1 on a scale from 0 to 5 for similarity, the sample of 200 questions, and a
strict reading of the answers: what is not exactly one of the allowed answers is wrong, and counted apart.

The makers turn task data into ``Question``s; ``llm_error_rate`` asks them. Any function from a prompt to an answer will
do as the generator; ask it for temperature 0.
When to use it: as one complexity measure among others in ``domain_gap``. When not: as the only one. A model that does
not know the domain errs because of the domain, and controlling for its errors removes part of the effect that is sought.
"""

from __future__ import annotations

import math
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vecloom.errors import DataError, UsageError
from vecloom.wording import counted

SCALE = 5.0  # similarity is asked from 0 to this
TOLERANCE = 1.0
DISTRACTORS = 3
SHOWN_CHARACTERS = 2000  # of each text
LETTERS = "ABCDEFGHIJ"
_KEPT_EXAMPLES = 5
_WRAPPING = " \t\r\n\"'`*.,:;()[]"
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")

Generator = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its key.

    Attributes:
        prompt: what the model is asked.
        gold: the right choice, or the right number.
        choices: the answers that are allowed; empty where a number from 0 to ``SCALE`` is asked.
    """

    prompt: str
    gold: str | float
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LlmErrorRate:
    """What a chat model got wrong.

    Attributes:
        rate: share of the questions answered wrongly, unparsable answers included.
        low: lower end of Wilson's 95 % interval of ``rate``.
        high: its upper end.
        questions: how many were asked.
        wrong: how many were answered wrongly, unparsable answers included.
        unparsable: how many answers were none of the allowed ones.
        unparsable_examples: the first few of these.
        seed: of the sample.
    """

    rate: float
    low: float
    high: float
    questions: int
    wrong: int
    unparsable: int
    unparsable_examples: tuple[str, ...]
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


def classification_questions(texts: Sequence[str], labels: Sequence[object]) -> list[Question]:
    """One question a text: which of the labels it has.

    Raises:
        DataError: lengths differ, or two labels cannot be told apart in an answer.
    """
    _same_length(texts=texts, labels=labels)
    names = tuple(sorted({str(label) for label in labels}))
    folded = {_folded(name) for name in names}
    if len(folded) < len(names) or "" in folded:
        raise DataError(
            f"Labels cannot be told apart without case and quotes: {', '.join(names[:10])}.", "Rename them."
        )
    menu = "\n".join(f"- {name}" for name in names)
    return [
        Question(
            f"Which label fits the text? Answer with one label from the list and nothing else.\n\nLabels:\n{menu}\n\n"
            f"Text: {_cut(text)}\n\nLabel:",
            str(label),
            names,
        )
        for text, label in zip(texts, labels, strict=True)
    ]


def pair_questions(first: Sequence[str], second: Sequence[str], labels: Sequence[bool | int]) -> list[Question]:
    """One question a pair: whether the two texts mean the same (label 1) or not (label 0).

    Raises:
        DataError: lengths differ, or a label is neither 0 nor 1.
    """
    _same_length(first=first, second=second, labels=labels)
    strange = next((label for label in labels if label not in (0, 1)), None)
    if strange is not None:
        raise DataError(f"The pair label {strange!r} is neither 0 nor 1.", "Use 1 for pairs that match.")
    ask = "Do these two texts mean the same? Answer yes or no and nothing else."
    return [_yes_no(ask, one, other, bool(label)) for one, other, label in zip(first, second, labels, strict=True)]


def sts_questions(
    first: Sequence[str], second: Sequence[str], scores: Sequence[float], *, scale: tuple[float, float] = (0.0, 5.0)
) -> list[Question]:
    """One question a pair: how alike the two texts are from 0 to 5; wrong when more than 1 off.

    Args:
        first: texts.
        second: texts, as many.
        scores: human scores, as many.
        scale: lowest and highest possible human score; mapped to 0 to 5.

    Raises:
        DataError: lengths differ, or a score lies outside ``scale``.
    """
    _same_length(first=first, second=second, scores=scores)
    low, high = scale
    strange = next((score for score in scores if not low <= score <= high), None)
    if strange is not None:
        raise DataError(f"The score {strange} is not between {low} and {high}.", "Give the scale of the scores.")
    ask = "How alike are these two texts in meaning, from 0 (not at all) to 5 (the same)? Answer with a number only."
    return [
        Question(_pair(ask, one, other), SCALE * (score - low) / (high - low))
        for one, other, score in zip(first, second, scores, strict=True)
    ]


def retrieval_questions(
    queries: Mapping[str, str],
    corpus: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, float]],
    *,
    candidates: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
) -> list[Question]:
    """One question a query: which of four texts answers it; one is relevant, three are drawn from the others.

    Args:
        queries: query id -> text.
        corpus: document id -> text.
        qrels: query id -> document id -> grade; a grade above 0 is relevant.
        candidates: query id -> documents to draw from (a reranking task's); the whole corpus by default.
        seed: of the draws and of the order.

    Raises:
        DataError: no query has a relevant text and three others.
    """
    made = []
    everything = list(corpus)
    for query_id in sorted(queries):
        grades = qrels.get(query_id, {})
        relevant = sorted(key for key, grade in grades.items() if grade > 0 and key in corpus)
        drawn = random.Random(f"{seed} {query_id}")
        others = _distractors(candidates.get(query_id, ()) if candidates else everything, corpus, grades, drawn)
        if relevant and len(others) == DISTRACTORS:
            right = corpus[drawn.choice(relevant)]
            ask = "Which text answers the query? Answer with its letter and nothing else."
            lead = f"{ask}\n\nQuery: {_cut(queries[query_id])}"
            made.append(_letters(lead, right, [corpus[key] for key in others], drawn))
    if not made:
        raise DataError("No query has one relevant and three other texts in the corpus.", "Check queries and qrels.")
    return made


def clustering_questions(
    texts: Sequence[str], labels: Sequence[object], *, pairs: int = 200, seed: int = 0
) -> list[Question]:
    """Questions whether two texts belong together; in every second one they do.

    Args:
        texts: of the data set.
        labels: their clusters.
        pairs: how many questions.
        seed: of the draws.

    Raises:
        DataError: lengths differ, there is one label only, or no label has two texts.
    """
    _same_length(texts=texts, labels=labels)
    groups: dict[str, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        groups[str(label)].append(row)
    names = sorted(groups)
    paired = [name for name in names if len(groups[name]) > 1]
    if len(names) < 2 or not paired:
        raise DataError(
            f"Pairs cannot be drawn from {counted(len(names), 'label')}.", "Two labels are needed, one with two texts."
        )
    drawn = random.Random(seed)
    ask = "Do these two texts belong to the same topic or group? Answer yes or no and nothing else."
    made = []
    for number in range(pairs):
        same = number % 2 == 0
        if same:
            one, other = drawn.sample(groups[drawn.choice(paired)], 2)
        else:
            one, other = (drawn.choice(groups[name]) for name in drawn.sample(names, 2))
        made.append(_yes_no(ask, texts[one], texts[other], same))
    return made


def summarization_questions(
    texts: Sequence[str], summaries: Sequence[Sequence[str]], scores: Sequence[Sequence[float]], *, seed: int = 0
) -> list[Question]:
    """One question a text: which of two of its summaries, scored differently by people, is the better one.

    Texts whose summaries all have one score are left out.

    Raises:
        DataError: lengths differ, or no text has two summaries of different scores.
    """
    _same_length(texts=texts, summaries=summaries, scores=scores)
    made = []
    for number, (text, written, judged) in enumerate(zip(texts, summaries, scores, strict=True)):
        _same_length(summaries=written, scores=judged)
        drawn = random.Random(f"{seed} {number}")
        ranked = [(i, j) for i in range(len(judged)) for j in range(len(judged)) if judged[i] > judged[j]]
        if ranked:
            better, worse = drawn.choice(ranked)
            ask = "Which summary of the text is better? Answer with its letter and nothing else."
            made.append(_letters(f"{ask}\n\nText: {_cut(text)}", written[better], [written[worse]], drawn))
    if not made:
        raise DataError("No text has two summaries with different scores.", "Check the scores.")
    return made


def parse_answer(question: Question, answer: str) -> str | float | None:
    """What an answer says: one of the choices or a number from 0 to 5, alone but for quotes and brackets; else None."""
    said = _folded(answer)
    if question.choices:
        return next((choice for choice in question.choices if _folded(choice) == said), None)
    number = float(said) if _NUMBER.fullmatch(said) else math.nan
    return number if 0 <= number <= SCALE else None


def llm_error_rate(items: Sequence[Question], generator: Generator, *, n: int = 200, seed: int = 0) -> LlmErrorRate:
    """Ask a chat model a sample of the questions and count its errors.

    Args:
        items: questions, from one of the makers.
        generator: prompt -> answer.
        n: how many to ask; all where there are no more.
        seed: of the sample.

    Raises:
        DataError: there are no questions.
        UsageError: ``n`` is below 1.
    """
    if n < 1:
        raise UsageError(f"n={n} is not possible.", "Ask at least one question; 100 to 200 are usual.")
    if not items:
        raise DataError("There are no questions to ask.", "Make some from the task's data.")
    chosen = sorted(random.Random(seed).sample(range(len(items)), min(n, len(items))))
    unparsable, wrong = [], 0
    for number in chosen:
        answer = generator(items[number].prompt)
        said = parse_answer(items[number], answer)
        if said is None:
            unparsable.append(answer)
        wrong += said is None or not _right(items[number], said)
    low, high = wilson(wrong, len(chosen))
    return LlmErrorRate(
        rate=wrong / len(chosen),
        low=low,
        high=high,
        questions=len(chosen),
        wrong=wrong,
        unparsable=len(unparsable),
        unparsable_examples=tuple(answer[:200] for answer in unparsable[:_KEPT_EXAMPLES]),
        seed=seed,
    )


def wilson(hits: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval of a share; 95 % by default."""
    share = hits / n
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - spread) / (1 + z * z / n)), min(1.0, (middle + spread) / (1 + z * z / n))


def _right(question: Question, said: str | float) -> bool:
    if isinstance(said, str) or isinstance(question.gold, str):
        return said == question.gold
    return abs(said - question.gold) <= TOLERANCE


def _folded(answer: str) -> str:
    return " ".join(answer.casefold().split()).strip(_WRAPPING)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} ..."


def _pair(ask: str, one: str, other: str) -> str:
    return f"{ask}\n\nText 1: {_cut(one)}\n\nText 2: {_cut(other)}\n\nAnswer:"


def _yes_no(ask: str, one: str, other: str, same: bool) -> Question:
    return Question(_pair(ask, one, other), "yes" if same else "no", ("yes", "no"))


def _letters(lead: str, right: str, others: Iterable[str], drawn: random.Random) -> Question:
    shown = [(right, True), *((other, False) for other in others)]
    drawn.shuffle(shown)
    letters = tuple(LETTERS[: len(shown)])
    menu = "\n\n".join(f"{letter}: {_cut(text)}" for letter, (text, _) in zip(letters, shown, strict=True))
    gold = next(letter for letter, (_, is_right) in zip(letters, shown, strict=True) if is_right)
    return Question(f"{lead}\n\n{menu}\n\nLetter:", gold, letters)


def _distractors(
    pool: Sequence[str], corpus: Mapping[str, str], grades: Mapping[str, float], drawn: random.Random
) -> list[str]:
    # judged 0 counts as non-relevant, as unjudged does
    known = {key for key, grade in grades.items() if grade > 0}
    if len(pool) <= 1000:
        free = sorted(key for key in pool if key in corpus and key not in known)
        return drawn.sample(free, min(DISTRACTORS, len(free)))
    found: list[str] = []  # drawing until three are free costs less than listing a large corpus for each query
    for _ in range(50 * DISTRACTORS):
        key = pool[drawn.randrange(len(pool))]
        if key in corpus and key not in known and key not in found:
            found.append(key)
        if len(found) == DISTRACTORS:
            break
    return found


def _same_length(**columns: Sequence[Any]) -> None:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{length} {name}" for name, length in lengths.items())
        raise DataError(f"There are {told}.", "Give equally many of each.")
