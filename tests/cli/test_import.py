import errno
import json
import os

from click.testing import CliRunner

from vecloom.cli import vecloom
from vecloom.search import Index

LINE = {
    "id": "2401.00001",
    "title": "Old",
    "abstract": "Old words.",
    "categories": "math.GT",
    "update_date": "2023-01-01",
}
NEW = {
    "id": "2401.00002",
    "title": "New",
    "abstract": "New words.",
    "categories": "cs.LG cs.CL",
    "update_date": "2024-02-01",
}


def snapshot(tmp_path, *records):
    path = tmp_path / "snapshot.json"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


def test_records_are_written_as_lines_that_index_reads(run, tmp_path):
    result = run("import", "arxiv", snapshot(tmp_path, LINE, NEW), "-o", tmp_path / "out.jsonl")
    assert result.exit_code == 0, result.stderr
    assert "2 records written" in result.stdout
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [record["text"] for record in records] == ["Old words.", "New words."]
    assert run("index", tmp_path / "out.jsonl", "-i", tmp_path / "index").exit_code == 0
    assert Index.open(tmp_path / "index").document("2401.00002")[0].fields["categories"] == "cs.LG; cs.CL"


def test_an_index_takes_papers_once(run, tmp_path):
    call = ("import", "arxiv", snapshot(tmp_path, LINE, NEW), "-i", tmp_path / "index", "--json")
    assert json.loads(run(*call).stdout)["added"] == 2
    again = json.loads(run(*call).stdout)
    assert (again["added"], again["unchanged"]) == (0, 2)
    assert Index.open(tmp_path / "index").info().documents == 2


def test_only_a_category_and_what_is_young(run, tmp_path):
    path = snapshot(tmp_path, LINE, NEW)
    for choice in (["--category", "cs"], ["--category", "cs.CL"], ["--since", "2024-01-01"]):
        result = run("import", "arxiv", path, "-o", "-", *choice)
        assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["2401.00002"]
        assert "1 record written" in result.stderr
    assert run("import", "arxiv", path, "-o", "-", "--category", "c").stdout == ""


def test_bad_records_are_listed_and_strict_stops(run, tmp_path):
    path = snapshot(tmp_path, LINE, {"id": "x"}, NEW)
    result = run("import", "arxiv", path, "-o", tmp_path / "out.jsonl")
    assert result.exit_code == 0
    assert f"{path}, line 2: x has no title and no text." in result.stdout
    strict = run("import", "arxiv", path, "-o", tmp_path / "strict.jsonl", "--strict")
    assert strict.exit_code == 1
    assert not (tmp_path / "strict.jsonl").exists()


def test_wrong_calls(run, tmp_path):
    path = snapshot(tmp_path, LINE)
    assert run("import", "arxiv", path).exit_code == 2
    assert run("import", "arxiv", path, "-o", "-", "-i", "x").exit_code == 2
    assert "is not a date" in run("import", "arxiv", path, "-o", "-", "--since", "soon").stderr
    assert run("import", "marc", path, "-o", "-").exit_code == 2
    assert "no file or folder" in run("import", "ris", tmp_path / "none", "-o", "-").stderr


def test_a_year_alone_passes_since_and_what_is_left_out_is_told(run, tmp_path):
    path = tmp_path / "refs.bib"
    years = {"open": "2019", "older": "2018", "sep": "2019, month = sep", "may": "2019, month = may"}
    entries = [f"@misc{{{key}, title = {{{key.title()}}}, year = {year}}}\n" for key, year in years.items()]
    path.write_text("".join([*entries, "@misc{undated, title = {Undated}}\n"]), encoding="utf-8")
    result = run("import", "bibtex", path, "-o", "-", "--since", "2019-06-01")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["open", "sep"]
    assert "2 older than 2019-06-01 left out: older (Older); may (May)" in result.stderr
    assert "1 without a date left out: undated (Undated)" in result.stderr
    told = json.loads(run("import", "bibtex", path, "-o", tmp_path / "x", "--since", "2019-06-01", "--json").stdout)
    assert told["left_out"] == {"other_categories": 0, "older": 2, "undated": 1, "repeated": 0}


def test_of_two_records_with_one_id_the_later_one_stays_and_this_is_said(run, tmp_path):
    first, second = tmp_path / "first.bib", tmp_path / "second.bib"
    first.write_text(
        "@misc{a, title = {Old}}\n@misc{b, title = {Other}}\n@misc{c, title = {Third}}\n", encoding="utf-8"
    )
    second.write_text("@misc{a, title = {New and longer}}\n", encoding="utf-8")
    for output in (tmp_path / "out.jsonl", "-"):
        result = run("import", "bibtex", first, second, "-o", output)
        lines = result.stdout if output == "-" else output.read_text(encoding="utf-8")
        titles = [json.loads(line)["title"] for line in lines.splitlines()]
        assert titles == ["Other", "Third", "New and longer"]
        told = result.stderr if output == "-" else result.stdout
        assert "3 records written" in told
        assert "1 repeated id, the later record stays: a (New and longer)" in told
    result = run("import", "bibtex", first, second, "-i", tmp_path / "index")
    assert "1 repeated id, the later record stays: a (New and longer)" in result.stdout
    assert Index.open(tmp_path / "index").document("a")[0].title == "New and longer"


def test_a_file_that_gives_nothing_is_a_failure_and_leaves_nothing(run, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    for target in (("-o", tmp_path / "out"), ("-i", tmp_path / "index")):
        result = run("import", "csv", path, *target)
        assert result.exit_code == 1
        assert "no column holds titles; it has a, b. Name one of them title" in result.stderr
        assert not target[1].exists()


def test_an_empty_file_and_a_strict_choice_are_not_failures(run, tmp_path):
    (tmp_path / "empty.bib").write_bytes(b"")
    result = run("import", "bibtex", tmp_path / "empty.bib", "-o", tmp_path / "out")
    assert (result.exit_code, (tmp_path / "out").read_bytes()) == (0, b"")
    assert "1 empty" in result.stdout
    assert run("import", "arxiv", snapshot(tmp_path, LINE), "-o", "-", "--since", "2030").exit_code == 0


def test_titles_alone_are_found(run, tmp_path):
    path = tmp_path / "refs.bib"
    path.write_text("@misc{a, title = {On the inversion of matrices}}\n", encoding="utf-8")
    assert run("import", "bibtex", path, "-o", tmp_path / "out.jsonl").exit_code == 0
    assert run("index", tmp_path / "out.jsonl", "-i", tmp_path / "index").exit_code == 0
    assert Index.open(tmp_path / "index").document("a")[0].title == "On the inversion of matrices"


def test_since_takes_dates_that_are_clear(run, tmp_path):
    path = snapshot(tmp_path, LINE, NEW)
    for text in ("03/04/2020", "May 2020", "2020-02-31", "2020-13-01", "x2020"):
        assert "is not a date" in run("import", "arxiv", path, "-o", "-", "--since", text).stderr
    for text in ("2023-06", "2024", "2024-01-31T10:00:00Z"):
        assert "New" in run("import", "arxiv", path, "-o", "-", "--since", text).stdout


def test_strict_advises_what_import_has(run, tmp_path):
    path = tmp_path / "broken.bib"
    path.write_text("@misc{a, title = {Open\n", encoding="utf-8")
    result = run("import", "bibtex", path, "-o", "-", "--strict")
    assert "--skip-bad" not in result.stderr
    assert "leave such records out by leaving out --strict" in result.stderr


def test_a_full_disk_leaves_no_half_made_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "refs.bib").write_text("@article{a, title={Tea}, abstract={Pour the water.}}")
    (tmp_path / "out.jsonl").write_text("as it was")
    monkeypatch.setattr("vecloom.files.sync", full)
    done = CliRunner().invoke(
        vecloom, ["import", "bibtex", str(tmp_path / "refs.bib"), "-o", str(tmp_path / "out.jsonl")]
    )
    assert (done.exit_code, "the disk is full" in done.stderr) == (1, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "refs.bib"]
    assert (tmp_path / "out.jsonl").read_text() == "as it was"
