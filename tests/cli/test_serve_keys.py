"""``vecloom serve keys``, as it is typed."""

import json

import pytest
from click.testing import CliRunner

from vecloom.cli import vecloom
from vecloom.serve.keys import KeyRing, read_keys


@pytest.fixture
def keys(tmp_path):
    def call(*args):
        return CliRunner().invoke(vecloom, ["serve", "keys", *args, "--file", str(tmp_path / "keys.json")])

    call.path = tmp_path / "keys.json"
    return call


def test_a_key_is_alone_on_standard_output_and_opens_the_door(keys):
    done = keys("add", "laptop")
    assert done.exit_code == 0, done.output
    secret = done.stdout.removesuffix("\n")
    assert "\n" not in secret
    assert KeyRing(keys.path).find(secret.encode()).scopes == {"read"}
    assert f"vecloom serve --keys {keys.path}" in done.stderr


def test_scopes_can_be_several(keys):
    done = keys("add", "both", "--scope", "write", "--scope", "read", "--scope", "write", "--json")
    told = json.loads(done.stdout)
    assert (told["name"], told["scopes"], told["file"]) == ("both", ["write", "read"], str(keys.path))
    assert read_keys(keys.path)[0].scopes == {"read", "write"}


def test_the_list_shows_no_secret(keys):
    secret = keys("add", "laptop").stdout.strip()
    keys("add", "feed", "--scope", "write")
    lines = keys("list").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["name", "scopes"], ["laptop", "read"], ["feed", "write"]]
    told = keys("list", "--json").stdout
    assert [(key["name"], key["scopes"]) for key in json.loads(told)] == [("laptop", ["read"]), ("feed", ["write"])]
    assert secret not in told


def test_a_removed_key_is_gone(keys):
    keys("add", "laptop")
    assert keys("remove", "laptop").exit_code == 0
    assert read_keys(keys.path) == ()
    again = keys("remove", "laptop")
    assert again.exit_code == 2
    assert "no key 'laptop'" in again.stderr


def test_what_cannot_be_is_a_sentence(keys):
    assert keys("list").exit_code == 2
    keys("add", "a")
    for args, told in (
        (("add", "a"), "already"),
        (("add", "a b"), "cannot be named"),
        (("add", "c", "--scope", "x"), "'x'"),
    ):
        done = keys(*args)
        assert (done.exit_code, told in done.stderr) == (2, True), done.stderr
    keys.path.write_text("{")
    broken = keys("add", "c")
    assert (broken.exit_code, "not JSON" in broken.stderr, "Traceback" in broken.stderr) == (1, True, False)


def test_without_a_file_they_are_where_the_command_was_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(vecloom, ["serve", "keys", "add", "a"]).exit_code == 0
    assert [key.name for key in read_keys(tmp_path / "vecloom-keys.json")] == ["a"]
