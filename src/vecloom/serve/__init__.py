"""An HTTP server for embeddings, reranking and search; extra ``[serve]``.

``settings`` says what can be set, ``state`` what is loaded, ``engine`` computes, ``routes`` speak the APIs, ``app`` puts
them together.
"""
