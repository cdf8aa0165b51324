"""LongEmbed's two synthetic tasks: one sentence hidden in a long text, and a question that asks for it.

Source: Zhu et al., EMNLP 2024, arXiv 2404.12096, section 3.1 and figure 2.

The paper's: lengths of 256 to 32,768 tokens, where a token is 0.75 words; 50 questions over 100 texts for each length; the
passkey's filler and wording; needles inserted on a line of their own into running text; Acc@1, which is nDCG@1 as each
question has one text. The paper's needles and essays are not shipped: the needles here are ours (``facts.py``), and the
running text, Paul Graham's essays in the paper, is the user's.

Our choice, where the source is silent: the filler is whole sentences, as many as fit; a passkey stands between two of them, a
needle between any two words; running text that is too short begins anew; names and keys are unique within a length; the
texts of a length depend on the seed and on that length only.

When to use it: to see up to which length, and in which part of a text, an encoder reads. When not: to compare the quality of
encoders. A model can be good here and poor on real long documents (``REAL_TASKS``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np

from vecloom.errors import DataError, UsageError
from vecloom.evaluate.make.facts import FACTS
from vecloom.evaluate.make.names import FIRST, LAST
from vecloom.evaluate.make.writing import TaskCard, write_card, write_qrels, write_rows, writing

LENGTHS = (256, 512, 1024, 2048, 4096, 8192, 16384, 32768)  # tokens; section 3.1
WORDS_PER_TOKEN = 0.75  # section 3.1
QUERIES = 50  # for each length
DOCUMENTS = 100
SHORTEST = 64  # tokens: 48 words, twice the longest needle
FILLER = (
    "The grass is green.",
    "The sky is blue.",
    "The sun is yellow.",
    "Here we go.",
    "There and back again.",
)
REAL_TASKS = (
    "LEMBNarrativeQARetrieval",
    "LEMBQMSumRetrieval",
    "LEMBWikimQARetrieval",
    "LEMBSummScreenFDRetrieval",
)
"""mteb's names of LongEmbed's four tasks with real documents."""
REFERENCE = "https://arxiv.org/abs/2404.12096"


@dataclass(frozen=True, slots=True)
class Hidden:
    """One text with a sentence in it.

    Attributes:
        text: the whole.
        question: what asks for the sentence.
        position: the share of the other words that stand before the sentence, 0 to 1.
    """

    text: str
    question: str
    position: float


Maker: TypeAlias = Callable[[int, int, np.random.Generator], list[Hidden]]
"""(words at most, number of texts, generator) -> texts."""


def word_budget(length: int) -> int:
    """How many words a text of ``length`` tokens may have."""
    return int(length * WORDS_PER_TOKEN)


def passkey_line(name: str, key: int) -> str:
    """The sentence that is hidden in a passkey text."""
    return f"{name}'s pass key is {key}. Remember it. {key} is the pass key for {name}."


def passkey_question(name: str) -> str:
    """What asks for ``passkey_line``."""
    return f"What is the pass key for {name}?"


def filler_sentences(words: int) -> list[str]:
    """The paper's filler sentences in turn, as many as fit into ``words`` words; 3 words or fewer are left over."""
    taken: list[str] = []
    for sentence in cycle(FILLER):
        words -= len(sentence.split())
        if words < 0:
            return taken
        taken.append(sentence)
    raise AssertionError("unreachable: the filler never ends")


def insert(pieces: Sequence[str], line: str, place: int) -> tuple[str, float]:
    """Put ``line`` on a line of its own before piece number ``place``; return the text and the line's position."""
    before, after = " ".join(pieces[:place]), " ".join(pieces[place:])
    words = len(before.split())
    return f"{before}\n{line}\n{after}", words / (words + len(after.split()))


def passkey_texts(words: int, count: int, generator: np.random.Generator) -> list[Hidden]:
    """``count`` texts of at most ``words`` words, each with one person's key.

    Raises:
        UsageError: there are not so many names.
    """
    texts = []
    for name, key in zip(_names(count, generator), _keys(count, generator), strict=True):
        line = passkey_line(name, key)
        pieces = filler_sentences(words - len(line.split()))
        text, position = insert(pieces, line, int(generator.integers(len(pieces) + 1)))
        texts.append(Hidden(text, passkey_question(name), position))
    return texts


def needle_texts(words: int, count: int, generator: np.random.Generator, haystack: Sequence[str]) -> list[Hidden]:
    """``count`` texts of exactly ``words`` words: the beginning of ``haystack``, each with one fact.

    Args:
        words: words of a text.
        count: texts, each with another fact.
        generator: draws facts and places.
        haystack: words of running text; they begin anew where they are too few.

    Raises:
        UsageError: there are not so many facts.
    """
    if count > len(FACTS):
        raise UsageError(f"{count} documents need as many facts, and there are {len(FACTS)}.", "Ask for fewer.")
    texts = []
    for number in generator.permutation(len(FACTS))[:count]:
        _, fact, question = FACTS[number]
        pieces = list(islice(cycle(haystack), words - len(fact.split())))
        text, position = insert(pieces, fact, int(generator.integers(len(pieces) + 1)))
        texts.append(Hidden(text, question, position))
    return texts


def read_haystack(path: str | PathLike[str]) -> list[str]:
    """The words of a text file, or of all .txt files in a folder and its folders, in the order of their names.

    Raises:
        UsageError: there is no such file or folder.
        DataError: it holds no words.
    """
    given = Path(path)
    if not given.exists():
        raise UsageError(f"The haystack {given} does not exist.", "Give a text file, or a folder of .txt files.")
    files = sorted(given.rglob("*.txt")) if given.is_dir() else [given]
    words = [word for file in files for word in _read(file).split()]
    if not words:
        raise DataError(f"The haystack {given} holds no words.", "Give a text file, or a folder of .txt files.")
    return words


def make_longembed(
    directory: str | PathLike[str],
    *,
    lengths: Sequence[int] = LENGTHS,
    queries: int = QUERIES,
    documents: int = DOCUMENTS,
    haystack: str | PathLike[str] | None = None,
    seed: int = 42,
    tasks: Sequence[str] = ("passkey", "needle"),
) -> list[Path]:
    """Write ``longembed-passkey`` and ``longembed-needle``, a split ``test_LENGTH`` for each length.

    Beside each split's corpus stands ``positions.jsonl``: {"corpus-id", "position"}, the share of the other words that
    stand before the hidden sentence, from which ``longembed_scores`` draws a map of length and position.

    Args:
        directory: where the tasks' folders are made.
        lengths: in tokens of 0.75 words.
        queries: questions for each length.
        documents: texts for each length; a question asks for one of them.
        haystack: a text file or a folder of .txt files for the needles to hide in.
        seed: decides names, keys, facts and places.
        tasks: "passkey", "needle" or both.

    Returns:
        The tasks' folders, in the order of ``tasks``.

    Raises:
        UsageError: an unknown task, an impossible number, or needles without a haystack.
        DataError: the haystack holds no words.
        OutputError: the folder cannot be written.
    """
    _check(lengths, queries, documents, tasks)
    makers = {name: _maker(name, haystack) for name in dict.fromkeys(tasks)}
    made = []
    for name, maker in makers.items():
        folder = Path(directory, f"longembed-{name}")
        with writing(folder):
            for length in sorted(set(lengths)):
                generator = np.random.default_rng([seed, length, _NUMBER[name]])
                texts = maker(word_budget(length), documents, generator)
                asked = sorted(generator.choice(documents, queries, replace=False).tolist())
                _write_split(folder / f"test_{length}", texts, asked)
            write_card(folder, _card(name, tuple(f"test_{length}" for length in sorted(set(lengths)))))
        made.append(folder)
    return made


_NUMBER = {"passkey": 0, "needle": 1}
_ABOUT = {
    "passkey": "Find the text that holds one person's pass key among texts of repeated filler sentences.",
    "needle": "Find the text that holds the answer to a question about one sentence hidden in running text.",
}


def _check(lengths: Sequence[int], queries: int, documents: int, tasks: Sequence[str]) -> None:
    for name in tasks:
        if name not in _NUMBER:
            raise UsageError(f"There is no LongEmbed task {name!r} to make.", f"Use {' or '.join(_NUMBER)}.")
    short = [length for length in lengths if length < SHORTEST]
    if short or not lengths:
        raise UsageError(f"Length {short[0] if short else 'none'} is not possible.", f"Use {SHORTEST} tokens or more.")
    if not 1 <= queries <= documents:
        what = (
            f"{queries} queries over {documents} documents are not possible: each query asks for a document of its own."
        )
        raise UsageError(what, "Ask for at least one query, and for no more queries than documents.")


def _maker(name: str, haystack: str | PathLike[str] | None) -> Maker:
    if name == "passkey":
        return passkey_texts
    if haystack is None:
        raise UsageError(
            "The needle task has no text to hide its needles in: the paper's, Paul Graham's essays, cannot be shipped.",
            'Give running text as haystack (a file or a folder of .txt files), or make only "passkey".',
        )
    return partial(needle_texts, haystack=read_haystack(haystack))


def _names(count: int, generator: np.random.Generator) -> Iterator[str]:
    possible = len(FIRST) * len(LAST)
    if count > possible:
        raise UsageError(f"{count} documents need as many names, and there are {possible}.", "Ask for fewer.")
    chosen = generator.choice(possible, count, replace=False)
    return (f"{FIRST[number // len(LAST)]} {LAST[number % len(LAST)]}" for number in chosen)


def _keys(count: int, generator: np.random.Generator) -> Iterator[int]:
    return (int(key) for key in 10_000 + generator.choice(90_000, count, replace=False))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"The haystack {file} cannot be read: {error.strerror}.", "Check the file.") from error


def _write_split(folder: Path, texts: list[Hidden], asked: list[int]) -> None:
    """Write a split; ``asked`` are the numbers of the texts whose questions are queries."""
    corpus = ({"_id": f"d{number}", "title": "", "text": hidden.text} for number, hidden in enumerate(texts))
    places = ({"corpus-id": f"d{number}", "position": hidden.position} for number, hidden in enumerate(texts))
    write_rows(folder / "corpus.jsonl", corpus)
    write_rows(folder / "queries.jsonl", ({"_id": f"q{number}", "text": texts[number].question} for number in asked))
    write_qrels(folder / "qrels.tsv", ((f"q{number}", f"d{number}") for number in asked))
    write_rows(folder / "positions.jsonl", places)


def _card(name: str, splits: tuple[str, ...]) -> TaskCard:
    return TaskCard(
        name=f"longembed-{name}",
        type="retrieval",
        description=_ABOUT[name],
        main_score="ndcg_at_1",  # Acc@1, as each query has one relevant document
        reference=REFERENCE,
        splits=splits,
    )
