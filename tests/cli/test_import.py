import json

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
    assert f"{path}, line 2: x has no title." in result.stdout
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
