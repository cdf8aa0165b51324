"""Search: an embedded index of documents, asked by meaning, by words or by both, with filters.

``Index`` is the whole interface; what it returns is in ``results``.
"""

from __future__ import annotations

from vecloom.search.index import Index
from vecloom.search.results import AddReport, AnnInfo, Hit, IndexInfo, Mode

__all__ = ["AddReport", "AnnInfo", "Hit", "Index", "IndexInfo", "Mode"]
