"""Output types of ``/v1/embeddings``: codes worked by hand, published ones, and what holds for every vector."""

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.search.fakes import HashEncoder
from tests.serve.served import new_state, served

from vecloom.serve.dtypes import converted, scale

STORED = {"float": "<f4", "float16": "<f2", "int8": "<i1", "uint8": "<u1", "binary": "<i1", "ubinary": "<u1"}
WHOLE = ["int8", "uint8", "binary", "ubinary"]


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


finite = st.floats(-4, 4, width=32, allow_subnormal=False)
matrices = (
    hnp.arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 130)), elements=finite)
    .filter(lambda made: (np.linalg.norm(made, axis=1) > 1e-3).all())
    .map(unit)
)


def test_bits_are_those_of_voyages_published_example():
    # https://docs.voyageai.com/docs/flexible-dimensions-and-quantization: 01001101 is 77, and -51 with the offset of 128
    values = [-0.03955078, 0.006214142, -0.07446289, -0.039001465, 0.0046463013, 0.00030612946, -0.08496094, 0.03994751]
    vectors = np.array([values], np.float32)
    assert converted(vectors, "ubinary").tolist() == [[77]]
    assert converted(vectors, "binary").tolist() == [[-51]]


def test_a_last_byte_that_is_not_full_ends_with_zeros():
    vectors = np.array([[1, -1, -1, -1, -1, -1, -1, 1, 1, 1]], np.float32)
    assert converted(vectors, "ubinary").tolist() == [[0b10000001, 0b11000000]]
    assert converted(vectors, "binary").tolist() == [[0b10000001 - 128, 0b11000000 - 128]]


def test_codes_of_eight_bits_by_hand():
    # 256 dimensions: the range is 8 / 16 = 0.5, and a code is worth 0.5 / 127. 0.25 is 63.5 codes, which rounds up to 64;
    # -0.25 is -63.5, which rounds up to -63; 0.5 is 127; what lies beyond saturates at 127 and -128.
    assert scale(256) == 0.5 / 127
    vectors = np.zeros((1, 256), np.float32)
    vectors[0, :7] = [0, 0.251, -0.251, 0.5, 0.9, -0.9, 0.001]
    assert converted(vectors, "int8")[0, :8].tolist() == [0, 64, -64, 127, 127, -128, 0, 0]
    assert converted(vectors, "uint8")[0, :8].tolist() == [128, 192, 64, 255, 255, 0, 128, 128]


def test_few_dimensions_have_a_range_that_holds_every_value():
    assert scale(64) == scale(2) == 1 / 127
    assert converted(np.array([[1, 0], [0, -1]], np.float32), "int8").tolist() == [[127, 0], [0, -127]]


@given(matrices)
def test_codes_come_back_within_half_a_step_unless_they_saturate(vectors):
    step = scale(vectors.shape[1])
    codes = converted(vectors, "int8").astype(np.float64)
    inside = np.abs(vectors) <= 127 * step
    assert (np.abs(codes * step - vectors)[inside] <= step * (0.5 + 1e-4)).all()
    assert np.isin(codes[~inside], [127, -127, -128]).all()
    assert (np.sign(codes) * np.sign(vectors) >= 0).all()


def test_the_last_code_below_is_one_further_than_that_above():
    """Codes go from -128 to 127, so a value just beyond -127 steps still has its nearest one."""
    values = np.array([[-127.2, -127.8, -300, 127.2, 127.8, 300, 0, 0]], np.float32) * scale(8)
    assert converted(values, "int8")[0, :6].tolist() == [-127, -128, -128, 127, 127, 127]


@given(matrices)
def test_shapes_types_and_what_the_signed_and_unsigned_codes_have_in_common(vectors):
    n, dim = vectors.shape
    made = {dtype: converted(vectors, dtype) for dtype in STORED}
    for dtype, codes in made.items():
        assert codes.dtype == np.dtype(STORED[dtype])
        assert codes.shape == (n, -(-dim // 8) if "binary" in dtype else dim)
    np.testing.assert_array_equal(made["uint8"].astype(int), made["int8"].astype(int) + 128)
    np.testing.assert_array_equal(made["ubinary"].astype(int), made["binary"].astype(int) + 128)
    np.testing.assert_array_equal(np.unpackbits(made["ubinary"], axis=1, count=dim), vectors > 0)
    assert np.abs(made["float16"].astype(np.float32) - vectors).max() <= 2**-11  # half a unit in the last place, at 1


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with served(new_state(tmp_path_factory.mktemp("dtypes"))) as made:
        yield made


def asked(client, dtype, **more):
    answer = client.post("/v1/embeddings", json={"input": ["a", "b"], "output_dtype": dtype, **more})
    assert answer.status_code == 200, answer.text
    return [each["embedding"] for each in answer.json()["data"]]


@pytest.mark.parametrize("dtype", STORED)
def test_numbers_and_base64_are_the_same_and_those_of_the_model(client, dtype):
    numbers = asked(client, dtype)
    bytes_ = [base64.b64decode(text) for text in asked(client, dtype, encoding_format="base64")]
    np.testing.assert_array_equal(
        np.array(numbers, STORED[dtype]), [np.frombuffer(row, STORED[dtype]) for row in bytes_]
    )
    np.testing.assert_array_equal(np.array(numbers, STORED[dtype]), converted(HashEncoder().encode(["a", "b"]), dtype))
    assert all(isinstance(number, int) == (dtype in WHOLE) for row in numbers for number in row)


@pytest.mark.parametrize("dtype", STORED)
def test_dimensions_are_cut_and_scaled_before_numbers_are_made(client, dtype):
    cut = HashEncoder().encode(["a", "b"], dim=5)
    np.testing.assert_allclose(np.linalg.norm(cut, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(np.array(asked(client, dtype, dimensions=5), STORED[dtype]), converted(cut, dtype))


@pytest.mark.parametrize("wrong", ["float64", "INT8", "", 8, ["int8"]])
def test_another_type_is_refused_in_openais_shape(client, wrong):
    answer = client.post("/v1/embeddings", json={"input": "a", "output_dtype": wrong})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", "output_dtype", "invalid_value")


def test_the_document_names_them(client):
    request = client.get("/openapi.json").json()["components"]["schemas"]["EmbeddingRequest"]["properties"]
    assert request["output_dtype"]["anyOf"][0]["enum"] == list(STORED)
    assert request["output_dtype"]["default"] == "float"
