import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecloom.train.contrast import class_contrasts, scored_contrasts

PAIRS = [
    ("a cat sat on a mat", "the cat is on the mat", 0.9),
    ("a cat sat on a mat", "a cat sat near a mat", 0.5),
    ("the cat is on the mat", "the dog is on the mat", 0.4),
    ("a dog ran", "the dog is running", 0.8),
    ("a dog ran", "a stone", 0.1),
    ("stones fall", "rain falls", 0.79),
]


def test_pairs_scored_four_of_five_are_positives_in_both_directions():
    made = scored_contrasts(PAIRS, negatives=2)
    assert [(row.anchor, row.positive) for row in made] == [
        ("a cat sat on a mat", "the cat is on the mat"),
        ("the cat is on the mat", "a cat sat on a mat"),
        ("a dog ran", "the dog is running"),
        ("the dog is running", "a dog ran"),
    ]


def test_negatives_are_near_in_words_from_the_second_rank_on_and_not_known_to_be_alike():
    made = {row.anchor: row.negative for row in scored_contrasts(PAIRS, negatives=2)}
    # Scored 2.5 of 5 with the anchor: never its negative, though it is nearest in words.
    assert "a cat sat near a mat" not in made["a cat sat on a mat"]
    # Of "the cat is on the mat" the nearest in words is "the dog is on the mat" (2 of 5): rank 1 is passed over.
    assert "the dog is on the mat" not in made["the cat is on the mat"]
    every = {row.anchor: row.negative for row in scored_contrasts(PAIRS, negatives=2, first_rank=1)}
    assert every["the cat is on the mat"][0] == "the dog is on the mat"


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), count=st.integers(1, 4))
def test_scored_rows_are_full_distinct_and_without_what_is_alike(seed, count):
    alike = {(a, b) for a, b, score in PAIRS if score >= 0.5}
    for row in scored_contrasts(PAIRS, negatives=count, seed=seed):
        assert len(set(row.negative)) == len(row.negative) == count
        assert not {row.anchor, row.positive} & set(row.negative)
        assert not any((row.anchor, text) in alike or (text, row.anchor) in alike for text in row.negative)


@settings(deadline=None, max_examples=30)
@given(sizes=st.lists(st.integers(1, 6), min_size=2, max_size=4), count=st.integers(1, 9), seed=st.integers(0, 1000))
def test_a_positive_is_of_the_class_and_negatives_are_of_others(sizes, count, seed):
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    texts = [f"text {place}" for place in range(len(labels))]
    label_of = dict(zip(texts, labels, strict=True))
    made = class_contrasts(texts, labels, count, seed)
    assert made == class_contrasts(texts, labels, count, seed)
    assert len(made) == sum(size for size in sizes if size > 1)
    for row in made:
        assert row.anchor != row.positive
        assert label_of[row.anchor] == label_of[row.positive]
        assert len(set(row.negative)) == len(row.negative) == min(count, len(texts) - sizes[label_of[row.anchor]])
        assert all(label_of[text] != label_of[row.anchor] for text in row.negative)


def test_a_text_that_stands_in_two_classes_is_no_negative_of_either():
    for row in class_contrasts(["x", "both", "x2", "y", "both", "y2"], [0, 0, 0, 1, 1, 1], 5):
        assert "both" not in row.negative


@pytest.mark.parametrize(
    ("kind", "rows", "shape"),
    [
        ("classes", [{"text": f"word {n} of {n % 3}", "label": "abc"[n % 3]} for n in range(30)], "triplets"),
        ("sts", [{"sentence1": a, "sentence2": b, "score": 5 * score} for a, b, score in PAIRS], "triplets"),
    ],
)
def test_a_recipe_makes_them_of_its_rows(tmp_path, kind, rows, shape):
    from tests.train.toys import write_rows

    from vecloom.train.data import read_table
    from vecloom.train.recipe import DataSource

    path = write_rows(tmp_path / "given.jsonl", rows)
    source = DataSource(path=str(path), triplets=kind, negatives=2, scale=(0, 5), instruction="Find the like")
    table = read_table(source)
    assert table.shape == shape
    assert table.text_columns == ["anchor", "positive", "negative_1", "negative_2"]
    # Texts of one kind: the instruction stands before all of them.
    assert table.prompts == dict.fromkeys(table.text_columns, "Instruct: Find the like\nQuery: ")
    assert any(note.startswith("triplets made of the rows") for note in table.checked.notes())


def test_an_instruction_stands_before_the_queries_of_pairs_and_a_prompt_wins(tmp_path):
    from tests.train.toys import pairs

    from vecloom.train.data import read_table
    from vecloom.train.recipe import DataSource

    path = str(pairs(tmp_path / "pairs.jsonl", 8))
    prompts = read_table(DataSource(path=path, instruction="Find it")).prompts
    assert prompts == {"anchor": "Instruct: Find it\nQuery: "}
    both = read_table(DataSource(path=path, instruction="Find it", instructed="all")).prompts
    assert set(both) == {"anchor", "positive"}
    own = read_table(DataSource(path=path, instruction="Find it", prompts={"anchor": "query: "})).prompts
    assert own == {"anchor": "query: "}
