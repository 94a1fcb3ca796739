"""Tensors in safetensors files: what is written is read back, here and by the safetensors package; damage is refused."""

from __future__ import annotations

import json
import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from tinyfoa_rt.artifact.tensor_file import read_tensors, write_tensors
from tinyfoa_rt.errors import InputError

Tensors = dict[str, NDArray[Any]]
DTYPES = ["bool", "i1", "u1", "<i4", "<i8", "<f2", "<f4", "<f8"]


def finite(dtype: str) -> st.SearchStrategy[NDArray[Any]]:
    elements = {"allow_nan": False, "allow_infinity": False} if "f" in dtype else None
    return npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), elements=elements)


TENSORS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=12).filter(lambda name: name != "__metadata__"),
    st.sampled_from(DTYPES).flatmap(finite),
    max_size=5,
)
METADATA = st.dictionaries(st.text(max_size=6, alphabet='aé"\n'), st.text(max_size=6, alphabet="bß\\\t"), max_size=3)


def samples() -> Tensors:
    rng = np.random.default_rng(0)
    return {
        "w": rng.normal(size=(3, 5)).astype(np.float32),
        "bits": rng.integers(0, 255, 7, dtype=np.uint8),
        "mask": np.array([True, False, True]),
        "count": np.array(7, dtype=np.int64),
        "none": np.zeros((0, 4), dtype=np.float16),
    }


def same(left: Tensors, right: Tensors) -> None:
    assert left.keys() == right.keys()
    for name, array in left.items():
        other = right[name]
        assert (array.dtype, array.shape) == (other.dtype, other.shape), name
        assert array.tobytes() == other.tobytes(), name


def refusal(path: Path, *, mapped: bool = False) -> str:
    with pytest.raises(InputError) as caught:
        read_tensors(path, mapped=mapped)
    assert caught.value.exit_status == 4
    assert caught.value.mend
    assert "\n" not in str(caught.value)
    return str(caught.value)


def file_of(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(dtype: object = "U8", shape: object = (4,), offsets: object = (0, 4)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@given(TENSORS, METADATA, st.booleans())
def test_round_trip(tmp_path: Path, tensors: Tensors, metadata: dict[str, str], mapped: bool) -> None:
    path = tmp_path / "t.safetensors"
    write_tensors(path, tensors, metadata)
    found = read_tensors(path, mapped=mapped)
    assert found.metadata == metadata
    same(found.tensors, tensors)


@given(TENSORS, METADATA)
def test_the_package_reads_what_is_written(tmp_path: Path, tensors: Tensors, metadata: dict[str, str]) -> None:
    path = tmp_path / "t.safetensors"
    write_tensors(path, tensors, metadata)
    same(load_file(path), tensors)
    with safe_open(path, framework="numpy") as file:
        assert (file.metadata() or {}) == metadata


@given(TENSORS, METADATA, st.booleans())
def test_what_the_package_writes_is_read(tmp_path: Path, tensors: Tensors, metadata: dict[str, str], mapped: bool) -> None:
    path = tmp_path / "t.safetensors"
    save_file(tensors, path, metadata or None)
    found = read_tensors(path, mapped=mapped)
    assert found.metadata == metadata
    same(found.tensors, tensors)


def test_strides_and_byte_order_do_not_matter(tmp_path: Path) -> None:
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    write_tensors(tmp_path / "t", {"turned": base.T, "steps": base[::2, ::-1], "big": base.astype(">f4")}, {})
    found = read_tensors(tmp_path / "t").tensors
    np.testing.assert_array_equal(found["turned"], base.T)
    np.testing.assert_array_equal(found["steps"], base[::2, ::-1])
    np.testing.assert_array_equal(found["big"], base)
    assert found["big"].dtype.isnative


def test_the_same_tensors_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a", samples(), {"x": "1", "y": "2"})
    write_tensors(tmp_path / "b", dict(reversed(samples().items())), {"y": "2", "x": "1"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("length", range(70))
def test_elements_begin_at_a_multiple_of_64_bytes_and_are_aligned(length: int, tmp_path: Path) -> None:
    write_tensors(tmp_path / "t", samples(), {"x": "a" * length})
    assert (8 + int.from_bytes((tmp_path / "t").read_bytes()[:8], "little")) % 64 == 0
    for array in read_tensors(tmp_path / "t", mapped=True).tensors.values():
        assert array.flags.aligned


def test_mapped_tensors_are_read_only_and_read_ones_are_not(tmp_path: Path) -> None:
    write_tensors(tmp_path / "t", samples(), {})
    assert not any(array.flags.writeable for array in read_tensors(tmp_path / "t", mapped=True).tensors.values())
    assert all(array.flags.writeable for array in read_tensors(tmp_path / "t").tensors.values())


def test_neither_writing_nor_mapping_takes_a_second_copy(tmp_path: Path) -> None:
    tensors = {name: np.ones(2**20, dtype=np.float32) for name in "abc"}
    tracemalloc.start()
    write_tensors(tmp_path / "t", tensors, {})
    found = read_tensors(tmp_path / "t", mapped=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20  # of 12 MiB; the check for NaN takes 256 KiB at a time
    assert found.tensors["c"].sum() == 2**20


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_replace_nothing_and_are_refused(value: float, tmp_path: Path) -> None:
    path = tmp_path / "t"
    write_tensors(path, samples(), {})
    bad = np.ones(300_000, dtype=np.float32)
    bad[-1] = value
    with pytest.raises(InputError, match=r"'w' holds NaN or Inf.*lower the rate"):
        write_tensors(path, {"w": bad}, {})
    same(read_tensors(path).tensors, samples())
    save_file({"w": bad}, path)
    assert "'w' holds NaN or Inf" in refusal(path)
    assert "'w' holds NaN or Inf" in refusal(path, mapped=True)


@pytest.mark.parametrize(
    ("header", "data", "expected"),
    [
        (b"", b"", "header cannot be read"),
        (b"[]", b"", "no JSON object"),
        (b"\xff\xfe", b"", "not UTF-8"),
        (b'{"a":' * 100_000, b"", "nested too deep"),
        (b'{"a":1,"a":2}', b"", "twice"),
        (b'{"a":NaN}', b"", "NaN is no number"),
        (b'{"a":1e999}', b"", "too large"),
        (b'{"a":' + b"9" * 5000 + b"}", b"", "header cannot be read"),
        ({"__metadata__": {"a": 1}}, b"", "no table of strings"),
        ({"__metadata__": []}, b"", "no table of strings"),
        ({"a": 3}, b"", "other than dtype"),
        ({"a": {**entry(), "more": 1}}, b"1234", "other than dtype"),
        ({"a": entry("BF16")}, b"1234", "has the type BF16; store one of BOOL, I8"),
        ({"a": entry(["U8"])}, b"1234", "has the type"),
        ({"a": entry(shape=[-4])}, b"1234", "no list of up to 32 sizes"),
        ({"a": entry(shape=[4.0])}, b"1234", "no list of up to 32 sizes"),
        ({"a": entry(shape=[True, 4])}, b"1234", "no list of up to 32 sizes"),
        ({"a": entry(shape=[4] + [1] * 32)}, b"1234", "no list of up to 32 sizes"),
        ({"a": entry(shape=[2**70])}, b"1234", "no list of up to 32 sizes"),
        ({"a": entry(shape=[2**40, 2**40])}, b"1234", "beyond the address space"),
        ({"a": entry(shape=[0, 2**40, 2**40], offsets=[0, 0])}, b"", "beyond the address space"),
        ({"a": entry(shape=[5])}, b"1234", "takes 5 bytes, its data_offsets give it 4"),
        ({"a": entry("F32")}, b"1234", "takes 16 bytes"),
        ({"a": entry(offsets=[4, 0])}, b"1234", "no start and stop"),
        ({"a": entry(offsets=[0, 4, 8])}, b"1234", "no start and stop"),
        ({"a": entry(offsets=[-4, 0])}, b"1234", "no start and stop"),
        ({"a": entry(offsets=[1, 5])}, b"12345", "begins at byte 1"),
        ({"a": entry(), "b": entry()}, b"1234", "begins at byte 0, the one before it ends at 4"),
        ({"a": entry(), "b": entry(offsets=[5, 9])}, b"123456789", "begins at byte 5"),
        ({"a": entry()}, b"123", "holds 3 bytes of tensors, its header says 4"),
        ({"a": entry()}, b"12345", "holds 5 bytes of tensors, its header says 4"),
        ({"a": entry("BOOL")}, b"\0\1\2\0", "neither true nor false"),
    ],
)
def test_damaged_files(header: object, data: bytes, expected: str, tmp_path: Path) -> None:
    path = file_of(tmp_path / "t", header, data)
    assert expected in refusal(path)
    assert expected in refusal(path, mapped=True)


def test_a_header_that_lies_about_its_length_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "t"
    for content in (b"", b"1234567", struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 3) + b"{}"):
        path.write_bytes(content)
        assert "ends inside its header" in refusal(path)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 2**25))
        file.truncate(2**26)  # sparse
    assert "the limit is" in refusal(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "none")
    assert "is a folder" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "is a pipe or a device" in refusal(tmp_path / "pipe")


@settings(max_examples=400)
@given(st.data(), st.booleans())
def test_changed_bytes_are_read_or_refused(tmp_path: Path, data: st.DataObject, mapped: bool) -> None:
    path = tmp_path / "t"
    write_tensors(path, samples(), {"k": "v"})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255) | st.sampled_from(list(b'{}[]",:0123456789-eN')))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    try:
        read_tensors(path, mapped=mapped)
    except InputError as error:
        assert "\n" not in str(error)
