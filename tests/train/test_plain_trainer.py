"""The losses in sentence-transformers' own trainer, without anything else of vecloom's."""

import math

import pytest
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from tests.encoders.tiny import make, text

from vecloom.train.losses import LossContext, make_loss

PAIRS = {name: [text(5, seed=row + start) for row in range(64)] for name, start in (("anchor", 0), ("positive", 500))}
DATA = {
    "sentences": {"sentence": PAIRS["anchor"]},
    "pairs": PAIRS,
    "scored": {
        "sentence1": PAIRS["anchor"],
        "sentence2": PAIRS["positive"],
        "score": [row % 5 / 4 for row in range(64)],
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make(tmp_path_factory.mktemp("tiny"), "bert")


def train(folder, out, loss, model, shape, **settings):
    arguments = SentenceTransformerTrainingArguments(
        str(out), num_train_epochs=1, per_device_train_batch_size=8, gradient_accumulation_steps=2, learning_rate=1e-3,
        use_cpu=True, report_to=[], save_strategy="no", logging_steps=1, disable_tqdm=True, **settings,
    )  # fmt: skip
    trainer = SentenceTransformerTrainer(
        model, arguments, Dataset.from_dict(DATA[shape]), loss=loss, callbacks=getattr(loss, "callbacks", [])
    )
    trainer.train()
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]


@pytest.mark.parametrize(
    ("name", "options", "shape", "size"),
    [
        ("simcse", {}, "sentences", None),
        ("esimcse", {"queue_size": 20}, "sentences", None),
        ("gist", {}, "pairs", None),
        ("gist", {}, "pairs", 4),
        ("progressive", {}, "pairs", 4),
        ("matryoshka", {"base": "progressive", "dims": [32, 16]}, "pairs", 4),
        ("matryoshka-2d", {"base": "cosent"}, "scored", None),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:GISTEmbed's guide left")
def test_a_loss_trains_a_model_that_is_saved_as_any_other(folder, tmp_path, name, options, shape, size):
    model = SentenceTransformer(str(folder), device="cpu")
    before = model.encode(["a cat sat"])
    losses = train(folder, tmp_path, make_loss(model, name, options, LossContext(mini_batch_size=size)), model, shape)
    assert len(losses) == 4
    assert all(math.isfinite(loss) for loss in losses)
    model.save(str(tmp_path / "saved"))
    again = SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    after = again.encode(["a cat sat"])
    assert abs(after - before).max() > 1e-4
    assert [type(module).__name__ for module in again] == ["Transformer", "Pooling", "Normalize"]


def test_the_momentum_encoder_moves_once_for_each_step_and_the_queue_grows_with_each_batch(folder, tmp_path):
    model = SentenceTransformer(str(folder), device="cpu")
    loss = make_loss(model, "esimcse", {"queue_size": 100})
    moves, sizes = [], []
    follow, push = loss.follow, loss.queue.push
    loss.follow = lambda: (moves.append(1), follow())
    loss.queue.push = lambda vectors: (push(vectors), sizes.append(int(loss.queue.filled)))
    train(folder, tmp_path, loss, model, "sentences")
    assert len(moves) == 4  # 64 sentences in batches of 8, two to a step
    assert sizes == [8, 16, 24, 32, 40, 48, 56, 64]


def test_progress_rises_from_0_without_being_told(folder, tmp_path):
    model = SentenceTransformer(str(folder), device="cpu")
    loss = make_loss(model, "progressive")
    seen = []
    prepare = loss.prepare
    loss.prepare = lambda joined, facts: (seen.append(loss.progress()), prepare(joined, facts))[1]
    train(folder, tmp_path, loss, model, "pairs")
    assert seen == [0, 0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75]
