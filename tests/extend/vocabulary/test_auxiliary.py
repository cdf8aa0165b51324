import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from tests.extend.vocabulary import kinds

from vecloom.errors import DataError
from vecloom.extend.vocabulary.auxiliary import (
    WordVectors,
    learn,
    pair_counts,
    positive_pmi,
    read_vectors,
    subword_vectors,
    token_vectors,
    unit,
    word_vectors,
)
from vecloom.extend.vocabulary.surfaces import Surfaces


def test_pairs_are_counted_by_their_distance():
    # 0 1 2 in one text with a window of 2: neighbours count 1, those two apart 1/2; nothing crosses texts
    found = pair_counts([[0, 1, 2], [0, 1]], 3, window=2).toarray()
    assert found.tolist() == [[0, 2, 0.5], [2, 0, 1], [0.5, 1, 0]]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5), max_size=12), max_size=5))
def test_counts_are_those_of_two_loops(sequences):
    wanted = np.zeros((6, 6))
    for sequence in sequences:
        for one in range(len(sequence)):
            for other in range(len(sequence)):
                if one != other and abs(one - other) <= 3:
                    wanted[sequence[one], sequence[other]] += (3 - abs(one - other) + 1) / 3
    assert pair_counts(sequences, 6, window=3).toarray() == pytest.approx(wanted)


def test_pointwise_information_by_hand():
    counts = sparse.csr_matrix(np.array([[0, 3.0, 1], [3, 0, 0], [1, 0, 0]]))
    # sums 4, 3, 1; without smoothing n_ij n / (n_i n_j): (0, 1): 3 * 8 / 12 = 2; (0, 2): 1 * 8 / 4 = 2
    assert positive_pmi(counts, smoothing=1, rarest=1).toarray()[0] == pytest.approx([0, math.log(2), math.log(2)])
    assert positive_pmi(counts, smoothing=1, rarest=2).toarray()[0] == pytest.approx([0, math.log(2), 0])


def test_units_in_like_contexts_get_like_vectors():
    generator = np.random.default_rng(0)
    # 0 and 1 stand among 4..9, 2 and 3 among 10..15
    texts = []
    for _ in range(400):
        side = int(generator.integers(2))
        middle = 2 * side + int(generator.integers(2))
        around = 4 + 6 * side + generator.integers(6, size=4)
        texts.append([*around[:2].tolist(), middle, *around[2:].tolist()])
    found = unit(learn(texts, 20, 3))
    assert found[0] @ found[1] > 0.8 > 0.3 > found[0] @ found[2]
    assert not found[16:].any()


def test_the_same_seed_gives_the_same_vectors():
    tokenizer = kinds.wordpiece()
    assert (token_vectors(tokenizer, kinds.CORPUS, 10) == token_vectors(tokenizer, kinds.CORPUS, 10)).all()


def test_no_text_gives_no_vectors():
    assert not learn([], 4, 3).any()
    assert not learn([[1, 2]], 4, 3).any()


def test_words_are_counted_and_rare_ones_left_out():
    found = word_vectors(["the wing, the wing", "once"], 4)
    assert dict(zip(found.words, found.counts.tolist(), strict=True)) == {"the": 2, "wing": 2}


def test_words_keep_their_vowel_signs_and_runs_fall_into_what_comes_again():
    texts = ["हिन्दी में, हिन्दी में", "东京塔", "看东京塔", "去东京塔看"]
    found = word_vectors(texts, 4)
    # 看 and 去 are no pieces that come again: single letters; 去 occurs once
    assert dict(zip(found.words, found.counts.tolist(), strict=True)) == {"हिन्दी": 2, "में": 2, "东京塔": 3, "看": 2}


def test_a_subword_is_the_mean_of_its_words_by_their_counts():
    surfaces = Surfaces(kinds.by_hand({"[UNK]": 0, "un": 1, "##happy": 2, "happy": 3, "cat": 4}))
    words = WordVectors(("unhappy", "un", "happy"), np.array([[1, 0], [0, 1], [5, 5]], np.float32), np.array([3, 1, 1]))
    found = subword_vectors(words, surfaces)
    # "un" is in unhappy (3 times) and un (once): (3 [1, 0] + [0, 1]) / 4
    assert found[1] == pytest.approx([0.75, 0.25])
    assert found[2] == pytest.approx([1, 0])
    assert found[3] == pytest.approx([5, 5])
    assert not found[4].any()


@pytest.mark.parametrize("header", ["", "2 3\n", "2\t3\n", "word\tx\ty\tz\n", "\ufeff"])
@pytest.mark.parametrize("between", [" ", "\t", "  "])
def test_word2vecs_text_format_is_read(header, between, tmp_path):
    rows = "the 1 0 0\nwing 0 1 0.5\n".replace(" ", between)
    (tmp_path / "words.vec").write_text(f"{header}{rows}\r\n", encoding="utf-8")
    found = read_vectors(tmp_path / "words.vec")
    assert found.words == ("the", "wing")
    assert found.vectors.tolist() == [[1, 0, 0], [0, 1, 0.5]]
    assert found.counts.tolist() == [1, 0.5]


def test_words_with_blanks_and_words_that_are_numbers_are_read(tmp_path):
    (tmp_path / "words.vec").write_text("3 2\n1995 1 0\nNew York 0 1\na\u00a0b 1 1 \n", encoding="utf-8")
    assert read_vectors(tmp_path / "words.vec").words == ("1995", "New York", "a\u00a0b")


@pytest.mark.parametrize(
    "content",
    [
        "the 1 0\nwing 1\n",
        "the 1 0\nwing 1 2 3\n",
        "the 1 0\nwing 1 nan\n",
        "the one two\n",
        "the\nwing\n",
        "the,1,0\n",
        "1 2\n",
        "",
    ],
)
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "words.vec").write_text(content)
    with pytest.raises(DataError, match=r"words\.vec"):
        read_vectors(tmp_path / "words.vec")
    with pytest.raises(DataError, match="cannot be read"):
        read_vectors(tmp_path / "none.vec")
