import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import OrthogonalMatchingPursuit
from tests.extend.vocabulary import kinds

from vecloom.errors import DataError, UsageError
from vecloom.extend.vocabulary.alignment import align
from vecloom.extend.vocabulary.auxiliary import WordVectors
from vecloom.extend.vocabulary.focus import sparsemax
from vecloom.extend.vocabulary.methods import METHODS, Context, check_options, mean_rows, method_named
from vecloom.extend.vocabulary.omp import pursue
from vecloom.extend.vocabulary.wechsel import align_words, nearest_weights

HEURISTICS = sorted(set(METHODS) - {"zett"})
CONTEXT = Context(kinds.CORPUS)
SOURCE, TARGET = kinds.wordpiece(200), kinds.byte_level(420)


def table(tokenizer, columns=5, seed=0):
    return np.random.default_rng(seed).standard_normal((tokenizer.get_vocab_size(), columns)).astype(np.float32)


def test_the_mean_of_pieces_by_hand():
    source = kinds.by_hand({"[UNK]": 0, "un": 1, "##happy": 2, "cat": 3})
    target = kinds.by_hand({"[UNK]": 0, "unhappy": 1, "cat": 2, "dog": 3})
    rows = np.array([[9, 9], [1, 0], [0, 1], [2, 2]], np.float32)
    made = METHODS["mean"](rows, align(source, target), Context())
    # unhappy = ([1, 0] + [0, 1]) / 2; cat is copied; dog has no piece: the unknown row
    assert made.tolist() == [[9, 9], [0.5, 0.5], [2, 2], [9, 9]]


def test_without_an_unknown_token_the_mean_row_stands_in():
    source, target = kinds.byte_level(), kinds.wordpiece()
    rows = table(source)
    made = METHODS["unknown"](rows, align(source, target), Context())
    assert made == pytest.approx(np.repeat(rows.mean(0)[None], len(made), 0))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 0.5, -1], [0.75, 0.25, 0]), ([3, 0, 0], [1, 0, 0]), ([0.2, 0.2, 0.2], [1 / 3, 1 / 3, 1 / 3])],
)
def test_sparsemax_by_hand(values, expected):
    # [1, .5, -1]: two stay, threshold (1.5 - 1) / 2 = .25
    assert sparsemax(np.array([values], np.float32))[0] == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 9)), elements=st.floats(-3, 3, width=32)))
def test_sparsemax_is_the_nearest_point_of_the_simplex(values):
    found = sparsemax(values)
    assert found.sum(1) == pytest.approx(np.ones(len(values)), abs=1e-5)
    assert (found >= 0).all()
    # optimality: z - p is the same on the support, and no more elsewhere
    for row, point in zip(values, found, strict=True):
        gap = row - point
        assert gap[point > 0].max() - gap[point > 0].min() < 1e-4
        assert (gap <= gap[point > 0].max() + 1e-4).all()


def test_wechsel_weights_by_hand():
    # softmax([.9, .8] / .1) = [e / (1 + e), 1 / (1 + e)]; the third is no neighbour
    weights = nearest_weights(np.array([[0.9, 0.1, 0.8]], np.float32), 2, 0.1)[0]
    assert weights == pytest.approx([0.731059, 0, 0.268941], abs=1e-5)


def test_pursuit_is_sklearns():
    generator = np.random.default_rng(0)
    dictionary = generator.standard_normal((30, 12))
    targets = generator.standard_normal((5, 12))
    numbers, weights = pursue(targets, dictionary * generator.uniform(0.2, 3, (30, 1)), 4)
    unit = dictionary / np.linalg.norm(dictionary, axis=1, keepdims=True)
    for target, chosen in zip(targets, numbers, strict=True):
        peer = OrthogonalMatchingPursuit(n_nonzero_coefs=4, fit_intercept=False).fit(unit.T, target)
        assert set(chosen.tolist()) == set(np.flatnonzero(peer.coef_).tolist())
    assert weights.shape == (5, 4)


def test_pursuit_rebuilds_what_is_a_sum_of_few_atoms_of_any_length():
    generator = np.random.default_rng(1)
    dictionary = (generator.standard_normal((40, 25)) * generator.uniform(0.5, 2, (40, 1))).astype(np.float32)
    wanted = 2 * dictionary[3] - 0.5 * dictionary[17]
    numbers, weights = pursue(wanted[None], dictionary, 2)
    assert dict(zip(numbers[0].tolist(), weights[0].tolist(), strict=True)) == pytest.approx({3: 2, 17: -0.5}, abs=1e-3)


def test_pursuit_with_an_atom_twice_stays_finite():
    dictionary = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    numbers, weights = pursue(np.array([[1, 1]], np.float32), dictionary, 3)
    assert np.isfinite(weights).all()
    assert np.einsum("nk,nka->na", weights, dictionary[numbers])[0] == pytest.approx([1, 1], abs=1e-3)


def test_omp_carries_weights_from_a_donor_to_the_model():
    source = kinds.by_hand({"[UNK]": 0, "cat": 1, "dog": 2, "c": 3, "##u": 4, "##b": 5})
    target = kinds.by_hand({"[UNK]": 0, "cat": 1, "dog": 2, "cub": 3})
    donor = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [3, 4, 0]], np.float32)  # cub = 3 cat + 2 dog
    rows = np.array([[9, 9], [1, 0], [0, 1], [5, 5], [6, 6], [7, 7]], np.float32)
    made = METHODS["omp"](rows, align(source, target), Context(donor=donor), atoms=2)
    assert made[3] == pytest.approx([3, 2], abs=1e-4)


def test_focus_mixes_shared_tokens_by_sparsemax():
    source = kinds.by_hand({"[UNK]": 0, "cat": 1, "dog": 2, "c": 3, "##u": 4, "##b": 5})
    target = kinds.by_hand({"[UNK]": 0, "cat": 1, "dog": 2, "cub": 3})
    donor = np.array([[0, 0], [1, 0], [0, 1], [0.8, 0.6]], np.float32)
    rows = np.array([[9, 9], [1, 0], [0, 1], [5, 5], [6, 6], [7, 7]], np.float32)
    made = METHODS["focus"](rows, align(source, target), Context(donor=donor))
    # cosines [.8, .6]: both stay, threshold (1.4 - 1) / 2 = .2: weights [.6, .4]
    assert made[3] == pytest.approx([0.6, 0.4], abs=1e-6)


def test_wechsel_mixes_the_tokens_of_near_words():
    source = kinds.by_hand({"[UNK]": 0, "cat": 1, "dog": 2, "c": 3, "##u": 4, "##b": 5})
    target = kinds.by_hand({"[UNK]": 0, "cat": 1, "cub": 2})
    words = WordVectors(
        ("cat", "dog", "cub"), np.array([[1, 0], [0, 1], [0.8, 0.6]], np.float32), np.array([1.0, 1, 1])
    )
    rows = np.array([[9, 9], [1, 0], [0, 1], [5, 5], [6, 6], [7, 7]], np.float32)
    made = METHODS["wechsel"](rows, align(source, target), Context(words=words), neighbours=5)
    # cub's own pieces c, ##u, ##b have its vector (cosine 1), cat .8, dog .6; softmax over 10, 10, 10, 8, 6
    weights = np.exp([8, 6, 10, 10, 10])
    assert made[2] == pytest.approx(weights @ rows[1:] / weights.sum(), rel=1e-4)
    everything = METHODS["wechsel"](rows, align(source, target), Context(words=words), copy=False, neighbours=1)
    assert everything[1] == pytest.approx([1, 0])
    assert everything[0].tolist() == [9, 9]  # special tokens are copied in any case


def test_languages_are_rotated_onto_each_other():
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((6, 3)).astype(np.float32)
    rotation = np.linalg.qr(generator.standard_normal((3, 3)))[0]
    english = WordVectors(tuple("abcdef"), vectors, np.ones(6))
    other = WordVectors(tuple("ABCDEF"), (vectors @ rotation).astype(np.float32), np.ones(6))
    found = align_words(english, other, {"A": "a", "B": "b", "C": "c", "D": "d"})
    place = dict(zip(found.words, found.vectors, strict=True))
    assert place["F"] == pytest.approx(vectors[5] / np.linalg.norm(vectors[5]), abs=1e-5)
    assert place["f"] == pytest.approx(place["F"], abs=1e-5)
    with pytest.raises(DataError, match="1 pair "):
        align_words(english, other, {"A": "a", "Z": "z"})


@pytest.mark.parametrize("kind", sorted(kinds.KINDS))
@pytest.mark.parametrize("method", sorted(set(HEURISTICS) - {"random", "unknown"}))
def test_the_same_tokenizer_gives_back_the_table(method, kind):
    tokenizer = kinds.KINDS[kind]()
    rows = table(tokenizer)
    assert (METHODS[method](rows, align(tokenizer, tokenizer), CONTEXT) == rows).all()


@pytest.mark.parametrize("kind", sorted(kinds.KINDS))
@pytest.mark.parametrize("method", HEURISTICS)
def test_every_row_is_finite_and_shared_ones_are_copied(method, kind):
    target = kinds.KINDS[kind]()
    rows, alignment = table(SOURCE), align(SOURCE, target)
    made = METHODS[method](rows, alignment, CONTEXT)
    assert (made.shape, made.dtype, made.flags.c_contiguous) == ((target.get_vocab_size(), 5), np.float32, True)
    assert np.isfinite(made).all()
    if method not in ("random", "unknown"):
        assert (made[alignment.shared] == rows[alignment.copied[alignment.shared]]).all()


@pytest.mark.parametrize(
    "method", sorted(set(HEURISTICS) - {"random", "lexical"})
)  # what is drawn depends on the width
def test_columns_do_not_know_each_other(method):
    # input embeddings, output embeddings and bias side by side come out as one by one
    rows, alignment = table(SOURCE, 6), align(SOURCE, TARGET)
    together = METHODS[method](rows, alignment, CONTEXT)
    apart = [METHODS[method](rows[:, part], alignment, CONTEXT) for part in (slice(0, 4), slice(4, 6))]
    assert together == pytest.approx(np.concatenate(apart, 1), abs=1e-5)


@pytest.mark.parametrize("method", ["mean", "focus", "omp", "wechsel", "lexical", "unknown"])
def test_another_order_of_the_vocabulary_is_another_order_of_rows(method):
    words = sorted(set(" ".join(kinds.CORPUS).lower().replace(",", " ").replace(";", " ").split()))[:20]
    one = kinds.by_hand({token: number for number, token in enumerate(["[UNK]", *words])})
    other = kinds.by_hand({token: number for number, token in enumerate(["[UNK]", *reversed(words)])})
    rows = table(SOURCE)
    options = {"others": "unknown"} if method == "lexical" else {}
    first, second = (METHODS[method](rows, align(SOURCE, made), CONTEXT, **options) for made in (one, other))
    for word in words:
        assert first[one.token_to_id(word)] == pytest.approx(second[other.token_to_id(word)], abs=2e-2)


def test_seeds_decide_what_is_random():
    alignment, rows = align(SOURCE, TARGET), table(SOURCE)
    one, same, other = (METHODS["random"](rows, alignment, Context(seed=seed)) for seed in (1, 1, 2))
    assert (one == same).all()
    assert not (one == other).all()


def test_random_rows_have_the_mean_and_spread_of_the_table():
    rows = 3 + 2 * np.random.default_rng(0).standard_normal((SOURCE.get_vocab_size(), 2)).astype(np.float32)
    made = METHODS["random"](rows, align(SOURCE, kinds.byte_level(600)), Context())
    assert made.mean(0) == pytest.approx(rows.mean(0), abs=0.5)
    assert made.std(0) == pytest.approx(rows.std(0), rel=0.2)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=5))
def test_mean_rows_are_means(pieces):
    rows = np.arange(10, dtype=np.float32).reshape(5, 2)
    found = mean_rows(rows, [tuple(each) for each in pieces], np.array([-1, -1], np.float32))
    for row, each in zip(found, pieces, strict=True):
        assert row == pytest.approx(np.mean([rows[n] for n in each], axis=0) if each else [-1, -1])


@pytest.mark.parametrize("method", ["wechsel", "focus", "omp"])
def test_methods_that_learn_say_what_they_need(method):
    with pytest.raises(UsageError, match=f"{method} needs texts"):
        METHODS[method](table(SOURCE), align(SOURCE, TARGET), Context())


def test_an_unknown_method_is_answered_with_close_names():
    with pytest.raises(UsageError, match=r"no method 'focs'.*Did you mean focus"):
        method_named("focs")
    assert method_named("FVT") is METHODS["mean"]
    assert method_named("lexical_overlap") is METHODS["lexical"]


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("omp", {"atom": 3}, "no option 'atom'.*atoms"),
        ("omp", {"atoms": "many"}, "atoms='many' is not possible"),
        ("wechsel", {"copy": 3}, "copy=3 is not possible"),
        ("mean", {"x": 1}, "It has none"),
    ],
)
def test_options_are_checked(method, options, message):
    with pytest.raises(UsageError, match=message):
        check_options(method, options)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("omp", {"atoms": 0}),
        ("wechsel", {"neighbours": 0}),
        ("wechsel", {"temperature": 0.0}),
        ("focus", {"others": "nothing"}),
        ("lexical", {"others": "pieces"}),
    ],
)
def test_values_out_of_range_are_refused(method, options):
    with pytest.raises(UsageError):
        METHODS[method](table(SOURCE), align(SOURCE, TARGET), CONTEXT, **options)
