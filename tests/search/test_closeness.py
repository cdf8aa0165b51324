"""How well a hit fits, in a word."""

import pytest

import vecloom as vl
from vecloom.search import Hit, closeness

KNOWN = next(iter(closeness.BOUNDS))


def hit(cosine, text="heat in blunt bodies", title=""):
    return Hit("d#0", "d", 0.03, text, title=title, cosine=cosine)


def test_the_bundled_model_is_the_one_that_was_measured():
    assert vl.load("minilm").fingerprint == KNOWN


@pytest.mark.parametrize(
    ("cosine", "word"),
    [(0.6, "close"), (0.599, "fair"), (0.35, "fair"), (0.349, "far"), (-0.1, "far"), (None, None)],
)
def test_a_cosine_in_a_word(cosine, word):
    assert closeness.closeness(cosine, KNOWN) == word


def test_of_other_models_nothing_is_said():
    assert closeness.closeness(0.9, "f" * 32) is None
    assert not closeness.nothing_fits("anything at all here", [hit(0.0)], "f" * 32)


def test_nothing_fits_where_all_is_far_and_the_words_are_not_there():
    assert closeness.nothing_fits("how do I bake bread", [hit(0.3), hit(0.1)], KNOWN)
    assert not closeness.nothing_fits("how do I bake bread", [hit(0.4), hit(0.1)], KNOWN)
    assert not closeness.nothing_fits("how do I bake bread", [], KNOWN)
    assert not closeness.nothing_fits("how do I bake bread", [hit(None)], KNOWN)


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("blunt", True),  # the only word
        ("BLUNT cones", True),  # one of two
        ("blunt cones today", False),  # one of three
        ("heat of blunt cones", False),  # two of four
        ("heat in blunt bodies", True),  # all of four
        ("shapes", True),  # in the title
        ("cone", False),
    ],
)
def test_a_far_hit_that_holds_the_words_fits(query, fits):
    assert closeness.nothing_fits(query, [hit(0.2, title="On shapes")], KNOWN) is not fits
