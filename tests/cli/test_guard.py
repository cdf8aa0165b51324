"""Every verb refuses to write over, around or into what it reads, before it has done anything."""

import pytest
from click.testing import CliRunner

from vecloom.cli import vecloom

NOTES = '{"id": "a", "text": "one"}\n'
CALLS = [
    "embed notes.jsonl -o notes.jsonl",
    "embed notes.jsonl -o ./notes.jsonl",
    "embed n -o n/v.parquet",
    "embed n/*.jsonl -o n/v.jsonl",
    "embed v.npy.rows.jsonl -o v.npy",
    "import bibtex refs.bib -o refs.bib",
    "import bibtex refs.bib -o link.bib",
    "import bibtex refs.bib -i refs.bib",
    "index n -i n",
    "index n/notes.jsonl -i n",
    "eval task --report task/test.jsonl.json",
    "eval clustering:notes.jsonl --report notes.jsonl",
    "eval task -o task",
    "mine notes.jsonl -o notes.jsonl",
    "mine notes.jsonl -o other.jsonl --corpus other.jsonl",
    "merge model other -o model",
    "merge model other -o model/new --overwrite",
    "merge model/inner other -o model --overwrite",
    "merge recipe.yaml -o model --overwrite",
    "extend model --to 1024 -o model --overwrite",
    "extend temperature model -o model --tau 0.5 --overwrite",
    "extend vocabulary model notes.jsonl -o notes.jsonl --trim --overwrite",
    "extend tokenizer model --tokenizer other -o other --overwrite",
    "extend tokenizer model --corpus n --tokenizer other -o new --recipe n/recipe.yaml",
    "extend sibling model --base other --transferred inner -o other --overwrite",
    "extend hypernetwork model notes.jsonl -o model --overwrite",
    "tasks make longembed n --haystack n",
    "tasks make taxonomy notes.jsonl -o notes.jsonl",
    "tasks make subset task -o task",
    "complexity notes.jsonl -o notes.jsonl",
    "domain-gap scores.csv --plot scores.csv",
    "digest model --preview -o model",
    "digest model --feeds model",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("n", "task", "model/inner", "other", "inner"):
        (tmp_path / name).mkdir(parents=True)
    for name in (
        "notes.jsonl",
        "n/notes.jsonl",
        "other.jsonl",
        "v.npy.rows.jsonl",
        "task/test.jsonl",
        "refs.bib",
        "scores.csv",
    ):
        (tmp_path / name).write_text(NOTES)
    (tmp_path / "link.bib").symlink_to("refs.bib")
    (tmp_path / "model" / "modules.json").write_text("[]")
    (tmp_path / "recipe.yaml").write_text("models: [model, other]\nmerge_method: linear\n")
    return tmp_path


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("call", CALLS)
def test_an_output_that_is_an_input_is_refused_and_nothing_is_written(folder, call):
    before = content(folder)
    done = CliRunner().invoke(vecloom, call.split())
    assert done.exit_code == 2, done.output
    assert "The output" in done.stderr
    assert content(folder) == before


def test_training_over_its_data_or_its_model_is_refused(folder):
    for key, output in (("data", "n"), ("model", "model")):
        (folder / "train.yaml").write_text(
            f"model: {'model' if key == 'model' else 'minilm'}\noutput: {output}\n"
            "loss: mnr\ndata: [{path: n/notes.jsonl}]\n"
        )
        before = content(folder)
        done = CliRunner().invoke(vecloom, ["train", "train.yaml", "--no-resume"])
        assert (done.exit_code, "The output" in done.stderr) == (2, True), done.output
        assert content(folder) == before
