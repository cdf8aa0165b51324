import pytest
from tests.serve.running import cross_encoder, running

from vecloom import Index, LexicalEncoder, load


@pytest.fixture(scope="session")
def cross(tmp_path_factory):
    """The directory of a tiny cross-encoder."""
    return cross_encoder(tmp_path_factory.mktemp("cross"))


@pytest.fixture(scope="session")
def server(tmp_path_factory, cross):
    """A server with the bundled model, a lexical one, a reranker and an index."""
    words = tmp_path_factory.mktemp("lexical") / "words"
    LexicalEncoder.hashed(384).save(words)  # as many dimensions as the other, so that one schema is true of both
    docs = tmp_path_factory.mktemp("indexes") / "docs.index"
    Index.create(docs, load("minilm")).add(
        [{"id": "cat", "text": "the cat sat on the mat", "year": 2024, "lang": "en"}]
    )
    with running("-i", docs, "-m", "minilm", "-m", words, "--reranker", f"tiny={cross}", "--max-texts", 300) as found:
        yield found
