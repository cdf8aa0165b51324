"""JSON files as people have them: nested, wrapped, one after another, by hand."""

import json

import pytest

from vecloom.data import FieldMap, context
from vecloom.data.formats import json_file
from vecloom.data.formats.json_text import MAX_DEPTH
from vecloom.errors import DataError


def texts(documents):
    return [document.text for document in documents]


def lists(depth):
    return "[" * depth + "]" * depth


def objects(depth):
    return '{"a": ' * depth + "1" + "}" * depth


@pytest.mark.parametrize("nested", [lists, objects])
@pytest.mark.parametrize("depth", [MAX_DEPTH, 500, 2_000, 100_000])
@pytest.mark.parametrize(
    ("name", "form", "place"),
    [
        ("a.jsonl", '{{"text": "a"}}\n{{"text": "b", "n": {}}}\n{{"text": "c"}}\n', "a.jsonl, line 2: "),
        ("a.json", '[{{"text": "a"}},\n{{"text": "b", "n": {}}}, {{"text": "c"}}]', "a.json, line 2, item 2: "),
        ("a.json", '{{"text": "a"}}\n{{"text": "b", "n": {}}}\n{{"text": "c"}}', "a.json, line 2, item 2: "),
    ],
)
def test_deep_nesting_is_one_bad_record_with_its_place(inputs, nested, depth, name, form, place):
    data = form.format(nested(depth))
    with pytest.raises(DataError, match="nested more than 200 levels deep") as caught:
        inputs.read(name, data)
    assert place in caught.value.what
    assert len(caught.value.what) < 400
    assert texts(inputs.read(name, data, skip_bad=True)) == ["a", "c"]
    assert inputs.report.bad_records == 1


@pytest.mark.parametrize("nested", [lists, objects])
def test_nesting_up_to_the_bound_is_kept_as_json(inputs, nested):
    value = nested(MAX_DEPTH - 1)
    for name, form in (("a.jsonl", '{{"text": "a", "n": {}}}'), ("a.json", '[{{"text": "a\\u00e9", "n": {}}}]')):
        (document,) = inputs.read(name, form.format(value))
        assert json.loads(document.fields["n"]) == json.loads(value)


@pytest.mark.parametrize("depth", [2_000, 100_000])
def test_a_file_that_is_nothing_but_brackets_is_one_error(inputs, depth):
    for data in (lists(depth), "[" * depth, objects(depth), '{"a": ' * depth):
        with pytest.raises(DataError, match="nested more than 200 levels deep"):
            inputs.read("a.json", data)
        assert inputs.read("a.json", skip_bad=True) == []
        assert inputs.report.bad_records == 1


def test_a_deep_item_with_brackets_in_its_strings_is_passed_over_piece_by_piece(inputs, monkeypatch):
    monkeypatch.setattr(json_file, "PIECE", 5)
    deep = '["]\\"]", ' * 2000 + "1" + "]" * 2000
    data = f'[{{"text": "a"}}, {{"text": "b", "n": {deep}}},\n{{"text": "c"}}]'
    assert texts(inputs.read("a.json", data, skip_bad=True)) == ["a", "c"]
    assert inputs.report.bad_records == 1


@pytest.mark.parametrize("between", ["\n", "\n\n", " ", "", "\r\n"])
def test_objects_that_follow_one_another_are_records(inputs, between):
    records = [{"text": "a", "n": [{"m": 1}]}, {"text": "b"}, {"text": "c", "id": "x"}]
    data = between.join(json.dumps(record, indent=2) for record in records)
    documents = inputs.read("a.json", data)
    assert texts(documents) == ["a", "b", "c"]
    assert [document.id for document in documents] == [f"{inputs.folder}/a.json:1", f"{inputs.folder}/a.json:2", "x"]


def test_a_fault_among_objects_names_its_line_and_keeps_those_before(inputs):
    data = '{\n"text": "a"\n}\n{\n"text": "b",\n}\n'
    with pytest.raises(DataError, match=r"line 6: a comma stands before a closing bracket at column 1; take it out"):
        inputs.read("a.json", data)
    assert texts(inputs.read("a.json", '{"text": "a"}\n{"text": "b"}\noops', skip_bad=True)) == ["a", "b"]
    assert "line 3" in inputs.report.notes[0]


@pytest.mark.parametrize(
    "data",
    [
        '{"data": [{"text": "a"}, {"text": "b"}]}',
        '{"total": 2, "next": null, "ok": true, "took": 0.5, "name": "x", "data": [{"text": "a"}, {"text": "b"}]}',
        '{"response": {"docs": [{"text": "a"}, {"text": "b"}], "numFound": 2}, "status": 0}',
        '{"title": "Export", "rows": [{"text": "a"}, {"text": "b"}], "columns": ["text"]}',
        '{"description": "All we have.", "items": [{"text": "a"}, {"text": "b"}]}',
        '{"documents": {"items": [{"text": "a"}, {"text": "b"}]}}',
        '{"contributors": [{"name": "x"}, {"name": "y"}, {"name": "z"}], "data": [{"text": "a"}, {"text": "b"}]}',
    ],
)
def test_an_object_that_holds_an_array_of_objects_is_read_as_records(inputs, data):
    documents = inputs.read("a.json", data)
    assert texts(documents) == ["a", "b"]
    assert [document.position for document in documents] == [1, 2]


@pytest.mark.parametrize(
    "data",
    [
        '{"text": "a", "comments": [{"text": "b"}]}',
        '{"description": "a", "parts": [{"name": "wheel"}]}',
        '{"text": "a", "meta": {"refs": [{"text": "b"}]}}',
    ],
)
def test_a_record_that_holds_an_array_stays_a_record(inputs, data):
    assert texts(inputs.read("a.json", data)) == ["a"]


def test_a_column_that_was_named_makes_the_object_the_record(inputs):
    data = '{"description": "a", "items": [{"text": "b"}]}'
    assert texts(inputs.read("a.json", data, fields=FieldMap.parse(["text=description"]))) == ["a"]


@pytest.mark.parametrize(
    "data", ['{"data": []}', '{"data": [], "total": 0}', '{"response": {"docs": [], "numFound": 0}}', "[]", " [ ]\n"]
)
def test_an_empty_array_gives_no_document_and_is_said(inputs, data):
    assert inputs.read("a.json", data) == []
    assert f"1 empty ({inputs.folder}/a.json)" in inputs.report.summary()


def test_an_array_without_texts_names_its_fields_and_is_counted_in_a_folder(inputs):
    inputs.write("a.json", '{"version": 1, "people": [{"name": "x"}]}')
    with pytest.raises(DataError, match="fields found: 'name'"):
        inputs.read("a.json")
    assert inputs.read_folder() == []
    assert inputs.report.unreadable == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ('[\n{"text": "a"},\n{"text" "b"}\n]', "line 3: item 2 of the array is not JSON: expecting ':' delimiter"),
        ('[\n{"text": "a"},\n\n]', "line 4: item 2 of the array is not JSON: a comma stands before a closing bracket"),
        ('[\n{"text": "a",}\n]', "line 2: item 1 of the array is not JSON: a comma stands before a closing bracket"),
        ('[{"text": "a"},\n{"n": [1,\n]}]', "line 3: item 2 of the array is not JSON: a comma stands"),
        ('[\n// note\n{"text": "a"}]', "line 2: item 1 of the array is not JSON: a comment stands"),
        ('[{"text": "a"},\n{\n/* note */ "text": "a"}]', "line 3: item 2 of the array is not JSON: a comment stands"),
        ('[{"text": "a"} # note\n, {"text": "b"}]', "line 1: '#' stands after item 1 .JSON has no comments"),
        ('[\n{"text": "a"}\n{"text": "b"}]', "line 3: '{' stands after item 1"),
        ('[\n{"text": "a"}\n\n', "line 4: the array breaks off after item 1"),
        ('[\n{"text": "a"},\n7]', "line 3, item 2: this is a number, not an object"),
        ('[\n{"text": "a"},\n{"n": 7}]', "line 3, item 2: no text field"),
        ('{"text": "a", // note\n}', "not JSON, line 1: a comment stands at column 15; JSON has none"),
        ('// note\n{"text": "a"}', "not JSON, line 1: a comment stands at column 1"),
        ('{"text": "a"\n,}', "not JSON, line 2: a comma stands before a closing bracket"),
    ],
)
@pytest.mark.parametrize("piece", [3, 1024])
def test_a_fault_is_named_with_its_line_and_what_to_do(inputs, monkeypatch, data, reason, piece):
    monkeypatch.setattr(json_file, "PIECE", piece)
    with pytest.raises(DataError, match=reason) as caught:
        inputs.read("a.json", data)
    assert caught.value.todo
    inputs.read("a.json", skip_bad=True)
    assert inputs.report.unreadable + inputs.report.bad_records == 1


@pytest.mark.parametrize("line", ['{"text": "a",}', '{"text": "a", "n": [1, ]}', '{"text": "a" /* note */}', "# note"])
def test_comments_and_last_commas_in_json_lines_are_bad_records(inputs, line):
    data = f'{{"text": "http://a.b/c#d ,}}"}}\n{line}\n'
    with pytest.raises(DataError, match=r"line 2: this is not JSON: .* at column \d+.* out"):
        inputs.read("a.jsonl", data)
    assert texts(inputs.read("a.jsonl", skip_bad=True)) == ["http://a.b/c#d ,}"]


def test_a_fault_early_in_a_large_array_is_found_where_it_stands(inputs, monkeypatch):
    monkeypatch.setattr(json_file, "PIECE", 100)
    monkeypatch.setattr(context, "MAX_BYTES", 2000)
    data = '[\n{"text" "a"},\n' + '{"text": "b"},\n' * 1000 + "1]"
    with pytest.raises(DataError, match="line 2: item 1 of the array is not JSON: expecting ':' delimiter"):
        inputs.read("a.json", data)


@pytest.mark.parametrize(
    ("name", "form", "line"),
    [
        ("a.jsonl", '{{"text": "a"}}\n{}\n', 2),
        ("a.json", '[{{"text": "a"}},\n\n{}]', 3),
        ("a.json", '{{"text": "a"}}\n{}', 2),
        ("a.json", '{{"data":\n[{{"text": "a"}}, {}]}}', 1),
    ],
)
def test_the_last_value_of_a_key_counts_and_is_said_once(inputs, name, form, line):
    record = '{"text": "b", "n": 1, "n": 2, "n": 3, "o": {"p": 1, "p": 2}}'
    last = inputs.read(name, form.format(record))[-1]
    assert last.fields == {"n": 3, "o": '{"p": 2}'}
    assert inputs.report.repeated_keys == 1
    told = f"keys that come twice in 1 place (at {inputs.folder}/{name}:{line}), last value kept"
    assert told in inputs.report.summary()


def test_the_last_text_counts_and_records_without_repeated_keys_say_nothing(inputs):
    assert texts(inputs.read("a.jsonl", '{"text": "a", "text": "b"}\n{"text": "c"}')) == ["b", "c"]
    assert inputs.report.repeated_keys_at == [f"{inputs.folder}/a.jsonl:1"]
    inputs.read("a.jsonl", '{"text": "a", "n": {"text": 1}}')
    assert "twice" not in inputs.report.summary()


def test_other_arrays_of_records_are_said_to_be_left_out(inputs):
    data = '{"old": [{"text": "x"}], "new": [{"text": "a"}, {"text": "b"}]}'
    assert texts(inputs.read("a.json", data)) == ["a", "b"]
    assert inputs.report.notes == [
        f"{inputs.folder}/a.json: only its longest array is read; 1 other array of records left out."
    ]
