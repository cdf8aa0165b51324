"""The graph: what it promises is measured here against exact search."""

import numpy as np
import pytest
from search_fakes import HashEncoder

from vecloom.errors import UsageError
from vecloom.search import Index, ann, maintain
from vecloom.search.exact import top_k, unit


def mixture(rows, dim=24, seed=0, clusters=20):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, dim))
    return unit((centres[rng.integers(0, clusters, rows)] + 0.7 * rng.standard_normal((rows, dim))).astype(np.float32))


class Rows(HashEncoder):
    """Texts end in a row number; their vectors are rows of a mixture."""

    def __init__(self, rows=4000):
        super().__init__(dim=24)
        self.rows = mixture(rows)

    def encode(self, texts, **_):
        return self.rows[[int(text.split()[-1]) for text in texts]]


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture
def index(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(ann, "ANN_FROM", 2000)
    monkeypatch.setattr(maintain, "BEHIND_LEAST", 50)
    index = Index.create(tmp_path / "index", rows)
    index.add(documents(0, 3000))
    return index


def documents(start, stop):
    return [{"id": str(n), "text": f"row {n}", "n": n, "even": n % 2 == 0} for n in range(start, stop)]


def found(index, query, k=10, **options):
    return {int(hit.document_id) for hit in index.search_vector(query, k, **options)}


def recall(index, queries, truth):
    return np.mean([len(found(index, query) & set(t.tolist())) / 10 for query, t in zip(queries, truth, strict=True)])


def test_the_measured_recall_holds_for_new_queries(index, rows):
    info = index.info()
    assert (info.kind, info.ann.rows) == ("ann", 3000)
    assert info.ann.recall >= ann.AIM
    queries = rows.rows[3000:3300]  # from the same clusters as the 3,000 that are indexed, as real queries are
    truth = [ids for ids, _ in top_k(queries, rows.rows[:3000], 10)]
    assert recall(index, queries, truth) >= 0.9


def test_scores_are_exact_cosines(index, rows):
    query = rows.rows[3500]
    for hit in index.search_vector(query, 10):
        assert hit.score == pytest.approx(float(rows.rows[int(hit.document_id)] @ query), abs=1e-6)


def test_rows_that_are_not_in_the_graph_yet_are_found(index, rows):
    index.add(documents(3000, 3040))  # fewer than BEHIND_LEAST
    assert index.info().ann.rows == 3000
    for n in (3000, 3039):
        assert index.search_vector(rows.rows[n], 1)[0].document_id == str(n)


def test_the_graph_grows_when_it_has_fallen_behind(index, rows):
    before = index.info().ann
    index.add(documents(3000, 3500))
    after = index.info().ann
    assert after.rows == 3500
    assert after.expansion >= before.expansion
    assert len(list(index.path.glob("vectors-*/graph-*"))) == 1
    assert index.search_vector(rows.rows[3400], 1)[0].document_id == "3400"


@pytest.mark.parametrize("where", ["even", "n < 40", "n >= 5", "n IN (7, 8)"])
def test_filtered_queries_give_k_rows_if_there_are_k(index, rows, where):
    allowed = np.array([eval(where.replace("even", "n % 2 == 0").replace("IN", "in"), {"n": n}) for n in range(3000)])
    query = rows.rows[3600]
    ((truth, _),) = top_k(query[None], rows.rows[:3000], 10, allowed)
    hits = found(index, query, where=where)
    assert len(hits) == len(truth)
    assert all(allowed[list(hits)])
    assert len(hits & set(truth.tolist())) >= 0.8 * len(truth)


def test_deleted_rows_do_not_come_back(index, rows):
    query = rows.rows[100]
    gone = found(index, query, 20)
    index.delete([str(n) for n in gone])
    hits = found(index, query, 20)
    assert len(hits) == 20
    assert not hits & gone
    assert index.info().kind == "ann"


def test_all_rows_come_when_all_are_asked_for(index, rows):
    assert found(index, rows.rows[0], 3000) == set(range(3000))


def test_progress_of_the_build_reaches_the_number_of_rows(tmp_path, rows):
    index = Index.create(tmp_path / "other", rows)
    index.add(documents(0, 1200))
    calls = []
    info = index.build_ann(lambda done, total: calls.append((done, total)))
    assert calls[-1] == (1200, 1200)
    assert info == index.info().ann


def test_too_few_rows_for_a_graph(tmp_path, rows):
    index = Index.create(tmp_path / "other", rows)
    index.add(documents(0, 10))
    with pytest.raises(UsageError, match="too few"):
        index.build_ann()


def test_threads_ask_at_the_same_time_and_get_the_same(index, rows):
    from concurrent.futures import ThreadPoolExecutor

    queries = list(rows.rows[3000:3200])
    alone = [index.nearest(query[None])[0][0].tolist() for query in queries]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda query: index.nearest(query[None])[0][0].tolist(), queries))
    assert together == alone
