"""What must not happen: lost rows, torn states, wrong answers from broken files."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from filelock import FileLock
from search_fakes import HashEncoder

from vecloom.errors import DataError, OutputError, StoreError, UsageError
from vecloom.search import Index, schema
from vecloom.search import store as store_module

DOCUMENTS = [{"id": f"d{n}", "text": f"word{n} of number {n % 3}"} for n in range(12)]
CHILD = Path(__file__).with_name("killed.py")


def everything(path):
    """All rows by id, without the keys, which tell when a row came."""
    table = Index.open(path)._store.scan([name for name in schema.FIXED if name != schema.KEY] + ["n"])
    return sorted(table.to_pylist(), key=lambda row: row["id"])


# ---- kills -----------------------------------------------------------------------------------------------------------


def begin(path):
    index = Index.create(path, HashEncoder(), chunk_tokens=32, overlap=4)
    index.add([{"id": f"d{n}", "text": f"old words of d{n}", "n": n} for n in range(0, 60, 5)])
    return index


def run_until_killed(path, count, seconds):
    child = subprocess.Popen([sys.executable, str(CHILD), str(path), str(count)], stdout=subprocess.PIPE, text=True)
    timer = threading.Timer(seconds, child.send_signal, [signal.SIGKILL])
    timer.start()
    lines = child.communicate()[0].split("\n")
    timer.cancel()
    return lines[:-1]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "index"
    begin(path)
    assert run_until_killed(path, 150, 120)[-1] == "end"
    return everything(path)


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_loses_nothing_that_was_reported_and_a_rerun_completes(tmp_path, uninterrupted, seed):
    path = tmp_path / "index"
    begin(path)
    hashes = {row[schema.HASH] for row in uninterrupted}
    moments = random.Random(seed)
    for _ in range(3):
        reported = run_until_killed(path, 150, moments.uniform(0.25, 0.9))
        done = 0 if not reported else 150 if reported[-1] == "end" else int(reported[-1])
        rows = everything(path)
        new = {row["document_id"] for row in rows if row[schema.HASH] in hashes}
        assert len(new) >= done  # not the first ones: documents that change are written after those that are new
        assert [row for row in rows if row["document_id"] in new] == [
            row for row in uninterrupted if row["document_id"] in new
        ]
        assert Index.open(path, HashEncoder()).search("word7 text1 words", 5)
    assert run_until_killed(path, 150, 120)[-1] == "end"
    assert everything(path) == uninterrupted
    index = Index.open(path, HashEncoder())
    assert index.info().kind == "ann"
    assert len(index.search("word7", len(uninterrupted), mode="vector")) == len(uninterrupted)


# ---- two writers -----------------------------------------------------------------------------------------------------


def test_a_second_writer_waits_and_then_says_who_holds_the_index(index, encoder):
    index.add(DOCUMENTS)
    other = Index.open(index.path, encoder, lock_timeout=0.1)
    refused = []

    def interrupt(_):
        with pytest.raises(StoreError, match=f"process {os.getpid()} on") as caught:
            other.add(DOCUMENTS)
        refused.append(caught.value)

    index.add([{"id": "new", "text": "new"}], progress=interrupt)
    assert len(refused) == 1
    assert other.add([{"id": "other", "text": "other"}]).added == 1


def test_writers_that_take_turns_lose_nothing(index, encoder):
    writers = [Index.open(index.path, encoder) for _ in range(3)]

    def write(number):
        for part in range(3):
            writers[number].add([{"id": f"{number}-{part}-{n}", "text": f"word {n}"} for n in range(5)])

    threads = [threading.Thread(target=write, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = index._store.latest().scan([schema.KEY])[schema.KEY].to_pylist()
    assert len(keys) == len(set(keys)) == 45
    assert len(index.search("word", 45, mode="vector")) == 45


def test_a_lock_that_a_dead_process_left_does_not_hold(index):
    lock = FileLock(str(index.path / "writer.lock"))
    with lock:
        pass
    (index.path / "writer.pid").write_text("process 1 on elsewhere")
    assert index.add(DOCUMENTS).added == 12


# ---- broken and foreign files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_text("x")])
def test_what_is_no_index_says_how_to_make_one(tmp_path, make):
    path = tmp_path / "none"
    make(path)
    with pytest.raises(StoreError, match=r"vecloom index \S+ -i"):
        Index.open(path)


def rewrite(index, **changes):
    file = index.path / "index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_a_newer_format_is_refused(index):
    rewrite(index, format=99, vecloom="9.9.9", unheard_of=True)
    with pytest.raises(StoreError, match=r"format 99, made by vecloom 9\.9\.9.*pip install -U"):
        Index.open(index.path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": "one"}'])
def test_a_broken_description_is_named(index, text):
    (index.path / "index.json").write_text(text)
    with pytest.raises(StoreError, match=r"index\.json"):
        Index.open(index.path)


def test_a_missing_table_is_named(index):
    shutil.rmtree(index.path / "rows.lance")
    with pytest.raises(StoreError):
        Index.open(index.path)


def test_lost_vector_files_are_read_from_the_table_and_made_again(index, encoder):
    index.add(DOCUMENTS)
    before = index.search("word3", 12, mode="vector")
    for folder in index.path.glob("vectors-*"):
        shutil.rmtree(folder)
    again = Index.open(index.path, encoder)
    assert again.search("word3", 12, mode="vector") == before
    again.add([{"id": "new", "text": "new"}])
    assert len(list(index.path.glob("vectors-*"))) == 1
    assert len(Index.open(index.path, encoder).search("word3", 20, mode="vector")) == 13


def test_a_truncated_vector_file_is_named(index, encoder):
    index.add(DOCUMENTS)
    (file,) = index.path.glob("vectors-*/vectors.f32")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(StoreError, match="truncated"):
        Index.open(index.path, encoder).search("word3")


def test_rows_behind_the_valid_ones_are_ignored_and_overwritten(index, encoder):
    index.add(DOCUMENTS)
    (folder,) = index.path.glob("vectors-*")
    for name in ("vectors.f32", "keys.i64"):  # what a writer that was killed may leave
        with open(folder / name, "ab") as file:
            file.write(os.urandom(999))
    index.add([{"id": "new", "text": "entirely new"}])
    hits = Index.open(index.path, encoder).search("entirely new", 13, mode="vector")
    assert (hits[0].document_id, len(hits)) == ("new", 13)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_index_can_be_asked_and_not_changed(index, encoder):
    index.add(DOCUMENTS)
    index.path.chmod(0o500)
    try:
        assert Index.open(index.path, encoder).search("word3")
        with pytest.raises(OutputError):
            index.add([{"id": "new", "text": "new"}])
    finally:
        index.path.chmod(0o700)


# ---- vectors that are not finite -------------------------------------------------------------------------------------


def store_foreign_row(index, vector):
    """Write a row as another program could, past the checks of ``add``."""
    table = index._store.latest()
    key = max(table.scan([schema.KEY])[schema.KEY].to_pylist()) + 1
    row = {name: ["foreign"] for name in schema.FIXED}
    row |= {schema.KEY: [key], schema.POSITION: [0], schema.VECTOR: [vector]}
    table.append(pa.table({n: pa.array(v, table.dataset.schema.field(n).type) for n, v in row.items()}))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_stored_vector_that_is_not_finite_is_skipped_and_counted(index, encoder, bad):
    index.add(DOCUMENTS)
    store_foreign_row(index, [bad] * 16)
    for again in (index, Index.open(index.path, encoder)):
        assert "foreign" not in {hit.document_id for hit in again.search("foreign", 50, mode="vector")}
        assert again.search("foreign", 1, mode="keyword")[0].document_id == "foreign"
        assert (again.info().rows, again.info().unsearchable) == (13, 1)
    index.add([{"id": "later", "text": "later"}])  # now the vector file has gone past it
    assert len(index.search("later", 50, mode="vector")) == 13
    assert index.info().unsearchable == 1


def test_a_batch_with_a_bad_vector_is_refused_and_earlier_ones_stay(index, monkeypatch):
    monkeypatch.setattr("vecloom.search.writer.BATCH_CHUNKS", 4)
    with pytest.raises(DataError, match="'bad'"):
        index.add([*DOCUMENTS[:9], {"id": "bad", "text": "NAN"}])
    assert index.info().documents == 8
    assert index.add(DOCUMENTS).added == 4


# ---- the engine ------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_said_so(index, monkeypatch):
    def full(*_, **__):
        raise OSError("LanceError(IO): write failed: No space left on device (os error 28), /src/x.rs:1:2")

    monkeypatch.setattr("lance.write_dataset", full)
    with pytest.raises(OutputError, match="the disk is full"):
        index.add(DOCUMENTS)
    monkeypatch.undo()
    assert index.add(DOCUMENTS).added == 12


def test_small_commits_are_joined_and_old_versions_kept_for_a_while(index, encoder, monkeypatch):
    monkeypatch.setattr("vecloom.search.writer.BATCH_CHUNKS", 1)
    reader = Index.open(index.path, encoder)
    old = reader._current()
    index.add(DOCUMENTS)
    assert len(index._store.dataset.get_fragments()) == 1
    old_table = store_module.Store(index._store.dataset.checkout_version(old.store.version), old.store.version)
    assert old_table.scan([schema.KEY]).num_rows == 0


def test_deleting_most_rows_makes_the_vector_file_anew(index, encoder):
    index.add(DOCUMENTS)
    (before,) = index.path.glob("vectors-*")
    index.delete([f"d{n}" for n in range(8)])
    (after,) = index.path.glob("vectors-*")
    assert after != before
    assert (after / "keys.i64").stat().st_size == 4 * 8
    assert len(index.search("word9", 12, mode="vector")) == 4


@pytest.mark.parametrize("step", ["copied", "dropped"])
def test_a_widening_that_was_killed_half_way_loses_nothing(index, step):
    index.add([{"id": "a", "text": "one", "x": 1}])
    table = store_module._recast(index._store.latest(), "x", "string")  # the wide copy is there
    if step == "dropped":
        table.dataset.drop_columns(["x"])
    assert index.search("one")[0].fields == {"x": "1"}
    index.add([{"id": "b", "text": "one", "x": "two"}])
    assert {hit.document_id: hit.fields["x"] for hit in index.search("one")} == {"a": "1", "b": "two"}
    assert index._store.latest().fields == {"x": "x"}


@pytest.mark.parametrize("what", ["vecloom.search.metadata.write_text", "lance.write_dataset"])
def test_a_disk_that_fills_up_while_an_index_is_begun_leaves_nothing(tmp_path, monkeypatch, what):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(what, full)
    with pytest.raises(OutputError, match="the disk is full"):
        Index.create(tmp_path / "i", HashEncoder())
    assert not (tmp_path / "i").exists()
    monkeypatch.undo()
    assert Index.create(tmp_path / "i", HashEncoder()).add(DOCUMENTS).added == 12


def test_what_a_kill_left_of_an_index_that_was_begun_is_no_hindrance(tmp_path):
    Index.create(tmp_path / "i", HashEncoder())
    (tmp_path / "i" / "index.json").unlink()
    for path in (tmp_path / "i").iterdir():
        if path.name.startswith("vectors"):
            shutil.rmtree(path)
    assert Index.create(tmp_path / "i", HashEncoder()).add(DOCUMENTS).added == 12
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        Index.create(tmp_path / "other", HashEncoder())
    assert (tmp_path / "other" / "notes.txt").exists()
