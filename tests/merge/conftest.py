import pytest
from tests.merge import models


@pytest.fixture(scope="session")
def family(tmp_path_factory):
    """A base and three fine-tunes of it."""
    folder = tmp_path_factory.mktemp("family")
    base = models.base(folder / "base")
    return base, [models.tuned(base, folder / f"tuned{seed}", seed) for seed in (1, 2, 3)]


@pytest.fixture(scope="session")
def probes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probes")
    return [models.probe(folder / f"{seed}.jsonl", seed=seed) for seed in (1, 2, 3)]
