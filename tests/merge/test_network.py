import pytest
import torch
from tests.merge import models

from vecloom.merge.directory import open_model
from vecloom.merge.network import EncoderNetwork, info_nce, input_products, squared_gradients
from vecloom.merge.pairs import Pair, batches, read_pairs
from vecloom.merge.self_positioning import SelfPositioning
from vecloom.merge.tensors import combine


@pytest.fixture(scope="module")
def opened(family):
    base, tuned = family
    return open_model(str(base)), [open_model(str(path)) for path in tuned]


@pytest.fixture(scope="module")
def network(opened):
    return EncoderNetwork(opened[0])


@pytest.fixture(scope="module")
def batch(probes):
    return batches(read_pairs(probes[0]), 8)[0]


def test_info_nce_by_hand():
    anchors = torch.eye(2)
    candidates = torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    # scores at temperature 1: [.6, 0] and [.8, 1]: log(1 + e^-.6) = .437488, log(1 + e^-.2) = .598139; mean .517813
    assert float(info_nce(anchors, candidates, 1.0)) == pytest.approx(0.517813, abs=1e-6)


def test_a_hard_negative_makes_the_loss_larger(network):
    easy = [Pair("the cat sat", "the cat"), Pair("a dog ran", "the dog ran")]
    hard = [Pair("the cat sat", "the cat", "the cat sat"), easy[1]]
    assert network.loss(hard).item() > network.loss(easy).item()


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert", "qwen2"])
def test_every_parameter_has_its_name_in_the_files(name, tmp_path):
    path = models.base(tmp_path, name, dense=True)
    opened = open_model(str(path))
    network = EncoderNetwork(opened)
    assert {id(item) for item in network.parameters.values()} == {id(item) for item in network.model.parameters()}
    for key, parameter in network.parameters.items():
        assert torch.equal(parameter, opened.tensors[key])


def test_weights_that_are_set_decide_the_vectors(network, opened):
    from sentence_transformers import SentenceTransformer

    tuned = opened[1][0]
    network.set(tuned.tensors)
    texts = ["the cat sat on the mat", "a lazy dog"]
    wanted = SentenceTransformer(str(tuned.path), device="cpu").encode(texts, convert_to_tensor=True)
    assert torch.allclose(network.vectors(texts).detach(), wanted, atol=1e-5)


def test_the_slope_along_a_task_vector_is_that_of_finite_differences(network, opened, batch):
    base, (tuned, *_) = opened
    _, gradient = network.loss_and_gradient(base.tensors, batch)
    slope = sum(float((gradient[n] * (tuned.tensors[n] - base.tensors[n])).sum()) for n in gradient)
    step = 2e-2

    def moved(share):
        return {n: combine(base.tensors, [tuned.tensors], n, [share]) for n in base.tensors.floating_names}

    found = (network.loss_at(moved(step), batch) - network.loss_at(moved(-step), batch)) / (2 * step)
    assert slope == pytest.approx(found, rel=0.02, abs=1e-3)


def test_self_positioning_lowers_the_loss_of_its_probe(network, opened, batch):
    base, tuned = opened
    held = [model.tensors for model in tuned]
    found = SelfPositioning(network.loss_and_gradient, mu=0.0, rate=0.1, steps=25).fit(base.tensors, held, [batch])
    best = {n: combine(base.tensors, held, n, found.coefficients) for n in base.tensors.floating_names}
    assert network.loss_at(best, batch) < found.losses[0]


def test_fisher_information_is_the_mean_of_squared_gradients(network, opened, batch):
    base = opened[0].tensors
    halves = [batch[:4], batch[4:]]
    found = squared_gradients(network, base, halves)
    each = [{name: item.clone() for name, item in network.loss_and_gradient(base, half)[1].items()} for half in halves]
    for name, value in found.items():
        assert torch.allclose(value, (each[0][name] ** 2 + each[1][name] ** 2) / 2)


def test_products_of_inputs_leave_padding_out(network, opened):
    base = opened[0].tensors
    texts = ["the cat", "the dog sat on the mat over a river"]
    together = input_products(network, base, texts)
    apart = [input_products(network, base, [text]) for text in texts]
    name = "encoder.layer.1.output.dense.weight"
    assert together[name].shape == (64, 64)
    assert torch.allclose(together[name], apart[0][name] + apart[1][name], rtol=1e-3, atol=1e-3)
