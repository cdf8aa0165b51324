"""The folder of a run: whole checkpoints, one run at a time, publishing wholly or not at all."""

from __future__ import annotations

import pytest

from vecloom.errors import UsageError
from vecloom.train.runs import RunFolder


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "models" / "mine")


def checkpoint(folder, step, whole=True):
    place = folder.checkpoint(step)
    place.mkdir(parents=True)
    (place / "weights").write_text(str(step))
    if whole:
        folder.complete(place, {"step": step})
    return place


def test_checkpoints_are_those_that_are_whole_in_order_of_their_steps(folder):
    for step in (100, 20, 3):
        checkpoint(folder, step)
    checkpoint(folder, 200, whole=False)
    assert [path.name for path in folder.checkpoints()] == ["checkpoint-3", "checkpoint-20", "checkpoint-100"]
    assert folder.state(folder.checkpoints()[-1]) == {"step": 100}


def test_the_last_ones_are_kept(folder):
    for step in (1, 2, 3):
        checkpoint(folder, step)
    folder.keep(2)
    assert [path.name for path in folder.checkpoints()] == ["checkpoint-2", "checkpoint-3"]
    assert not folder.checkpoint(1).exists()


def test_a_torn_checkpoint_is_removed_when_a_run_goes_on(folder):
    folder.claim({"seed": 1}, resume=True)
    checkpoint(folder, 1)
    torn = checkpoint(folder, 2, whole=False)
    folder.claim({"seed": 1}, resume=True)
    assert not torn.exists()
    assert len(folder.checkpoints()) == 1


def test_another_run_in_the_folder_is_named_by_what_differs(folder):
    folder.claim({"seed": 1, "loss.name": "mnr"}, resume=True)
    with pytest.raises(UsageError) as caught:
        folder.claim({"seed": 2, "loss.name": "mnr"}, resume=True)
    assert "seed was 1, and now it is 2" in caught.value.what
    assert "--no-resume" in caught.value.todo


def test_beginning_anew_removes_what_was_there(folder):
    folder.claim({"seed": 1}, resume=True)
    checkpoint(folder, 1)
    folder.claim({"seed": 2}, resume=False)
    assert folder.checkpoints() == []
    assert folder.read("run.json") == {"seed": 2}


def test_a_directory_that_no_run_made_is_not_replaced(folder):
    folder.output.mkdir(parents=True)
    (folder.output / "thesis.txt").write_text("years of work")
    for resume in (True, False):
        with pytest.raises(UsageError, match="is there already"):
            folder.claim({}, resume=resume)
    (folder.output / "modules.json").write_text("[]")
    folder.claim({}, resume=False)


def test_two_processes_do_not_train_into_one_folder(folder):
    with folder.locked(), pytest.raises(UsageError, match="Another process"), RunFolder(folder.output).locked():
        pass
    with folder.locked():
        pass
    assert list(folder.path.parent.iterdir()) == []
