import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vecloom.embed import quantize as q

floats = st.floats(-4, 4, width=32, allow_subnormal=False)
matrices = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=floats)


def test_int8_codes_by_hand():
    span = q.Int8Range(np.array([-1, 0], np.float32), np.array([1.55, 2.55], np.float32))
    vectors = np.array([[-1.0, 0.0], [1.55, 2.55], [0.005, 0.011], [-0.985, 1.0051]], np.float32)
    # step 0.01 in both dimensions. floor((0.005+1)/0.01)=100 -> -28; floor(1.1)=1 -> -127;
    # floor((-0.985+1)/0.01)=1 -> -127; floor(100.51)=100 -> -28
    np.testing.assert_array_equal(q.to_int8(vectors, span), [[-128, -128], [127, 127], [-28, -127], [-127, -28]])


def test_int8_comes_back_as_the_middle_of_its_interval():
    span = q.Int8Range(np.array([-1], np.float32), np.array([1.55], np.float32))
    # code 0 is step 128 of 0.01: from 0.28 to 0.29, middle 0.285; code -128: -1 to -0.99, middle -0.995
    np.testing.assert_allclose(q.from_int8(np.array([[0], [-128]], np.int8), span), [[0.285], [-0.995]], atol=1e-6)


def test_int8_saturates_outside_the_calibrated_range():
    span = q.Int8Range(np.array([-1], np.float32), np.array([1], np.float32))
    np.testing.assert_array_equal(q.to_int8(np.array([[-9], [9]], np.float32), span), [[-128], [127]])


def test_a_constant_dimension_comes_back_exactly():
    vectors = np.full((3, 1), 0.3, np.float32)
    span = q.calibrate(vectors)
    np.testing.assert_array_equal(q.from_int8(q.to_int8(vectors, span), span), vectors)


def test_binary_by_hand():
    # signs + - + + - - - + | + -  ->  10110001 = 177, 10000000 = 128 (padded with zeros)
    vectors = np.array([[1, -1, 2, 0.1, 0, -3, -0.1, 5, 1, -1]], np.float32)
    codes = q.quantize(vectors, "binary")
    np.testing.assert_array_equal(codes, [[177, 128]])
    assert codes.dtype == np.uint8
    signs = np.array([[1, -1, 1, 1, -1, -1, -1, 1, 1, -1]]) / np.sqrt(10)
    np.testing.assert_allclose(q.dequantize(codes, "binary", dim=10), signs, rtol=1e-6)


def test_float16_keeps_eleven_bits():
    # 1/3 in float16 is 1365/4096
    assert q.quantize(np.array([[1 / 3]], np.float32), "float16")[0, 0] == 1365 / 4096


@pytest.mark.parametrize(
    ("dtype", "numbers", "kind"),
    [("float32", 10, "f4"), ("float16", 10, "f2"), ("int8", 10, "i1"), ("binary", 2, "u1")],
)
def test_width_and_storage_are_what_quantize_gives(dtype, numbers, kind):
    codes = q.quantize(np.ones((3, 10), np.float32), dtype)
    assert codes.shape == (3, q.width(10, dtype)) == (3, numbers)
    assert codes.dtype == q.storage(dtype) == np.dtype(kind)


def test_no_vectors_at_all():
    empty = np.zeros((0, 10), np.float32)
    assert [q.quantize(empty, dtype).shape for dtype in q.DTYPES] == [(0, 10), (0, 10), (0, 10), (0, 2)]


def test_int8_cannot_be_undone_without_its_range():
    with pytest.raises(ValueError, match="Int8Range"):
        q.dequantize(np.zeros((1, 2), np.int8), "int8", dim=2)


@given(matrices)
def test_int8_error_is_at_most_half_a_step(vectors):
    span = q.calibrate(vectors)
    back = q.dequantize(q.quantize(vectors, "int8", span), "int8", dim=vectors.shape[1], span=span)
    rounding = 4 * np.finfo(np.float32).eps * 4  # of the float32 arithmetic on values up to 4
    assert (np.abs(back - vectors) <= span.scale / 2 + rounding).all()


@given(matrices)
def test_int8_keeps_the_order_within_a_dimension(vectors):
    codes = q.quantize(vectors, "int8").astype(int)
    for column, coded in zip(vectors.T, codes.T, strict=True):
        assert (np.diff(coded[np.argsort(column, kind="stable")]) >= 0).all()


@given(matrices)
def test_the_range_survives_json_exactly(vectors):
    span = q.calibrate(vectors)
    again = q.Int8Range.from_dict(json.loads(json.dumps(span.as_dict())))
    assert again.low.tobytes() == span.low.tobytes()
    assert again.high.tobytes() == span.high.tobytes()


def test_same_codes_as_sentence_transformers():
    quantization = pytest.importorskip("sentence_transformers.util.quantization", reason="needs the extra [torch]")
    vectors = np.random.default_rng(0).standard_normal((64, 20)).astype(np.float32)
    span = q.calibrate(vectors[:32])
    theirs = quantization.quantize_embeddings(vectors, "int8", ranges=np.stack([span.low, span.high]))
    np.testing.assert_array_equal(q.quantize(vectors, "int8", span), theirs)
    np.testing.assert_array_equal(q.quantize(vectors, "binary"), quantization.quantize_embeddings(vectors, "ubinary"))
