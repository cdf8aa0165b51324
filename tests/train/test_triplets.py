import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.train import toys

from vecloom.errors import DataError
from vecloom.train.data import read_table
from vecloom.train.recipe import DataSource
from vecloom.train.triplets import label_of, nli_triplets, scored_triplets

E, N, C = "entailment", "neutral", "contradiction"
ROWS = [("p1", "h1", E), ("p1", "h2", C), ("p1", "h3", N), ("p2", "h4", E), ("p3", "h5", C), ("p1", "h6", C)]


def test_an_entailment_meets_every_contradiction_of_its_own_premise():
    assert nli_triplets(ROWS) == [("p1", "h1", "h2"), ("p1", "h1", "h6")]


def test_with_a_seed_one_contradiction_is_drawn_and_always_the_same():
    found = nli_triplets(ROWS, seed=1)
    assert len(found) == 1
    assert found == nli_triplets(ROWS, seed=1)
    assert {nli_triplets(ROWS, seed=seed)[0].negative for seed in range(20)} == {"h2", "h6"}


def test_scored_pairs_that_share_a_sentence_make_triplets_from_either_side():
    # a goes with b (.8) and not with c (.2); d and e share nothing with an unlike pair; f is between
    rows = [("a", "b", 0.8), ("c", "a", 0.2), ("d", "e", 1.0), ("a", "f", 0.5), ("g", "g", 1.0)]
    assert scored_triplets(rows) == [("a", "b", "c")]
    assert scored_triplets(rows, low=0.1) == []


texts = st.sampled_from("abcdef")
inferences = st.lists(st.tuples(texts, texts, st.sampled_from([E, N, C])), max_size=20)


@given(rows=inferences)
def test_positive_and_negative_are_of_the_same_premise_and_differ(rows):
    found = nli_triplets(rows)
    assert len(set(found)) == len(found)
    for anchor, positive, negative in found:
        assert (anchor, positive, E) in rows
        assert (anchor, negative, C) in rows
        assert positive != negative
        assert anchor != negative


@given(rows=st.lists(st.tuples(texts, texts, st.floats(0, 1)), max_size=20))
def test_scored_triplets_keep_their_distance(rows):
    for anchor, positive, negative in scored_triplets(rows):
        assert any({anchor, positive} == {one, two} and score >= 0.8 for one, two, score in rows)
        assert any({anchor, negative} == {one, two} and score <= 0.2 for one, two, score in rows)


@pytest.mark.parametrize(
    ("cell", "name"), [(0, E), ("1", N), (2, C), (-1, "none"), ("Entailment ", E), ("yes", None), (7, None)]
)
def test_classes_come_by_name_or_number(cell, name):
    assert label_of(cell) == name


def inference_file(tmp_path, labels=(E, C, N)):
    rows = [
        {"premise": f"premise {number}", "hypothesis": f"{label} {number}", "label": label}
        for number in range(5)
        for label in labels
    ]
    return toys.write_rows(tmp_path / "nli.jsonl", rows)


def test_a_recipe_makes_triplets_of_inferences(tmp_path):
    table = read_table(DataSource(path=str(inference_file(tmp_path)), triplets="nli"))
    assert table.shape == "triplets"
    assert table.rows.column_names == ["anchor", "positive", "negative_1"]
    assert table.rows[1] == {"anchor": "premise 1", "positive": f"{E} 1", "negative_1": f"{C} 1"}
    assert "triplets made of the rows: 5" in table.checked.notes()


def test_a_recipe_makes_triplets_of_scores(tmp_path):
    rows = [{"sentence1": "a", "sentence2": "b", "score": 5}, {"sentence1": "a", "sentence2": "c", "score": 0.5}]
    path = toys.write_rows(tmp_path / "scored.jsonl", rows)
    table = read_table(DataSource(path=str(path), triplets="scores", scale=(0, 5)))
    assert table.rows[0] == {"anchor": "a", "positive": "b", "negative_1": "c"}


def test_labels_that_are_none_and_rows_that_make_no_triplet_are_errors(tmp_path):
    with pytest.raises(DataError, match=r"nli.jsonl:2: the label 'maybe' is no class of inference"):
        read_table(DataSource(path=str(inference_file(tmp_path, (E, "maybe"))), triplets="nli"))
    with pytest.raises(DataError, match="no text has both a positive and a negative"):
        read_table(DataSource(path=str(inference_file(tmp_path, (E, N))), triplets="nli"))
