"""Which pages and which host names are let in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serve.plain import ask, echo, refuse

from vecloom.errors import UsageError
from vecloom.serve.origins import Origins, checked, host_name, is_local


def doors(origins=(), hosts=()):
    return Origins(echo, origins, hosts, refuse)


def status(app, method="POST", path="/embed", **headers):
    return ask(app, method, path, headers=headers).status_code


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:8080", "127.8.9.1", "[::1]:8080", "LOCALHOST."]
)
def test_this_machine_may_be_called_by_its_own_names(host):
    assert status(doors(), Host=host) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", "", "[", "a b"]
)
def test_a_page_that_turned_its_own_name_to_this_machine_is_refused(host):
    assert status(doors(), Host=host) == 403


def test_names_can_be_added_and_with_keys_all_are_let_in():
    assert status(doors(hosts=("Search.Example",)), Host="search.example:80") == 200
    assert status(doors(hosts=("search.example",)), Host="other.example") == 403
    assert status(doors(hosts=None), Host="anything.example") == 200


def test_no_page_of_another_origin_may_change_anything():
    assert status(doors(), Host="localhost:8000", Origin="https://evil.example") == 403
    assert status(doors(), method="DELETE", Host="localhost:8000", Origin="null") == 403
    assert status(doors(), Host="localhost:8000", Origin="http://localhost:3000") == 403


def test_the_servers_own_pages_may():
    assert status(doors(), Host="localhost:8000", Origin="http://localhost:8000") == 200


def test_without_cors_no_answer_can_be_read_by_a_page():
    answer = ask(doors(), "GET", "/v1/models", headers={"Origin": "https://app.example"})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    assert not [
        name for name in ask(doors(), "OPTIONS", "/embed", headers=preflight).headers if "access-control" in name
    ]


def test_named_origins_may_call_and_read_but_send_no_cookies():
    app = doors(checked(["https://app.example"]))
    preflight = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    asked = ask(app, "OPTIONS", "/embed", headers=preflight)
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, "https://app.example")
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    answer = ask(app, "POST", "/embed", headers={"Origin": "https://app.example"})
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-credentials" not in answer.headers
    assert status(app, Origin="https://other.example") == 403
    assert ask(app, "OPTIONS", "/embed", headers=preflight | {"Origin": "https://other.example"}).status_code == 400


@pytest.mark.parametrize(
    "origin", ["app.example", "https://app.example/", "https://a.example/x", "ftp://a", "https://", ""]
)
def test_what_is_not_an_origin_is_refused_at_the_start(origin):
    with pytest.raises(UsageError, match="origin"):
        checked([origin])


@given(st.text(max_size=40))
def test_any_host_header_has_a_name_or_none(host):
    assert isinstance(is_local(host_name(host)), bool)


@given(st.from_regex(r"[a-z0-9-]{1,10}(\.[a-z]{1,8}){1,3}", fullmatch=True))
def test_no_domain_name_is_this_machine(name):
    assert not is_local(name)
    assert status(doors(), Host=name) == 403


FILTERED = "/v1/indexes/docs/similar?id=a&where=year+%3E+1"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Referer": "http://localhost:3000/"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Referer": "https://evil.example/page"},
        {"Referer": "http://["},
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_from_another_site_may_not_carry_a_filter(headers, method):
    asked = {"Host": "localhost:8000", **headers}
    assert status(doors(), method=method, path=FILTERED, **asked) == 403
    assert status(doors(), method=method, path="/?q=a&%77here=a", **asked) == 403
    assert status(doors(), method=method, path="/?q=a&where=&f.lang=en", **asked) == 200
    assert status(doors(), method=method, path="/?q=where", **asked) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Referer": "http://localhost:8000/?q=a"},
        {"Referer": "http://localhost:8000/?q=a"},
    ],
)
def test_own_pages_bookmarks_and_programs_may(headers):
    assert status(doors(), method="GET", path=FILTERED, Host="localhost:8000", **headers) == 200


def test_pages_of_named_origins_may_filter_too():
    app = doors(checked(["https://app.example"]))
    headers = {"Host": "localhost:8000", "Sec-Fetch-Site": "cross-site"}
    assert status(app, method="GET", path=FILTERED, **headers, Origin="https://app.example") == 200
    assert status(app, method="GET", path=FILTERED, **headers, Origin="https://other.example") == 403
