"""The literature desk: saved searches over indexes, what readers marked, and digests by mail and as feeds.

Floor: above the verbs, below ``serve`` and ``cli``. It holds no HTTP: a page calls it.
"""
