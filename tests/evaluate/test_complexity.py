"""Complexity of texts: entropy, Fog and dependency distance by hand, what leaves them unchanged, faults."""

from __future__ import annotations

import json
import math
import os
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.errors import BackendError, DataError, ModelError, ModelNotFoundError, UsageError
from vecloom.evaluate.domain import dependency
from vecloom.evaluate.domain.complexity import (
    complexity_profile,
    fog_index,
    sampled_entropy,
    sentences_of,
    syllables,
    word_entropy,
    words_of,
)
from vecloom.evaluate.domain.dependency import (
    ParsedSentence,
    dependency_distance,
    mean_dependency_distance,
    spacy_parser,
)

FOG = "The company reported revenue. Amortization of intangible assets increased significantly."
WORDS = st.lists(st.sampled_from("rate bond yield the of issuer".split()), min_size=1, max_size=40)


def chain(text):
    """A parser in whose trees each word hangs on the word before it."""
    return [ParsedSentence(list(range(len(words_of(part))))) for part in sentences_of(text)]


# Oracles


def test_entropy_by_hand():
    # four words of probability 1/4: 4 x 1/4 x 2 bits
    assert word_entropy("a a b b c c d d".split()) == pytest.approx(2.0)
    # to and be 1/3 each, or and not 1/6 each: 2/3 log2 3 + 1/3 log2 6
    expected = 2 / 3 * math.log2(3) + 1 / 3 * math.log2(6)
    assert word_entropy("to be or not to be".split()) == pytest.approx(expected)
    assert expected == pytest.approx(1.91829583)


def test_a_single_word_and_no_word_have_no_entropy():
    assert word_entropy(["same"] * 5) == 0
    assert word_entropy([]) == 0


def test_fog_by_hand():
    # 10 words, 2 sentences; three syllables or more by the rule: company, reported, Amortization, intangible, increased,
    # significantly; 0.4 (10 / 2 + 100 x 6 / 10)
    assert fog_index(FOG) == pytest.approx(26.0)


@pytest.mark.parametrize(
    ("word", "count"),
    [("company", 3), ("revenue", 2), ("assets", 2), ("reported", 3), ("table", 2), ("the", 1), ("hmm", 1), ("café", 2)],
)
def test_syllables_are_groups_of_vowels_less_a_silent_e(word, count):
    assert syllables(word) == count


def test_dependency_distance_by_hand():
    # The-cat 1, cat-sat 1, on-mat 2, the-mat 1, mat-sat 3; 8 / 5
    assert dependency_distance(ParsedSentence([2, 3, 0, 6, 6, 3])) == pytest.approx(1.6)


def test_punctuation_is_removed_before_positions_are_counted():
    # "The cat , alas , sat": commas hang on "alas", which hangs on "sat"; without them The cat alas sat: 1, 2, 1
    heads, marks = [2, 6, 4, 6, 4, 0], [False, False, True, False, True, False]
    assert dependency_distance(ParsedSentence(heads, marks)) == pytest.approx(4 / 3)


def test_a_word_that_hangs_on_punctuation_hangs_on_its_head():
    # "yes -> :" and ": -> come": yes is one word from come
    assert dependency_distance(ParsedSentence([2, 3, 0], [False, True, False])) == 1


def test_dependency_distance_of_a_text_is_the_mean_of_its_sentences():
    long, short, alone = ParsedSentence([2, 3, 0, 6, 6, 3]), ParsedSentence([0, 1]), ParsedSentence([0])
    assert mean_dependency_distance([long, short, alone]) == pytest.approx((1.6 + 1) / 2)
    assert mean_dependency_distance([alone]) is None


def test_profile_by_hand():
    profile = complexity_profile(["A cat sat.", "To be or not to be. Dogs bark!", "42"], parser=chain)
    assert (profile.texts, profile.empty_texts, profile.words) == (2, 1, 11)
    assert profile.words_per_sentence == pytest.approx(11 / 3)
    # a cat sat 7, to be or not to be 13, dogs bark 8
    assert profile.letters_per_word == pytest.approx(28 / 11)
    assert profile.syllables_per_word == 1
    # three words once: log2 3; to and be of 8 twice, four once: 2 x 1/4 x 2 + 4 x 1/8 x 3
    assert profile.entropy_text == pytest.approx((math.log2(3) + 2.5) / 2)
    # of 11 words to and be 2, seven once
    assert profile.entropy_sample == pytest.approx(4 / 11 * math.log2(5.5) + 7 / 11 * math.log2(11))
    assert profile.sampled_words == 11
    # no word of three syllables: 0.4 x 3 and 0.4 x 8 / 2
    assert profile.fog == pytest.approx((1.2 + 1.6) / 2)
    assert profile.mdd == 1
    assert profile.missing == {}


def test_profile_tells_its_measures_and_goes_to_json():
    profile = complexity_profile([FOG], parser=chain)
    assert set(profile.measures()) == {"entropy_text", "entropy_sample", "fog", "mdd"}
    assert json.loads(json.dumps(profile.as_dict()))["fog"] == pytest.approx(26.0)


@pytest.mark.skipif("VECLOOM_DATA" not in os.environ, reason="needs the public collections")
def test_banking77_has_the_figures_measured_by_others():
    path = Path(os.environ["VECLOOM_DATA"], "classification", "banking77", "test.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines()[:500]
    profile = complexity_profile([json.loads(line)["text"] for line in lines], measures=("entropy", "fog"))
    # another implementation: 6.7, 3.14, 7.28, 8.9, 1.32
    assert profile.fog == pytest.approx(6.7, abs=0.05)
    assert profile.entropy_text == pytest.approx(3.14, abs=0.01)
    assert profile.entropy_sample == pytest.approx(7.28, abs=0.01)
    assert profile.words_per_sentence == pytest.approx(8.9, abs=0.1)
    assert profile.syllables_per_word == pytest.approx(1.32, abs=0.01)


# Properties


@given(WORDS)
def test_entropy_is_at_most_that_of_an_even_vocabulary(words):
    assert 0 <= word_entropy(words) <= math.log2(len(set(words))) + 1e-12


@given(WORDS, st.randoms(use_true_random=False))
def test_word_order_changes_neither_entropy_nor_fog(words, shuffler):
    mixed = words.copy()
    shuffler.shuffle(mixed)
    assert word_entropy(mixed) == word_entropy(words)
    assert fog_index(" ".join(mixed)) == fog_index(" ".join(words))


@given(WORDS.filter(lambda words: len(words) > 1), st.data())
def test_fog_falls_when_a_sentence_is_split(words, data):
    place = data.draw(st.integers(1, len(words) - 1))
    split = f"{' '.join(words[:place])}. {' '.join(words[place:]).capitalize()}."
    assert fog_index(split) < fog_index(" ".join(words) + ".")


@given(st.integers(2, 30), st.randoms(use_true_random=False))
def test_dependency_distance_is_at_least_one(n, shuffler):
    order = list(range(1, n + 1))
    shuffler.shuffle(order)
    heads = [0] * n
    for place, token in enumerate(order[1:], 1):
        heads[token - 1] = shuffler.choice(order[:place])
    distance = dependency_distance(ParsedSentence(heads))
    assert distance is not None
    assert distance >= 1


@given(st.integers(2, 30))
def test_dependency_distance_of_a_chain_is_one(n):
    assert dependency_distance(ParsedSentence(list(range(n)))) == 1


@given(st.lists(WORDS.map(" ".join), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_document_order_changes_nothing(texts, shuffler):
    mixed = texts.copy()
    shuffler.shuffle(mixed)
    settings = {"parser": chain, "sample_tokens": 10, "seed": 3}
    assert complexity_profile(mixed, **settings) == complexity_profile(texts, **settings)


def test_a_sample_of_fixed_size_does_not_grow_with_the_set():
    drawn = random.Random(0)
    vocabulary = [f"w{number}" for number in range(200)]
    words = drawn.choices(vocabulary, k=20_000)
    assert sampled_entropy(words, 1000) == pytest.approx(sampled_entropy(words[:2000], 1000), abs=0.05)
    assert word_entropy(words[:50]) < sampled_entropy(words, 1000) - 1


def test_a_sample_depends_on_its_seed_alone():
    words = random.Random(1).choices("abcdefghij", k=500)
    assert sampled_entropy(words, 100, seed=4) == sampled_entropy(sorted(words), 100, seed=4)
    assert len({sampled_entropy(words, 100, seed=seed) for seed in range(5)}) > 1


def test_joining_sentences_raises_fog_and_leaves_the_words_alone():
    apart = complexity_profile([FOG])
    joined = complexity_profile([FOG.replace(". A", ", a")])
    assert joined.fog > apart.fog
    assert joined.entropy_sample == apart.entropy_sample


# What cannot be measured


def test_without_a_parser_dependency_distance_is_missing_with_a_reason():
    profile = complexity_profile([FOG])
    assert profile.mdd is None
    assert profile.parser is None
    assert profile.missing == {"mdd": "No dependency parser was given."}


def test_measures_that_were_not_asked_for_are_not_missing():
    profile = complexity_profile([FOG], measures=("fog",))
    assert (profile.entropy_text, profile.mdd, profile.missing) == (None, None, {})


def test_chinese_needs_a_tokenizer_and_has_no_fog():
    texts = ["公司公布收入。", "公司增长。"]
    without = complexity_profile(texts)
    assert set(without.missing) == {"entropy", "fog", "mdd", "words"}
    assert (without.words_per_sentence, without.letters_per_word) == (None, None)
    cut = complexity_profile(texts, tokenizer=lambda text: [letter for letter in text if letter.isalpha()])
    # 公司公布收入 and 公司增长: 公 three times, 司 twice, five once, of 10
    assert cut.entropy_sample == pytest.approx(-(0.3 * math.log2(0.3) + 0.2 * math.log2(0.2) + 0.5 * math.log2(0.1)))
    assert cut.fog is None
    assert cut.syllables_per_word is None


def test_a_parser_that_finds_no_sentence_is_told():
    profile = complexity_profile(["Yes."], parser=lambda text: [ParsedSentence([0])])
    assert profile.missing["mdd"].startswith("The parser found no sentence")


def test_sentences_end_at_marks_before_a_space_and_at_blank_lines():
    text = "He left. It fell 3.5 points! Next (really?) day\n\nLast part ..."
    assert sentences_of(text) == ["He left.", "It fell 3.5 points!", "Next (really?)", "day", "Last part ..."]


def test_progress_counts_texts():
    seen = []
    complexity_profile(["one text", "another"], progress=seen.append)
    assert sum(seen) == 2


# Faults


def test_texts_without_words_are_refused():
    with pytest.raises(DataError, match="None of the 2 texts holds a word"):
        complexity_profile(["1 2 3", ""])
    with pytest.raises(DataError, match="has no word"):
        fog_index("...")


@pytest.mark.parametrize("settings", [{"measures": ("fogg",)}, {"measures": "fog"}, {"sample_tokens": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(UsageError, match="is not possible"):
        complexity_profile([FOG], **settings)


def test_one_string_is_not_texts():
    with pytest.raises(UsageError, match="takes texts"):
        complexity_profile(FOG)


@pytest.mark.parametrize("sentence", [([9, 0], ()), ([1, 0], ()), ([-1, 0], ()), ([2, 0], (False,))])
def test_a_broken_tree_is_refused(sentence):
    with pytest.raises(DataError, match="The parser gave heads"):
        dependency_distance(ParsedSentence(*sentence))


# spaCy, by a stand-in: the real one is optional


class Token:
    def __init__(self, i, head, dep="dep", punct=False):
        self.i, self.dep_, self.is_punct, self.is_space = i, dep, punct, False
        self.head = self if head is None else head


class Span(list):
    start = 0


class Pipeline:
    def __init__(self, pipes=("parser",)):
        self.meta = {"lang": "en", "name": "core_web_sm", "version": "3.8.0"}
        self.pipes = pipes

    def has_pipe(self, name):
        return name in self.pipes

    def __call__(self, text):
        # "Prices rose ." after one token of an earlier sentence: rose is the root
        root = Token(2, None)
        span = Span([Token(1, root), root, Token(3, root, dep="punct", punct=True)])
        span.start = 1
        return type("Doc", (), {"sents": [span], "text": text})()


class Spacy:
    def __init__(self, pipeline):
        self.pipeline = pipeline

    def load(self, name, exclude=()):
        if name == "missing":
            raise OSError("[E050] Can't find model")
        return self.pipeline


def test_spacy_trees_become_heads_within_the_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy", Spacy(Pipeline()))
    parser = spacy_parser()
    assert parser.name == "spaCy en_core_web_sm 3.8.0"
    assert parser("Prices rose.") == [ParsedSentence([2, 0, 2], [False, False, True])]
    assert complexity_profile(["Prices rose."], parser=parser).parser == parser.name


def test_long_texts_go_to_spacy_in_pieces(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy", Spacy(Pipeline()))
    monkeypatch.setattr(dependency, "PARSED_CHARACTERS", 10)
    assert len(spacy_parser()("aaaa bbbb cccc dddd " + "e" * 15)) == 4


def test_missing_spacy_or_pipeline_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(BackendError, match="pip install spacy"):
        spacy_parser()
    monkeypatch.setitem(sys.modules, "spacy", Spacy(Pipeline(pipes=())))
    with pytest.raises(ModelNotFoundError, match="spacy download missing"):
        spacy_parser("missing")
    with pytest.raises(ModelError, match="has no dependency parser"):
        spacy_parser()
