"""The pages, as a browser without scripts gets them."""

import html.parser
import time

import pytest
from tests.serve.served import FRUIT, new_state, served

from vecloom.serve.keys import KeyRing, add_key
from vecloom.serve.page import maps

HTML = {"accept": "text/html"}
SPECIAL = '<script>alert("1")</script> & \' ü'


@pytest.fixture
def site(tmp_path):
    state = new_state(tmp_path, indexes=("docs", "other"))
    documents = [{key: value for key, value in one.items() if key != "fields"} | one["fields"] for one in FRUIT]
    state.indexes["docs"].add(
        [
            *documents,
            {"id": SPECIAL, "title": SPECIAL, "text": f"Apples too. {SPECIAL}. Here are sweet red apples.", "lang": "en",
             "date": "2024-05-06", "url": "https://example.org/?a=1&b=2", "odd name": "x"},
            {"id": "bad", "title": "bad link", "text": "apples", "url": "javascript:alert(1)", "odd name": "y"},
        ]
    )  # fmt: skip
    with served(state) as client:
        yield client


class Outline(html.parser.HTMLParser):
    """Tags with their attributes, and whether all that was opened is closed."""

    VOID = frozenset({"meta", "link", "input", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def links(self, name="a"):
        return [attributes.get("href", "") for tag, attributes in self.tags if tag == name]


def get(site, url, status=200):
    response = site.get(url, headers=HTML)
    assert response.status_code == status, response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return response.text


PAGES = ["/", "/?q=apples", "/?q=apples&index=other", "/compare", "/compare?q=apples", "/map/docs", "/d/docs/apple",
         "/similar/docs/apple", "/?q=apples&f.lang=en&sort=date&mode=keyword&page=2", "/login"]  # fmt: skip


@pytest.mark.parametrize("url", PAGES)
def test_pages_are_whole_and_have_no_script_of_their_own(site, url):
    outline = Outline(get(site, url))
    for tag, attributes in outline.tags:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "script" or attributes["src"].startswith("/assets/")
    labelled = {attributes.get("for") for tag, attributes in outline.tags if tag == "label"}
    for tag, attributes in outline.tags:
        if tag in ("input", "select") and attributes.get("type") not in ("hidden", "radio") and "id" in attributes:
            assert attributes["id"] in labelled | {"colour"}


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_answers_are_those_of_the_index(site, mode):
    text = get(site, f"/?q=red+apples&mode={mode}")
    hits = site.state.indexes["docs"].search("red apples", 30, mode=mode)
    wanted = list(dict.fromkeys(hit.title or hit.document_id for hit in hits))
    places = [text.index(f'">{title}</a></h2>') for title in wanted if title != SPECIAL]
    assert places == sorted(places)


def test_the_best_sentence_is_marked_and_the_words_in_it(site):
    text = get(site, "/?q=sweet+apples&mode=keyword")
    assert "<mark>Here are <b>sweet</b> red <b>apples</b>.</mark>" in text


def test_nothing_that_a_document_says_becomes_markup(site):
    for url in ("/?q=apples", f"/?q={SPECIAL.replace('&', '%26')}", "/?q=alert&mode=keyword"):
        text = get(site, url)
        assert "<script>alert" not in text
        Outline(text)
    assert 'href="javascript:' not in get(site, "/?q=apples")
    assert "https://example.org/?a=1&amp;b=2" in get(site, "/?q=apples")


def test_every_document_has_a_page_of_its_own(site):
    outline = Outline(get(site, "/?q=apples"))
    links = [link for link in outline.links() if link.startswith(("/d/", "/similar/"))]
    assert len(links) == 10
    for link in links:
        get(site, link)


def test_facets_count_and_narrow(site):
    text = get(site, "/?q=apples")
    link = next(link for link in Outline(text).links() if "f.lang=de" in link)
    text = get(site, link)
    assert 'class="chosen" aria-current="true"' in text
    assert "Birne" in text
    assert "red apples are sweet" not in text
    odd = next(link for link in Outline(get(site, "/?q=apples")).links() if "f.odd+name=y" in link)
    assert "bad link" in get(site, odd)


def test_newest_first(site):
    site.state.indexes["docs"].add(
        [{"id": f"d{n}", "title": f"T{n}", "text": "plums", "date": f"2024-01-0{n}"} for n in (2, 1, 3)]
    )
    text = get(site, "/?q=plums&sort=date&mode=keyword")
    assert text.index(">T3<") < text.index(">T2<") < text.index(">T1<")


def test_more_answers_on_the_next_page(site):
    site.state.indexes["other"].add([{"id": f"n{n:02}", "text": f"plum {n}"} for n in range(25)])
    seen, url = [], "/?index=other&q=plum&mode=keyword"
    for _ in range(3):
        outline = Outline(get(site, url))
        seen += [link for link in outline.links() if link.startswith("/d/")]
        more = [attributes["href"] for tag, attributes in outline.tags if attributes.get("rel") == "next"]
        url = more[0] if more else ""
    assert url == ""
    assert len(seen) == len(set(seen)) == 25


def test_a_part_is_the_same_without_the_frame(site):
    whole, part = get(site, "/?q=apples"), get(site, "/?q=apples&part=answers")
    assert "<html" not in part
    assert Outline(part).links()[-1] in whole


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        ("/?q=a&where=nonsense+%3D+1", 400, "not a field of this index"),
        ("/?q=a&index=none", 404, "There is no index"),
        ("/d/docs/none", 404, "There is no document"),
        ("/similar/docs/none", 404, "There is no document"),
        ("/map/none", 404, "There is no index"),
        ("/compare?q=a&left=none:vector", 200, "There is no index"),
        ("/?q=zzz&mode=keyword", 200, "No document has these words"),
        ("/?q=apples&page=9", 200, "There are no more answers"),
        ("/nowhere", 404, "There is no /nowhere."),
        ("/similar", 404, "There is no /similar."),
        ("/map/docs/rows?at=x", 422, "at: String should match pattern"),
        ("/assets/none.css", 404, "There is no file"),
        ("/?q=zzz&mode=keyword&f.lang=en", 200, "Without filters"),
    ],
)
def test_what_goes_wrong_is_a_sentence_on_the_page(site, url, status, words):
    text = get(site, url, status)
    assert words in text
    Outline(text)


def test_a_server_without_an_index_says_so(tmp_path):
    with served(new_state(tmp_path, indexes=())) as site:
        assert "has no index" in get(site, "/?q=a", 404)


def test_compare_marks_what_both_find(site):
    text = get(site, "/compare?q=sweet+apples&left=docs:vector&right=docs:keyword")
    assert text.count('class="entry both"') == 2 * len(
        site.state.indexes["docs"].search("sweet apples", 9, mode="keyword")
    )


def test_assets_are_small_and_here(site):
    outline = Outline(get(site, "/?q=apples"))
    assets = [*outline.links("link"), *(attributes["src"] for tag, attributes in outline.tags if tag == "script")]
    weight = len(get(site, "/?q=apples")) + sum(len(site.get(asset).content) for asset in assets)
    assert all(asset.startswith("/assets/") for asset in assets)
    assert weight < 300_000
    assert site.get("/assets/none.css").status_code == 404
    assert site.get("/assets/..%2froutes.py").status_code == 404


# --- the map ---


def test_a_map_is_made_once_and_asked_by_place(site, tmp_path, monkeypatch):
    monkeypatch.setenv("VECLOOM_CACHE", str(tmp_path / "cache"))
    until = time.monotonic() + 120
    while (told := site.get("/map/docs/state").json())["state"] == "computing":
        assert time.monotonic() < until
        time.sleep(0.2)
    assert told["state"] == "ready", told
    count = told["count"]
    assert count == site.state.indexes["docs"].info().rows
    assert len(site.get("/map/docs/points").content) == 5 * count
    rows = site.get("/map/docs/rows?at=0,1,99999").json()["rows"]
    assert [set(row) for row in rows] == [{"title", "text", "url"}] * 2
    assert site.get("/map/docs/rows?at=x").status_code == 422
    field = site.get("/map/docs/field?field=lang").json()
    assert field["values"] == ["en", "de"]
    hits = site.get("/map/docs/hits?q=red+apples").json()["hits"]
    assert sorted(hits) == list(range(count))
    assert site.get(f"/map/docs/rows?at={hits[0]}").json()["rows"][0]["text"] == "red apples are sweet"
    site.state.indexes["docs"].delete(["apple"])
    assert site.get("/map/docs/points").status_code == 409


def test_a_map_that_fails_says_why(site, tmp_path, monkeypatch):
    monkeypatch.setenv("VECLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(maps.sys, "executable", "/bin/false")
    while (told := site.get("/map/docs/state").json())["state"] == "computing":
        time.sleep(0.05)
    assert told["state"] == "failed"
    assert "code 1" in told["trouble"]


# --- keys ---


def test_browsers_are_asked_for_a_key_and_keep_it(tmp_path):
    file = tmp_path / "keys.json"
    secret = add_key(file, "me", {"read"})
    state = new_state(tmp_path)
    state.keys = KeyRing(file)
    state.indexes["docs"].add(["red apples"])
    with served(state) as site:
        asked = site.get("/?q=apples&mode=keyword", headers=HTML, follow_redirects=False)
        assert asked.status_code == 303
        assert asked.headers["location"] == "/login?next=%2F%3Fq%3Dapples%26mode%3Dkeyword"
        assert 'name="next" value="/?q=apples&amp;mode=keyword"' in get(site, asked.headers["location"])
        assert site.get("/?q=apples").status_code == 401
        assert site.get("/assets/page.css").status_code == 200
        wrong = site.post("/login", data={"key": "wrong", "next": "/"})
        assert wrong.status_code == 401
        assert "not known" in wrong.text
        opened = site.post("/login", data={"key": secret, "next": "/?q=apples&mode=keyword"}, follow_redirects=False)
        assert opened.headers["location"] == "/?q=apples&mode=keyword"
        cookie = opened.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "<mark>red <b>apples</b></mark>" in site.get(opened.headers["location"], headers=HTML).text
        body = {"documents": [{"text": "more"}]}
        assert site.post("/v1/indexes/docs/documents", json=body).status_code == 401
        elsewhere = site.post("/login", data={"key": secret, "next": "//evil.example"}, follow_redirects=False)
        assert elsewhere.headers["location"] == "/"
