import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import GISTEmbedLoss
from tests.encoders.tiny import make, text
from tests.train.fakes import Known, Table, columns, random_unit

from vecloom.train.losses import GuidedContrastive, LossContext, make_loss
from vecloom.train.losses.gist import thresholds
from vecloom.train.losses.guide import GuideVectors

A = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
P = torch.tensor([[0.8, 0.6], [0.6, 0.8]])
GUIDE_A = [[1.0, 0.0], [0.96, 0.28]]
GUIDE_P = [[0.9, math.sqrt(0.19)], [0.95, math.sqrt(0.0975)]]


def guided(a, p, guide_a, guide_p, temperature=0.5, **settings) -> tuple[GuidedContrastive, list[dict]]:
    return GuidedContrastive(Table(a.shape[1]), Known([*guide_a, *guide_p]), temperature, **settings), columns(a, p)


def test_two_pairs_as_worked_by_hand():
    # Thresholds .9 and .96 x .95 + .28 x .312250 = .999430. Guide a.p = [[.9, .95], [.986049, .999430]]: row 1 drops p_2
    # (.95 > .9), row 2 keeps p_1. Guide a.a = [[1, .96], [.96, 1]]: dropped but for (2, 1). Guide p.p off the
    # diagonal .9 x .95 + .435890 x .312250 = .991107: dropped in row 1 (> .9), kept in row 2 (< .999430).
    # Row 1 has no negatives left: 0. Row 2: a_2.p_1 = .6, a_2.a_1 = 0, p_2.p_1 = .96 beside .8, over tau = .5:
    # ln(e^1.6 + e^1.2 + e^0 + e^1.92) - 1.6 = 1.178453.
    loss, batch = guided(A, P, GUIDE_A, GUIDE_P)
    judged = loss.prepare(_joined(batch), loss.facts(batch))
    dropped = loss.dropped(judged, slice(0, 2)) & ~torch.tensor(
        [[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]], dtype=torch.bool
    )
    assert dropped.tolist() == [[False, True, True, True, True, True], [False, False, False, True, False, True]]
    assert float(loss(batch).detach()) == pytest.approx(0.589227, abs=1e-6)


def _joined(batch):
    from vecloom.train.losses.ranks import Joined

    return Joined([part["vectors"].detach() for part in batch], 0, 2, 1.0)


def test_thresholds_as_worked_by_hand():
    found = thresholds(torch.tensor(GUIDE_A), torch.tensor(GUIDE_P), "absolute", 0.0)
    assert found.tolist() == pytest.approx([0.9, 0.999430], abs=1e-6)


def test_without_a_guide_the_same_vectors_lose_more_evenly():
    # Both rows: ln(e^1.6 + e^1.2) - 1.6 = ln(1 + e^-.4) = .513015
    loss = make_loss(Table(), "mnr", {"temperature": 0.5})
    assert float(loss(columns(A, P), None).detach()) == pytest.approx(0.513015, abs=1e-6)


def test_an_absolute_margin_of_a_twentieth_drops_every_negative():
    loss, batch = guided(A, P, GUIDE_A, GUIDE_P, margin=0.05)
    with pytest.warns(UserWarning, match="100%"):
        assert float(loss(batch).detach()) == 0.0
    assert loss.lost == 1.0


def test_the_warning_comes_once():
    loss, batch = guided(A, P, GUIDE_A, GUIDE_P, margin=0.05)
    with pytest.warns(UserWarning, match="Lower margin"):
        loss(batch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(batch)


def test_half_of_the_rows_without_negatives_is_no_reason_to_warn():
    loss, batch = guided(A, P, GUIDE_A, GUIDE_P)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(batch)
    assert loss.lost == 0.5


@settings(deadline=None, max_examples=25)
@given(n=st.integers(2, 7), seed=st.integers(0, 1000), strategy=st.sampled_from(["absolute", "relative"]))
def test_raising_the_margin_never_brings_a_negative_back(n, seed, strategy):
    a, p, ga, gp = (random_unit(n, 4, seed + i) for i in range(4))
    before = torch.zeros(n, 3 * n, dtype=torch.bool)
    for margin in (0.0, 0.1, 0.5):
        loss, batch = guided(a, p, ga, gp, margin=margin, margin_strategy=strategy)
        dropped = loss.dropped(loss.facts(batch), slice(0, n))
        assert bool((dropped | ~before).all())
        before = dropped


@settings(deadline=None, max_examples=25)
@given(n=st.integers(2, 7), seed=st.integers(0, 1000))
def test_a_guide_that_finds_each_pair_equal_drops_nothing_but_the_row_itself(n, seed):
    a, p, guide = (random_unit(n, 4, seed + i) for i in range(3))
    loss, batch = guided(a, p, guide, guide)
    dropped = loss.dropped(loss.facts(batch), slice(0, n))
    # Rounding may put another row's similarity above a threshold of 1 only if the vectors coincide; these do not.
    assert dropped.tolist() == torch.eye(n, dtype=torch.bool).repeat(1, 3).tolist()


@settings(deadline=None, max_examples=25)
@given(n=st.integers(2, 7), seed=st.integers(0, 1000))
def test_the_order_of_the_batch_does_not_matter(n, seed):
    a, p, ga, gp = (random_unit(n, 4, seed + i) for i in range(4))
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    one, batch = guided(a, p, ga, gp)
    two, other = guided(a[order], p[order], ga[order], gp[order])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert one(batch).item() == pytest.approx(two(other).item(), abs=1e-5)


def test_equal_texts_are_never_negatives_of_each_other():
    a, p = random_unit(3, 4, 0), random_unit(3, 4, 1)
    # An unhelpful guide: it finds the pairs alike and all else unlike, so its rule drops nothing.
    loss, batch = guided(a, p, np.eye(3), np.eye(3))
    batch[1]["input_ids"][2] = batch[1]["input_ids"][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dropped = loss.dropped(loss.facts(batch), slice(0, 3))
    assert dropped[0, :3].tolist() == [True, False, True]


def test_the_guide_sees_each_text_once_in_all_epochs():
    a, p, ga, gp = (random_unit(4, 4, i) for i in range(4))
    loss, batch = guided(a, p, ga, gp)
    for _ in range(3):
        loss(batch)
    assert sorted(loss.guide.guide.asked, key=int) == [str(number) for number in range(1, 9)]


def test_the_guide_reads_the_texts_themselves_where_they_are_given():
    a, p, ga, gp = (random_unit(2, 4, i) for i in range(4))
    loss, batch = guided(a, p, ga, gp)
    batch[0]["texts"], batch[1]["texts"] = ["3", "1"], ["2", "4"]
    loss(batch)
    assert loss.guide.guide.asked == ["3", "1", "2", "4"]
    assert "texts" not in batch[0]


def test_the_guide_is_neither_trained_nor_saved():
    guide = SentenceTransformer(modules=[torch.nn.Linear(2, 2)], device="cpu")
    loss = GuidedContrastive(Table(), guide)
    assert list(loss.parameters()) == []
    assert loss.state_dict() == {}


def test_old_guide_vectors_make_room():
    kept = GuideVectors(Known(random_unit(6, 2, 0)), Table().tokenizer, capacity=3)
    for batch in columns(A, A, A):
        kept.of(batch)
    kept.of(columns(A)[0])
    assert kept.encoded == 8
    assert len(kept._kept) == 3


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    student = make(tmp_path_factory.mktemp("student"), "bert")
    guide = make(tmp_path_factory.mktemp("guide"), "mpnet")
    return student, guide


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"margin": 0.05, "margin_strategy": "relative"},
        {"margin": 0.1},
        {"contrast_anchors": False},
        {"contrast_positives": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("triplets", [False, True])
@pytest.mark.filterwarnings("ignore:GISTEmbed's guide left")
def test_loss_and_gradient_are_those_of_sentence_transformers(models, settings, triplets):
    student, guide = (SentenceTransformer(str(folder), device="cpu").eval() for folder in models)
    texts = [[text(9, seed=10 * part + row) for row in range(6)] for part in range(2 + triplets)]
    found = []
    for loss in (GuidedContrastive(student, guide, 0.05, **settings), GISTEmbedLoss(student, guide, 0.05, **settings)):
        student.zero_grad()
        student.eval()
        value = loss([student.preprocess(part) for part in texts], None)
        value.backward()
        found.append((value.item(), _gradient(student)))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-5, rtol=1e-4)


def _gradient(model) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_a_recipe_without_a_guide_takes_the_model_as_it_is_at_the_start(models):
    student = SentenceTransformer(str(models[0]), device="cpu")
    loss = make_loss(student, "gist", {}, LossContext())
    before = loss.guide.guide.encode(["a cat"])
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.mul_(1.5)
    np.testing.assert_array_equal(loss.guide.guide.encode(["a cat"]), before)
