import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vecloom
from vecloom.runtime.pipeline import BLOCK_CHARACTERS, TokenSource, blocks, run_texts


class CountingSession:
    """Gives each text the sum and the number of its tokens, so that a vector shows which text it belongs to."""

    backend, precision, whole = "fake", "f32", True
    parallel, cells = 2, 256

    def __init__(self, packing: bool):
        self.packing = packing
        self.texts = 0

    def run(self, batches, emit, *, single=False):
        for batch in list(batches)[::-1]:  # any order is allowed
            self.texts += len(batch.items)
            sums = (batch.pool @ batch.input_ids[..., None].astype(np.float32))[batch.rows, batch.slots]
            emit(batch, np.concatenate([sums, batch.scale[:, None]], axis=1))


@pytest.fixture(scope="module")
def source():
    return TokenSource(vecloom.load("minilm").tokenizer, 32)


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=60), packing=st.booleans()
)
def test_vectors_come_back_in_input_order(source, texts, packing):
    found = run_texts(texts, source=source, session=CountingSession(packing), pooling="mean")
    tokens = source.tokenize(texts)
    assert found.tolist() == [[sum(ids), len(ids)] for ids in tokens]


@settings(deadline=None)
@given(st.lists(st.integers(0, BLOCK_CHARACTERS), max_size=30))
def test_blocks_cover_everything_once(sizes):
    bounds = list(blocks(["x" * size for size in sizes]))
    assert [i for start, stop in bounds for i in range(start, stop)] == list(range(len(sizes)))


def test_a_long_text_is_cut_and_counted_once(source):
    before = source.truncated
    (ids,) = source.tokenize(["word " * 10_000])
    assert len(ids) == 32
    assert source.truncated == before + 1


def test_a_text_that_begins_with_more_blanks_than_the_first_cut_is_read_whole(source):
    text = " " * 5000 + "hello"
    assert source.tokenize([text]) == source.tokenize(["hello"])


def test_an_empty_text_has_tokens(source):
    assert source.tokenize([""]) == [source.tokenizer.encode("").ids]
