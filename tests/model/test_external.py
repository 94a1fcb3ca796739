from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from tests.model.onnx_files import floats, make_model, node, save
from tinyfoa_rt.errors import ModelError
from tinyfoa_rt.model import load

_WEIGHT = floats(8, 4)


def _model(location: str, entries: Mapping[str, object] | None = None, *, dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """x -> MatMul(w) -> y with w stored outside."""
    model = make_model([node("MatMul", ["x", "w"], ["y"])])
    tensor = model.graph.initializer.add(name="w", data_type=dtype, dims=(8, 4), data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **(entries or {})}.items():
        tensor.external_data.add(key=key, value=str(value))
    return model


def _refuse(model: onnx.ModelProto, folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load(save(model, folder))
    assert caught.value.place == "initializer 'w'"
    assert caught.value.mend
    return str(caught.value)


@pytest.mark.parametrize("offset", [0, 4, 3])
def test_weights_beside_the_model(tmp_path: Path, offset: int) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(offset) + _WEIGHT.tobytes() + b"tail")
    graph = load(save(_model("w.bin", {"offset": offset, "length": 128}), tmp_path))
    np.testing.assert_array_equal(graph.constants["w"].read(), _WEIGHT)


def test_weights_in_a_folder_below(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(_WEIGHT.tobytes())
    graph = load(save(_model("data/w.bin"), tmp_path))
    np.testing.assert_array_equal(graph.constants["w"].read(), _WEIGHT)


def test_weights_are_read_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(_WEIGHT.tobytes())
    graph = load(save(_model("w.bin"), tmp_path))
    (tmp_path / "w.bin").write_bytes((2 * _WEIGHT).tobytes())
    np.testing.assert_array_equal(graph.constants["w"].read(), 2 * _WEIGHT)
    (tmp_path / "w.bin").write_bytes(b"short")
    with pytest.raises(ModelError, match="which has 5"):
        graph.constants["w"].read()


def test_a_type_that_numpy_lacks(tmp_path: Path) -> None:
    model = _model("w.bin", dtype=TensorProto.BFLOAT16)
    model.graph.node[0].input[1] = "f"
    model.graph.node.insert(0, node("Cast", ["w"], ["f"], to=TensorProto.FLOAT))
    (tmp_path / "w.bin").write_bytes(np.full(32, 0x3FC0, dtype="<u2").tobytes())
    graph = load(save(model, tmp_path))
    np.testing.assert_array_equal(graph.constants["f"].read(), np.full((8, 4), 1.5, dtype=np.float32))


@pytest.mark.parametrize(
    "location", ["/etc/hostname", "../w.bin", "data/../../w.bin", "..\\w.bin", "C:\\w.bin", "\\\\host\\w.bin", "", "."]
)
def test_outside_the_folder(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(_WEIGHT.tobytes())
    assert "its external data" in _refuse(_model(location), folder)


def test_link_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(_WEIGHT.tobytes())
    try:
        (folder / "w.bin").symlink_to(tmp_path / "w.bin")
    except OSError:
        pytest.skip("this system makes no links")
    assert "a link out of the model's folder" in _refuse(_model("w.bin"), folder)


def test_missing(tmp_path: Path) -> None:
    assert "'w.bin', which is not there; put the file" in _refuse(_model("w.bin"), tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.bin")
    assert "not a file" in _refuse(_model("w.bin"), tmp_path)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"offset": 1}, "needs the bytes 1 to 129 of 'w.bin', which has 128"),
        ({"offset": 2**62}, "which has 128"),
        ({"offset": -4}, "the external data offset '-4'"),
        ({"offset": "four"}, "the external data offset 'four'"),
        ({"length": 124}, "has 124 bytes of external data, its shape needs 128"),
        ({"length": 10**30}, "the external data length"),
    ],
)
def test_range_that_does_not_fit(tmp_path: Path, entries: dict[str, object], message: str) -> None:
    (tmp_path / "w.bin").write_bytes(_WEIGHT.tobytes())
    assert message in _refuse(_model("w.bin", entries), tmp_path)
