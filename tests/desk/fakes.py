"""Stand-ins for the tests of the desk: an index in memory, and a clock."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np

from vecloom.desk.mail import Sender
from vecloom.errors import DocumentNotFoundError
from vecloom.search.catalogue import Chunks, Listed
from vecloom.search.results import Hit

_spec = importlib.util.spec_from_file_location("desk_search_fakes", Path(__file__).parents[1] / "search" / "fakes.py")
_module = importlib.util.module_from_spec(_spec)
sys.modules["desk_search_fakes"] = _module
_spec.loader.exec_module(_module)
HashEncoder = _module.HashEncoder

HOUR, DAY = 3600, 86_400
MONDAY = 1_795_392_000  # Monday 2026-11-23 00:00 UTC
SENDER = Sender("desk@desk.example", "https://desk.example")


class FakeSource:
    """Documents in memory: id -> (title, text, fields); vectors of words, cosines, and counts of query words."""

    def __init__(self, documents=None):
        self.held = dict(documents or {})
        self.encoder = HashEncoder(dim=64)
        self.embedded = 0

    def add(self, name, text, **fields):
        self.held[name] = (fields.pop("title", f"Title {name}"), text, fields)

    def stamp(self):
        return str(hash(tuple(sorted((name, str(value)) for name, value in self.held.items()))))

    def documents(self):
        for name, (title, _, fields) in self.held.items():
            yield Listed(name, title, fields)

    def chunks(self, ids):
        known = [name for name in ids if name in self.held]
        texts = {name: self.held[name][1] for name in known}
        return Chunks(known, texts, self.encoder.encode(list(texts.values())))

    def select(self, where):
        word = where.partition("=")[2].strip(" '")
        return {name for name, (_, _, fields) in self.held.items() if word in fields.values()}

    def search(self, query, k, mode, where):
        words = query.lower().split()
        counts = {
            name: sum(text.lower().split().count(word) for word in words) for name, (_, text, _) in self.held.items()
        }
        found = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
        if where:
            found = [name for name in found if f"'{name}'" in str(where)]
        return [Hit(f"{name}#0", name, float(counts[name]), self.held[name][1]) for name in found[:k]]

    def similar(self, name, k):
        if name not in self.held:
            raise DocumentNotFoundError(f"no {name}")
        names = [other for other in self.held if other != name]
        vectors = self.chunks([name, *names]).vectors
        order = np.argsort(-(vectors[1:] @ vectors[0]), kind="stable")[:k]
        return [
            Hit(f"{names[i]}#0", names[i], float(vectors[1 + i] @ vectors[0]), self.held[names[i]][1]) for i in order
        ]

    def embed(self, queries):
        self.embedded += len(queries)
        return self.encoder.encode(list(queries), kind="query")
