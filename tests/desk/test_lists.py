"""For you, lists, similar papers and feeds."""

from xml.etree import ElementTree

import numpy as np
import pytest
from desk_fakes import DAY, HOUR, MONDAY
from tests.desk.feed_rules import RULES

from vecloom.desk import feeds, listing, marks, subscriptions
from vecloom.desk.for_you import decide, document_vectors, for_you, kept, refresh
from vecloom.desk.items import find, sync
from vecloom.errors import DocumentNotFoundError, FilterError, UsageError
from vecloom.search.catalogue import Chunks

NOW = MONDAY + HOUR
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def filled(desk, source):
    """Long known: 40 papers on cooking, 5 on embeddings. New: 4 of each."""
    for n in range(40):
        source.add(f"cook{n}", f"cooking with gas and water {n}", date=f"2020-01-{1 + n % 28:02}")
    for n in range(5):
        source.add(f"emb{n}", f"text embedding for search {n}", date=f"2021-01-{1 + n:02}")
    sync(desk, {"papers": source}, MONDAY - 30 * DAY)
    for n in range(4):
        source.add(f"newcook{n}", f"cooking with fire and water {n}", date=f"2026-11-{20 + n // 2}")
        source.add(
            f"newemb{n}", f"text embedding for retrieval {n}", title=f"Embedding {n}", date="2026-11-21", lang="en"
        )
    sync(desk, {"papers": source}, MONDAY)
    return source


def keep(desk, *names, kind="save"):
    for name in names:
        marks.mark(desk, 1, find(desk, "papers", name).id, kind, NOW)


def names(found):
    return [one.item.doc_id for one in found]


# ---- for you ----------------------------------------------------------------------------------------------------------


def test_what_is_new_and_like_what_was_kept_comes_first_with_its_reason(desk, filled):
    keep(desk, "emb0", "emb1")
    keep(desk, "emb2", kind="upvote")
    found = for_you(desk, {"papers": filled}, 1, "papers", NOW)
    assert set(names(found)[:4]) == {f"newemb{n}" for n in range(4)}
    assert set(names(found)[4:]) == {f"newcook{n}" for n in range(4)}
    assert found[0].score > 0 > found[-1].score
    nearest = filled.chunks(["emb0", "emb1", "emb2"])
    vector = filled.chunks([found[0].item.doc_id]).vectors[0]
    best = nearest.documents[int(np.argmax(nearest.vectors @ vector))]
    assert found[0].reason == f"like “Title {best}”, which you kept"


def test_too_little_to_learn_from_gives_what_trends_and_says_so(desk, filled):
    keep(desk, "emb0", "emb1")
    found = for_you(desk, {"papers": filled}, 1, "papers", NOW)
    assert {one.reason for one in found} == {
        "trending; this list learns from 3 papers that you kept, so far there are 2"
    }
    assert set(names(found)) == {f"new{kind}{n}" for kind in ("cook", "emb") for n in range(4)}  # the last days only


def test_what_was_touched_comes_no_more_and_what_was_hidden_teaches(desk, filled):
    keep(desk, "emb0", "emb1", "emb2", "newemb0")
    keep(desk, "newcook0", kind="hide")
    marks.view(desk, 1, find(desk, "papers", "newcook1").id, NOW)
    found = for_you(desk, {"papers": filled}, 1, "papers", NOW)
    assert set(names(found)) == {"newemb1", "newemb2", "newemb3", "newcook2", "newcook3"}


def test_a_tag_has_a_list_of_its_own(desk, filled):
    keep(desk, "emb0", "emb1", "emb2")
    for name in ("cook0", "cook1", "cook2"):
        marks.tag(desk, 1, find(desk, "papers", name).id, "kitchen")
    found = for_you(desk, {"papers": filled}, 1, "papers", NOW, tag="kitchen")
    assert set(names(found)[:4]) == {f"newcook{n}" for n in range(4)}
    assert for_you(desk, {"papers": filled}, 1, "papers", NOW, tag="nothing") == []


def test_the_list_is_the_same_each_time(desk, filled):
    keep(desk, "emb0", "emb1", "emb2")
    assert for_you(desk, {"papers": filled}, 1, "papers", NOW) == for_you(desk, {"papers": filled}, 1, "papers", NOW)


def test_the_decision_is_that_of_the_balanced_hinge_loss():
    """Against the minimum found by scipy of |w|^2/2 + b^2/2 + C sum_i weight_i max(0, 1 - y_i (w x_i + b))^2."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(0)
    positives, negatives, asked = (rng.standard_normal((n, 5)) + shift for n, shift in ((4, 1.0), (12, -1.0), (6, 0.0)))
    rows, labels = np.concatenate([positives, negatives]), np.repeat([1.0, -1.0], [4, 12])
    weights = np.where(labels > 0, 16 / (2 * 4), 16 / (2 * 12))  # balanced: n / (classes * n of the class)

    def loss(w):
        margins = np.maximum(0, 1 - labels * (rows @ w[:5] + w[5]))
        return (w @ w) / 2 + 0.01 * (weights * margins**2).sum()

    best = minimize(loss, np.zeros(6), tol=1e-12).x
    np.testing.assert_allclose(decide(positives, negatives, asked), asked @ best[:5] + best[5], atol=2e-3)


def test_a_documents_vector_is_the_direction_of_its_chunks():
    chunks = Chunks(["a", "a", "b", "c", "c"], {}, np.array([[1, 0], [0, 1], [0, 1], [1, 0], [-1, 0]], np.float32))
    found = document_vectors(chunks)
    assert set(found) == {"a", "b"}  # those of c cancel each other out
    np.testing.assert_allclose(found["a"], [0.5**0.5, 0.5**0.5], rtol=1e-6)


def test_the_kept_list_is_made_anew_when_something_changed(desk, filled):
    library = {"papers": filled}
    keep(desk, "emb0", "emb1", "emb2")
    assert refresh(desk, library, 1, "papers", NOW)
    first = kept(desk, 1, "papers")
    assert first == for_you(desk, library, 1, "papers", NOW)
    assert not refresh(desk, library, 1, "papers", NOW + HOUR)
    keep(desk, first[0].item.doc_id, kind="hide")
    assert kept(desk, 1, "papers") == first[1:]
    assert refresh(desk, library, 1, "papers", NOW + HOUR)
    filled.add("newest", "text embedding", title="Newest")
    sync(desk, library, NOW + 2 * HOUR)
    assert refresh(desk, library, 1, "papers", NOW + 2 * HOUR)
    assert "newest" in names(kept(desk, 1, "papers"))


# ---- lists ------------------------------------------------------------------------------------------------------------


def listed(desk, source, **given):
    return listing.listing(desk, {"papers": source}, "papers", 1, NOW, **given)


def test_orders_of_answers_to_a_query(desk, filled):
    filled.add("much", "embedding embedding embedding", date="2019-01-01")
    sync(desk, {"papers": filled}, MONDAY)
    keep(desk, "emb3", kind="upvote")
    by = {sort: names(listed(desk, filled, query="embedding", sort=sort)) for sort in ("relevance", "date", "trending")}
    assert by["relevance"][0] == "much"
    assert by["date"][:4] == [f"newemb{n}" for n in range(4)]
    assert by["date"][-1] == by["trending"][-1] == "much"
    assert by["trending"].index("emb3") < by["trending"].index("emb4")
    assert len({frozenset(found) for found in by.values()}) == 1


def test_without_a_query_everything_is_listed_page_by_page(desk, filled):
    every = names(listed(desk, filled, sort="trending", limit=100))
    assert len(every) == 53
    assert every[:20] + every[20:40] == names(listed(desk, filled, sort="trending")) + names(
        listed(desk, filled, sort="trending", offset=20)
    )
    assert names(listed(desk, filled, limit=100)) == names(listed(desk, filled, sort="date", limit=100))
    assert set(names(listed(desk, filled, where="lang = 'en'"))) == {f"newemb{n}" for n in range(4)}


def test_hidden_papers_are_in_no_list_and_marks_are_shown(desk, filled):
    keep(desk, "newemb0", kind="hide")
    keep(desk, "newemb1")
    found = listed(desk, filled, query="retrieval")
    assert set(names(found)) == {"newemb1", "newemb2", "newemb3"}
    entry = next(one for one in found if one.item.doc_id == "newemb1")
    assert entry.marks.saved
    assert entry.interest.saves == 1
    assert entry.text.startswith("text embedding for retrieval")
    assert "newemb0" not in names(listing.similar(desk, {"papers": filled}, "papers", "newemb1", 1))


def test_similar_papers_say_what_they_are_like(desk, filled):
    found = listing.similar(desk, {"papers": filled}, "papers", "newemb1", 1, limit=3)
    assert set(names(found)) == {"newemb0", "newemb2", "newemb3"}
    assert {one.reason for one in found} == {"like “Embedding 1”"}
    with pytest.raises(DocumentNotFoundError):
        listing.similar(desk, {"papers": filled}, "papers", "zz", 1)


def test_orders_that_cannot_be(desk, filled):
    with pytest.raises(UsageError, match="no order 'best'"):
        listed(desk, filled, sort="best")
    with pytest.raises(UsageError, match="takes no query"):
        listed(desk, filled, sort="for_you", query="x")


# ---- feeds ------------------------------------------------------------------------------------------------------------


ADDRESS = "https://desk.example/f/abc.atom"
PUBLISHER = feeds.Publisher(
    "The desk", "desk.example", "https://desk.example/", ADDRESS, lambda item: f"https://desk.example/d/{item.doc_id}"
)


def subscribed(desk, **given):
    return subscriptions.subscribe(desk, 1, "papers", "query", "text embedding for retrieval", now=NOW, **given)


def test_an_atom_feed(desk, filled):
    filled.add(
        "odd", "text embedding for retrieval", title="A & <b> \x0b", url="https://x.example/?a=1&b", authors="One; Two",
        date="2026-11-22",
    )  # fmt: skip
    sync(desk, {"papers": filled}, NOW)
    one = subscribed(desk)
    feed = feeds.of_subscription(desk, {"papers": filled}, PUBLISHER, one, NOW)
    root = ElementTree.fromstring(feed.body)
    entries = root.findall(f"{ATOM}entry")
    assert len(entries) == 5
    odd = entries[0]  # the last added comes first
    number = find(desk, "papers", "odd").id
    assert odd.findtext(f"{ATOM}title") == "A & <b>"
    assert odd.findtext(f"{ATOM}id") == f"tag:desk.example,2026-11-23:item/{number}"
    assert odd.find(f"{ATOM}link").get("href") == "https://x.example/?a=1&b"
    assert [author.findtext(f"{ATOM}name") for author in odd.findall(f"{ATOM}author")] == ["One", "Two"]
    assert odd.findtext(f"{ATOM}summary") == "text embedding for retrieval"
    assert odd.findtext(f"{ATOM}updated") == root.findtext(f"{ATOM}updated") == "2026-11-23T01:00:00Z"
    assert root.find(f"{ATOM}link").get("href") == root.findtext(f"{ATOM}id") == ADDRESS
    assert (
        entries[1].find(f"{ATOM}link").get("href").startswith("https://desk.example/d/newemb")
    )  # it has no address of its own


def test_a_feed_reader_reads_both_forms(desk, filled):
    feedparser = pytest.importorskip("feedparser")
    one = subscribed(desk)
    for form in feeds.TYPES:
        feed = feeds.of_subscription(desk, {"papers": filled}, PUBLISHER, one, NOW, form)
        read = feedparser.parse(feed.body)
        assert not read.bozo, read.bozo_exception
        assert {entry.title for entry in read.entries} == {f"Embedding {n}" for n in range(4)}
        assert len({entry.id for entry in read.entries}) == 4


def test_feeds_are_valid_whatever_their_items_hold(desk, filled):
    odd = {
        "url": "https://x.example/a b?q=<ü>&r=%20", "title": "Two\nlines \x00 & <b>", "authors": "; A\u0007; ",
        "date": "0099-01-01",
    }  # fmt: skip
    filled.add("odd", "text embedding for retrieval", **odd)
    filled.add("", "text embedding for retrieval")
    filled.add("no/title ü?#", "text embedding for retrieval", title=" ")
    sync(desk, {"papers": filled}, NOW)
    one = subscribed(desk)
    for form, wrong_with in RULES.items():
        feed = feeds.of_subscription(desk, {"papers": filled}, PUBLISHER, one, NOW, form)
        assert wrong_with(feed.body, ADDRESS) == []
    empty = feeds.of_query(desk, {"papers": filled}, PUBLISHER, "papers", "nothing like it", NOW, threshold=0.999)
    assert b"<entry>" not in empty.body
    assert RULES["atom"](empty.body, ADDRESS) == []


def test_what_has_no_date_does_not_lead(desk, filled):
    for n in range(3):
        filled.add(f"undated{n}", f"text embedding for retrieval, without a date {n}")
    sync(desk, {"papers": filled}, NOW)
    for sort in ("date", "trending"):
        last = names(listed(desk, filled, sort=sort, limit=56))[-3:]
        assert last == ["undated0", "undated1", "undated2"]
        queried = names(listed(desk, filled, sort=sort, query="text embedding for retrieval"))
        assert queried[0].startswith("newemb")
    feed = feeds.of_subscription(desk, {"papers": filled}, PUBLISHER, subscribed(desk), NOW)
    entries = ElementTree.fromstring(feed.body).findall(f"{ATOM}entry")
    assert ["undated" in (entry.findtext(f"{ATOM}title")) for entry in entries] == [False] * 4 + [True] * 3
    keep(desk, "undated1", kind="upvote")  # what readers like trends, dated or not
    assert names(listed(desk, filled, sort="trending"))[0] == "undated1"


def test_a_feed_stays_as_it_is_until_its_items_change(desk, filled):
    one = subscribed(desk)
    library = {"papers": filled}
    first = feeds.of_subscription(desk, library, PUBLISHER, one, NOW)
    later = feeds.of_subscription(desk, library, PUBLISHER, one, NOW + DAY)
    assert first == later
    assert first.last_modified == "Mon, 23 Nov 2026 00:00:00 GMT"
    assert first.unchanged(first.etag, None)
    assert first.unchanged(f'"other", W/{first.etag}', None)
    assert first.unchanged(None, first.last_modified)
    assert not first.unchanged('"other"', first.last_modified)  # the tag counts
    assert not first.unchanged(None, "Sun, 22 Nov 2026 23:59:59 GMT")
    assert not first.unchanged(None, "soon")
    assert not first.unchanged(None, None)
    filled.add("more", "text embedding for retrieval")
    sync(desk, library, NOW + DAY)
    assert feeds.of_subscription(desk, library, PUBLISHER, one, NOW + DAY).etag != first.etag


def test_a_feed_goes_on_when_mails_were_sent_or_stopped(desk, filled):
    one = subscribed(desk)
    desk.db.execute("UPDATE subscription SET active = 0, seen_item = 1000")
    again = subscriptions.get(desk, one.id)
    library = {"papers": filled}
    assert feeds.of_subscription(desk, library, PUBLISHER, again, NOW).body.count(b"<entry>") == 4


def test_a_feed_of_any_query_and_a_filter_that_does_not_fit(desk, filled):
    library = {"papers": filled}
    feed = feeds.of_query(desk, library, PUBLISHER, "papers", "cooking with fire", NOW)
    assert feed.body.count(b"<entry>") == 4

    class Refusing(type(filled)):
        def select(self, where):
            raise FilterError("no such field")

    refusing = Refusing(filled.held)
    with pytest.raises(FilterError):
        feeds.of_query(desk, {"papers": refusing}, PUBLISHER, "papers", "cooking", NOW, filters="x = 1")
