import json

from vecloom.data import ReadReport
from vecloom.data.report import MAX_NOTES


def test_summary_says_only_what_happened():
    assert ReadReport(files=1, documents=1200).summary() == "1,200 documents from 1 file"


def test_summary_names_everything_left_out_or_repaired():
    report = ReadReport(
        files=2, documents=1, hidden=3, binary=1, bad_records=2, long_lines=1, empty_texts=1, nul_bytes=1
    )
    for line in range(1, 8):
        report.invalid("a.txt", line)
    assert report.summary() == (
        "1 document from 2 files; files left out: 3 hidden, 1 binary; 2 bad records left out (1 too long); "
        "1 empty text; invalid UTF-8 replaced in 7 places (at a.txt:1, a.txt:2, a.txt:3, a.txt:4, a.txt:5, ...); "
        "NUL bytes removed in 1 place"
    )


def test_report_is_json_and_keeps_few_notes():
    report = ReadReport()
    for count in range(100):
        report.note(f"note {count}")
    assert len(json.loads(json.dumps(report.as_dict()))["notes"]) == MAX_NOTES
