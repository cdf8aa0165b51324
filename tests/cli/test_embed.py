import json
import os

import numpy as np
import pytest
from embed_fakes import HashEncoder

from vecloom.cli.embed import DTYPES
from vecloom.embed import quantize


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"id": f"n{i}", "body": f"text {i}", "year": i}) + "\n" for i in range(5)))
    return path


def test_every_dtype_of_the_library_can_be_asked_for():
    assert DTYPES == quantize.DTYPES


def test_texts_become_vectors(run, loaded, texts, tmp_path):
    result = run("embed", texts, "-o", tmp_path / "a.npy", "--field", "text=body", "--threads", 2, "--backend", "onnx")
    assert (result.exit_code, result.stderr) == (0, "text from column 'body'\n")
    assert f"5 vectors of 12 dimensions (float32) in {tmp_path / 'a.npy'}: " in result.stdout
    assert "5 documents from 1 file" in result.stdout
    assert loaded == [("minilm", {"backend": "onnx", "threads": 2})]
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), HashEncoder().encode([f"text {i}" for i in range(5)]))


def test_the_summary_as_json(run, texts, tmp_path):
    told = json.loads(run("embed", texts, "-o", tmp_path / "a.jsonl", "--dim", 3, "--dtype", "int8", "--json").stdout)
    assert (told["rows"], told["dim"], told["dtype"], told["encoded"], told["truncated"]) == (5, 3, "int8", 5, 0)
    assert told["read"]["documents"] == 5


def test_options_reach_the_output(run, texts, tmp_path):
    out = tmp_path / "a.jsonl"
    done = run("embed", texts, "-o", out, "--with-text", "--with-fields", "--kind", "query", "--prompt", "ask: ")
    assert done.exit_code == 0
    first = json.loads(out.read_text().splitlines()[0])
    assert (first["id"], first["text"], first["fields"]) == ("n0", "text 0", {"year": 0})
    np.testing.assert_array_equal(np.float32(first["vector"]), HashEncoder().encode(["text 0"], prompt="ask: ")[0])


def test_standard_input_line_by_line(run, tmp_path):
    assert run("embed", "-", "-o", tmp_path / "a.npy", "--lines", stdin="one\ntwo\n").exit_code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), HashEncoder().encode(["one", "two"]))


def test_an_empty_file_makes_an_empty_output(run, tmp_path):
    (tmp_path / "none.jsonl").write_text("")
    assert run("embed", tmp_path / "none.jsonl", "-o", tmp_path / "a.npy").exit_code == 0
    assert np.load(tmp_path / "a.npy").shape == (0, 12)


def test_texts_beyond_the_models_length_are_counted(run, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "word " * 10_000}) + "\n")
    assert "1 text cut to the model's length" in run("embed", tmp_path / "a.jsonl", "-o", tmp_path / "a.npy").stdout


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["gone.jsonl", "-o", "a.npy"], 2, "gone.jsonl"),
        (["{texts}", "-o", "a.txt"], 2, "Use one of .parquet, .npy, .jsonl."),
        (["{texts}", "-o", "{folder}/x"], 2, "Use one of .parquet, .npy, .jsonl."),
        (["{texts}", "-o", "a.npy", "--dim", "99"], 2, "Use 1 to 12."),
        (["{texts}", "-o", "a.npy", "--dtype", "int4"], 2, "int4"),
        (["{texts}", "-o", "a.npy", "--field", "text"], 2, "--field"),
        (["{texts}", "-o", "a.npy", "--field", "text=nothing"], 1, "year"),
        (["-o", "a.npy"], 2, "INPUT"),
        (["{texts}"], 2, "--output"),
    ],
)
def test_wrong_calls_say_what_to_do(run, texts, tmp_path, monkeypatch, args, code, said):
    monkeypatch.chdir(tmp_path)
    result = run("embed", *(arg.format(texts=texts, folder=tmp_path) for arg in args))
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_bad_line_stops_with_its_number_or_is_counted(run, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x"}\n[1]\n{"text": "y"}\n')
    stopped = run("embed", path, "-o", tmp_path / "a.npy")
    assert stopped.exit_code == 1
    assert f"{path}, line 2" in stopped.stderr
    assert "1 bad record left out" in run("embed", path, "-o", tmp_path / "a.npy", "--skip-bad").stdout
    assert len(np.load(tmp_path / "a.npy")) == 2


def test_an_interrupted_job_goes_on_and_says_so(run, texts, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vecloom.embed.job._Job.finish", stop)
        result = run("embed", texts, "-o", tmp_path / "a.npy")
    assert result.exit_code == 130
    assert "goes on from there" in result.stderr
    refused = run("embed", texts, "-o", tmp_path / "a.npy", "--dtype", "float16")
    assert refused.exit_code == 2
    assert "--restart" in refused.stderr
    assert "5 came from an interrupted run" in run("embed", texts, "-o", tmp_path / "a.npy").stdout


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_output_whose_name_is_not_utf8_is_printed_as_utf8(run, texts, tmp_path, options):
    output = tmp_path / os.fsdecode(b"caf\xe9.npy")
    result = run("embed", texts, "-o", output, "--field", "text=body", *options)
    assert (result.exit_code, output.exists()) == (0, True), result.output
    assert f"{tmp_path}/caf%E9.npy" in result.stdout
