"""API keys: the file, the comparison, what a request needs."""

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.errors import DataError, UsageError
from vecloom.serve import keys
from vecloom.serve.gate import bearer, needed
from vecloom.serve.keys import Key, KeyRing, add_key, digest, find, read_keys, remove_key

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
SCOPES = st.lists(st.sampled_from(["read", "write"]), min_size=1, unique=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "conf" / "keys.json"


# ---- oracle ----------------------------------------------------------------------------------------------------------


def test_the_digest_is_sha256():
    # printf abc | sha256sum; FIPS 180-2, appendix B.1
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_key_is_256_random_bits_and_the_file_knows_only_its_digest(path):
    secret = add_key(path, "laptop", ["read"])
    assert secret.startswith("vl_")
    assert len(secret) == 3 + 43  # 256 bits in base64: ceil(256 / 6)
    written = json.loads(path.read_text())
    (entry,) = written["keys"]
    assert (entry["name"], entry["scopes"], entry["sha256"]) == ("laptop", ["read"], digest(secret.encode()))
    assert secret not in path.read_text()
    assert secret[3:] not in path.read_text()


def test_only_the_owner_may_read_the_file(path):
    add_key(path, "a", ["read"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("method", "target", "scope"),
    [
        ("GET", "/v1/indexes", "read"),
        ("GET", "/v1/indexes/docs/similar/a/b", "read"),
        ("GET", "/metrics", "read"),
        ("POST", "/v1/embeddings", "read"),
        ("POST", "/embed", "read"),
        ("POST", "/rerank", "read"),
        ("POST", "/v1/rerank", "read"),
        ("POST", "/v1/indexes/docs/search", "read"),
        ("POST", "/v1/indexes/docs/documents", "write"),
        ("DELETE", "/v1/indexes/docs/documents/a/search", "write"),
        ("POST", "/v1/indexes/a/documents/search", "write"),
        ("PUT", "/v1/embeddings/x", "write"),
        ("POST", "/something-new", "write"),
    ],
)
def test_what_is_not_known_to_read_needs_write(method, target, scope):
    assert needed(method, target) == scope


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        (b"Bearer vl_x", b"vl_x"),
        (b"bearer  vl_x ", b"vl_x"),
        (b"Basic vl_x", b""),
        (b"Bearer", b""),
        (b"vl_x", b""),
        (b"", b""),
    ],
)
def test_the_key_is_the_bearer_token(value, secret):
    assert bearer({"headers": [(b"accept", b"*/*"), (b"authorization", value)]}) == secret
    assert bearer({"headers": []}) == b""


# ---- the file ---------------------------------------------------------------------------------------------------------


def test_a_name_is_there_once(path):
    add_key(path, "a", ["read"])
    with pytest.raises(UsageError, match="'a' already"):
        add_key(path, "a", ["write"])
    assert [key.scopes for key in read_keys(path)] == [{"read"}]


@pytest.mark.parametrize("name", ["", "a b", ".a", "a/b", "a" * 65, "ä", "a\n"])
def test_names_are_plain(path, name):
    with pytest.raises(UsageError, match="named"):
        add_key(path, name, ["read"])
    assert not path.exists()


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "root"]])
def test_scopes_are_those_that_there_are(path, scopes):
    with pytest.raises(UsageError, match="scopes"):
        add_key(path, "a", scopes)


def test_a_missing_file_or_key_is_named(path):
    with pytest.raises(UsageError, match="no key file"):
        read_keys(path)
    add_key(path, "a", ["read"])
    with pytest.raises(UsageError, match="no key 'b'"):
        remove_key(path, "b")


GOOD = {"name": "a", "scopes": ["read"], "sha256": "0" * 64, "created": "2026-01-01"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"format": 2, "keys": []}',
        '{"format": 1, "keys": {}}x',
        json.dumps({"format": 1, "keys": [GOOD | {"scopes": []}]}),
        json.dumps({"format": 1, "keys": [GOOD | {"scopes": ["root"]}]}),
        json.dumps({"format": 1, "keys": [GOOD | {"sha256": "0" * 63}]}),
        json.dumps({"format": 1, "keys": [GOOD | {"name": 3}]}),
        json.dumps({"format": 1, "keys": [{"name": "a"}]}),
        json.dumps({"format": 1, "keys": [GOOD, GOOD]}),
    ],
)
def test_a_broken_file_is_refused_in_a_sentence(path, content):
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(DataError, match=r"keys\.json"):
        read_keys(path)
    with pytest.raises(DataError):
        add_key(path, "new", ["read"])
    assert path.read_text() == content


def test_bytes_that_are_not_utf8_are_refused(path):
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not JSON"):
        read_keys(path)


# ---- a running server ---------------------------------------------------------------------------------------------------


def test_keys_that_are_made_and_removed_count_at_once(path):
    first = add_key(path, "first", ["read"]).encode()
    ring = KeyRing(path)
    second = add_key(path, "second", ["write"]).encode()
    assert ring.find(second).name == "second"
    remove_key(path, "first")
    assert ring.find(first) is None
    assert ring.find(second).scopes == {"write"}


def test_a_file_that_breaks_or_goes_lets_nobody_in_until_it_is_whole(path):
    secret = add_key(path, "a", ["read"]).encode()
    ring, whole = KeyRing(path), path.read_bytes()
    path.write_text("{")
    assert ring.find(secret) is None
    path.unlink()
    assert ring.find(secret) is None
    path.write_bytes(whole)
    assert ring.find(secret).name == "a"


def test_a_server_does_not_start_on_no_keys(path):
    add_key(path, "a", ["read"])
    remove_key(path, "a")
    with pytest.raises(UsageError, match="holds no keys"):
        KeyRing(path)


def test_every_stored_key_is_compared_and_in_constant_time(monkeypatch):
    compared = []
    real = keys.hmac.compare_digest
    monkeypatch.setattr(keys.hmac, "compare_digest", lambda a, b: compared.append(a) or real(a, b))
    ring = [Key(str(n), frozenset({"read"}), digest(str(n).encode()), "") for n in range(5)]
    assert find(ring, b"0").name == "0"
    assert compared == [key.sha256 for key in ring]


# ---- properties ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(NAMES, SCOPES), min_size=1, max_size=6, unique_by=lambda pair: pair[0]))
def test_each_key_is_found_by_its_own_secret_with_its_own_scopes(tmp_path_factory, wanted):
    path = Path(tmp_path_factory.mktemp("keys"), "keys.json")
    secrets = {name: add_key(path, name, scopes) for name, scopes in wanted}
    assert len(set(secrets.values())) == len(secrets)
    ring = KeyRing(path)
    for name, scopes in wanted:
        found = ring.find(secrets[name].encode())
        assert (found.name, found.scopes) == (name, frozenset(scopes))


@given(st.binary(max_size=100))
def test_no_other_bytes_are_a_key(secret):
    ring = [Key("a", frozenset({"read"}), digest(b"vl_the one"), "")]
    assert (find(ring, secret) is not None) == (secret == b"vl_the one")


@given(st.integers(0, 45), st.characters(min_codepoint=33, max_codepoint=126))
def test_one_changed_character_is_another_key(place, character):
    secret = keys.new_secret()
    other = secret[:place] + character + secret[place + 1 :]
    ring = [Key("a", frozenset({"read"}), digest(secret.encode()), "")]
    assert (find(ring, other.encode()) is not None) == (other == secret)


@given(st.text(max_size=60))
def test_any_file_is_keys_or_an_error_in_a_sentence(tmp_path_factory, content):
    path = Path(tmp_path_factory.mktemp("keys"), "keys.json")
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError):
        read_keys(path)
