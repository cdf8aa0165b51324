import importlib.util
import sys
from pathlib import Path

import pytest

from vecloom.desk.state import Desk

# One module of fakes for the tests here and for the processes that they start and kill.
for _name in ("fakes", "mailbox"):
    _spec = importlib.util.spec_from_file_location(f"desk_{_name}", Path(__file__).with_name(f"{_name}.py"))
    _module = importlib.util.module_from_spec(_spec)
    sys.modules[f"desk_{_name}"] = _module
    _spec.loader.exec_module(_module)


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path / "desk.sqlite")
    yield made
    made.close()


@pytest.fixture
def source():
    return sys.modules["desk_fakes"].FakeSource()


@pytest.fixture
def mailbox():
    with sys.modules["desk_mailbox"].Mailbox() as running:
        yield running
