import json
import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.encoders import tiny

import vecloom as vl
from vecloom import extend
from vecloom.errors import DataError, UsageError
from vecloom.extend.tuning import frozen_rows, info_nce, slope
from vecloom.extend.tuning_pairs import Pair, batches, read_pairs

SHORT = [tiny.text(20), tiny.text(62, 3)]
FAST = {"batch": 8, "epochs": 1, "tokens": 16, "rate": 0.01}


def table_of(path):
    (found,) = [tensor for name, tensor in load_file(path / "model.safetensors").items() if "position_emb" in name]
    return found


def written(path, count=24):
    rows = [{"anchor": tiny.text(8, seed), "positive": f"{tiny.text(8, seed)} cat"} for seed in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def pairs(tmp_path):
    return written(tmp_path / "pairs.jsonl")


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("start", ["recurrent", "interpolate"])
def test_only_new_rows_learn_and_short_texts_stay_to_the_bit(start, family, tmp_path, pairs):
    source = tiny.make(tmp_path, family)
    first = 2 if family == "roberta" else 0
    done = extend.extend_context(
        str(source), tmp_path / "out", to=200, method="tune", pairs=str(pairs), start=start, **FAST
    )
    assert (done.found["steps"], done.result) == (3, "plain" if start == "recurrent" else "module")
    old, new = table_of(source), table_of(tmp_path / "out")
    kept = new[first : first + 64] if start == "recurrent" else new[first::4]  # s = ceil(200 / 64) = 4
    assert torch.equal(kept, old[first : first + 64])
    extend.extend_context(
        str(source), tmp_path / "untuned", to=200, method=start, **({} if start == "recurrent" else {"short": "same"})
    )
    moved = (table_of(tmp_path / "untuned") != new).any(1)
    assert moved.sum() > 60
    before, after = load_file(source / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert [name for name in after if not torch.equal(before[name], after[name])] == [
        name for name in after if "position_embeddings" in name
    ]
    vectors = [vl.load(path, backend="torch").encode(SHORT) for path in (source, tmp_path / "out")]
    assert (vectors[0] == vectors[1]).all()


def test_training_lowers_the_loss(tmp_path):
    source = tiny.make(tmp_path)
    done = extend.extend_context(
        str(source), tmp_path / "out", to=200, method="tune", pairs=str(written(tmp_path / "p.jsonl", 32)),
        start="recurrent", batch=16, epochs=6, tokens=12, rate=0.02, temperature=0.1,
    )  # fmt: skip
    assert done.found["loss_last"] < done.found["loss_first"]


def test_the_same_seed_gives_the_same_table(tmp_path, pairs):
    source = tiny.make(tmp_path)
    for name in ("a", "b"):
        extend.extend_context(str(source), tmp_path / name, to=128, method="tune", pairs=str(pairs), seed=3, **FAST)
    assert torch.equal(table_of(tmp_path / "a"), table_of(tmp_path / "b"))


def test_progress_counts_the_steps(tmp_path, pairs):
    told = []
    extend.extend_context(
        str(tiny.make(tmp_path)), tmp_path / "out", to=128, method="tune", pairs=str(pairs),
        progress=lambda done, total: told.append((done, total)), **FAST,
    )  # fmt: skip
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_rows_that_are_frozen():
    assert frozen_rows("interpolate", 6, 3).tolist() == [True, False, True, False, True, False]
    assert frozen_rows("recurrent", 5, 3).tolist() == [True, True, True, False, False]


def test_the_rate_rises_over_a_tenth_and_falls_to_nearly_nothing():
    assert [slope(step, 20, 100) for step in (0, 1, 2, 19)] == pytest.approx([0.5, 1.0, 1.0, 1 / 18])
    assert slope(0, 20, 0) == 1.0


class Lookup:
    """Vectors by text, instead of a network."""

    def __init__(self, table):
        self.table = table

    def vectors(self, texts, span, generator):
        return torch.tensor([self.table[text] for text in texts])


def test_the_loss_by_hand():
    # cosines of a with A and the negative: 1, 0; of b with B: 0.6, with A: 0.8, with the negative 0.6; temperature 0.5
    network = Lookup({"a": [1.0, 0.0], "A": [1.0, 0.0], "b": [0.8, 0.6], "B": [0.0, 1.0], "n": [0.0, 1.0]})
    found = info_nce(network, [Pair("a", "A", "n"), Pair("b", "B")], 0, 0.5, torch.Generator())
    first = -math.log(math.exp(2) / (math.exp(2) + 2))
    second = -math.log(math.exp(1.2) / (math.exp(1.6) + 2 * math.exp(1.2)))
    assert float(found) == pytest.approx((first + second) / 2, abs=1e-6)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("ABCDEF")), max_size=30), st.integers(2, 6))
def test_no_text_stands_twice_in_a_batch(rows, size):
    given_pairs = [Pair(left, right) for left, right in rows]
    made = list(batches(given_pairs, size, epochs=1, seed=0))
    for batch in made:
        assert 2 <= len(batch) <= size
        texts = [text for pair in batch for text in {pair.anchor, pair.positive}]
        assert len(set(texts)) == len(texts)
    used = [pair for batch in made for pair in batch]
    assert all(used.count(pair) <= given_pairs.count(pair) for pair in used)


def test_different_pairs_all_come_once_an_epoch():
    given_pairs = [Pair(str(place), f"answer {place}") for place in range(10)]
    made = list(batches(given_pairs, 4, epochs=2, seed=0))
    assert [len(batch) for batch in made] == [4, 4, 2] * 2
    assert sorted(pair for batch in made for pair in batch) == sorted(given_pairs * 2)
    assert made[0] != made[3]  # another order


def test_columns_are_found(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(
        '{"query": "q", "text": "t", "negative": "n"}\n{"query": "", "text": "x"}\n{"query": "r", "text": "u"}\n'
    )
    assert read_pairs(file) == [Pair("q", "t", "n"), Pair("r", "u")]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"a": "q", "b": "t"}\n', "a.jsonl:1 has no anchor and positive"),
        ('{"anchor": "q", "positive": "t"}\n', "holds 1 pair\\."),
        ('{"anchor": "q", "positive": "t"}\nrubbish\n', "a.jsonl:2 is not JSON"),
    ],
)
def test_pairs_that_cannot_be_read(text, match, tmp_path):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(DataError, match=match):
        read_pairs(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"pairs": None}, UsageError, "tune needs pairs.*--pairs"),
        ({"pairs": "nowhere.jsonl"}, DataError, "no file nowhere.jsonl"),
        ({"start": "grouped"}, UsageError, "start=grouped is not possible"),
        ({"batch": 1}, UsageError, "batch=1 is not possible"),
        ({"rate": 0}, UsageError, "rate=0 is not possible"),
    ],
)
def test_a_wrong_call_is_answered(options, error, match, tmp_path, pairs):
    with pytest.raises(error, match=match):
        extend.extend_context(
            str(tiny.make(tmp_path)), tmp_path / "out", to=128, method="tune", **{"pairs": str(pairs), **options}
        )
    assert not (tmp_path / "out").exists()


def test_offsets_cover_the_new_positions(tmp_path):
    """Every row may be reached: the first from offset 0, the last by a text of full length at the largest offset."""
    from vecloom.extend.positions import read_table, write_table
    from vecloom.extend.source import open_source
    from vecloom.extend.tuning_network import PositionNetwork

    source = open_source(str(tiny.make(tmp_path)))
    name, table = read_table(source)
    write_table(source, source.path, name, np.resize(table, (80, table.shape[1])), 80)
    network = PositionNetwork(source.path, first=0, tokens=64, frozen=np.zeros(80, bool))
    generator = torch.Generator().manual_seed(0)
    texts = [tiny.text(62, random.Random(place).randrange(99)) for place in range(200)]
    network.vectors(texts, 80 - 64, generator).sum().backward()
    reached = network.table.grad.abs().sum(1) > 0
    assert reached.all()
