import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from embed_fakes import HashEncoder, documents

from vecloom.data.records import Document
from vecloom.embed import Int8Range, Limits, Settings, run_documents
from vecloom.embed.quantize import dequantize

SMALL = Limits(texts=4)


def embed(path, docs=None, **settings):
    docs = documents(10) if docs is None else docs
    run_documents(docs, HashEncoder(), path, Settings(buffer=SMALL, **settings))
    return path


def expected(count=10, dim=12):
    return HashEncoder(dim=12).encode([d.text for d in documents(count)], dim=dim)


def test_npy_holds_the_vectors_in_input_order_and_its_rows_beside_it(tmp_path):
    path = embed(tmp_path / "out.npy")
    np.testing.assert_array_equal(np.load(path), expected())
    rows = [json.loads(line) for line in (tmp_path / "out.npy.rows.jsonl").read_text().splitlines()]
    assert rows[9] == {"id": "d9", "source": "a.jsonl", "position": 10}
    about = json.loads((tmp_path / "out.npy.json").read_text())
    assert (about["rows"], about["dim"], about["model"], about["fingerprint"]) == (10, 12, "hash", "f00d")


def test_parquet_holds_ids_and_fixed_size_vectors(tmp_path):
    table = pq.read_table(embed(tmp_path / "out.parquet"))
    assert table.column_names == ["id", "source", "position", "vector"]
    assert table["id"].to_pylist() == [f"d{i}" for i in range(10)]
    np.testing.assert_array_equal(np.array(table["vector"].to_pylist(), np.float32), expected())
    assert pq.ParquetFile(tmp_path / "out.parquet").schema_arrow.field("vector").type.list_size == 12
    assert json.loads(table.schema.metadata[b"vecloom"])["rows"] == 10


def test_jsonl_gives_back_the_very_same_floats(tmp_path):
    lines = [json.loads(line) for line in embed(tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [f"d{i}" for i in range(10)]
    np.testing.assert_array_equal(np.array([line["vector"] for line in lines], np.float32), expected())


def read(path):
    if path.suffix == ".npy":
        return np.load(path), json.loads(path.with_name(path.name + ".json").read_text())
    if path.suffix == ".jsonl":
        vectors = [json.loads(line)["vector"] for line in path.read_text().splitlines()]
        return np.array(vectors), json.loads(path.with_name(path.name + ".json").read_text())
    table = pq.read_table(path)
    return np.array(table["vector"].to_pylist()), json.loads(table.schema.metadata[b"vecloom"])


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".jsonl"])
def test_int8_comes_with_the_constants_that_undo_it(tmp_path, suffix):
    codes, about = read(embed(tmp_path / f"out{suffix}", dtype="int8"))
    first = expected(4)  # the first buffer gives the range
    span = Int8Range.from_dict(about["int8"])
    np.testing.assert_array_equal(span.low, first.min(axis=0))
    back = np.array(about["int8"]["offset"]) + np.array(about["int8"]["scale"]) * codes  # the formula as it is stored
    np.testing.assert_allclose(back, dequantize(codes.astype(np.int8), "int8", dim=12, span=span), atol=1e-6)
    assert (np.abs(back[:4] - first) <= span.scale / 2 + 1e-6).all()
    assert codes.min() == -128
    assert codes.max() == 127


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".jsonl"])
def test_binary_and_half_precision(tmp_path, suffix):
    bits, about = read(embed(tmp_path / f"bits{suffix}", dtype="binary"))
    np.testing.assert_array_equal(bits, np.packbits(expected() > 0, axis=1))
    assert (about["dim"], about["dtype"], bits.shape) == (12, "binary", (10, 2))
    halves, _ = read(embed(tmp_path / f"half{suffix}", dtype="float16"))
    np.testing.assert_array_equal(halves.astype(np.float16), expected().astype(np.float16))


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".jsonl"])
@pytest.mark.parametrize(("dtype", "width"), [("float32", 5), ("int8", 5), ("binary", 1)])
def test_no_documents_make_a_valid_output_without_rows(tmp_path, suffix, dtype, width):
    path = embed(tmp_path / f"none{suffix}", docs=[], dtype=dtype, dim=5)
    if suffix == ".npy":
        assert np.load(path).shape == (0, width)
    elif suffix == ".parquet":
        assert pq.read_table(path).schema.field("vector").type.list_size == width
        assert pq.read_table(path).num_rows == 0
    else:
        assert path.read_bytes() == b""


def test_text_and_fields_are_written_on_request(tmp_path):
    docs = [Document(id="1", title="T", text="x", fields={"year": 1999}), Document(id="2", text="y", fields={})]
    table = pq.read_table(embed(tmp_path / "a.parquet", docs, with_text=True, with_fields=True))
    assert table["text"].to_pylist() == ["T x", "y"]
    assert table["fields"].to_pylist() == ['{"year": 1999}', "{}"]
    line = json.loads(embed(tmp_path / "a.jsonl", docs, with_text=True, with_fields=True).read_text().splitlines()[0])
    assert (line["text"], line["fields"]) == ("T x", {"year": 1999})


def test_fewer_dimensions_are_cut_and_normalised_again(tmp_path):
    vectors = np.load(embed(tmp_path / "out.npy", dim=3))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(vectors, expected(dim=3))


@pytest.mark.parametrize("dtype", ["int8", "binary"])
def test_codes_take_one_byte_in_parquet(tmp_path, dtype):
    path = tmp_path / "out.parquet"
    run_documents(documents(3000), HashEncoder(dim=64), path, Settings(dtype=dtype))
    column = pq.ParquetFile(path).metadata.row_group(0).column(3)
    assert column.path_in_schema.startswith("vector")
    assert column.total_uncompressed_size < 1.2 * column.num_values
