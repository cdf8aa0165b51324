"""The document held against the running server by schemathesis: what it allows is answered, what it forbids is refused, and every
answer is one that it names."""

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import schemathesis  # noqa: F401 - missing is an error of the environment, not of the server
from tests.conftest import SEED

SETTINGS = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = (
    8  # random requests for each operation, beside those made by rule; `--max-examples 200` by hand finds rarer ones
)


def test_schemathesis_finds_nothing(server, tmp_path):
    tool = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    done = subprocess.run(
        [
            tool, "--config-file", SETTINGS, "run", f"{server.url}/openapi.json", "--no-color",
            "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", SEED or "7",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Failures" not in done.stdout
    assert httpx.get(f"{server.url}/ready").status_code == 200


def test_every_path_is_in_the_document(server):
    document = httpx.get(f"{server.url}/openapi.json").json()
    assert document["openapi"].startswith("3.")
    assert {
        "/v1/embeddings", "/v1/models", "/v1/rerank", "/v2/rerank", "/embed", "/embed_sparse", "/rerank", "/similarity",
        "/tokenize", "/decode", "/info", "/health", "/live", "/ready", "/metrics", "/v1/indexes",
    } <= set(document["paths"])  # fmt: skip
