"""What a page is made of: sentences and marks, questions in URLs, and the map's numbers."""

import re
from collections import Counter
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.fakes import HashEncoder

from vecloom.search import Index
from vecloom.serve.page import finding, highlight, projection
from vecloom.serve.page.colours import coloured
from vecloom.serve.page.question import Question, read
from vecloom.serve.page.visible import visible

WORDS = st.text(st.characters(categories=["L", "N", "P", "Zs"], include_characters="\n"), max_size=200)


def text_of(pieces):
    return "".join(piece.text for piece in pieces)


def test_sentences_end_where_people_end_them():
    assert highlight.sentences('One. Two!  "Three?" Four\n\nFive 3.5 kg. 日本。語') == [
        "One.", "Two!", '"Three?"', "Four", "Five 3.5 kg.", "日本。", "語",
    ]  # fmt: skip
    assert highlight.sentences(" \n ") == []


@given(WORDS)
def test_no_letter_of_a_text_is_lost(text):
    assert "".join("".join(highlight.sentences(text)).split()) == "".join(text.split())


def test_the_sentence_with_the_rare_word_is_best():
    texts = ["cats and cats", "a quokka", "cats"]
    assert highlight.most_words(texts, "cats quokkas", highlight.stems(texts)) == 1
    assert highlight.most_words(texts, "nothing", Counter()) == 0


def test_the_nearest_sentence_is_best():
    vectors = np.array([[1, 0], [0.6, 0.8]], np.float32)
    assert highlight.nearest(vectors, np.array([0, 1], np.float32)) == 1


def test_words_are_marked_and_the_best_sentence_too():
    pieces = highlight.snippet(["First one.", "Indexes are fast.", "Last."], 1, "index speed")
    assert text_of(pieces) == "First one. Indexes are fast. Last."
    assert [piece.text for piece in pieces if piece.word] == ["Indexes"]
    assert "".join(piece.text for piece in pieces if piece.best) == "Indexes are fast."


def test_a_snippet_has_room_for_so_much_and_says_where_it_was_cut():
    parts = [f"Sentence number {n} is here." for n in range(40)]
    shown = text_of(highlight.snippet(parts, 20, "", 100))
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert "number 20" in shown
    assert len(shown) < 120


@given(st.lists(WORDS.filter(str.strip), min_size=1, max_size=5), st.data(), WORDS)
def test_a_snippet_always_shows_its_best_sentence(parts, data, query):
    best = data.draw(st.integers(0, len(parts) - 1))
    pieces = highlight.snippet(parts, best, query)
    assert "".join(piece.text for piece in pieces if piece.best) == parts[best]


NAMES = st.text(min_size=1, max_size=8).filter(lambda name: not name.isspace())


@given(
    text=st.text(max_size=30).map(str.strip),
    mode=st.sampled_from(["hybrid", "vector", "keyword"]),
    sort=st.sampled_from(["relevance", "date"]),
    page=st.integers(1, 50),
    chosen=st.dictionaries(
        NAMES, st.lists(st.text(max_size=8), min_size=1, max_size=3, unique=True).map(tuple), max_size=3
    ),
)
def test_a_question_survives_its_url(text, mode, sort, page, chosen):
    from urllib.parse import parse_qsl, urlsplit

    asked = Question("docs", text, mode, sort, page, chosen, "year > 3")
    try:
        url = asked.url(page=page)
    except UnicodeEncodeError:  # lone surrogates come from no browser
        return
    assert read(parse_qsl(urlsplit(url).query, keep_blank_values=True), ["docs"]) == asked


def test_nonsense_in_a_url_becomes_the_default():
    assert read([("mode", "x"), ("sort", "y"), ("page", "-3"), ("q", " a ")], ["docs"]) == Question("docs", "a")
    assert read([("page", "999")], ["docs"]).page == 50


def test_choosing_twice_gives_up():
    asked = Question("docs", "q", chosen={"lang": ("en",)})
    assert "f.lang" not in asked.toggled("lang", "en")
    assert asked.toggled("lang", "de").count("f.lang") == 2


def test_choices_become_a_filter_with_the_right_types():
    asked = Question("docs", chosen={"lang": ("en", "o'hara"), "year": ("2020",), "open": ("true",)}, where="a = 1")
    known = {"lang": ["en", "o'hara", "de"], "year": [2019, 2020], "open": [True, False]}
    assert asked.filter(known) == (
        "(a = 1) AND (fields.lang IN ('en', 'o''hara')) AND (fields.year IN (2020)) AND (fields.open IN (true))"
    )
    assert asked.filter(known, but="lang") == "(a = 1) AND (fields.year IN (2020)) AND (fields.open IN (true))"
    assert Question("docs", chosen={"lang": ("unknown",)}).filter(known) is None


def test_a_members_facet_link_filters_by_the_member(tmp_path):
    index = Index.create(tmp_path / "index", HashEncoder())
    index.add({"id": str(n), "text": "apple", "tags": ["fruit", "red"] if n % 2 else ["fruit"]} for n in range(8))
    asked = Question("docs", "apple", mode="keyword", chosen={"tags": ("red",)})
    found = finding.answer(index, asked)
    assert {one.id for one in found.entries} == {"1", "3", "5", "7"}
    assert ("tags", "fruit, red") in found.entries[0].fields
    assert [(choice.value, choice.count, choice.chosen) for choice in dict(found.facets)["tags"]] == [
        ("fruit", 8, False), ("red", 4, True),
    ]  # fmt: skip


# --- the map ---


def test_a_map_keeps_groups_together():
    rng = np.random.default_rng(0)
    centres = np.eye(3, 16)
    group = np.repeat(np.arange(3), 40)
    vectors = (centres[group] + 0.05 * rng.normal(size=(120, 16))).astype(np.float32)
    words = np.array(["apple tree", "engine oil", "violin string"])[group]
    done = []
    made = projection.layout(np.arange(120), vectors, [f"the {word} and more" for word in words], done.append)
    assert made.xy.min() >= 0
    assert made.xy.max() <= 1
    distance = np.linalg.norm(made.xy[:, None] - made.xy[None], axis=2) + 9 * np.eye(120)
    assert (group[distance.argmin(1)] == group).mean() > 0.95
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1)
    for cluster, label in enumerate(made.labels):
        (own,) = {words[place] for place in np.flatnonzero(made.clusters == cluster)} or {""}
        assert set(label.split(", ")[:2]) == set(own.split())


def test_labels_are_those_of_the_formula():
    labels = projection.label(np.array([0, 0, 1], np.uint8), ["cat cat dog", "dog", "dog emu emu emu"])
    # words 8, mean 4 a cluster; cat 2/4 log(1+4/2), dog 2/4 log(1+4/3) and 1/4, emu 3/4 log(1+4/3)
    assert labels == ["cat, dog", "emu, dog"]


def test_labels_are_words_in_every_script():
    texts = ["हिन्दी भाषा"] * 3 + ["东京塔很高", "看东京塔", "去东京塔"]
    assert projection.label(np.array([0] * 3 + [1] * 3, np.uint8), texts) == ["भाषा, हिन्दी", "东京塔"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 11])
def test_the_smallest_maps(count):
    vectors = np.eye(count, 8, dtype=np.float32)
    made = projection.layout(np.arange(count), vectors, ["text"] * count, lambda _: None)
    assert made.xy.shape == (count, 2)
    assert np.isfinite(made.xy).all()
    assert len(made.clusters) == count


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20), st.integers(0, 5))
def test_scaling_keeps_the_shape(count, seed):
    places = np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32) * 7
    found = projection.scaled(places)
    assert found.min() >= -1e-6
    assert found.max() <= 1 + 1e-6
    if count > 2:
        ratio = np.ptp(found, axis=0) / np.ptp(places, axis=0)
        assert ratio[0] == pytest.approx(ratio[1], rel=1e-4)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("nul \x00 escape \x1b[31m delete \x7f", "nul ␀ escape ␛[31m delete ␡"),
        ("a\r\nb\rc\x0cd\u2028e", "a\nb\nc\nd\ne"),
        ("\u202egnp.exe", "gnp.exe"),
        ("\ud800 \ufffe \x81", "\ufffd \ufffd \ufffd"),
        (" \u200b\u00ad\u3164\ufeff ", ""),
        ("נ\u05b8 e\u0301 \u200d👩\u200d🚀", "נ\u05b8 e\u0301 \u200d👩\u200d🚀"),
    ],
)
def test_text_without_what_is_not_text(text, shown):
    assert visible(text) == shown


def test_numbers_and_dates_are_a_scale_and_other_values_a_colour_each():
    few = coloured([3, 1, None, 2.5, 1])
    assert (few.names, few.codes.tolist(), few.ordered) == (["1", "2.5", "3"], [2, 0, 255, 1, 0], True)
    many = coloured(list(range(80)))  # ten in each of eight steps
    assert many.names[0] == "0 – 9"
    assert many.codes.tolist() == [n // 10 for n in range(80)]
    dates = coloured(["2021-05-06", "2019-01-02", "", "2020-03", "2018"])
    assert (dates.names, dates.codes.tolist(), dates.ordered) == (
        ["2018", "2019", "2020", "2021"],
        [3, 1, 255, 2, 0],
        True,
    )
    words = coloured(["b", "a", "a", " ", None, True])
    assert (words.names, words.codes.tolist(), words.ordered) == (["a", "b", "true"], [1, 0, 0, 255, 255, 2], False)


def test_a_row_with_several_values_has_the_colour_of_the_commonest():
    found = coloured([["rare", "common"], ["common"], [], ["rare", "other"], ["common"]])
    assert found.names[:2] == ["common", "rare"]
    assert found.codes.tolist() == [0, 0, 255, 1, 0]


def test_more_values_than_colours_share_one():
    found = coloured([f"v{n:02}" for n in range(30)] + ["v29"])
    assert found.names[0] == "v29"
    assert (found.codes == 255).sum() == 14


def test_the_frame_of_the_filters_button_is_not_drawn_around_narrow_pages():
    style = next(path for path in files("vecloom.serve.page").joinpath("assets").iterdir() if path.name == "page.css")
    named = re.findall(r"(\S*)\.narrow\b", style.read_text(encoding="utf-8"))
    assert named
    assert "" not in named  # a rule for every element of this class is one for the whole page, too
