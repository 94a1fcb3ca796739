"""The shape of what a Loop carries is known where no turn changes it, and is not guessed where one does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tests.model.onnx_files import floats, ints, make_model, node, save
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.model import load


def loop(inner: list[onnx.NodeProto], results: list[str]) -> onnx.ModelProto:
    """h and g, which begin as the input, go round three times."""
    declared = [
        helper.make_tensor_value_info("i", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        *(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("h", "g")),
    ]
    outputs = [helper.make_tensor_value_info("go_on", TensorProto.BOOL, [])]
    outputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in results]
    body = helper.make_graph([node("Identity", ["go"], ["go_on"]), *inner], "body", declared, outputs)
    nodes = [node("Loop", ["times", "", "x", "x"], ["y", "z"], body=body)]
    tensors: dict[str, NDArray[Any]] = {
        "times": np.array(3, np.int64),
        "w": floats(8, 8),
        "shape": ints(-1, 4, 2),
        "flat": ints(-1, 8),
    }
    return make_model(nodes, tensors, outputs=("y",))


def test_what_keeps_its_shape_has_it_behind_the_loop(tmp_path: Path) -> None:
    inner = [
        node("MatMul", ["h", "w"], ["a"]),
        node("Reshape", ["a", "shape"], ["b"]),  # by a constant from outside
        node("Reshape", ["b", "flat"], ["h_next"]),
        node("Add", ["g", "h"], ["g_next"]),
    ]
    graph = load(save(loop(inner, ["h_next", "g_next"]), tmp_path))
    assert graph.shape("y") == (1, 8)
    assert graph.nodes[0].inputs[:4] == ("times", "", "x", "x")


@pytest.mark.parametrize(
    "inner",
    [
        [node("Concat", ["h", "h"], ["h_next"], axis=1), node("Identity", ["g"], ["g_next"])],
        # The first turn keeps both shapes of y, but the second one finds another g.
        [
            node("ReduceSum", ["g"], ["s"], keepdims=1),
            node("Mul", ["h", "s"], ["h_next"]),
            node("Concat", ["g", "g"], ["g_next"], axis=1),
        ],
    ],
)
def test_what_changes_has_none(tmp_path: Path, inner: list[onnx.NodeProto]) -> None:
    with pytest.raises(UnsupportedError, match="has the value 'y', whose type or shape is not known"):
        load(save(loop(inner, ["h_next", "g_next"]), tmp_path))
