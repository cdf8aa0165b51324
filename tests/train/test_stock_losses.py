"""Losses that are sentence-transformers' own against formulas in NumPy, and the table that names them all."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.train.fakes import Table, column, random_unit

from vecloom.errors import UsageError
from vecloom.train.losses import LOSSES, LossContext, base_shapes, make_loss

N, D = 6, 4
A, B, C = (
    random_unit(N, D, seed) * (1 + seed) for seed in range(3)
)  # lengths 1, 2, 3: none may matter where cosines count
SCORES = torch.tensor([1.0, 0.8, 0.8, 0.3, 0.0, 0.5])


def value(name: str, options=None, columns=(A, B), labels=None, context=None) -> float:
    batch = [column(vectors, 1 + N * place) for place, vectors in enumerate(columns)]
    return make_loss(Table(D), name, options, context)(batch, labels).item()


def cosines(left, right) -> np.ndarray:
    left, right = (
        v.double().numpy() / np.linalg.norm(v.double().numpy(), axis=1, keepdims=True) for v in (left, right)
    )
    return left @ right.T


def cross_entropy(logits: np.ndarray) -> float:
    return float(np.mean(np.log(np.exp(logits).sum(1)) - np.diag(logits)))


def ranking(values: np.ndarray) -> float:
    scores = SCORES.numpy()
    worse = [values[j] - values[i] for i in range(N) for j in range(N) if scores[i] > scores[j]]
    return float(np.log1p(np.exp(worse).sum()))


def test_mnr_is_cross_entropy_over_all_candidates():
    logits = np.concatenate([cosines(A, B), cosines(A, C)], axis=1) / 0.1
    assert value("mnr", {"temperature": 0.1}, (A, B, C)) == pytest.approx(cross_entropy(logits), rel=1e-5)


def test_symmetric_mnr_is_the_mean_of_both_directions():
    forth = cosines(A, B) / 0.05
    expected = (cross_entropy(forth) + cross_entropy(forth.T)) / 2
    assert value("mnr", {"symmetric": True}) == pytest.approx(expected, rel=1e-5)


def test_cached_mnr_is_mnr():
    assert value("cached-mnr") == pytest.approx(value("mnr"), rel=1e-6)
    assert type(make_loss(Table(D), "mnr", context=LossContext(mini_batch_size=2))).__name__.startswith("Cached")


def test_cosent_ranks_cosines():
    assert value("cosent", labels=SCORES) == pytest.approx(ranking(20 * np.diag(cosines(A, B))), rel=1e-5)


def test_angle_ranks_the_angle_in_complex_space():
    # Halves as real and imaginary part of complex vectors z and w: |Re + Im| of <z, w> / (|z| |w|).
    a, b = np.split(A.double().numpy(), 2, axis=1)
    c, d = np.split(B.double().numpy(), 2, axis=1)
    inner = ((a + 1j * b) * np.conj(c + 1j * d)).sum(1)
    lengths = np.linalg.norm(A.double().numpy(), axis=1) * np.linalg.norm(B.double().numpy(), axis=1)
    angles = np.abs(inner.real + inner.imag) / lengths
    assert value("angle", labels=SCORES) == pytest.approx(ranking(20 * angles), rel=1e-4)


def test_cosine_is_the_squared_error():
    expected = np.mean((np.diag(cosines(A, B)) - SCORES.numpy()) ** 2)
    assert value("cosine", labels=SCORES) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "manhattan"])
def test_contrastive_pulls_matches_and_pushes_the_rest_to_the_margin(distance):
    gap = A.double().numpy() - B.double().numpy()
    lengths = {
        "cosine": 1 - np.diag(cosines(A, B)),
        "euclidean": np.linalg.norm(gap, axis=1),
        "manhattan": np.abs(gap).sum(1),
    }[distance]
    match = np.array([1, 0, 1, 0, 0, 1.0])
    expected = np.mean(0.5 * (match * lengths**2 + (1 - match) * np.maximum(0, 2.5 - lengths) ** 2))
    found = value("contrastive", {"distance": distance, "margin": 2.5}, labels=torch.tensor(match))
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_triplet_is_the_hinge_of_two_distances(distance):
    a, b, c = (v.double().numpy() for v in (A, B, C))
    near, far = (
        (1 - np.diag(cosines(A, B)), 1 - np.diag(cosines(A, C)))
        if distance == "cosine"
        else (np.linalg.norm(a - b, axis=1), np.linalg.norm(a - c, axis=1))
    )
    expected = np.maximum(0, near - far + 0.3).mean()
    assert value("triplet", {"distance": distance}, (A, B, C)) == pytest.approx(expected, rel=1e-5)


def test_batch_hard_takes_the_worst_of_each_batch():
    labels = np.array([0, 0, 0, 1, 1, 1])
    gaps = 1 - cosines(A, A)
    same = (labels[:, None] == labels) & ~np.eye(N, dtype=bool)
    hardest = np.where(same, gaps, -np.inf).max(1)
    nearest = np.where(labels[:, None] != labels, gaps, np.inf).min(1)
    expected = np.log1p(np.exp(hardest - nearest)).mean()
    assert value("batch-hard", columns=(A,), labels=torch.tensor(labels)) == pytest.approx(expected, rel=1e-5)


def test_softmax_classifies_the_pair_and_its_difference():
    loss = make_loss(Table(D), "softmax-nli", {"labels": 3})
    weight, bias = (p.detach().double().numpy() for p in loss.classifier.parameters())
    u, v = A.double().numpy(), B.double().numpy()
    logits = np.concatenate([u, v, np.abs(u - v)], axis=1) @ weight.T + bias
    truth = np.array([0, 1, 2, 0, 1, 2])
    expected = np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(N), truth])
    found = loss([column(A, 1), column(B, 7)], torch.tensor(truth)).item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_close_name_is_offered():
    with pytest.raises(UsageError, match=r"no loss 'esimce'. Did you mean esimcse"):
        make_loss(Table(), "esimce")


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_an_option_that_does_not_exist_is_an_error_that_lists_the_others(name):
    with pytest.raises(UsageError, match="heat of the loss"):
        make_loss(Table(), name, {"heat": 1})


def test_a_value_out_of_range_is_an_error():
    with pytest.raises(UsageError, match="temperature of the loss mnr: Input should be greater than 0"):
        make_loss(Table(), "mnr", {"temperature": 0})


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_has_defaults_shapes_and_a_line_about_it(name):
    entry = LOSSES[name]
    options = entry.options()
    assert set(entry.shapes) <= {"sentences", "pairs", "triplets", "scored", "labels", "labelled-pairs"}
    assert entry.shapes
    assert entry.summary.endswith(".")
    with pytest.raises(ValidationError):
        options.surely_not = 1


def test_a_wrapper_takes_the_data_of_its_base():
    options = LOSSES["matryoshka"].options(base={"name": "cosent"})
    assert base_shapes("matryoshka", options) == ("scored",)
    assert base_shapes("mnr", LOSSES["mnr"].options()) == ("pairs", "triplets")


def test_the_table_costs_no_torch():
    code = "import sys, vecloom.train.losses; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
