"""Random tokenizers: what they hold, that they write any text, and that a seed decides them."""

from __future__ import annotations

import math
import string
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import normalizers

from vecloom.extend.zett.sampling import (
    BYTES,
    LETTERS,
    NEVER,
    SubstringQueue,
    noise_deviation,
    sample_unigram_tokenizer,
    sample_vocabulary,
    substring_scores,
    surface,
)

TEXTS = ["The cats sat on the mat.", "A catalogue of cats, mats and 42 other things!", "Ünïcode — naïve café 東京"] * 3


def test_a_score_is_frequency_times_length():
    # "abcde abcde" is two words, the second with its blank; GPT-2's splitter puts one before the first, too: "Ġabcde" twice.
    # Substrings begin at letters 0 ("Ġ") and 4 ("d"), and have 1 to 3 letters here.
    scores = substring_scores(["abcde abcde"], longest=3, stride=4)
    assert scores == {"Ġ": 2, "Ġa": 4, "Ġab": 6, "d": 2, "de": 4}


def test_bytes_are_counted_not_characters():
    assert substring_scores(["é"], stride=1) == {"Ġ": 1, "ĠÃ": 2, "ĠÃ©": 3, "Ã": 1, "Ã©": 2, "©": 1}


def test_without_noise_log_probabilities_are_those_of_shares():
    scores = {"Ġthe": 12.0, "Ġcat": 4.0, "a": 4.0}  # shares .6, .2, .2
    found = dict(sample_vocabulary(scores, 272, np.random.default_rng(0), 0.0))
    assert found["Ġthe"] == pytest.approx(math.log(0.6))
    assert found["Ġcat"] == pytest.approx(math.log(0.2))
    assert found["a"] == pytest.approx(math.log(0.2))
    assert found["b"] == pytest.approx(math.log(0.2))  # a byte that was never seen: the lowest of the others
    assert found["ĠĠ"] == 0.0


def test_what_noise_pushes_below_zero_comes_last():
    scores = dict.fromkeys(["ab", "cd", "ef", "gh"], 1.0)
    found = dict(sample_vocabulary(scores, 500, np.random.default_rng(1), 10.0))
    pushed = [token for token in scores if found[token] == NEVER]
    assert 0 < len(pushed) < 4
    assert all(found[letter] == NEVER for letter in "xyz")


def test_the_noise_is_log_normal():
    draws = np.log([noise_deviation(np.random.default_rng(seed)) for seed in range(4000)])
    assert draws.mean() == pytest.approx(math.log(1e-5), abs=4 * 4 / math.sqrt(4000))
    assert draws.std() == pytest.approx(4.0, abs=0.2)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=6), st.integers(270, 600), st.floats(0, 1e-2))
def test_size_is_exact_and_all_bytes_are_in_it(texts, size, deviation):
    scores = substring_scores(texts)
    vocabulary = sample_vocabulary(scores, size, np.random.default_rng(0), deviation)
    tokens = [token for token, _ in vocabulary]
    longer = {token for token in scores if token not in BYTES and set(token) != {LETTERS[32]}}
    assert len(tokens) == len(set(tokens)) == min(size, 270 + len(longer))
    assert set(BYTES) <= set(tokens)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_written_without_loss(text):
    tokenizer = sample_unigram_tokenizer(TEXTS, 400)
    tokens = tokenizer.encode(text, add_special_tokens=False).tokens
    written = b"".join(map(surface, tokens)).decode()
    # GPT-2's splitter puts a blank before a text that does not begin with blank space
    assert written in (text, f" {text}")


@given(st.randoms())
def test_the_order_in_which_scores_are_held_does_not_matter(draw):
    scores = list(substring_scores(TEXTS).items())
    first = sample_vocabulary(dict(scores), 400, np.random.default_rng(3), 1e-4)
    draw.shuffle(scores)
    assert sample_vocabulary(dict(scores), 400, np.random.default_rng(3), 1e-4) == first


def test_a_seed_decides_a_tokenizer():
    made = [sample_unigram_tokenizer(TEXTS, 400, deviation=1e-3, seed=seed).to_str() for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_a_queue_holds_the_last_batches():
    batches = [substring_scores([letter * 9]) for letter in string.ascii_lowercase[:5]]
    queue = SubstringQueue(3)
    for batch in batches:
        queue.push(batch)
    assert queue.total == batches[2] + batches[3] + batches[4]
    assert all(queue.total.values())


def test_tokens_come_from_normalised_texts():
    lower = normalizers.BertNormalizer(lowercase=True)
    tokenizer = sample_unigram_tokenizer(["CATS Cats cats"] * 5, 290, normalizer=lower)
    assert tokenizer.encode("CATS").tokens == ["Ġcats"]


def test_frequent_long_words_become_tokens_and_rare_ones_do_not():
    texts = ["extraordinary"] * 50 + ["unremarkable"]
    tokens = Counter(sample_unigram_tokenizer(texts, 274).get_vocab())
    assert "Ġextraordinary" in tokens
    assert "Ġunremarkable" not in tokens
