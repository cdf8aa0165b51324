"""A whole application around the encoder that needs no weights, asked in the process."""

from contextlib import contextmanager

from starlette.testclient import TestClient
from tests.search.fakes import HashEncoder

from vecloom.search import Index
from vecloom.serve.app import create_app
from vecloom.serve.engine import Engine
from vecloom.serve.metrics import Metrics
from vecloom.serve.settings import Settings
from vecloom.serve.state import State

FRUIT = [
    {"id": "apple", "text": "red apples are sweet", "fields": {"year": 2019, "lang": "en"}},
    {"id": "pear", "text": "green pears are soft", "fields": {"year": 2021, "lang": "en"}},
    {"id": "a/b c", "text": "grüne birnen sind weich", "title": "Birne", "fields": {"year": 2022, "lang": "de"}},
]


def new_state(folder, *, indexes=("docs",), encoder=None, **settings):
    """A server's state with empty indexes in ``folder``."""
    told = Settings(**settings)
    encoder, metrics = encoder or HashEncoder(), Metrics()
    engine = Engine({"hash": encoder}, told, metrics)
    made = {name: Index.create(folder / name, engine.encoder("hash")) for name in indexes}
    return State(settings=told, metrics=metrics, models={"hash": encoder}, engine=engine, indexes=made)


@contextmanager
def served(state):
    """A client of the application."""
    app = create_app(state, state.settings)
    with TestClient(app, base_url="http://localhost:8080", raise_server_exceptions=False) as client:
        client.state = state
        yield client
