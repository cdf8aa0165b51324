from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vecloom.encoders.lexical import LexicalEncoder
from vecloom.errors import DataError, OutputError, UsageError
from vecloom.evaluate.make import longembed
from vecloom.evaluate.make.facts import FACTS
from vecloom.evaluate.make.longembed import (
    filler_sentences,
    insert,
    make_longembed,
    needle_texts,
    passkey_line,
    passkey_texts,
    read_haystack,
    word_budget,
)
from vecloom.evaluate.make.names import FIRST, LAST

HAYSTACK = [f"word{number}" for number in range(300)]


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture
def essays(tmp_path: Path) -> Path:
    (tmp_path / "essays" / "late").mkdir(parents=True)
    (tmp_path / "essays" / "b.txt").write_text("second essay\n\nhere", encoding="utf-8")
    (tmp_path / "essays" / "a.txt").write_bytes(b"\xef\xbb\xbffirst essay \xff")
    (tmp_path / "essays" / "late" / "c.txt").write_text("third", encoding="utf-8")
    (tmp_path / "essays" / "notes.md").write_text("not read", encoding="utf-8")
    return tmp_path / "essays"


def test_a_token_is_three_quarters_of_a_word() -> None:
    # 256 * 0.75 = 192, 32768 * 0.75 = 24576
    assert (word_budget(256), word_budget(32768)) == (192, 24576)


def test_filler_is_whole_sentences_in_turn() -> None:
    # 4 + 4 + 4 + 3 + 4 = 19 words make a round; 4 more are 23, and 26 would need half of the next sentence
    expected = [*longembed.FILLER, longembed.FILLER[0]]
    assert filler_sentences(26) == expected
    assert filler_sentences(3) == []


def test_a_line_stands_on_a_line_of_its_own_and_its_position_is_the_share_of_words_before_it() -> None:
    # two of the four words in three pieces stand before it: 2 / 4
    assert insert(["a", "b", "c d"], "KEY LINE", 2) == ("a b\nKEY LINE\nc d", 0.5)
    assert insert(["a", "b"], "KEY", 0) == ("\nKEY\na b", 0.0)
    assert insert(["a", "b"], "KEY", 2) == ("a b\nKEY\n", 1.0)


def test_the_passkey_line_says_the_key_twice() -> None:
    expected = "Ada Low's pass key is 12345. Remember it. 12345 is the pass key for Ada Low."
    assert passkey_line("Ada Low", 12345) == expected


def test_exactly_one_passkey_text_holds_each_name_and_each_key() -> None:
    texts = passkey_texts(192, 100, np.random.default_rng(0))
    names = [hidden.question.removeprefix("What is the pass key for ").removesuffix("?") for hidden in texts]
    assert [sum(name in hidden.text for hidden in texts) for name in names] == [1] * 100
    keys = [hidden.text.partition("pass key is ")[2][:6] for hidden in texts]
    assert len(set(keys)) == 100
    assert all(key[:5].isdecimal() and key[5] == "." and key[0] != "0" for key in keys)


def test_no_name_can_stand_inside_another_name() -> None:
    assert len(set(FIRST)) == len(set(LAST)) == 80
    assert [(a, b) for a in FIRST for b in FIRST if a != b and a.casefold().endswith(b.casefold())] == []
    assert [(a, b) for a in LAST for b in LAST if a != b and a.startswith(b)] == []


def test_a_needle_text_is_the_beginning_of_the_haystack_around_one_fact() -> None:
    for hidden in needle_texts(192, 100, np.random.default_rng(1), HAYSTACK):
        before, fact, after = hidden.text.split("\n")
        known = next(known for known in FACTS if known.fact == fact)
        others = [*before.split(), *after.split()]
        assert hidden.question == known.question
        assert others == HAYSTACK[: 192 - len(fact.split())]
        assert hidden.position == len(before.split()) / len(others)


def test_a_short_haystack_begins_anew() -> None:
    hidden = needle_texts(60, 1, np.random.default_rng(2), ["one", "two", "three"])[0]
    before, _, after = hidden.text.split("\n")
    assert set(Counter((before + " " + after).split())) == {"one", "two", "three"}
    assert (before + " " + after).split()[:4] == ["one", "two", "three", "one"]


def test_there_are_a_hundred_facts_over_twenty_domains_each_asked_once() -> None:
    assert len(FACTS) == len({known.fact for known in FACTS}) == len({known.question for known in FACTS}) == 100
    assert Counter(Counter(known.domain for known in FACTS).values()) == {5: 20}
    assert all(known.fact.endswith(".") and known.question.endswith("?") for known in FACTS)


def test_no_fact_is_longer_than_half_of_the_shortest_text() -> None:
    longest = max(len(known.fact.split()) for known in FACTS)
    assert longest <= word_budget(longembed.SHORTEST) / 2


def test_a_bag_of_words_finds_each_fact_by_its_question_among_all_facts() -> None:
    facts = [known.fact for known in FACTS]
    encoder = LexicalEncoder.fit(facts)
    similar = encoder.encode([known.question for known in FACTS], kind="query") @ encoder.encode(facts).T
    assert [FACTS[number].question for number, best in enumerate(similar.argmax(axis=1)) if number != best] == []


@pytest.mark.parametrize("make", [passkey_texts, lambda *given: needle_texts(*given, haystack=HAYSTACK)])
def test_the_place_is_uniform(make: Any) -> None:
    # chi-square with 9 degrees of freedom is below 27.9 in 99.9 % of draws; ten draws of 100 texts are 1,000 texts
    places = [hidden.position for seed in range(10) for hidden in make(3000, 100, np.random.default_rng(seed))]
    observed = np.histogram(places, 10, (0, 1))[0]
    assert ((observed - 100) ** 2 / 100).sum() < 27.9


@settings(max_examples=30, deadline=None)
@given(length=st.integers(longembed.SHORTEST, 3000), seed=st.integers(0, 2**32))
def test_texts_are_as_long_as_their_budget_and_positions_lie_within(length: int, seed: int) -> None:
    budget = length * 0.75
    generator = np.random.default_rng(seed)
    made = passkey_texts(word_budget(length), 5, generator) + needle_texts(word_budget(length), 5, generator, HAYSTACK)
    assert all(budget - 6 < len(hidden.text.split()) <= budget for hidden in made)
    assert all(0 <= hidden.position <= 1 for hidden in made)


def test_a_task_has_a_split_for_each_length(tmp_path: Path, essays: Path) -> None:
    made = make_longembed(tmp_path / "tasks", lengths=(512, 256, 512), haystack=essays)
    assert [folder.name for folder in made] == ["longembed-passkey", "longembed-needle"]
    for folder in made:
        card = yaml.safe_load((folder / "task.yaml").read_text(encoding="utf-8"))
        assert card["splits"] == ["test_256", "test_512"]
        assert (card["name"], card["type"], card["main_score"]) == (folder.name, "retrieval", "ndcg_at_1")
        for split in card["splits"]:
            assert len(rows(folder / split / "corpus.jsonl")) == 100
            assert len(rows(folder / split / "queries.jsonl")) == 50


def test_judgements_and_positions_belong_to_the_texts(tmp_path: Path) -> None:
    (folder,) = make_longembed(tmp_path, lengths=(256,), queries=20, documents=30, tasks=("passkey",))
    split = folder / "test_256"
    texts = {row["_id"]: row["text"] for row in rows(split / "corpus.jsonl")}
    questions = {row["_id"]: row["text"] for row in rows(split / "queries.jsonl")}
    header, *judged = (split / "qrels.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "query-id\tcorpus-id\tscore"
    assert len(judged) == len(questions) == 20
    for query, document, grade in (line.split("\t") for line in judged):
        name = questions[query].removeprefix("What is the pass key for ").removesuffix("?")
        assert grade == "1"
        assert [key for key, text in texts.items() if name in text] == [document]
    for row in rows(split / "positions.jsonl"):
        before, _, after = texts[row["corpus-id"]].split("\n")
        assert row["position"] == len(before.split()) / len((before + " " + after).split())


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path: Path, essays: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_longembed(tmp_path / name, lengths=(128, 256), haystack=essays, seed=seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    one, other = contents(tmp_path / "a"), contents(tmp_path / "c")
    assert all(one[file] != other[file] for file in one if not file.endswith("task.yaml"))


def test_the_texts_of_a_length_do_not_depend_on_the_other_lengths(tmp_path: Path) -> None:
    make_longembed(tmp_path / "one", lengths=(256,), tasks=("passkey",))
    make_longembed(tmp_path / "two", lengths=(128, 256), tasks=("passkey",))
    split = "longembed-passkey/test_256"
    assert contents(tmp_path / "one" / split) == contents(tmp_path / "two" / split)


def test_a_folder_of_texts_is_read_in_the_order_of_names_and_a_file_by_itself(essays: Path) -> None:
    assert read_haystack(essays) == ["first", "essay", "\ufffd", "second", "essay", "here", "third"]
    assert read_haystack(essays / "b.txt") == ["second", "essay", "here"]


def test_needles_without_a_haystack_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Paul Graham's essays, cannot be shipped.+haystack"):
        make_longembed(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_haystack_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.txt does not exist"):
        make_longembed(tmp_path, haystack=tmp_path / "gone.txt")
    (tmp_path / "empty.txt").write_text(" \n", encoding="utf-8")
    with pytest.raises(DataError, match="holds no words"):
        make_longembed(tmp_path, haystack=tmp_path / "empty.txt")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tasks": ("passkey", "hay")}, "no LongEmbed task 'hay'"),
        ({"lengths": (256, 63)}, "Length 63 is not possible"),
        ({"lengths": ()}, "Length none is not possible"),
        ({"queries": 0}, "0 queries over 100 documents"),
        ({"queries": 101}, "101 queries over 100 documents"),
        ({"documents": 6401}, "6401 documents need as many names, and there are 6400"),
    ],
)
def test_impossible_numbers_are_refused(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    given_ = {"tasks": ("passkey",), "lengths": (64,), **wrong}
    with pytest.raises(UsageError, match=message):
        make_longembed(tmp_path, **given_)


def test_more_needles_than_facts_are_refused(tmp_path: Path, essays: Path) -> None:
    with pytest.raises(UsageError, match="101 documents need as many facts, and there are 100"):
        make_longembed(tmp_path, lengths=(64,), documents=101, tasks=("needle",), haystack=essays)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(OutputError, match="writing a task failed"):
        make_longembed(tmp_path / "file", lengths=(64,), tasks=("passkey",))


def test_mteb_knows_the_four_real_tasks() -> None:
    tasks = pytest.importorskip("mteb").get_tasks(tasks=list(longembed.REAL_TASKS))
    assert [task.metadata.name for task in tasks] == list(longembed.REAL_TASKS)


def test_the_tasks_can_be_opened_with_a_length_for_each_split(tmp_path: Path) -> None:
    pytest.importorskip("mteb")
    from vecloom.evaluate.tasks.local import discover
    from vecloom.evaluate.tasks.mteb_tasks import as_mteb

    make_longembed(tmp_path, lengths=(64, 128), tasks=("passkey",))
    (found,) = discover(tmp_path)
    assert (found.kind, found.splits) == ("retrieval", ("test_64", "test_128"))
    assert as_mteb(found).metadata.main_score == "ndcg_at_1"
