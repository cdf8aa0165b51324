"""What a model cuts, and what is said of it."""

from types import SimpleNamespace

import pytest
from tests.encoders import tiny
from tests.train import toys

from vecloom import train
from vecloom.train.cutting import SAMPLE, Cutting, count_cut


def table(*lengths, prompts=None):
    """A data set of anchors with so many words each, and of one-word positives."""
    from datasets import Dataset

    rows = {"anchor": [" ".join(["cat"] * length) for length in lengths], "positive": ["dog"] * len(lengths)}
    return _Table(Dataset.from_dict(rows), prompts or {})


class _Table(SimpleNamespace):
    def __init__(self, rows, prompts):
        super().__init__(rows=rows, prompts=prompts, text_columns=["anchor", "positive"])

    def __len__(self):
        return len(self.rows)


def test_texts_longer_than_the_limit_are_counted_with_special_tokens_and_prompts():
    # tokens are words and two more: 8, 10 and 11 for the anchors, 3 for each positive
    found = count_cut(tiny.tokenizer(), [table(6, 8, 9)], before=64, limit=10)
    assert found == Cutting(64, 10, 6, 1)
    # "query :" adds two: 10, 12, 13
    prompted = count_cut(tiny.tokenizer(), [table(6, 8, 9, prompts={"anchor": "query : "})], before=64, limit=10)
    assert prompted.cut == 2


def test_the_count_does_not_change_the_tokenizer():
    tokenizer = tiny.tokenizer()
    tokenizer.enable_truncation(4)
    assert count_cut(tokenizer, [table(9)], before=64, limit=10).cut == 1
    assert tokenizer.truncation["max_length"] == 4


def test_large_data_are_sampled():
    found = count_cut(tiny.tokenizer(), [table(*[5] * 3000), table(*[20] * 1000)], before=64, limit=10)
    # of 8,000 texts 1,000 are cut: an eighth, and the small data set keeps its share
    assert found.texts == SAMPLE
    assert found.cut == 250


def test_a_limit_that_shrinks_is_a_warning_and_one_that_stays_is_not():
    assert Cutting(256, 256, 100, 3).warning() == ""
    assert Cutting(256, 512, 100, 3).warning() == ""
    assert Cutting(0, 0, 0, 0).warning() == ""
    told = Cutting(256, 128, 100, 12).warning()
    assert "max_length is 128 (it was 256)" in told
    assert "for good" in told
    assert "12 of 100 training texts looked at are longer (12%)" in told
    assert "(there was no limit)" in Cutting(0, 128, 100, 12).warning()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workshop")
    toys.model(folder)
    toys.pairs(folder / "pairs.jsonl", 40)
    return folder


def test_a_run_warns_before_it_starts_and_its_card_and_summary_say_what_is_cut(workshop):
    told = []
    made = toys.recipe(workshop, max_length=8, steps=2, output=str(workshop / "short"))
    summary = train.run(made, warn=told.append)
    assert len(told) == 1
    assert told[0].startswith("max_length is 8 (it was 64)")
    note = next(note for note in summary.notes if "reads 8 tokens" in note)
    assert "(before: 64)" in note
    assert note in (workshop / "short" / "README.md").read_text()


def test_a_run_at_the_models_own_length_does_not_warn(workshop):
    told = []
    summary = train.run(toys.recipe(workshop, steps=2, output=str(workshop / "whole")), warn=told.append)
    assert told == []
    assert any("reads 64 tokens of a text; 0 of 80" in note for note in summary.notes)
