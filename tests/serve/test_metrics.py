"""The metrics page, against a reader of the format that is written here from its specification."""

import math
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.serve.metrics import SECONDS, Counter, Gauge, Histogram, Metrics

LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)')
PAIR = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\.)*)"')
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def parsed(page):
    """(name, labels) -> value, and name -> type; every line has to be one of the format's."""
    values, types = {}, {}
    for line in page.split("\n"):
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            types[name] = kind
        elif line and not line.startswith("# HELP "):
            name, labels, value = LINE.fullmatch(line).groups()
            pairs = {key: re.sub(r"\\.", lambda m: ESCAPES[m[0]], text) for key, text in PAIR.findall(labels or "")}
            key = (name, tuple(pairs.items()))
            assert key not in values, line
            values[key] = float(value)
    return values, types


def test_a_page_by_hand():
    histogram = Histogram("h", "Seconds.", (0.1, 1))
    for value in (0.05, 0.1, 0.5, 7):
        histogram.observe(value)
    # at most 0.1: two (the bound belongs to its bucket); at most 1: three; all: four; sum 7.65
    assert histogram.page() == (
        "# HELP h Seconds.\n# TYPE h histogram\n"
        'h_bucket{le="0.1"} 2\nh_bucket{le="1"} 3\nh_bucket{le="+Inf"} 4\nh_sum 7.65\nh_count 4'
    )
    counter = Counter("c", "Of\nthings \\.", ["what"])
    counter.add(2, 'a"b\\\n')
    assert counter.page() == '# HELP c Of\\nthings \\\\.\n# TYPE c counter\nc{what="a\\"b\\\\\\n"} 2'
    gauge = Gauge("g", "G.")
    gauge.set(1.5)
    gauge.add(-0.25)
    assert gauge.page() == "# HELP g G.\n# TYPE g gauge\ng 1.25"
    assert Gauge("g", "G.", lambda: 3).page().endswith("\ng 3")


def test_the_names_of_text_embeddings_inference_are_there_with_their_types():
    _, types = parsed(Metrics().page())
    expected = {
        "te_request_count": "counter",
        "te_request_success": "counter",
        "te_request_failure": "counter",
        "te_request_duration": "histogram",
        "te_request_tokenization_duration": "histogram",
        "te_request_queue_duration": "histogram",
        "te_request_inference_duration": "histogram",
        "te_request_input_length": "histogram",
        "te_batch_next_size": "histogram",
        "te_batch_next_tokens": "histogram",
        "te_queue_size": "gauge",
    }
    assert expected.items() <= types.items()


def test_an_empty_page_shows_what_will_be_counted():
    values, _ = parsed(Metrics().page())
    assert values["vecloom_tokens", ()] == 0
    assert values["te_batch_next_size_count", ()] == 0
    assert values["te_queue_size", ()] == 0


def test_nothing_is_lost_between_threads():
    counter, histogram = Counter("c", "C.", ["x"]), Histogram("h", "H.", SECONDS)

    def work():
        for _ in range(2000):
            counter.add(1, "a")
            histogram.observe(0.01)

    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert (counter.value("a"), histogram.count()) == (16_000, 16_000)


@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_buckets_grow_and_agree_with_sum_and_count(observed):
    histogram = Histogram("h", "H.", SECONDS)
    for value in observed:
        histogram.observe(value)
    values, _ = parsed(histogram.page())
    buckets = [(float(dict(labels)["le"]), count) for (name, labels), count in values.items() if name == "h_bucket"]
    assert [bound for bound, _ in buckets] == sorted(bound for bound, _ in buckets)
    assert all(count == sum(value <= bound for value in observed) for bound, count in buckets)
    assert buckets[-1] == (math.inf, len(observed))
    assert values["h_sum", ()] == pytest.approx(sum(observed))


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.integers(0, 2**60), max_size=5)
)
def test_any_label_comes_back_as_it_was(counts):
    counter = Counter("c", "C.", ["x"])
    for label, count in counts.items():
        counter.add(count, label)
    values, _ = parsed(counter.page())
    assert values == {("c", (("x", label),)): float(count) for label, count in counts.items()}
