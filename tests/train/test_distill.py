"""DSE: loss and gradient by hand, the student, the teacher's kept scores, and a whole run."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.encoders.tiny import make
from tests.train import toys
from tests.train.fakes import Table, column, columns

from vecloom.encoders.pair_head import PairHead
from vecloom.encoders.pair_scorer import PairScorer
from vecloom.errors import DataError, ModelError, UsageError
from vecloom.train import load_recipe, run
from vecloom.train.losses import DistilledPairLoss, make_loss
from vecloom.train.losses.distill import distillation, log_odds, task_loss
from vecloom.train.losses.options import DistillOptions
from vecloom.train.student import make_student
from vecloom.train.teacher import PART, Teacher, digest_of_teacher


class Said(PairHead):
    """A head that says what it is told."""

    def __init__(self, says, task: str = "binary", features: str = "concat") -> None:
        says = torch.as_tensor(says, dtype=torch.float32)
        labels = says.shape[1]
        super().__init__(2, labels, features, () if features == "cosine" else (3,), task)
        self.says = torch.nn.Parameter(says)

    def logits(self, first, second):
        return self.says + 0 * (first.sum() + second.sum())


def loss_of(head, labels, weight=0.5):
    rows = torch.ones(len(head.says), 2)
    return DistilledPairLoss(Table(), head, weight)(columns(rows, rows), torch.tensor(labels, dtype=torch.float32))


@pytest.mark.parametrize(("weight", "expected"), [(0.5, 2.563464), (1.0, 5.0), (0.0, 0.126928)])
def test_several_classes_as_worked_by_hand(weight, expected):
    # log(1 + e^-2) = .126928; (1 - 0)^2 + (-1 - 1)^2 = 5, summed over classes
    loss = loss_of(Said([[1, -1]], "multiclass"), [[0, 0, 1]], weight)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_a_binary_task_as_worked_by_hand():
    # t = 1.5 + .5 = 2 and -.75 - .25 = -1; distillation ((1 - 2)^2 + (-.5 + 1)^2) / 2 = .625
    # BCE: log(1 + e^-1) = .313262 and log(1 + e^-.5) = .474077, mean .393669; half of each .509335
    head = Said([[1.0], [-0.5]])
    loss = loss_of(head, [[1, -0.5, 1.5], [0, 0.25, -0.75]])
    assert loss.item() == pytest.approx(0.509335, abs=1e-6)
    loss.backward()
    # d BCE = (sigmoid(y') - y) / 2: -.134471 and .188770; d distillation = 2 (y' - t) / 2: -1 and .5; half of each sum
    assert head.says.grad.flatten().tolist() == pytest.approx([-0.567235, 0.344385], abs=1e-6)


def test_scores_as_worked_by_hand():
    # (.5 - .8)^2 = .09 against the label, (.5 - .6)^2 = .01 against the teacher
    assert float(loss_of(Said([[0.5]], "regression"), [[0.8, 0.6]])) == pytest.approx(0.05, abs=1e-6)


def test_labels_alone_are_the_task():
    head = Said([[1.0], [-0.5]])
    assert float(loss_of(head, [1, 0])) == pytest.approx(0.393669, abs=1e-6)


def test_a_pair_without_a_label_learns_from_the_teacher_only():
    # the second row has no label: BCE of the first .313262, distillation of both .625
    loss = loss_of(Said([[1.0], [-0.5]]), [[1, 2], [float("nan"), -1]])
    assert float(loss) == pytest.approx((0.313262 + 0.625) / 2, abs=1e-6)
    assert float(loss_of(Said([[1.0]]), [[float("nan"), 3]])) == pytest.approx(0.5 * 4)


def test_a_cosine_learns_probabilities():
    # sigmoid(0) = .5: (.9 - .5)^2 = .16; (.9 - 1)^2 = .01
    assert float(loss_of(Said([[0.9]], features="cosine"), [[1, 0]])) == pytest.approx(0.085, abs=1e-6)


numbers = st.floats(-5, 5, allow_nan=False, width=32)


@settings(deadline=None, max_examples=40)
@given(said=st.lists(numbers, min_size=3, max_size=3), teacher=st.lists(numbers, min_size=3, max_size=3))
def test_with_the_teacher_alone_labels_move_nothing(said, teacher):
    gradients = []
    for gold in (0, 2):
        head = Said([said], "multiclass")
        loss_of(head, [[gold, *teacher]], 1.0).backward()
        gradients.append(head.says.grad.clone())
    assert torch.equal(*gradients)


@settings(deadline=None, max_examples=40)
@given(says=st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5))
def test_who_says_what_the_teacher_says_has_nothing_to_learn(says):
    head = Said(says, "multiclass")
    loss = loss_of(head, [[0, *row] for row in says], 1.0)
    loss.backward()
    assert float(loss) == 0
    assert not head.says.grad.any()


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000), rows=st.integers(1, 6), classes=st.integers(1, 4))
def test_the_sum_runs_over_classes_and_the_mean_over_rows(seed, rows, classes):
    generator = np.random.default_rng(seed)
    ours, theirs = generator.normal(size=(2, rows, classes))
    expected = np.mean([sum((ours[i, k] - theirs[i, k]) ** 2 for k in range(classes)) for i in range(rows)])
    assert float(distillation(torch.tensor(ours), torch.tensor(theirs))) == pytest.approx(expected)


def test_two_logits_are_the_log_odds_of_their_difference():
    logits = torch.tensor([[-0.5, 1.5], [0.25, -0.75]])
    assert log_odds(logits).tolist() == [[2], [-1]]
    torch.testing.assert_close(log_odds(logits)[:, 0].sigmoid(), logits.softmax(1)[:, 1])
    gold = torch.tensor([1.0, 0])
    torch.testing.assert_close(task_loss(log_odds(logits), gold, "binary"), task_loss(logits, gold, "multiclass"))


def test_logits_that_do_not_fit_the_head_and_other_columns_are_errors():
    with pytest.raises(UsageError, match="gives 3 logits for each pair, and the student's head 1"):
        loss_of(Said([[1.0]]), [[1, 0, 0, 0]])
    with pytest.raises(UsageError, match="it got 1 column of text"):
        DistilledPairLoss(Table(), Said([[1.0]]))([column([[1.0, 0]], 1)], torch.ones(1))


# --- the student -----------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(make(tmp_path)), device="cpu")


def test_a_student_pools_its_last_layers_and_is_not_scaled(model):
    head = make_student(model, DistillOptions(layers=2, hidden=(8,)))
    assert [type(module).__name__ for module in model] == ["Transformer", "TopLayersPooling", "PairHead"]
    assert model.get_embedding_dimension() == head.dim == 64
    assert make_student(model, DistillOptions(layers=2, hidden=(8,))) is head
    with pytest.raises(UsageError, match="a head with features 'concat', and the loss asks for 'dot'"):
        make_student(model, DistillOptions(layers=2, head="dot"))


def test_a_student_may_keep_its_pooling_or_be_made_smaller(model):
    make_student(model, DistillOptions(layers=None, head="dot"))
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "PairHead"]


def test_a_smaller_vector_comes_from_a_linear_map(model):
    assert make_student(model, DistillOptions(layers=2, dim=16)).dim == 16
    assert model.encode("the cat").shape == (16,)


def test_too_many_layers_are_an_error_that_names_the_number(model):
    with pytest.raises(UsageError, match="layers is 4, and the model has 2"):
        make_loss(model, "dse")


def test_dropout_is_for_training_only(model):
    make_student(model, DistillOptions(layers=2, dropout=0.5))
    texts = model.preprocess(["the cat sat", "stone"])
    model.eval()
    one, two = (model(dict(texts))["sentence_embedding"] for _ in range(2))
    assert torch.equal(one, two)
    model.train()
    one, two = (model(dict(texts))["sentence_embedding"] for _ in range(2))
    assert not torch.equal(one, two)


# --- the teacher -----------------------------------------------------------------------------------------------------


def cross_encoder(folder, labels=1, names=None):
    """A tiny cross-encoder with random weights."""
    from sentence_transformers import CrossEncoder

    torch.manual_seed(11)
    made = CrossEncoder(str(make(folder)), num_labels=labels, device="cpu")
    if names:
        made.config.id2label = dict(enumerate(names))
    made.save_pretrained(str(folder / "teacher"))
    return folder / "teacher"


PAIRS = [("the cat sat", "a dog ran"), ("stone", "river tree"), ("the lazy fox", "the lazy fox")]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return cross_encoder(tmp_path_factory.mktemp("teacher"))


def test_logits_are_the_cross_encoders_own(directory, tmp_path):
    from sentence_transformers import CrossEncoder

    teacher = Teacher(directory, cache=tmp_path)
    expected = CrossEncoder(str(directory), device="cpu").predict(PAIRS, activation_fn=torch.nn.Identity())
    np.testing.assert_allclose(teacher.logits(PAIRS)[:, 0], expected, atol=1e-5)
    np.testing.assert_allclose(teacher.scores(PAIRS)[:, 0], 1 / (1 + np.exp(-expected)), atol=1e-5)
    assert teacher.logits([]).shape == (0, 1)


def test_a_pair_is_scored_once_in_either_file_and_order(directory, tmp_path):
    first = Teacher(directory, cache=tmp_path)
    logits = first.logits([*PAIRS, PAIRS[0]])
    again = Teacher(directory, cache=tmp_path)
    assert np.array_equal(again.logits(PAIRS[::-1])[::-1], logits[:3])
    assert (first.scored, again.scored) == (3, 0)
    again.logits([PAIRS[0][::-1]])  # the other order is another pair
    assert again.scored == 1


def test_a_stopped_run_goes_on_after_its_last_part(directory, tmp_path):
    pairs = [(f"the cat {number}", "stone") for number in range(PART + 5)]
    teacher = Teacher(directory, cache=tmp_path)

    class StopError(Exception):
        pass

    def stop(count):
        raise StopError

    with pytest.raises(StopError):
        teacher.logits(pairs, progress=stop)
    again = Teacher(directory, cache=tmp_path)
    again.logits(pairs)
    assert (teacher.scored, again.scored) == (PART, 5)


def test_another_teachers_scores_are_not_taken(directory, tmp_path):
    import shutil

    other = tmp_path / "other"
    shutil.copytree(directory, other)
    assert digest_of_teacher(other) == digest_of_teacher(directory)
    (other / "README.md").write_text("another card")
    assert digest_of_teacher(other) == digest_of_teacher(directory)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 1e-6}))
    assert digest_of_teacher(other) != digest_of_teacher(directory)


def test_an_encoder_is_no_teacher(tmp_path):
    with pytest.raises(ModelError, match="is no cross-encoder"):
        Teacher(make(tmp_path))


# --- a run -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch, directory):
    monkeypatch.setenv("VECLOOM_CACHE", str(tmp_path / "cache"))
    toys.model(tmp_path)
    toys.scored(tmp_path / "scored.jsonl")
    toys.pairs(tmp_path / "pairs.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "scored.jsonl").read_text().splitlines()]
    labelled = [{"label": int(row.pop("score") > 0.5), **row} for row in rows]
    toys.write_rows(tmp_path / "labelled.jsonl", labelled)
    named = [{**row, "label": ["no", "yes"][row["label"]]} for row in labelled]
    toys.write_rows(tmp_path / "named.jsonl", named)
    return tmp_path


def recipe(folder, directory, data="labelled", **changes):
    options = {"name": "dse", "layers": 2, "hidden": [8], **changes.pop("loss", {})}
    teacher = changes.pop("teacher", str(directory))
    source = {"path": str(folder / f"{data}.jsonl"), **({"teacher": {"model": teacher}} if teacher else {})}
    return toys.recipe(folder, **{"data": (source,), "loss": options, **changes})


def test_the_shipped_recipe_is_a_student_of_a_cross_encoder():
    read = load_recipe("distilled")
    assert read.loss.name == "dse"
    assert read.data[0].teacher.model == "models/cross-encoder"


def test_a_student_is_trained_saved_and_scores_as_before(folder, directory):
    from sentence_transformers import SentenceTransformer

    summary = run(recipe(folder, directory, steps=40, learning_rate=1e-3, loss={"distillation_weight": 1.0}))
    losses = [value for _, value in summary.curve]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    out = folder / "out"
    plain = SentenceTransformer(str(out), device="cpu", trust_remote_code=True)
    one, two = (plain.encode([pair[side] for pair in PAIRS], convert_to_tensor=True) for side in (0, 1))
    with torch.inference_mode():
        expected = plain[2].logits(one, two)[:, 0].numpy()
    scorer = PairScorer.load(out)
    np.testing.assert_allclose(scorer.score_pairs(*zip(*PAIRS, strict=True)), expected, atol=1e-3)


@pytest.mark.parametrize(("data", "task"), [("scored", "regression"), ("pairs", "binary"), ("labelled", "binary")])
def test_every_kind_of_pairs_can_be_taught(folder, directory, data, task):
    summary = run(recipe(folder, directory, data, steps=2, loss={"task": task}))
    assert np.isfinite([value for _, value in summary.curve]).all()


def test_labels_alone_need_no_teacher(folder, directory):
    assert run(recipe(folder, directory, teacher=None, steps=2)).steps == 2


def test_a_stopped_run_keeps_the_head(folder, directory):
    whole = run(recipe(folder, directory, steps=6, output=str(folder / "whole")))
    stopping = recipe(folder, directory, steps=6, checkpoints={"every": 3})

    class StopError(Exception):
        pass

    def stop(state):
        if state.step == 4:
            raise StopError

    with pytest.raises(StopError):
        run(stopping, progress=stop)
    resumed = run(stopping)
    assert resumed.resumed_from == 3
    assert resumed.curve[-1][1] == whole.curve[-1][1]


def test_what_does_not_go_together_is_an_error_before_the_first_step(folder, directory, tmp_path_factory):
    with pytest.raises(UsageError, match="'pairs' has pairs without labels and no teacher"):
        run(recipe(folder, directory, "pairs", teacher=None))
    with pytest.raises(UsageError, match="The loss 'cosine' takes no teacher's scores"):
        run(
            toys.recipe(
                folder,
                data=({"path": str(folder / "scored.jsonl"), "teacher": {"model": str(directory)}},),
                loss="cosine",
            )
        )
    two = cross_encoder(tmp_path_factory.mktemp("two"), 2)
    with pytest.raises(DataError, match="their order is not known"):
        run(recipe(folder, two, "named"))
    with pytest.raises(ModelError, match="is no cross-encoder"):
        run(recipe(folder, folder / "model"))


def test_classes_are_matched_by_name_not_by_place(folder, tmp_path_factory):
    """The data number no, yes; the teacher's classes are yes, no."""
    from vecloom.train.data import read_tables
    from vecloom.train.teacher import taught

    two = cross_encoder(tmp_path_factory.mktemp("named"), 2, ["Yes", "No"])
    given = recipe(folder, two, "named", loss={"task": "multiclass", "labels": 2})
    table = taught(given, read_tables(given), "cpu")[0]
    texts = list(zip(table.rows["sentence1"], table.rows["sentence2"], strict=True))
    logits = Teacher(two).logits(texts)
    assert np.allclose(np.array(table.rows["label"])[:, 1:], logits[:, ::-1])
    with pytest.raises(DataError, match="Call them alike"):
        taught(*_renamed(folder, tmp_path_factory), "cpu")


def _renamed(folder, tmp_path_factory):
    from vecloom.train.data import read_tables

    given = recipe(folder, cross_encoder(tmp_path_factory.mktemp("other"), 2, ["maybe", "no"]), "named")
    return given, read_tables(given)


def test_logits_of_a_teacher_that_is_too_sure_can_be_divided_by_their_deviation(folder, directory):
    from vecloom.train.data import read_tables
    from vecloom.train.teacher import taught

    source = {"path": str(folder / "labelled.jsonl"), "teacher": {"model": str(directory), "standardise": True}}
    given = toys.recipe(folder, data=(source,), loss={"name": "dse"})
    values = np.array(taught(given, read_tables(given), "cpu")[0].rows["label"])[:, 1:]
    assert values.std() == pytest.approx(1, abs=1e-5)


def test_pooling_by_name_does_not_go_with_a_student(folder, directory):
    run(recipe(folder, directory, steps=2, output=str(folder / "student")))
    with pytest.raises(ModelError, match="pools by Transformer, TopLayersPooling, PairHead"):
        run(recipe(folder, directory, steps=2, model=str(folder / "student"), pooling="cls"))
