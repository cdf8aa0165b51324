import pytest
from tests.serve.running import cross_encoder, running

from vecloom import LexicalEncoder


@pytest.fixture(scope="session")
def cross(tmp_path_factory):
    """The directory of a tiny cross-encoder."""
    return cross_encoder(tmp_path_factory.mktemp("cross"))


@pytest.fixture(scope="session")
def server(tmp_path_factory, cross):
    """A server with the bundled model, a lexical one and a reranker."""
    words = tmp_path_factory.mktemp("lexical") / "words"
    LexicalEncoder.fit(["the cat sat on the mat", "a dog ran over the river", "stone and cloud"]).save(words)
    with running("-m", "minilm", "-m", words, "--reranker", f"tiny={cross}", "--max-texts", 300) as found:
        yield found
