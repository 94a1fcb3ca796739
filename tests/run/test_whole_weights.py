"""What products read of a layer: both forms of signs say the same, whole and with a slice taken out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyfoa_rt.run.whole_weights import PackedSigns, SignBytes, pack_rows, unpack_rows


@given(rows=st.integers(1, 5), num_bits=st.integers(1, 100), seed=st.integers(0, 2**32 - 1))
def test_rows_come_back(rows: int, num_bits: int, seed: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 2, (rows, num_bits)).astype(np.uint8)
    words = pack_rows(bits)
    assert words.dtype == np.uint32 and words.shape == (rows, -(-num_bits // 32))
    np.testing.assert_array_equal(unpack_rows(words, num_bits), bits)
    assert int(words[0, 0]) & 1 == bits[0, 0]  # the first bit is the lowest
    total = sum(int(word).bit_count() if hasattr(int, "bit_count") else bin(word).count("1") for word in words.reshape(-1))
    assert total == bits.sum()  # the rest of the last word is zero


@pytest.mark.parametrize("ins", [slice(0, 32), slice(32, 70), slice(5, 9), slice(20, 70), slice(33, 34)])
@pytest.mark.parametrize("outs", [slice(0, 9), slice(3, 4)])
def test_a_slice_is_taken_out_and_put_back(ins: slice, outs: slice) -> None:
    weight = np.random.default_rng(0).normal(size=(70, 9)).astype(np.float32)
    packed, plain = PackedSigns(), SignBytes()
    for whole in (packed, plain):
        whole.derive(weight)
    np.testing.assert_array_equal(packed.as_bytes(), plain.array)
    before = packed.array.copy()
    part = packed.take(ins, outs)
    np.testing.assert_array_equal(part, pack_rows((plain.take(ins, outs) > 0).T))
    np.testing.assert_array_equal(packed.array, pack_rows((plain.array > 0).T))  # zeros in its place
    packed.put(ins, outs, part)
    np.testing.assert_array_equal(packed.array, before)
    packed.set_slice(ins, outs, -weight[ins, outs])
    plain.set_slice(ins, outs, -weight[ins, outs])
    plain.put(slice(0, 70), slice(0, 9), np.where(plain.array == 0, 1, plain.array))
    np.testing.assert_array_equal(packed.as_bytes()[ins, outs], plain.array[ins, outs])
