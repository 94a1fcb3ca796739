from __future__ import annotations

import os
from pathlib import Path

import pytest
from onnx import TensorProto

from tests.model.onnx_files import dense_model, floats, make_model, node, save
from tinyfoa_rt.errors import InputError, ModelError, UnsupportedError
from tinyfoa_rt.model import load


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"No such file or directory\); check the path"):
        load(tmp_path / "none.onnx")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a folder"):
        load(tmp_path)


def test_path_with_nul() -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load("a\0b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelError, match="a pipe or a device, no regular file"):
        load(tmp_path / "pipe.onnx")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"# A text file\nwith lines\n", "not an ONNX model"),
        (dense_model().SerializeToString()[:-40], "not an ONNX model"),
        (b"\x08\x08", "holds no graph"),
    ],
    ids=["empty", "text", "truncated", "no graph"],
)
def test_bad_bytes(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        load(path)
    assert "model.onnx" in caught.value.place
    assert caught.value.mend


def test_name_that_is_not_text(tmp_path: Path) -> None:
    content = dense_model().SerializeToString().replace(b"fc", b"f\xff")
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not UTF-8"):
        load(path)


@pytest.mark.parametrize("opset", [6, 25, 0, -1, 2**60])
def test_opset_out_of_range(tmp_path: Path, opset: int) -> None:
    model = make_model([node("Relu", ["x"], ["y"])], opsets={"": opset})
    with pytest.raises(UnsupportedError, match=f"uses opset {opset}, read are 7 to 24; export it with opset 18"):
        load(save(model, tmp_path))


def test_no_opset(tmp_path: Path) -> None:
    model = dense_model()
    del model.opset_import[:]
    with pytest.raises(ModelError, match="names no operator set"):
        load(save(model, tmp_path))


def test_two_versions_of_one_opset(tmp_path: Path) -> None:
    model = dense_model()
    model.opset_import.add(domain="ai.onnx", version=17)
    with pytest.raises(ModelError, match=r"two versions of the operator set 'ai.onnx'"):
        load(save(model, tmp_path))


def test_no_outputs(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no outputs"):
        load(save(make_model([node("Relu", ["x"], ["y"])], outputs=()), tmp_path))


def test_no_inputs(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no inputs"):
        load(save(make_model([node("Relu", ["w"], ["y"])], {"w": floats(3)}, inputs={}), tmp_path))


def test_output_of_constants_only(tmp_path: Path) -> None:
    model = make_model([node("Relu", ["w"], ["y"])], {"w": floats(3)})
    with pytest.raises(InputError, match="no input that an output depends on"):
        load(save(model, tmp_path))


@pytest.mark.parametrize(
    ("dims", "size"), [((2,), 12), ((3, -1), 12), ((2**20, 2**21), 12), ((2**32,), 12), ((0, 3), 0), ((1,) * 65, 4)]
)
def test_tensor_whose_shape_is_wrong(tmp_path: Path, dims: tuple[int, ...], size: int) -> None:
    model = dense_model()
    model.graph.initializer.append(TensorProto(name="odd", data_type=TensorProto.FLOAT, dims=dims, raw_data=bytes(size)))
    with pytest.raises(ModelError, match="initializer 'odd'"):
        load(save(model, tmp_path))


def test_tensor_without_data(tmp_path: Path) -> None:
    model = dense_model()
    model.graph.initializer[0].ClearField("raw_data")
    with pytest.raises(ModelError, match="data that does not match float32 of shape 8x4"):
        load(save(model, tmp_path))


def test_sparse_weights(tmp_path: Path) -> None:
    model = dense_model()
    model.graph.sparse_initializer.add().values.name = "s"
    with pytest.raises(UnsupportedError, match="sparse"):
        load(save(model, tmp_path))


def test_initializer_named_twice(tmp_path: Path) -> None:
    model = dense_model()
    model.graph.initializer.append(model.graph.initializer[0])
    with pytest.raises(ModelError, match="two of one name"):
        load(save(model, tmp_path))
