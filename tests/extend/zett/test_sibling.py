"""A base's new tokenizer for a tuned sibling: the rule by hand, and a directory that loads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from tests.encoders import tiny
from tests.extend.zett import toys
from tests.merge.models import tuned

import vecloom as vl
from vecloom.cli.group import vecloom
from vecloom.errors import ModelError, UsageError
from vecloom.extend.vocabulary.transfer import transfer_tokenizer
from vecloom.extend.zett.sibling import apply_to_finetuned, shifted

TABLE = "embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """base, finetuned, transferred, and transferred-tuned."""
    folder = tmp_path_factory.mktemp("sibling")
    base = toys.model(folder)
    tuned(base, folder / "finetuned", seed=1)
    transfer_tokenizer(str(base), str(toys.byte_level(folder / "t.json")), folder / "transferred", method="mean")
    tuned(folder / "transferred", folder / "transferred-tuned", seed=2)
    return folder


def test_the_rule_by_hand():
    one, three, ten = (torch.tensor([value]) for value in (1.0, 3.0, 10.0))
    assert shifted(ten, one, three, 0.5).item() == 11.0


def test_rows_come_from_the_transferred_base_and_the_rest_moves_with_it(made, tmp_path):
    apply_to_finetuned(
        str(made / "finetuned"), str(made / "model"), str(made / "transferred-tuned"), tmp_path / "new", weight=0.3
    )
    weights = {
        name: load_file(made / name / "model.safetensors") for name in ("finetuned", "model", "transferred-tuned")
    }
    new = load_file(tmp_path / "new" / "model.safetensors")
    assert torch.equal(new[TABLE], weights["transferred-tuned"][TABLE])
    for name in set(new) - {TABLE}:
        way = weights["transferred-tuned"][name] - weights["model"][name]
        torch.testing.assert_close(new[name], weights["finetuned"][name] + 0.3 * way)
    encoder = vl.load(str(tmp_path / "new"), backend="torch")
    assert np.isfinite(encoder.encode(toys.texts(4))).all()
    assert encoder.tokenizer.get_vocab() == vl.load(str(made / "transferred")).tokenizer.get_vocab()


def test_an_untuned_base_leaves_the_siblings_other_weights(made, tmp_path):
    done = apply_to_finetuned(str(made / "finetuned"), str(made / "model"), str(made / "transferred"), tmp_path / "new")
    assert done.moved == 0
    old, new = (load_file(place / "model.safetensors") for place in (made / "finetuned", tmp_path / "new"))
    assert all(torch.equal(old[name], new[name]) for name in old if name != TABLE)


def test_models_of_another_base_are_refused(made, tmp_path):
    other = tiny.make(tmp_path)
    with pytest.raises(ModelError, match="different vocabularies"):
        apply_to_finetuned(str(other), str(made / "model"), str(made / "transferred"), tmp_path / "new")
    with pytest.raises(UsageError, match=r"weight=1\.5"):
        apply_to_finetuned(
            str(made / "finetuned"), str(made / "model"), str(made / "transferred"), tmp_path / "new", weight=1.5
        )


def test_the_command(made, tmp_path):
    words = [made / "finetuned", "--base", made / "model", "--transferred", made / "transferred"]

    def call(*more: object):
        return CliRunner().invoke(vecloom, [str(word) for word in ("extend", "sibling", *words, *more)])

    assert "0.5 (" in call("--explain").stdout
    assert "no output" in call().output
    told = json.loads(call("-o", tmp_path / "new", "--json").stdout)
    assert (told["weight"], told["moved"]) == (0.5, 0)
    assert "exists" in call("-o", tmp_path / "new").output
