"""The desk over a real index: what it lists, compares, filters and searches."""

import numpy as np
import pytest
from desk_fakes import DAY, HOUR, MONDAY, SENDER, HashEncoder

from vecloom.desk import digests, readers, subscriptions
from vecloom.desk.items import find, sync
from vecloom.desk.sources import IndexSource
from vecloom.errors import FilterError, UsageError
from vecloom.search import Index

NOW = MONDAY + 9 * HOUR


@pytest.fixture
def index(tmp_path):
    made = Index.create(tmp_path / "papers", HashEncoder(dim=64), chunk_tokens=8, overlap=0)
    made.add([{"id": "old", "text": "nothing to see", "date": "2001-01-01", "lang": "en"}])
    return made


@pytest.fixture
def real(index):
    return IndexSource.open(index.path, lambda _: HashEncoder(dim=64))


def test_documents_chunks_and_filters(index, real):
    before = real.stamp()
    long = " ".join(f"word{n}" for n in range(40))
    index.add([{"id": "it's", "text": long, "title": "Long", "lang": "de", "year": 2026}])
    assert real.stamp() != before
    listed = {one.id: (one.title, dict(one.fields)) for one in real.documents()}
    assert listed == {"old": ("", {"date": "2001-01-01", "lang": "en"}), "it's": ("Long", {"lang": "de", "year": 2026})}
    found = real.chunks(["it's", "none"])
    assert set(found.documents) == {"it's"}
    assert len(found.vectors) == len(found.documents) == len(index.document("it's"))
    assert found.texts["it's"].startswith("word0")
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-5)
    assert real.chunks([]).vectors.shape == (0, 64)
    assert real.select("lang = 'de' AND year > 2025") == {"it's"}
    with pytest.raises(FilterError):
        real.select("nothing = 1")


def test_a_model_is_loaded_when_a_question_needs_it(index):
    asked = []
    real = IndexSource.open(index.path, lambda name: asked.append(name) or HashEncoder(dim=64))
    assert [hit.document_id for hit in real.search("nothing", 5, "keyword", None)] == ["old"]
    assert asked == []
    assert [hit.document_id for hit in real.search("nothing", 5, "vector", None)] == ["old"]
    assert real.embed(["a", "b"]).shape == (2, 64)
    assert asked == ["hash"]
    with pytest.raises(UsageError, match="without its model"):
        IndexSource.open(index.path).embed(["a"])


@pytest.mark.parametrize("mode", ["vector", "keyword", "hybrid"])
def test_digests_over_an_index_in_every_mode(desk, index, real, mailbox, mode):
    library = {"papers": real}
    sync(desk, library, MONDAY - 30 * DAY)
    reader = readers.enrol(desk, SENDER, "ann@reader.example", MONDAY)
    desk.db.execute("UPDATE reader SET confirmed_at = 1")
    desk.db.execute("DELETE FROM letter")
    given = {"now": MONDAY, "mode": mode, "threshold": 0.3, "filters": "lang = 'en'"}
    subscriptions.subscribe(desk, reader.id, "papers", "query", "text embedding", **given)
    index.add(
        [
            {"id": "it's", "title": "Right", "text": "text embedding", "lang": "en"},
            {"id": "de", "title": "Foreign", "text": "text embedding", "lang": "de"},
            {"id": "no", "title": "Wrong", "text": "cooking with gas", "lang": "en"},
        ]
    )
    report = digests.run(desk, library, SENDER, mailbox.smtp(), NOW)
    assert (report.items, report.sent, report.notes) == (3, 1, [])
    assert mailbox.papers() == {("ann@reader.example", "Right"): 1}
    assert find(desk, "papers", "it's").title == "Right"
    assert digests.run(desk, library, SENDER, mailbox.smtp(), NOW + DAY).sent == 0


def test_a_filter_that_fits_no_more_is_told_and_the_others_are_served(desk, index, real, mailbox):
    library = {"papers": real}
    sync(desk, library, MONDAY - 30 * DAY)
    reader = readers.enrol(desk, SENDER, "ann@reader.example", MONDAY)
    desk.db.execute("UPDATE reader SET confirmed_at = 1")
    desk.db.execute("DELETE FROM letter")
    for filters in ("gone = 1", ""):
        subscriptions.subscribe(desk, reader.id, "papers", "query", "text embedding", now=MONDAY, filters=filters)
    index.add([{"id": "a", "text": "text embedding"}])
    report = digests.run(desk, library, SENDER, mailbox.smtp(), NOW)
    assert report.sent == 1
    assert "Subscription 1: The filter 'gone = 1' names 'gone'" in report.notes[0]
