"""LLM error rate: questions and their keys, a strict reading of answers, sampling, faults."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.errors import DataError, UsageError
from vecloom.evaluate.domain.llm_error import (
    Question,
    classification_questions,
    clustering_questions,
    llm_error_rate,
    pair_questions,
    parse_answer,
    retrieval_questions,
    sts_questions,
    summarization_questions,
    wilson,
)

TEXTS = ["shares fell", "the match was won", "profits rose", "a late goal"]
LABELS = ["business", "sports", "business", "sports"]
CORPUS = {f"d{number}": f"document number {number}" for number in range(8)}


def oracle(questions):
    """A generator that knows every key."""
    keys = {question.prompt: str(question.gold) for question in questions}
    return keys.__getitem__


# Oracles


def test_error_rate_counts_wrong_and_unparsable_answers():
    questions = classification_questions(TEXTS, LABELS)
    said = ["business", "BUSINESS.", "profits", "sports"]
    answers = {question.prompt: answer for question, answer in zip(questions, said, strict=True)}
    found = llm_error_rate(questions, answers.__getitem__)
    # right, wrong, unparsable, right
    assert (found.rate, found.questions, found.wrong, found.unparsable) == (0.5, 4, 2, 1)
    assert found.unparsable_examples == ("profits",)


def test_wilson_interval_by_hand():
    # 1 of 10, z = 1.96: (0.1 + 0.19208 -+ 1.96 sqrt(0.009 + 0.009604)) / 1.38416
    assert wilson(1, 10, z=1.96) == pytest.approx((0.01788, 0.40415), abs=2e-5)
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == pytest.approx(1)


def test_similarity_is_wrong_when_more_than_one_off_on_a_scale_of_five():
    questions = sts_questions(["a", "b", "c"], ["x", "y", "z"], [0.5, 0.5, 0.5], scale=(0, 1))
    assert {question.gold for question in questions} == {2.5}
    said = iter(["3.5", "1.4", "2.5"])
    assert llm_error_rate(questions, lambda prompt: next(said)).wrong == 1


def test_retrieval_shows_one_relevant_text_among_four():
    qrels = {"q1": {"d0": 2, "d1": 1, "d2": 0}}
    (question,) = retrieval_questions({"q1": "zero?", "q2": "unjudged"}, CORPUS, qrels, seed=1)
    shown = re.findall(r"^([A-D]): document number (\d)$", question.prompt, re.MULTILINE)
    assert [letter for letter, _ in shown] == ["A", "B", "C", "D"]
    assert [number in "01" for _, number in shown].count(True) == 1
    assert dict(shown)[question.gold] in "01"


def test_reranking_draws_from_its_candidates():
    candidates = {"q1": ["d0", "d5", "d6", "d7"]}
    (question,) = retrieval_questions({"q1": "zero?"}, CORPUS, {"q1": {"d0": 1}}, candidates=candidates)
    assert set(re.findall(r"number (\d)", question.prompt)) == {"0", "5", "6", "7"}


def test_retrieval_draws_from_large_corpora_without_listing_them():
    corpus = {f"d{number}": f"document number {number}" for number in range(2000)}
    (question,) = retrieval_questions({"q1": "zero?"}, corpus, {"q1": {"d0": 1}})
    assert len(set(re.findall(r"number (\d+)", question.prompt))) == 4


def test_every_second_pair_of_a_clustering_question_belongs_together():
    label_of = dict(zip(TEXTS, LABELS, strict=True))
    questions = clustering_questions(TEXTS, LABELS, pairs=20)
    assert [question.gold for question in questions].count("yes") == 10
    for question in questions:
        one, other = re.findall(r"^Text \d: (.+)$", question.prompt, re.MULTILINE)
        assert (label_of[one] == label_of[other]) == (question.gold == "yes")
        assert one != other


def test_the_better_summary_is_the_key():
    summaries = [["good one", "bad one", "fair one"], ["same", "same too"]]
    (question,) = summarization_questions(["long text", "other"], summaries, [[3, 1, 2], [1, 1]])
    shown = {text: letter for letter, text in re.findall(r"^([AB]): (\w+) one$", question.prompt, re.MULTILINE)}
    order = ["good", "fair", "bad"]
    assert question.gold == shown[min(shown, key=order.index)]


def test_pairs_are_asked_yes_or_no():
    questions = pair_questions(["a", "b"], ["x", "y"], [1, 0])
    assert [question.gold for question in questions] == ["yes", "no"]


# Reading answers


@pytest.mark.parametrize("answer", ["yes", "Yes.", ' "YES" ', "(yes)", "**yes**"])
def test_case_quotes_and_brackets_do_not_matter(answer):
    assert parse_answer(Question("?", "yes", ("yes", "no")), answer) == "yes"


@pytest.mark.parametrize("answer", ["", "I think yes", "yes and no", "yess", "maybe"])
def test_anything_else_is_unparsable(answer):
    assert parse_answer(Question("?", "yes", ("yes", "no")), answer) is None


@pytest.mark.parametrize(("answer", "read"), [("3", 3.0), (" 4.5. ", 4.5), ("6", None), ("3/5", None), ("-1", None)])
def test_numbers_stand_alone_and_within_the_scale(answer, read):
    assert parse_answer(Question("?", 3.0), answer) == read


# Properties


@given(st.integers(0, 50))
def test_a_generator_that_knows_the_keys_makes_no_error(seed):
    questions = [
        *classification_questions(TEXTS, LABELS),
        *clustering_questions(TEXTS, LABELS, pairs=6, seed=seed),
        *retrieval_questions({"q": "zero?"}, CORPUS, {"q": {"d0": 1}}, seed=seed),
        *sts_questions(["a"], ["b"], [4.0]),
    ]
    found = llm_error_rate(questions, oracle(questions), seed=seed)
    assert (found.rate, found.unparsable) == (0, 0)


def test_the_sample_is_fixed_by_its_seed():
    questions = [Question(f"question {number}", "yes", ("yes", "no")) for number in range(100)]
    asked: dict[int, list[str]] = {}
    for seed in (0, 1):
        for _ in range(2):
            seen: list[str] = []
            llm_error_rate(questions, lambda prompt, seen=seen: seen.append(prompt) or "yes", n=10, seed=seed)
            assert asked.setdefault(seed, seen) == seen
    assert asked[0] != asked[1]
    assert len(set(asked[0])) == 10


def test_long_texts_are_cut_in_the_prompt():
    (question,) = pair_questions(["x" * 10_000], ["y"], [1])
    assert len(question.prompt) < 3000


def test_result_goes_to_json():
    questions = pair_questions(["a"], ["b"], [1])
    found = llm_error_rate(questions, lambda prompt: "no")
    assert json.loads(json.dumps(found.as_dict()))["wrong"] == 1


# Faults


def test_labels_that_an_answer_cannot_tell_apart_are_refused():
    with pytest.raises(DataError, match="cannot be told apart"):
        classification_questions(["a", "b"], ["Sports", "sports."])


@pytest.mark.parametrize(
    "make",
    [
        lambda: classification_questions(["a"], []),
        lambda: pair_questions(["a"], ["b"], [2]),
        lambda: sts_questions(["a"], ["b"], [7.0]),
        lambda: clustering_questions(["a", "b"], ["x", "x"]),
        lambda: clustering_questions(["a", "b"], ["x", "y"]),
        lambda: retrieval_questions({"q": "?"}, {"d": "only one"}, {"q": {"d": 1}}),
        lambda: summarization_questions(["a"], [["s", "t"]], [[1, 1]]),
        lambda: llm_error_rate([], str),
    ],
)
def test_data_that_gives_no_question_is_refused(make):
    with pytest.raises(DataError):
        make()


def test_no_questions_cannot_be_asked_for():
    with pytest.raises(UsageError, match="n=0"):
        llm_error_rate([Question("?", "yes", ("yes",))], str, n=0)
