import importlib.util
import sys
from pathlib import Path

import pytest

from vecloom.search import Index

# One module of fakes for the tests here and for the processes that they start and kill.
_spec = importlib.util.spec_from_file_location("search_fakes", Path(__file__).with_name("fakes.py"))
_module = importlib.util.module_from_spec(_spec)
sys.modules["search_fakes"] = _module
_spec.loader.exec_module(_module)


@pytest.fixture
def encoder():
    return _module.HashEncoder()


@pytest.fixture
def index(tmp_path, encoder):
    return Index.create(tmp_path / "index", encoder)
