"""Exports in training mode compute what they compute after training; tests/run/test_frozen_kinds.py compares their results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.model.onnx_files import floats, make_model, node, save
from tinyfoa_rt.ir.graph import Subgraph
from tinyfoa_rt.model import load

STATISTICS = {"g": floats(4), "s": floats(4), "m": floats(4), "v": np.abs(floats(4))}


@pytest.mark.parametrize(("opset", "outputs"), [(8, 5), (9, 5), (13, 5), (14, 3), (15, 3), (18, 3)])
def test_a_normalization_gives_one_output_and_says_what_is_stored(tmp_path: Path, opset: int, outputs: int) -> None:
    names = ["y", "mean", "variance", "batch_mean", "batch_variance"][:outputs]
    mode: dict[str, Any] = {"training_mode": 1} if opset >= 14 else {}
    model = make_model(
        [node("BatchNormalization", ["x", *STATISTICS], names, **mode)],
        STATISTICS,
        inputs={"x": ["N", 4, 3]},
        outputs=names,
        opsets={"": opset},
    )
    graph = load(save(model, tmp_path))
    (normalization,) = graph.nodes
    assert normalization.outputs == ("y",)
    assert not normalization.int("training_mode", 0)
    for name, stored in zip(names[1:], ("m", "v", "m", "v")):
        np.testing.assert_array_equal(graph.constants[name].read(), STATISTICS[stored])


def test_dropout_in_a_branch_is_turned_off_too(tmp_path: Path) -> None:
    inner = node("Dropout", ["x", "ratio", "on"], ["r"])
    branch = helper.make_graph([inner], "b", [], [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)])
    nodes = [
        node("ReduceMax", ["x"], ["m"], keepdims=0),
        node("Cast", ["m"], ["c"], to=TensorProto.BOOL),
        node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
    ]
    graph = load(save(make_model(nodes, {"ratio": np.array(0.5, np.float32), "on": np.array(True)}), tmp_path))
    taken = graph.nodes[-1].attributes["then_branch"]
    assert isinstance(taken, Subgraph)
    assert taken.captured == ("x",)
    assert [list(each.input) for each in onnx.GraphProto.FromString(taken.content).node] == [["x"]]
