"""A server whose disk is full: what can be read is read, what cannot be saved is said to be so, and nothing half-made stays."""

import re
import resource
import time

import httpx
import pytest
from tests.serve.running import running
from tests.serve.test_page import HTML, Outline
from tests.serve.test_room import PAPERS

import vecloom as vl

pytestmark = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")


def full(server, bytes_left=0):
    """No file of the server's can grow; ``-1``: all may again."""
    most = resource.RLIM_INFINITY
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (most if bytes_left < 0 else bytes_left, most))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("full")
    vl.Index.create(made / "papers.index", vl.load("minilm")).add(PAPERS)
    return made


def fields(text, **more):
    token = re.search(r'name="form" value="([^"]+)"', text)[1]
    return {"form": token, "index": "papers", "next": "/desk", **more}


def test_pages_are_read_and_marks_answer_507_while_the_disk_is_full(folder):
    with (
        running("-i", folder / "papers.index", "--desk", env={"VECLOOM_CACHE": str(folder / "cache")}) as server,
        httpx.Client(base_url=server.url, headers=HTML, timeout=60) as site,
    ):
        full(server)  # before the first page
        for path in ("/", "/?q=embedding", "/?sort=for_you", "/?sort=date", "/d/papers?id=emb1", "/similar/papers?id=emb1",
                     "/compare?q=embedding", "/map/papers", "/desk", "/feed/papers.atom?q=embedding"):  # fmt: skip
            found = site.get(path)
            assert found.status_code == 200, path
        page = site.get("/desk").text
        forms = {
            "mark": {"what": "save", "id": "emb1"},
            "tag": {"tag": "good", "id": "emb1"},
            "subscribe": {"kind": "query", "query": "embedding"},
            "forget": {},
        }
        for what, given in forms.items():
            told = site.post(f"/desk/{what}", data=fields(page, **given), headers={"referer": f"{server.url}/?q=a"})
            assert told.status_code == 507, what
            assert "Nothing can be saved" in told.text
            assert "disk is full" in told.text
            assert '<a href="/?q=a">Go back</a>' in told.text
            Outline(told.text)
        told = site.post(
            "/desk/mark", data=fields(page, what="save", id="emb1"), headers={"accept": "application/json"}
        )
        assert told.status_code == 507
        assert "disk is full" in told.json()["error"]
        while (map_state := site.get("/map/papers/state").json())["state"] == "computing":
            time.sleep(0.2)
        assert map_state == {"state": "failed", "progress": 0.0, "trouble": "The disk is full or read-only."}

        full(server, -1)
        page = site.get("/desk").text
        assert "Nothing yet." in page
        assert "None yet." in page
        assert site.post("/desk/mark", data=fields(page, what="save", id="emb1")).status_code == 303
        assert "Embedding one" in site.get("/desk").text
    assert not list((folder / "cache").rglob("*.progress"))


def test_an_index_on_a_full_disk_is_as_it_was(folder):
    with (
        running("-i", folder / "papers.index") as server,
        httpx.Client(base_url=server.url, timeout=60) as api,
    ):
        full(server)
        body = {"documents": [{"id": "new", "text": "one more text"}]}
        told = api.post("/v1/indexes/papers/documents", json=body)
        assert told.status_code == 507
        full(server, -1)
        hits = api.post("/v1/indexes/papers/search", json={"query": "one more text"}).json()["hits"]
        assert "new" not in {hit["document_id"] for hit in hits}
        assert api.post("/v1/indexes/papers/documents", json=body).json()["added"] == 1
        assert api.delete("/v1/indexes/papers/documents/new").status_code == 200


def test_what_is_subscribed_with_an_address_that_cannot_be_is_not_kept(folder, tmp_path, monkeypatch):
    env = {"VECLOOM_MAIL_FROM": "desk@desk.example", "VECLOOM_BASE_URL": "https://desk.example", "VECLOOM_SMTP_PORT": "1",
           "VECLOOM_SMTP_HOST": "localhost", "VECLOOM_SMTP_SECURITY": "none"}  # fmt: skip
    with (
        running("-i", folder / "papers.index", "--desk", tmp_path / "desk.sqlite", env=env) as server,
        httpx.Client(base_url=server.url, headers=HTML, timeout=60) as site,
    ):
        given = fields(site.get("/desk").text, kind="query", query="embedding", email="not an address")
        assert site.post("/desk/subscribe", data=given).status_code == 400
        assert "None yet." in site.get("/desk").text
