"""CSV and TSV: dialects, quotes that are never closed, and what columns become."""

import gzip

import pytest

from vecloom.data import context
from vecloom.errors import DataError


def ids(documents):
    return [document.id for document in documents]


def texts(documents):
    return [document.text for document in documents]


STRAY = 'id,text,n\n1,one,1\n2,"two,2\n3,three,3\n4,"fo,ur",4\n5,five,5\n6,six,6\n'


@pytest.mark.parametrize(
    "data",
    [
        STRAY,
        STRAY.replace("\n", "\r\n"),
        STRAY.replace(",", ";").replace("fo;ur", "fo,ur"),
        "\ufeff" + STRAY,
        STRAY.removesuffix("\n"),
        STRAY.replace('"two,2', '"two" x,2'),
        STRAY.replace('2,"two,2', '2,two,"2'),
        STRAY.replace('"fo,ur"', 'a 5" disk'),  # no other quote to the end of the file that closes it
        STRAY.replace('"fo,ur"', '"fo ""u"" r"'),
        STRAY.replace('4,"fo,ur",4', '4,"fo\nur",4'),
    ],
)
def test_a_stray_quote_costs_one_record(inputs, data):
    assert ids(inputs.read("a.csv", data, skip_bad=True)) == ["1", "3", "4", "5", "6"]
    assert inputs.report.bad_records == 1
    with pytest.raises(DataError, match="line 3: "):
        inputs.read("a.csv")
    assert ids(inputs.read("a.csv.gz", gzip.compress(data.encode()), skip_bad=True)) == ["1", "3", "4", "5", "6"]


def test_a_stray_quote_in_the_last_row_costs_that_row(inputs):
    assert ids(inputs.read("a.csv", 'id,text\n1,a\n2,"b', skip_bad=True)) == ["1"]
    assert ids(inputs.read("a.csv", 'id,text\n1,"a\n2,"b\n3,c\n', skip_bad=True)) == ["3"]
    assert inputs.report.bad_records == 2


def test_a_quote_that_closes_in_a_later_row_is_seen_by_the_number_of_cells(inputs):
    # the quotes of 2 and 4 pair up; the row that they make has one cell, and line 3 alone has all three
    data = 'id,text,n\n1,a,1\n2,"b,2\n3,c,3\n4,d,4"\n5,e,5\n'
    assert ids(inputs.read("a.csv", data, skip_bad=True)) == ["1", "3", "4", "5"]
    with pytest.raises(DataError, match=r"line 3: 2 cells under 3 column names, up to line 5; a quote may be missing"):
        inputs.read("a.csv")


def test_cells_of_several_lines_are_kept_whole(inputs):
    data = 'id,text,n\n1,"a,\n""b"",c\n\nd",1\n2,"e\r\nf"\n3,g,3\n'
    documents = inputs.read("a.csv", data)
    assert texts(documents) == ['a,\n"b",c\n\nd', "e\nf", "g"]
    assert [document.position for document in documents] == [2, 6, 8]


def test_lines_may_end_with_carriage_returns_alone(inputs):
    assert texts(inputs.read("a.csv", 'id,text\r1,one\r2,"two\rlines"\r')) == ["one", "two\nlines"]
    with pytest.raises(DataError, match="line 3: "):
        inputs.read("a.csv", "id,text\r1,one\r2,two,three\r")


def test_a_header_with_a_stray_quote_is_a_bad_file_and_not_the_next_line_a_header(inputs):
    with pytest.raises(DataError, match="its header, line 1"):
        inputs.read("a.csv", 'id,"text\n1,a\n')
    assert inputs.read("a.csv", skip_bad=True) == []
    assert (inputs.report.unreadable, inputs.report.empty_files) == (1, 0)
    assert inputs.report.unreadable == 1


def test_a_huge_cell_without_end_costs_little(inputs, monkeypatch):
    monkeypatch.setattr(context, "MAX_BYTES", 1000)
    data = 'id,text\n1,"a\n' + "2,b\n" * 500 + '3,"c\nd"\n'
    documents = inputs.read("a.csv", data, skip_bad=True)
    assert (len(documents), inputs.report.bad_records) == (501, 1)


def test_tsv_quotes_of_spreadsheets_are_read_and_stray_ones_cost_nothing(inputs):
    data = 'id\ttext\tn\n1\t"a\nb ""c"" d"\t1\n2\t"open\t2\n3\t"e\tf"\t3\n4\tg "h" i\t4\n5\t"j\n6\tk\t6\n'
    documents = inputs.read("a.tsv", data)
    assert texts(documents) == ['a\nb "c" d', '"open', "e\tf", 'g "h" i', '"j', "k"]
    assert [document.position for document in documents] == [2, 4, 5, 6, 7, 8]
    assert documents[4].fields == {"n": None}


@pytest.mark.parametrize(
    "data",
    [
        "text;n\na, b;1\n",
        "text\tn\na, b\t1\n",
        "sep=;\ntext;n\na, b;1\n",
        '"sep=;"\ntext;n\na, b;1\n',
        "SEP=|\r\ntext|n\r\na, b|1\r\n",
        '"text";"n"\n"a, b";"1"\n',
        '"n, or more";"text";"n"\n;"a, b";1\n',
        'text,"n; m; o",n\n"a, b",,1\n',
    ],
)
def test_delimiters_are_found_by_the_header(inputs, data):
    (document,) = inputs.read("a.csv", data)
    assert (document.text, document.fields["n"]) == ("a, b", 1)


def test_cells_beyond_the_header_are_bad_unless_they_are_empty(inputs):
    assert texts(inputs.read("a.csv", "text,n\na,1,,\nb,2\n")) == ["a", "b"]
    with pytest.raises(DataError, match="line 2: 4 cells under 2 column names"):
        inputs.read("a.csv", "text,n\na,1,,x\n")


def test_codes_and_versions_stay_as_they_were_written(inputs):
    first_row, second_row = "a,1.1,2301.00010,01234,12345678901234567890,+1,1e5,2", "b,1.10,2301.1,2,3,4,5,3"
    data = f"text,version,arxiv,zip,big,plus,sci,n\n{first_row}\n{second_row}\n"
    first, second = inputs.read("a.csv", data)
    assert first.fields == {
        "version": "1.1",
        "arxiv": "2301.00010",
        "zip": "01234",
        "big": "12345678901234567890",
        "plus": "+1",
        "sci": "1e5",
        "n": 2,
    }
    assert second.fields["version"] == "1.10"


def test_a_whole_number_in_a_column_of_decimals_loses_no_digit(inputs):
    data = "text,n\na,0.5\nb,9007199254740993\nc,2\n"
    assert [one.fields["n"] for one in inputs.read("a.csv", data)] == [0.5, 9007199254740993, 2.0]


def test_columns_of_true_and_false_become_booleans(inputs):
    data = "text,a,b,c,d,e\nx,true,False,TRUE,yes,1\ny,,TRUE,false,no,true\n"
    first, second = inputs.read("a.csv", data)
    assert first.fields == {"a": True, "b": False, "c": True, "d": "yes", "e": "1"}
    assert second.fields == {"a": None, "b": True, "c": False, "d": "no", "e": "true"}


def test_a_very_wide_table_is_read(inputs):
    names = ["text", *(f"n{count % 7}" for count in range(20_000))]
    (document,) = inputs.read("a.csv", ",".join(names) + "\n" + ",".join(["a", *map(str, range(20_000))]) + "\n")
    assert (len(document.fields), document.fields["n0"], document.fields["n6_2857"]) == (20_000, 0, 19_998)


def test_columns_of_vectors_are_left_out_and_named_once(inputs):
    vector = [0.25] * 20
    documents = inputs.read("a.csv", f'text,n,embedding\na,1,"{vector}"\nb,2,"{vector}"\n')
    assert [document.fields for document in documents] == [{"n": 1}, {"n": 2}]
    assert inputs.report.summary() == "2 documents from 1 file; fields of vectors left out: embedding"
    assert inputs.report.as_dict()["vector_fields"] == ["embedding"]
    (document,) = inputs.read("a.jsonl", f'{{"text": "a", "vector": {vector}, "place": [52.5, 13.4]}}')
    assert document.fields == {"place": "[52.5, 13.4]"}
