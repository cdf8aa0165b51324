"""Training on a tiny model: what is computed, that it learns, that it goes on after a kill, that it is written and read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.encoders import tiny
from tests.extend.zett import toys

from vecloom.errors import DataError, ModelError, UsageError
from vecloom.extend.vocabulary.surfaces import Surfaces
from vecloom.extend.zett import Settings, load, train_hypernetwork
from vecloom.extend.zett.corpus import Stream, read_texts
from vecloom.extend.zett.encoder import FrozenEncoder, frame_ids, pieces
from vecloom.extend.zett.examples import Examples
from vecloom.extend.zett.forms import Forms
from vecloom.extend.zett.training import Training

SMALL = Settings(
    steps=14, identity_steps=4, batch_size=16, identity_tokens=64, vocabulary_size=400, queue_texts=48, layers=1,
    auxiliary_tokens=20, checkpoint_every=3, learning_rate=1e-3, identity_rate=1e-3,
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return toys.model(tmp_path_factory.mktemp("zett"))


@pytest.fixture
def one_thread():
    """Sums of several threads may differ in their last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_frozen_encoder_gives_the_models_own_vectors_from_its_own_rows(model):
    from sentence_transformers import SentenceTransformer

    texts = toys.texts(30)
    tokenizer = toys.wordpiece()
    encoder = FrozenEncoder(model)
    found = encoder.vectors([encoding.ids for encoding in tokenizer.encode_batch(texts)], encoder.table)
    wanted = SentenceTransformer(str(model), device="cpu").encode(texts)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-5)
    assert frame_ids(tokenizer) == ([2], [3])


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta", "distilbert", "mpnet", "modernbert", "qwen2"])
def test_every_family_reads_rows_in_place_of_its_table(family, tmp_path):
    from sentence_transformers import SentenceTransformer

    pooling = "lasttoken" if family == "qwen2" else "mean"
    path = tiny.make(tmp_path, family, pooling=pooling)
    texts = [tiny.text(count, seed=count) for count in (3, 17, 6)]
    encoder, model = FrozenEncoder(path), SentenceTransformer(str(path), device="cpu")
    sequences = [model.preprocess([text])["input_ids"][0].tolist() for text in texts]
    found = encoder.vectors(sequences, encoder.table)
    np.testing.assert_allclose(found.numpy(), model.encode(texts), atol=2e-5)


def test_a_batch_is_cut_into_bounded_pieces_of_like_length():
    lengths = [5, 900, 20, 30, 700, 5]
    sequences = [[0] * length for length in lengths]
    order = sorted(range(6), key=lambda place: lengths[place])
    found = list(pieces(sequences, order))
    assert found == [[0, 5, 2, 3], [4], [1]]


def test_a_gradient_reaches_the_rows_and_not_the_model(model):
    encoder = FrozenEncoder(model)
    rows = encoder.table.clone().requires_grad_()
    encoder.vectors([[2, 5, 6, 3]], rows)[0, 0].backward()
    assert torch.nonzero(rows.grad.abs().sum(1))[:, 0].tolist() == [2, 3, 5, 6]


def test_forms_are_the_source_pieces(model):
    tokenizer = toys.wordpiece()
    forms = Forms(Surfaces(tokenizer), tokenizer.get_vocab_size(), 3)
    ids = tokenizer.get_vocab()
    assert forms[b" walking"] == (ids["walk"], ids["##ing"])
    assert forms[b"ing"] == (ids["##ing"],)
    assert forms[b" Cat"] == (ids["cat"],)
    assert forms[b" garden"] == (ids["g"], ids["##a"], ids["##r"])  # cut at three
    assert forms[b"\xff"] == (len(ids) + 0xFF,)
    assert forms.shared(b" Cat")
    assert not forms.shared(b" walking")
    assert not forms.shared(b"\xff")


def test_every_text_comes_once_in_an_epoch():
    texts = [str(number) for number in range(10)]
    stream = Stream(texts, 4, seed=1)
    seen = [text for number in range(5) for text in stream.batch(number)]
    assert sorted(seen[:10]) == sorted(seen[10:]) == texts
    assert seen[:10] != seen[10:]
    assert Stream(texts, 4, seed=1).batch(3) == stream.batch(3)


def test_a_step_of_stage_2_is_the_loss_of_its_definition(model):
    """Against an independent path: the whole vocabulary's rows, put into the model as its table, on the sampled tokens."""
    from sentence_transformers import SentenceTransformer

    training = Training(str(model), toys.texts(80), Settings(**{**SMALL.as_dict(), "auxiliary_tokens": 0}))
    training.step = 6
    done = training.advance()

    again = Training(str(model), toys.texts(80), Settings(**{**SMALL.as_dict(), "auxiliary_tokens": 0}))
    again.step = 6
    examples = again._examples
    tokenizer, texts = examples.tokenizer(2), examples.texts(2)  # the third step of stage 2
    vocabulary = tokenizer.get_vocab()
    forms = {token: examples._forms[bytes(_bytes(token))] for token in vocabulary}
    rows = {token: again.network.predict(torch.tensor([ids]))[0] for token, ids in forms.items()}
    teacher = SentenceTransformer(str(model), device="cpu")
    wanted = teacher.encode(texts, convert_to_tensor=True)
    ours = []
    for text in texts:
        inner = [rows[token] for token in tokenizer.encode(text).tokens]
        table = teacher[0].auto_model.embeddings.word_embeddings.weight.detach()
        states = torch.stack([table[2], *inner, table[3]])[None]
        with torch.no_grad():
            hidden = teacher[0].auto_model(inputs_embeds=states).last_hidden_state.mean(1)[0]
        ours.append(hidden)
    main = 1 - torch.nn.functional.cosine_similarity(torch.stack(ours), wanted).mean().item()
    shared = [token for token, ids in forms.items() if len(ids) == 1 and ids[0] < len(table)]
    moved = np.mean([(rows[token] - table[forms[token][0]]).square().sum().item() for token in shared])
    auxiliary = moved / np.mean([table[forms[token][0]].norm().item() for token in shared])
    assert done.main == pytest.approx(main, abs=1e-5)
    assert done.auxiliary == pytest.approx(auxiliary, rel=1e-3)
    assert done.loss == pytest.approx(main + 0.5 * auxiliary, abs=1e-4)


def _bytes(token: str) -> list[int]:
    from vecloom.extend.vocabulary.surfaces import byte_letters

    letters = {letter: byte for byte, letter in byte_letters().items()}
    return [letters[letter] for letter in token]


def test_an_example_does_not_depend_on_those_drawn_before():
    tokenizer = toys.wordpiece()
    made = [Examples(toys.texts(80), Surfaces(tokenizer), 80, 30, SMALL) for _ in range(2)]
    drawn = [made[0].draw(number) for number in range(6)]
    assert made[1].draw(5) == drawn[5]
    assert made[1].draw(1) == drawn[1]
    assert len(drawn[0].texts) == 16
    assert drawn[0].texts != drawn[1].texts


def test_texts_without_a_token_are_told():
    with pytest.raises(DataError, match="control signs"):
        Examples(["\x00\x01"] * 3, Surfaces(toys.wordpiece()), 80, 30, SMALL).draw(0)


def test_it_learns(model):
    chosen = Settings(**{**SMALL.as_dict(), "steps": 60, "identity_steps": 5, "noise_centre": 0.0})
    training = Training(str(model), toys.texts(80), chosen)
    steps = [training.advance() for _ in range(60)]
    assert np.mean([step.main for step in steps[-10:]]) < 0.7 * np.mean([step.main for step in steps[5:15]])


def test_killed_it_goes_on_to_the_same_weights(model, tmp_path, one_thread):
    calm = train_hypernetwork(str(model), toys.texts(80), tmp_path / "calm", SMALL)
    script = Path(__file__).with_name("training_process.py")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
    call = [sys.executable, script, model, tmp_path / "rough", json.dumps(SMALL.as_dict())]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, text=True, env=environment)
    for line in process.stdout:
        if int(line.split()[1]) >= 8:
            process.kill()
    assert process.wait() != 0
    rough = train_hypernetwork(str(model), toys.texts(80), tmp_path / "rough", SMALL)
    assert rough.resumed_from in (6, 9)  # it may do a step more before it dies
    assert (rough.main, rough.auxiliary) == (calm.main, calm.auxiliary)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("calm", "rough")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calm", "rough"]


def test_it_is_written_and_read(model, tmp_path):
    summary = train_hypernetwork(str(model), toys.texts(80), tmp_path / "h", SMALL)
    found = load(tmp_path / "h")
    assert summary.parameters == sum(parameter.numel() for parameter in found.network.parameters())
    assert found.tokenizer.get_vocab() == toys.wordpiece().get_vocab()
    assert found.record["settings"] == SMALL.as_dict()
    training = Training(str(model), toys.texts(80), SMALL)
    while training.step < SMALL.steps:
        training.advance()
    forms = torch.tensor([[5, 9, -1], [40, -1, -1], [200, 201, 4]])
    assert torch.equal(found.network.predict(forms), training.network.predict(forms))


def test_another_run_in_the_same_place_is_refused(model, tmp_path):
    class StopError(Exception):
        pass

    def stop(step):
        raise StopError

    with pytest.raises(StopError):
        train_hypernetwork(str(model), toys.texts(80), tmp_path / "h", SMALL, progress=stop)
    with pytest.raises(UsageError, match="seed was 0, and now it is 1"):
        train_hypernetwork(str(model), toys.texts(80), tmp_path / "h", Settings(**{**SMALL.as_dict(), "seed": 1}))
    with pytest.raises(UsageError, match="texts was"):
        train_hypernetwork(str(model), toys.texts(70), tmp_path / "h", SMALL)
    assert train_hypernetwork(str(model), toys.texts(70), tmp_path / "h", SMALL, resume=False).steps == 14
    with pytest.raises(UsageError, match="exists"):
        train_hypernetwork(str(model), toys.texts(80), tmp_path / "h", SMALL)


def test_broken_hypernetworks_are_told(model, tmp_path):
    with pytest.raises(UsageError, match="no hypernetwork"):
        load(tmp_path / "none")
    with pytest.raises(ModelError, match="it has no tokenizer"):
        load(_part(tmp_path))
    train_hypernetwork(str(model), toys.texts(80), tmp_path / "h", SMALL)
    weights = tmp_path / "h" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path / "h")


def _part(folder: Path) -> Path:
    made = folder / "part"
    made.mkdir()
    for name in ("config.json", "model.safetensors"):
        (made / name).write_text("{}")
    return made


def test_documents_become_passages_that_fit(tmp_path):
    long = " ".join(toys.texts(20))
    (tmp_path / "a.txt").write_text(long)
    (tmp_path / "b.jsonl").write_text('{"text": "The cat sat."}\n{"text": "The cat sat."}\n{"text": ""}\n')
    found = read_texts([str(tmp_path)], toys.wordpiece(), 32)
    counts = [len(encoding.ids) for encoding in toys.wordpiece().encode_batch(found)]
    assert max(counts) <= 32
    assert found.count("The cat sat.") == 1
    assert "".join(found[:-1]).replace(" ", "") == long.replace(" ", "")
    (tmp_path / "c.txt").write_text("  \n")
    with pytest.raises(DataError, match="no text"):
        read_texts([str(tmp_path / "c.txt")], toys.wordpiece(), 32)
