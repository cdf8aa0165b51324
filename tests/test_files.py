import errno
import os

import pytest

from vecloom import files
from vecloom.errors import MissingExtraError, UsageError, VecloomError, from_os_error


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "file.txt"
    files.write_text(target, "old")

    def broken():
        with files.atomic_path(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_new_files_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "file", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_remembered_computes_once_and_survives_a_damaged_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VECLOOM_CACHE", str(tmp_path))
    calls = []

    def compute():
        calls.append(1)
        return {"n": len(calls)}

    assert files.remembered("kind", "key", compute) == files.remembered("kind", "key", compute) == {"n": 1}
    next((tmp_path / "kind").iterdir()).write_text("{half")
    assert files.remembered("kind", "key", compute) == {"n": 2}
    assert files.remembered("kind", "key", compute, renew=True) == {"n": 3}


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VECLOOM_CACHE", str(tmp_path / "file"))
    assert files.remembered("kind", "key", lambda: 7) == 7


def test_the_digest_of_a_file_changes_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("VECLOOM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "f").write_text("abc")
    # SHA-256("abc"), FIPS 180-2 appendix B.1
    assert files.file_digest(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "f").write_text("abcd")
    assert not files.file_digest(tmp_path / "f").startswith("ba7816bf")


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission was denied")],
)
def test_system_errors_become_sentences(number, words):
    found = from_os_error(OSError(number, "x", "/some/file"), "writing the vectors")
    assert words in found.what
    assert "/some/file" in found.what
    assert found.todo


def test_errors_carry_their_exit_codes():
    assert VecloomError("a.").exit_code == 1
    assert UsageError("a.").exit_code == 2
    assert "pip install 'vecloom[files]'" in str(MissingExtraError("pdf files need pypdfium2.", "files"))


@pytest.mark.parametrize("there", [False, True])
def test_a_failed_folder_leaves_the_old_one_and_nothing_else(tmp_path, there):
    target = tmp_path / "model"
    if there:
        target.mkdir()
        (target / "old").write_text("old")

    def broken():
        with files.atomic_folder(target) as made:
            (made / "new").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert [path.name for path in tmp_path.rglob("*")] == (["model", "old"] if there else [])


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    with files.atomic_folder(target) as made:
        (made / "new").write_text("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "new"]
