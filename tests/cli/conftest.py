import importlib.util
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

# The encoder that needs no model is that of the tests of embed.
_spec = importlib.util.spec_from_file_location("embed_fakes", Path(__file__).parents[1] / "embed" / "fakes.py")
_module = importlib.util.module_from_spec(_spec)
sys.modules["embed_fakes"] = _module
_spec.loader.exec_module(_module)


@pytest.fixture
def loaded(monkeypatch):
    """What ``vecloom.load`` was asked for; it gives the fake encoder."""
    asked = []

    def load(name, **settings):
        asked.append((name, settings))
        return _module.HashEncoder()

    monkeypatch.setattr("vecloom.load", load, raising=False)
    return asked


@pytest.fixture
def run(loaded):
    """Call ``vecloom`` with a fake encoder."""
    from vecloom.cli import vecloom

    def call(*args, stdin=None):
        return CliRunner().invoke(vecloom, [str(arg) for arg in args], input=stdin)

    return call
