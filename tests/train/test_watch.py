"""What looks on: collapse, the best model, progress, batches made ahead."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from vecloom.train.runs import RunFolder
from vecloom.train.trainer import Ahead
from vecloom.train.watch import CollapseWatch, DivergenceError, Reporter, Share, Tracker, mean_cosine


def state(step=1, steps=10):
    return SimpleNamespace(global_step=step, max_steps=steps, epoch=0.5, is_world_process_zero=True)


def control(**keys):
    return SimpleNamespace(**({"should_save": False, "should_log": False, "should_training_stop": False} | keys))


ARGS = SimpleNamespace(learning_rate=1e-3, should_save=True)


def test_mean_cosine_is_over_pairs_of_different_rows():
    # pairs: (1,0)(0,1) 0; (1,0)(1,1) .7071; (0,1)(1,1) .7071; mean .4714; lengths do not matter
    assert mean_cosine(np.array([[2.0, 0], [0, 3], [5, 5]])) == pytest.approx(0.471405, abs=1e-6)
    assert mean_cosine(np.ones((4, 3))) == pytest.approx(1.0)


def vectors(cosine):
    return np.array([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]])


def watch(tmp_path, cosines, every=1):
    found = iter(cosines)
    return CollapseWatch(lambda _: vectors(next(found)), ["a", "b"], 0.95, every, RunFolder(tmp_path / "out"))


def test_a_collapse_stops_the_run_and_says_what_to_do(tmp_path):
    seen = watch(tmp_path, [0.1, 0.5, 0.97])
    seen.on_train_begin(ARGS, state(0), control())
    seen.on_step_end(ARGS, state(1), control())
    with pytest.raises(DivergenceError) as caught:
        seen.on_step_end(ARGS, state(2), control())
    assert "collapsed by step 2" in caught.value.what
    assert "0.970" in caught.value.what
    assert "learning_rate (now 0.001)" in caught.value.todo


def test_a_model_that_begins_in_a_narrow_cone_is_watched_once_it_left_it(tmp_path):
    seen = watch(tmp_path, [0.99, 0.98, 0.9, 0.96])
    seen.on_train_begin(ARGS, state(0), control())
    seen.on_step_end(ARGS, state(1), control())
    seen.on_step_end(ARGS, state(2), control())
    with pytest.raises(DivergenceError):
        seen.on_step_end(ARGS, state(3), control())


def test_the_probe_is_looked_at_before_anything_is_saved(tmp_path):
    seen = watch(tmp_path, [0.1, 0.99], every=1000)
    seen.on_train_begin(ARGS, state(0), control())
    seen.on_step_end(ARGS, state(1), control())
    with pytest.raises(DivergenceError):
        seen.on_step_end(ARGS, state(2), control(should_save=True))


def test_the_message_names_the_last_whole_checkpoint(tmp_path):
    folder = RunFolder(tmp_path / "out")
    for step in (5, 10):
        folder.checkpoint(step).mkdir(parents=True)
        folder.complete(folder.checkpoint(step), {})
    folder.checkpoint(15).mkdir()
    error = DivergenceError.of_loss(float("nan"), 17, 1e-3, folder)
    assert "nan in step 17" in error.what
    assert "checkpoint-10" in error.todo


def test_the_best_measurement_is_saved_and_patience_ends():
    saved, end = [], control()
    tracker = Tracker("mean", 2, lambda: saved.append(1))
    for step, value in enumerate([0.5, 0.7, 0.6], 1):
        tracker.on_evaluate(ARGS, state(step), end, {"eval_mean": value})
    assert (tracker.best, tracker.best_step, tracker.stale, len(saved)) == (0.7, 2, 1, 2)
    assert not end.should_training_stop
    tracker.on_evaluate(ARGS, state(4), end, {"eval_mean": 0.7})
    assert end.should_training_stop


def test_what_a_tracker_remembers_is_what_it_goes_on_with():
    first, second = (Tracker("mean", 2, lambda: None) for _ in range(2))
    first.on_evaluate(ARGS, state(3), control(), {"eval_mean": 0.5})
    second.restore(first.state())
    assert second.state() == first.state() == {"best": 0.5, "best_step": 3, "stale": 0}


def test_losses_learn_how_far_the_training_is():
    share = Share()
    assert share() == 0.0
    share.on_step_begin(ARGS, state(3, 12), control())
    assert share() == 0.25


def test_progress_has_loss_speed_and_the_time_that_is_left(monkeypatch):
    clock = iter([0.0, 2.0])
    monkeypatch.setattr("vecloom.train.watch.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    told = []
    reporter = Reporter(8, told.append)
    logged = state()
    logged.log_history = [{"step": 1, "loss": 0.7}, {"step": 2, "eval_mean": 0.1}, {"step": 2, "loss": 0.3}]
    reporter.on_log(ARGS, logged, control(), {"loss": 0.3, "learning_rate": 1e-4})
    reporter.on_epoch_begin(ARGS, state(), control())
    reporter.on_step_end(ARGS, state(4, 10), control())
    # 8 rows in 2 s; 6 steps of 2 s are left
    assert (told[0].pairs_per_second, told[0].eta_seconds, told[0].loss, told[0].learning_rate) == (
        4.0,
        12.0,
        0.5,
        1e-4,
    )
    assert told[0].memory_bytes > 0


def test_items_come_in_order_and_are_made_while_the_caller_works():
    made = []

    def source():
        for number in range(5):
            made.append((number, threading.current_thread() is not threading.main_thread()))
            yield number

    ahead = Ahead(source(), 2)
    assert next(ahead) == 0
    ahead.settle()
    assert [number for number, _ in made] == [0, 1, 2]
    assert all(elsewhere for _, elsewhere in made)
    assert list(ahead) == [1, 2, 3, 4]
    assert list(ahead) == []
    ahead.close()


def test_an_error_in_the_thread_reaches_the_caller():
    def source():
        yield 1
        raise ValueError("broken row")

    ahead = Ahead(source(), 2)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken row"):
        next(ahead)
    ahead.close()


def test_settle_waits_until_nothing_is_being_made():
    busy = threading.Event()

    def source():
        for number in range(3):
            busy.set()
            time.sleep(0.02)
            busy.clear()
            yield number

    ahead = Ahead(source(), 2)
    ahead.settle()
    assert not busy.is_set()
    ahead.close()
