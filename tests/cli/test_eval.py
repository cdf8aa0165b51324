"""``vecloom eval``, ``tasks``, ``complexity`` and ``domain-gap`` as a user calls them."""

import csv
import json

import pytest

pytest.importorskip("mteb")

from tests.evaluate import data

FEW = ("--samples", 200, "--no-baselines")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VECLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def call(run, monkeypatch):
    """Call a verb with models made without weights: "NAME" is a hashed encoder."""
    from vecloom.encoders import LexicalEncoder
    from vecloom.errors import ModelNotFoundError

    def load(name, **_settings):
        if name == "nothing":
            raise ModelNotFoundError("There is no model 'nothing' here.", "Usable here: minilm.")
        return LexicalEncoder.hashed(48, name=name)

    monkeypatch.setattr("vecloom.evaluate.candidates.load", load)
    return run


@pytest.fixture
def folder(tmp_path):
    data.sts(tmp_path / "tasks" / "alike")
    data.retrieval(tmp_path / "tasks" / "search")
    return tmp_path / "tasks"


def test_a_table_says_who_is_best_and_how_sure_that_is(call, folder):
    result = call("eval", "-m", "one", "-m", "one@4", folder, "--samples", 200)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "95 % intervals" in result.stdout
    assert all(name in result.stdout for name in ("alike", "search", "one@4", "bag-of-words", "bm25/tf-idf"))
    assert "Seed 0, 200 bootstrap resamples" in result.stdout


def test_json_holds_scores_comparisons_and_settings(call, folder):
    told = json.loads(call("eval", "-m", "one", "-m", "two", folder, *FEW, "--json", "--seed", 3).stdout)
    assert {score["task"] for score in told["scores"]} == {"alike", "search"}
    assert told["settings"]["seed"] == 3
    assert all({"p_adjusted", "low", "high", "significant"} <= row.keys() for row in told["comparisons"])


def test_reports_are_written_by_their_endings(call, folder, tmp_path):
    endings = ("html", "md", "csv", "json")
    asked = [part for ending in endings for part in ("--report", tmp_path / f"r.{ending}")]
    result = call("eval", "-m", "one", folder, *FEW, *asked)
    assert result.exit_code == 0
    assert all((tmp_path / f"r.{ending}").stat().st_size > 100 for ending in endings)
    rows = list(csv.DictReader((tmp_path / "r.csv").open()))
    assert {row["task"] for row in rows} == {"alike", "search"}


def test_a_report_of_no_known_kind_is_refused_before_any_work(call, folder, tmp_path):
    result = call("eval", "-m", "one", folder, "--report", "r.pdf")
    assert result.exit_code == 2
    assert "cannot be written to r.pdf" in result.stderr
    assert not (tmp_path / "eval-results").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nowhere",), 2, "There is no file, task or benchmark 'nowhere'."),
        (("stst:tasks/alike",), 2, "There is no kind of task 'stst'.\nDid you mean sts?"),
        (("tasks", "-m", "nothing"), 1, "There is no model 'nothing' here."),
        (("tasks", "-m", "one@99"), 2, "one@99 is not possible: the model has 48 dimensions."),
        (("tasks", "--budget", "soon"), 2, "'soon' is no time; write 90s, 10m or 1.5h."),
        (("tasks", "--dims", "a"), 2, "'a' are no numbers; write 64,128,256."),
        (("tasks", "--select", "0.9", "tasks"), 2, "--select takes one folder of results."),
    ],
)
def test_a_wrong_call_is_one_clear_sentence(call, folder, words, code, message):
    result = call("eval", *words)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_task_that_fails_is_named_and_the_others_are_shown(call, folder):
    (folder / "alike" / "test.jsonl").write_text('{"sentence1": "a", "sentence2": "b", "score": 3}\n' * 3)
    result = call("eval", "-m", "one", folder, *FEW)
    assert result.exit_code == 0
    assert "search" in result.stdout
    assert "no correlation is defined" in result.stdout


def test_no_score_at_all_is_a_failure(call, tmp_path):
    data.sts(tmp_path / "flat")
    (tmp_path / "flat" / "test.jsonl").write_text('{"sentence1": "a", "sentence2": "b", "score": 3}\n' * 3)
    assert call("eval", "-m", "one", tmp_path / "flat", *FEW).exit_code == 1


def test_more_dimensions_are_scored_from_the_same_vectors(call, folder):
    told = json.loads(call("eval", "-m", "one", "--dims", "8,16", folder / "alike", *FEW, "--json").stdout)
    assert [model["label"] for model in told["models"]] == ["one", "one@8", "one@16"]


def results(folder, values):
    """A folder of result files in mteb's layout: scores by model and task."""
    for model, scores in values.items():
        place = folder / "results" / model.replace("/", "__") / "1"
        place.mkdir(parents=True)
        (place / "model_meta.json").write_text(json.dumps({"name": model, "revision": "1"}))
        for task, score in scores.items():
            part = {"hf_subset": "default", "languages": ["eng-Latn"], "main_score": score}
            found = {"task_name": task, "dataset_revision": "1", "mteb_version": "2.0.0", "scores": {"test": [part]}}
            (place / f"{task}.json").write_text(json.dumps({**found, "evaluation_time": 1}))
    return folder


def test_tasks_that_follow_from_others_are_dropped(call, tmp_path):
    names = ["STS12", "STS13", "STS14", "SciFact"]
    values = {
        f"o/m{i}": {"STS12": i / 10, "STS13": i / 10, "STS14": i / 10, "SciFact": (i * 7 % 5) / 10} for i in range(6)
    }
    told = json.loads(call("eval", "--select", "0.9", results(tmp_path / "r", values), "--json").stdout)
    assert set(told["kept"]) | set(told["removed"]) == set(names)
    assert len(told["removed"]) >= 1
    assert "SciFact" in told["kept"]  # the last of its type
    assert told["models"] == 6


def test_results_of_others_stand_beside_ones_own(call, folder, tmp_path):
    values = {"other/model": {"alike": 0.5, "search": 0.6}, "half/done": {"alike": 0.9}}
    place = results(tmp_path / "r", values)
    told = json.loads(call("eval", "-m", "one", folder, *FEW, "--beside", place, "--json").stdout)
    assert [model["label"] for model in told["models"]] == ["one", "other/model"]
    shown = call("eval", "-m", "one", folder, *FEW, "--beside", place).stdout
    assert "other/model" in shown


def test_tasks_lists_what_a_folder_holds(call, folder, monkeypatch):
    shown = call("tasks", "list", folder)
    assert shown.exit_code == 0
    assert "alike" in shown.stdout
    told = json.loads(call("tasks", "list", folder, "--json").stdout)
    assert [(task["name"], task["type"]) for task in told] == [("alike", "STS"), ("search", "Retrieval")]
    monkeypatch.setenv("VECLOOM_DATA", str(folder))
    assert json.loads(call("tasks", "--json").stdout) == told
    assert call("tasks", "list", "nowhere").exit_code == 2


def test_longembed_is_made_and_scored_by_length(call, tmp_path):
    made = call(
        "tasks", "make", "longembed", tmp_path / "long", "--lengths", "64,128", "--queries", 5, "--documents", 8
    )
    assert made.exit_code == 0
    assert "needs running text" in made.stdout
    told = json.loads(call("eval", "-m", "one", tmp_path / "long", *FEW, "--json").stdout)
    parts = told["scores"][0]["parts"]
    assert [part["split"] for part in parts] == ["test_64", "test_128"]
    assert all(len(part["details"]["places"]) == 5 for part in parts)


def test_a_taxonomy_becomes_tasks(run, tmp_path, monkeypatch):
    from vecloom.encoders import LexicalEncoder

    monkeypatch.setattr("vecloom.load", lambda *_a, **_k: LexicalEncoder.hashed(64), raising=False)
    rows = [("A", "", "Animals", "All that move."), ("P", "", "Plants", "All that grow.")]
    rows += [
        (f"{top}.{i}", top, f"{top} kind {i}", f"The kind {i} of {top} has {i + 2} parts.")
        for top in "AP"
        for i in range(12)
    ]
    with (tmp_path / "codes.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("code", "parent", "title", "description"), *rows])
    result = run("tasks", "make", "taxonomy", tmp_path / "codes.csv", "-o", tmp_path / "made")
    assert result.exit_code == 0, result.stderr
    assert "Made" in result.stdout
    wrong = run("tasks", "make", "taxonomy", tmp_path / "codes.csv", "-o", tmp_path / "x", "--title", "headline")
    assert wrong.exit_code in (1, 2)
    assert "headline" in wrong.stderr


def test_a_retrieval_set_is_made_smaller(call, folder, tmp_path):
    made = call(
        "tasks", "make", "subset", folder / "search", "-o", tmp_path / "small", "--depth", 1, "--queries", 2, "--json"
    )
    assert made.exit_code == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["queries"] == 2
    assert told["documents"] < len(data.SENTENCES)
    scored = json.loads(call("eval", "-m", "one", tmp_path / "small", *FEW, "--json").stdout)
    assert scored["tasks"][0]["name"] == "search-hard-negatives"
    wrong = call("tasks", "make", "subset", folder / "alike", "-o", tmp_path / "x")
    assert (wrong.exit_code, "alike is no retrieval task" in wrong.stderr) == (2, True)


def test_complexity_of_a_data_set_and_of_files(run, folder, tmp_path):
    (tmp_path / "notes.txt").write_text("The company reported revenue. It was a very good year.")
    out = tmp_path / "c.csv"
    result = run("complexity", folder / "search", tmp_path / "notes.txt", "-o", out)
    assert result.exit_code == 0, result.stderr
    assert "entropy_sample" in result.stdout
    assert "mdd: No dependency parser was given." in result.stdout
    assert [row["dataset"] for row in csv.DictReader(out.open())] == ["search", "notes.txt"]
    told = json.loads(run("complexity", folder / "search", "--json").stdout)
    assert told["search"]["texts"] == len(data.SENTENCES)


def test_a_domain_gap_from_a_table_and_from_results(run, tmp_path):
    path = tmp_path / "scores.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["model", "dataset", "domain", "task_type", "score"])
        for m in range(3):
            for d in range(6):
                domain = "general" if d < 3 else "law"
                writer.writerow([f"m{m}", f"d{d}", domain, "sts", 0.8 - 0.1 * (d >= 3) + 0.01 * m + 0.02 * (d % 3)])
    result = run("domain-gap", path)
    assert result.exit_code == 0, result.stderr
    assert "gap -10.0" in result.stdout
    assert "Spearman of the models' order" in result.stdout
    with (tmp_path / "c.csv").open("w") as stream:
        stream.write("dataset,fog\n" + "".join(f"d{d},{10 + d % 3 + (d >= 3)}\n" for d in range(6)))
    drawn = run(
        "domain-gap", path, "--complexity", tmp_path / "c.csv", "--plot", tmp_path / "p.svg", "--measure", "fog"
    )
    assert drawn.exit_code == 0, drawn.stderr
    assert (tmp_path / "p.svg").read_text().count("<svg") == 1
    wrong = run("domain-gap", path, path)
    assert wrong.exit_code == 2
    assert "one CSV file, or two folders" in wrong.stderr
