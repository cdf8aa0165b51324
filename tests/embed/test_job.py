import json
import os
import subprocess

import filelock
import numpy as np
import pytest
from embed_fakes import HashEncoder, documents

from vecloom.embed import Limits, Settings, check_output, job, run_documents
from vecloom.embed.parts import LOCK, folder_of
from vecloom.errors import DataError, ModelError, OutputError, UsageError

SMALL = Settings(buffer=Limits(texts=4))


class Stops(HashEncoder):
    """Encodes ``after`` buffers and then is interrupted."""

    def __init__(self, after, **settings):
        super().__init__(**settings)
        self.after = after

    def encode(self, texts, **settings):
        if len(self.calls) == self.after:
            raise KeyboardInterrupt
        return super().encode(texts, **settings)


def interrupted(path, after=2, settings=SMALL, count=10):
    with pytest.raises(KeyboardInterrupt):
        run_documents(documents(count), Stops(after), path, settings)
    return path


def test_the_summary_counts(tmp_path):
    docs = documents(9)
    docs[5:6] = [type(docs[5])(id="long", text="word " * 9)]  # the fake reads 8 words
    summary = run_documents(docs, HashEncoder(), tmp_path / "a.npy", SMALL)
    assert (summary.rows, summary.encoded, summary.truncated, summary.dim) == (9, 9, 1, 12)
    assert summary.as_dict()["rows_per_second"] == pytest.approx(9 / summary.seconds, rel=0.01)


def test_kind_and_prompt_reach_the_encoder(tmp_path):
    encoder = HashEncoder()
    run_documents(documents(1), encoder, tmp_path / "a.npy", Settings(kind="query", prompt="ask: "))
    assert encoder.calls == [(["text number 0"], "query", "ask: ")]


def test_it_goes_on_where_it_stopped(tmp_path):
    path = interrupted(tmp_path / "a.npy", after=2)
    encoder = HashEncoder()
    summary = run_documents(documents(10), encoder, path, SMALL)
    assert [texts for texts, *_ in encoder.calls] == [["text number 8", "text number 9"]]
    assert (summary.rows, summary.encoded) == (10, 2)
    np.testing.assert_array_equal(np.load(path), HashEncoder().encode([d.text for d in documents(10)]))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npy", "a.npy.json", "a.npy.rows.jsonl"]


def test_truncated_texts_of_an_interrupted_call_are_counted_too(tmp_path):
    docs = [type(d)(id=d.id, text="word " * 9) for d in documents(6)]
    with pytest.raises(KeyboardInterrupt):
        run_documents(docs, Stops(1), tmp_path / "a.npy", SMALL)
    assert run_documents(docs, HashEncoder(), tmp_path / "a.npy", SMALL).truncated == 6


def test_nothing_stands_at_the_output_before_all_is_done(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(b"old")
    interrupted(path)
    assert path.read_bytes() == b"old"


def test_progress_and_total_add_up_also_when_resumed(tmp_path):
    path = interrupted(tmp_path / "a.npy")
    steps, totals = [], []
    run_documents(documents(10), HashEncoder(), path, SMALL, progress=steps.append, total=totals.append)
    assert (sum(steps), totals) == (10, [10])


@pytest.mark.parametrize(
    ("encoder", "settings", "said"),
    [
        (HashEncoder(), Settings(buffer=Limits(texts=4), dtype="int8"), 'dtype was "float32", now "int8"'),
        (HashEncoder(), Settings(buffer=Limits(texts=4), dim=3), "dim was 12, now 3"),
        (HashEncoder(), Settings(buffer=Limits(texts=4), prompt="p"), 'prompt was null, now "p"'),
        (HashEncoder(), Settings(buffer=Limits(texts=4), kind="query"), 'kind was "document", now "query"'),
        (HashEncoder(fingerprint="beef"), SMALL, 'model was "f00d", now "beef"'),
    ],
)
def test_another_job_is_refused_with_what_changed(tmp_path, encoder, settings, said):
    path = interrupted(tmp_path / "a.npy")
    with pytest.raises(UsageError, match="--restart") as caught:
        run_documents(documents(10), encoder, path, settings)
    assert said in caught.value.what
    assert run_documents(documents(10), encoder, path, settings, restart=True).encoded == 10


def test_other_settings_are_no_matter_while_nothing_was_finished(tmp_path):
    path = interrupted(tmp_path / "a.npy", after=0)
    assert run_documents(documents(10), HashEncoder(), path, Settings(dtype="int8")).rows == 10


def test_changed_input_is_refused_with_the_row(tmp_path):
    path = interrupted(tmp_path / "a.npy", after=2)
    docs = documents(10)
    docs[6] = type(docs[6])(id="d6", text="another text", source="a.jsonl", position=7)
    with pytest.raises(DataError, match=r"differs after row 4\."):
        run_documents(docs, HashEncoder(), path, SMALL)


def test_input_that_became_shorter_is_refused(tmp_path):
    path = interrupted(tmp_path / "a.npy", after=2)
    with pytest.raises(DataError, match=r"differs after row 4\."):
        run_documents(documents(4), HashEncoder(), path, SMALL)


def test_input_may_grow_behind_what_was_finished(tmp_path):
    path = interrupted(tmp_path / "a.npy", after=2)
    assert run_documents(documents(13), HashEncoder(), path, SMALL).rows == 13
    np.testing.assert_array_equal(np.load(path), HashEncoder().encode([d.text for d in documents(13)]))


def test_a_part_that_lost_bytes_is_made_again(tmp_path):
    path = interrupted(tmp_path / "a.npy", after=2)
    (folder_of(path) / "000001.numbers").write_bytes(b"short")
    assert run_documents(documents(10), HashEncoder(), path, SMALL).encoded == 6  # the second and the third buffer
    np.testing.assert_array_equal(np.load(path), HashEncoder().encode([d.text for d in documents(10)]))


def test_a_broken_manifest_is_refused_and_restart_helps(tmp_path):
    path = interrupted(tmp_path / "a.npy")
    (folder_of(path) / "job.json").write_text("{")
    with pytest.raises(UsageError, match=r"job\.json"):
        run_documents(documents(10), HashEncoder(), path, SMALL)
    assert run_documents(documents(10), HashEncoder(), path, SMALL, restart=True).rows == 10


def test_parts_of_another_version_are_refused(tmp_path):
    path = interrupted(tmp_path / "a.npy")
    manifest = folder_of(path) / "job.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": 99}))
    with pytest.raises(UsageError, match="another version"):
        run_documents(documents(10), HashEncoder(), path, SMALL)


def test_two_processes_cannot_write_one_output(tmp_path):
    path = tmp_path / "a.npy"
    folder_of(path).mkdir()
    with filelock.FileLock(folder_of(path) / LOCK), pytest.raises(OutputError, match="Another process"):
        run_documents(documents(3), HashEncoder(), path)


@pytest.mark.parametrize("name", ["out", "out.txt", "out.parquet.gz"])
def test_an_unknown_suffix_is_refused_before_anything_is_read(tmp_path, name):
    with pytest.raises(UsageError, match=r"\.parquet, \.npy, \.jsonl"):
        run_documents(iter(lambda: pytest.fail("it was read"), None), HashEncoder(), tmp_path / name)


def test_a_folder_as_output_is_refused(tmp_path):
    (tmp_path / "out.npy").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path / "out.npy")


def test_a_wrong_dim_or_dtype_is_refused(tmp_path):
    with pytest.raises(UsageError, match="Use 1 to 12"):
        run_documents(documents(1), HashEncoder(), tmp_path / "a.npy", Settings(dim=13))
    with pytest.raises(UsageError, match="float32, float16, int8, binary"):
        run_documents(documents(1), HashEncoder(), tmp_path / "a.npy", Settings(dtype="int4"))


def test_an_output_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="not a folder"):
        run_documents(documents(1), HashEncoder(), tmp_path / "file" / "a.npy")


def test_a_model_that_gives_nan_is_stopped_with_the_row(tmp_path):
    class Broken(HashEncoder):
        def encode(self, texts, **settings):
            vectors = super().encode(texts, **settings)
            vectors[[text == "text number 6" for text in texts]] = np.nan
            return vectors

    with pytest.raises(ModelError, match=r"'d6' \(a\.jsonl:7\)"):
        run_documents(documents(10), Broken(), tmp_path / "a.npy", SMALL)


def test_an_error_of_the_reader_comes_through_and_finished_parts_stay(tmp_path):
    def broken():
        yield from documents(8)
        raise DataError("line 9 is no object.", "Use --skip-bad.")

    with pytest.raises(DataError, match="line 9"):
        run_documents(broken(), HashEncoder(), tmp_path / "a.npy", SMALL)
    assert run_documents(documents(10), HashEncoder(), tmp_path / "a.npy", SMALL).encoded <= 6


def test_killed_while_joining_it_joins_again(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    with monkeypatch.context() as patch:
        patch.setattr(job._Job, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_documents(documents(10), HashEncoder(), path, SMALL)
    (folder_of(path) / ".joined.npy.x1y2.npy").write_bytes(b"half")  # what a kill leaves of a temporary file
    assert run_documents(documents(10), HashEncoder(), path, SMALL).encoded == 0
    assert len(np.load(path)) == 10
    assert not folder_of(path).exists()


@pytest.fixture
def mounted(tmp_path):
    """Mount a small file system and give its path; skip where one may not mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounts = []

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if os.name != "posix" or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("needs the right to mount a tmpfs")
        mounts.append(folder)
        return folder

    yield mount
    for path in mounts:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".jsonl"])
def test_a_full_disk_is_named_and_what_was_finished_is_used_again(mounted, suffix):
    disk = mounted("size=256k")
    settings = Settings(buffer=Limits(texts=100))
    path = disk / f"a{suffix}"
    encoder = HashEncoder(dim=64)  # 25,600 bytes a buffer and more
    with pytest.raises(OutputError, match="the disk is full") as caught:
        run_documents(documents(1500), encoder, path, settings)
    assert str(path) in caught.value.what
    assert not path.exists()
    subprocess.run(["mount", "-o", "remount,size=32m", str(disk)], check=True)
    again = run_documents(documents(1500), HashEncoder(dim=64), path, settings)
    assert 0 < again.encoded < again.rows == 1500


def test_a_disk_that_cannot_be_written_is_named_before_encoding(mounted):
    disk = mounted("size=256k,ro")
    encoder = HashEncoder()
    with pytest.raises(OutputError, match="read-only"):
        run_documents(documents(3), encoder, disk / "a.npy")
    assert encoder.calls == []


def test_an_operating_system_error_while_writing_becomes_a_sentence(tmp_path, monkeypatch):
    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vecloom.embed.formats.npy.write_part", full)
    with pytest.raises(OutputError, match=r"Writing the vectors failed at .*a\.npy: the disk is full"):
        run_documents(documents(3), HashEncoder(), tmp_path / "a.npy")


def test_a_backend_that_rounds_otherwise_does_not_go_on(tmp_path):
    def on(precision, encoder):
        encoder.session = type("Session", (), {"backend": "openvino", "precision": precision})
        return encoder

    with pytest.raises(KeyboardInterrupt):
        run_documents(documents(10), on("bf16", Stops(1)), tmp_path / "a.npy", SMALL)
    with pytest.raises(UsageError, match='runs on was "openvino bf16", now "openvino f32"'):
        run_documents(documents(10), on("f32", HashEncoder()), tmp_path / "a.npy", SMALL)
