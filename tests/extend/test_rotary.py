import json

import numpy as np
import pytest
import torch
from tests.encoders import tiny
from tests.extend import networks
from transformers import AutoModel

import vecloom as vl
from vecloom import extend
from vecloom.errors import ModelError, UsageError


def frequencies(path, kind=""):
    from vecloom.extend.attention import frequencies_of

    return frequencies_of(AutoModel.from_pretrained(path))[kind]


@pytest.fixture
def llama(tmp_path, monkeypatch):
    return networks.rotary(tmp_path, "llama", monkeypatch)


def test_ntk_with_lambda_ten(tmp_path, monkeypatch):
    # d = 16 here; theta_j = 10,000 ** (-2j/16): with base 100,000, 10 ** (-5j/8)
    source = networks.rotary(tmp_path, "llama", monkeypatch)
    done = extend.extend_context(str(source), tmp_path / "out", to=512, method="ntk")
    assert done.found == {"base_factor": 10.0}
    expected = [10 ** (-5 * j / 8) for j in range(8)]
    assert frequencies(tmp_path / "out").tolist() == pytest.approx(expected, rel=1e-5)


def test_linear_divides_every_frequency(llama, tmp_path):
    extend.extend_context(str(llama), tmp_path / "out", to=512, method="linear")
    torch.testing.assert_close(frequencies(tmp_path / "out"), frequencies(llama) / 8)


def test_yarn_keeps_fast_rotations_and_interpolates_slow_ones(llama, tmp_path):
    extend.extend_context(str(llama), tmp_path / "out", to=512, method="yarn", beta_fast=4.0, beta_slow=1.0)
    old, new = frequencies(llama), frequencies(tmp_path / "out")
    # turns over 64 tokens: 64 * 1 / 2 pi = 10.2 for the first pair (kept), 64 * 10 ** -3.5 / 2 pi = .003 for the last
    assert new[0] == old[0]
    assert new[-1] == pytest.approx(float(old[-1]) / 8)
    assert ((new <= old) & (new >= old / 8 * 0.9999)).all()


@pytest.mark.parametrize("family", list(networks.FAMILIES))
@pytest.mark.parametrize("method", ["linear", "ntk", "yarn"])
def test_a_configuration_is_a_plain_model(method, family, tmp_path, monkeypatch):
    from sentence_transformers import SentenceTransformer

    source = networks.rotary(tmp_path, family, monkeypatch)
    done = extend.extend_context(str(source), tmp_path / "out", to=200, method=method)
    assert done.result == "plain"
    text = [tiny.text(400)]  # the tokenizer that qwen2 loads joins words
    found = SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(text)
    np.testing.assert_allclose(found, vl.load(tmp_path / "out", backend="torch").encode(text), atol=1e-5)
    assert np.abs(found - vl.load(source, backend="torch").encode(text)).max() > 1e-3


def test_layers_with_a_sliding_window_are_left(tmp_path, monkeypatch):
    source = networks.rotary(tmp_path, "modernbert", monkeypatch)
    extend.extend_context(str(source), tmp_path / "out", to=256, method="linear")
    torch.testing.assert_close(
        frequencies(tmp_path / "out", "full_attention"), frequencies(source, "full_attention") / 4
    )
    assert torch.equal(frequencies(tmp_path / "out", "sliding_attention"), frequencies(source, "sliding_attention"))


def test_a_linear_model_is_the_old_one_at_a_fraction_of_the_position(llama, tmp_path):
    """Text of every fourth position: rotations by 4 p at a quarter of the speed are rotations by p."""
    extend.extend_context(str(llama), tmp_path / "out", to=256, method="linear")
    ids, mask = torch.arange(20)[None], torch.ones(1, 20)  # without a mask, positions that jump mean packed texts
    with torch.inference_mode():
        old = AutoModel.from_pretrained(llama)(ids, mask, position_ids=torch.arange(20)[None]).last_hidden_state
        stretched = AutoModel.from_pretrained(tmp_path / "out")
        new = stretched(ids, mask, position_ids=4 * torch.arange(20)[None]).last_hidden_state
    torch.testing.assert_close(new, old, atol=1e-5, rtol=1e-4)


def test_an_old_configuration_is_understood(llama, tmp_path):
    file = llama / "config.json"
    config = json.loads(file.read_text())
    config.pop("rope_parameters")
    file.write_text(json.dumps(config | {"rope_theta": 500.0, "rope_scaling": None}))
    extend.extend_context(str(llama), tmp_path / "out", to=256, method="ntk")
    told = json.loads((tmp_path / "out" / "config.json").read_text())
    assert told["rope_theta"] == told["rope_parameters"]["rope_theta"] == 2500.0


def test_a_stretched_model_is_not_stretched_again(llama, tmp_path):
    extend.extend_context(str(llama), tmp_path / "out", to=128, method="linear")
    with pytest.raises(ModelError, match="stretched already: its rotation is of type linear"):
        extend.extend_context(str(tmp_path / "out"), tmp_path / "more", to=512, method="yarn")


@pytest.mark.parametrize(
    ("method", "options", "match"),
    [
        ("ntk", {"base_factor": 0.5}, "base_factor=0.5 is not possible"),
        ("yarn", {"beta_fast": 1.0}, "beta_fast=1 is not above beta_slow=1"),
        ("self_extend", {"window": 0}, "window=0 is not possible"),
        ("self_extend", {"group": 2.5}, "group=2.5 is not possible"),
        ("linear", {"attention_scaling": "yes"}, "attention_scaling=yes is not possible"),
        ("grouped", {"by": "batch"}, "by=batch is not possible.*target or text"),
    ],
)
def test_a_wrong_option_is_answered(method, options, match, llama, tmp_path):
    with pytest.raises(UsageError, match=match):
        extend.extend_context(str(llama), tmp_path / "out", to=200, method=method, **options)
    assert not (tmp_path / "out").exists()
