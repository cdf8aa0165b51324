import json
import subprocess
import sys

import pytest
from tests.search.fakes import HashEncoder

from vecloom.search import Index, store

CODE = """
import json
from vecloom.serve.process import prepare
prepare()
import numpy, threadpoolctl
print(json.dumps([each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]))
print(float((numpy.ones((300, 300)) @ numpy.ones((300, 300))).sum()))
"""


SHAPES = """
import ctypes, os
from vecloom.serve.process import prepare
prepare()
import numpy as np
import vecloom
from vecloom.runtime.batching import fill

class Info(ctypes.Structure):
    _fields_ = [(f"field{n}", ctypes.c_size_t) for n in range(10)]  # mallinfo2 of malloc.h; the eighth are bytes in use

library = ctypes.CDLL(None)
library.mallinfo2.restype = Info
session = vecloom.load("minilm", threads=1).session

def meet(shapes):
    def batches():
        for rows, length in shapes:
            yield fill([np.full(length, 2000)] * rows, [[n] for n in range(rows)], length, "mean")
    session.run(batches(), lambda batch, pooled: None)
    return library.mallinfo2().field7 / 2**20

shapes = [(rows, length) for length in range(24, 60, 2) for rows in range(1, 9)]
print(meet(shapes[:80]), meet(shapes[80:120]), flush=True)
os._exit(0)  # the end of Python under threads of OpenVINO is not what is tested
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the GNU C library")
def test_kernels_for_new_shapes_take_the_place_of_old_ones():
    done = subprocess.run([sys.executable, "-c", SHAPES], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    before, after = map(float, done.stdout.split())
    assert after < before + 8  # MiB; by their own settings OpenVINO and oneDNN keep those of all 40, some 50 MiB


def test_a_product_uses_one_thread_and_is_right():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    threads, total = done.stdout.splitlines()
    assert set(json.loads(threads)) == {1}
    assert float(total) == 300**3


def test_an_index_that_changes_all_day_keeps_no_cache_of_old_versions(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "RENEW", 10)
    index = Index.create(tmp_path / "i", HashEncoder())
    reader = Index.open(tmp_path / "i", HashEncoder())
    begun, sizes = {index: set(), reader: set()}, {index: [], reader: []}
    for number in range(24):
        index.add([{"id": str(number % 4), "text": f"common word{number}"}])
        assert reader.search(f"word{number}", 1, mode="keyword")[0].text == f"common word{number}"
        for one in (index, reader):
            begun[one].add(one._store.opened)
            sizes[one].append(one._store.dataset.session().size_bytes())
    for one in (index, reader):
        assert len(begun[one]) >= 3  # caches were begun anew
        assert max(sizes[one][12:]) < 1.5 * max(sizes[one][:12])


@pytest.mark.parametrize("renew", [1, 2, 3])
def test_whole_documents_are_there_however_often_caches_begin_anew(tmp_path, monkeypatch, renew):
    monkeypatch.setattr(store, "RENEW", renew)
    monkeypatch.setattr("vecloom.search.writer.BATCH_CHUNKS", 3)
    index = Index.create(tmp_path / "i", HashEncoder())
    report = index.add([{"id": str(n), "text": f"text {n}", "n": n} for n in range(20)])
    index.add([{"id": str(n), "text": f"changed {n}", "n": str(n)} for n in range(0, 20, 2)])
    index.delete(["1", "2"])
    assert report.added == 20
    assert index.info().documents == 18
    assert len(index.search("changed", 50, mode="keyword")) == 9
