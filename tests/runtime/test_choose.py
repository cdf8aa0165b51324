import os

import numpy as np
import pytest
from tests.encoders import tiny

from vecloom.errors import BackendError, ModelError
from vecloom.runtime import apart, choose, cpu
from vecloom.runtime.directory import read_spec
from vecloom.runtime.pipeline import cosine_rows


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return read_spec(tiny.make(tmp_path_factory.mktemp("model")))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VECLOOM_CACHE", str(tmp_path / "cache"))


class Fixed:
    """A session that answers with given vectors at a given speed."""

    def __init__(self, angle, rate):
        self.vectors = np.tile([[np.cos(angle), np.sin(angle)]], (len(choose.PROBE), 1)).astype(np.float32)
        self.rate = rate


def measured(monkeypatch, sessions):
    made = []

    def make(spec, backend, precision, variant, threads):
        made.append((backend, precision))
        session = sessions.get((backend, precision), RuntimeError("it is not here"))
        if isinstance(session, Exception):
            raise session
        return session

    monkeypatch.setattr(choose, "candidates", lambda spec, every: [(*key, "") for key in sessions])
    monkeypatch.setattr(choose, "make_session", make)
    monkeypatch.setattr(choose, "measure", lambda spec, session: (session.vectors, session.rate))
    return made


def test_the_fastest_that_keeps_the_vectors_wins(monkeypatch, spec):
    # cos(0.02) = 0.9998 is close enough, cos(0.06) = 0.9982 is not
    measured(
        monkeypatch,
        {
            ("openvino", "f32"): Fixed(0, 100),
            ("openvino", "bf16"): Fixed(0.02, 300),
            ("torch", "bf16"): Fixed(0.06, 900),
        },
    )
    found = choose.choose(spec)
    assert found.key == ("openvino", "bf16", "")
    assert [trial.usable for trial in found.trials] == [True, True, False]
    assert "fastest of 3" in found.reason


def test_the_choice_is_remembered(monkeypatch, spec):
    made = measured(monkeypatch, {("openvino", "f32"): Fixed(0, 100)})
    choose.choose(spec)
    choose.choose(spec)
    assert len(made) == 1
    choose.choose(spec, every=True)
    assert len(made) == 2


def test_a_backend_that_fails_is_noted_and_passed_over(monkeypatch, spec):
    measured(monkeypatch, {("openvino", "f32"): RuntimeError("no such op\ntrace"), ("torch", "f32"): Fixed(0, 10)})
    found = choose.choose(spec)
    assert found.key == ("torch", "f32", "")
    assert found.trials[0].note == "no such op"


def test_nothing_that_runs_is_an_error_with_the_reasons(monkeypatch, spec):
    measured(monkeypatch, {("openvino", "f32"): RuntimeError("no such op")})
    with pytest.raises(BackendError, match="openvino f32: no such op; torch f32: it is not here"):
        choose.choose(spec)


def test_torch_is_tried_where_nothing_else_can_be_used(monkeypatch, spec):
    sessions = {("openvino", "f32"): RuntimeError("no such op"), ("torch", "f32"): Fixed(0, 10)}
    made = measured(monkeypatch, sessions)
    monkeypatch.setattr(choose, "candidates", lambda spec, every: [("openvino", "f32", "")])
    assert choose.choose(spec).key == ("torch", "f32", "")
    assert made == [("openvino", "f32"), ("torch", "f32")]


def test_numbers_that_are_not_finite_and_vectors_that_differ_are_said(monkeypatch, spec):
    broken = Fixed(0, 100)
    broken.vectors[3] = np.nan
    sessions = {("openvino", "f32"): broken, ("openvino", "bf16"): Fixed(0, 300), ("torch", "f32"): Fixed(0, 10),
                ("torch", "bf16"): Fixed(0.1, 900)}  # fmt: skip
    measured(monkeypatch, sessions)
    found = choose.choose(spec)
    assert found.key == ("torch", "f32", "")
    assert [trial.note for trial in found.trials] == [
        "it gives numbers that are not finite",
        "there is no fp32 run to compare it with",
        "",
        "its vectors differ from fp32's: cosine 0.9950",  # cos(0.1)
    ]


def test_a_library_that_crashes_takes_only_the_trial_along(monkeypatch, tmp_path):
    path = tiny.make(tmp_path, "mpnet")  # a family that is converted
    spec = read_spec(path)
    vectors, rate = apart.measure_apart(path, "openvino", "f32", "", 1)
    assert vectors.shape == (len(choose.PROBE), 32)
    assert rate > 0
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(apart, "_environment", lambda: crashing(tmp_path, code))
    with pytest.raises(BackendError, match=r"crashed \(signal 9\)"):
        apart.measure_apart(path, "openvino", "f32", "", 1)
    found = choose.choose(spec)
    assert found.key[0] == "torch"
    assert "crashed" in found.trials[0].note


def crashing(folder, code):
    """An environment in which Python runs ``code`` before anything else."""
    (folder / "sitecustomize.py").write_text(code)
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_failures_are_not_remembered(monkeypatch, spec):
    measured(monkeypatch, {("openvino", "f32"): RuntimeError("out of memory")})
    with pytest.raises(BackendError):
        choose.choose(spec)
    measured(monkeypatch, {("openvino", "f32"): Fixed(0, 100)})
    assert choose.choose(spec).key == ("openvino", "f32", "")


def test_broken_weights_are_named_whatever_the_backend(tmp_path):
    path = tiny.make(tmp_path)
    (path / "model.safetensors").write_bytes((path / "model.safetensors").read_bytes()[:4000])
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be read"):
        choose.choose(read_spec(path))


def test_trying_every_backend_for_real_finds_them_all_within_reach_of_fp32(spec):
    found = choose.choose(spec, every=True)
    tried = {(trial.backend, trial.precision): trial for trial in found.trials if trial.variant == ""}
    assert {("openvino", "f32"), ("torch", "f32"), ("onnx", "f32")} <= set(tried)
    assert all(tried[key].min_cosine > 0.99999 for key in tried if key[1] == "f32")
    assert found.key[0] in {"openvino", "torch", "onnx"}


def test_bf16_is_refused_where_the_processor_lacks_it(monkeypatch, spec):
    monkeypatch.setattr(cpu, "has_bf16", lambda: False)
    with pytest.raises(BackendError, match="no bfloat16"):
        choose.open_session(spec, "openvino", precision="bf16")
    assert all(precision == "f32" for _, precision, _ in choose.candidates(spec, every=False))


def test_cosine_of_rows_by_hand():
    # (3, 4).(4, 3) = 24 over 5 x 5; opposite vectors give -1
    found = cosine_rows(np.array([[3, 4], [1, 0]], np.float32), np.array([[4, 3], [-2, 0]], np.float32))
    assert found == pytest.approx([0.96, -1])
