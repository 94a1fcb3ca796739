from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import pytest
from onnx import helper

from tests.model.onnx_files import floats, make_model, node, save
from tinyfoa_rt.errors import ModelError
from tinyfoa_rt.model import load


def _function(domain: str, name: str, nodes: Sequence[onnx.NodeProto], opset: int = 18) -> onnx.FunctionProto:
    """A function of ``a`` and ``b`` that returns ``c``."""
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(domain, 1)]
    return helper.make_function(domain, name, ["a", "b"], ["c"], list(nodes), imports)


def _calling(*functions: onnx.FunctionProto) -> onnx.ModelProto:
    """x -> the first function, with a weight -> Relu -> y."""
    first = functions[0]
    nodes = [node(first.name, ["x", "w"], ["z"], name="call", domain=first.domain), node("Relu", ["z"], ["y"])]
    model = make_model(nodes, {"w": floats(8, 4)}, opsets={"": 18, first.domain: 1})
    model.functions.extend(functions)
    return model


def test_functions_are_inlined(tmp_path: Path) -> None:
    inner = _function("my", "Inner", [node("MatMul", ["a", "b"], ["c"])])
    outer = _function("my", "Outer", [node("Inner", ["a", "b"], ["t"], domain="my"), node("Tanh", ["t"], ["c"])])
    graph = load(save(_calling(outer, inner), tmp_path))
    assert [n.op_type for n in graph.nodes] == ["MatMul", "Tanh", "Relu"]
    assert graph.nodes[0].inputs == ("x", "w")
    assert graph.shape("y") == (1, 4)


def test_functions_of_tinyfoa_stay_one_node(tmp_path: Path) -> None:
    body = [node("MatMul", ["a", "b"], ["m"]), node("Softmax", ["m"], ["c"], axis=-1)]
    graph = load(save(_calling(_function("tinyfoa", "LocallyConnected", body)), tmp_path))
    call, relu = graph.nodes
    assert (call.name, call.domain, call.op_type) == ("call", "tinyfoa", "LocallyConnected")
    assert graph.shape("z") == (1, 4)
    assert graph.values["z"].is_batched
    assert relu.op_type == "Relu"
    assert graph.constants["w"].shape == (8, 4)


def test_function_that_calls_itself(tmp_path: Path) -> None:
    ping = _function("my", "Ping", [node("Pong", ["a", "b"], ["c"], domain="my")])
    pong = _function("my", "Pong", [node("Ping", ["a", "b"], ["c"], domain="my")])
    with pytest.raises(ModelError, match="which calls itself"):
        load(save(_calling(ping, pong), tmp_path))


def test_functions_that_unfold_without_end(tmp_path: Path) -> None:
    """Thirty functions that each call the next one twice stand for 2^30 nodes."""
    levels = [
        _function(
            "my", f"F{i}", [node(f"F{i + 1}", ["a", "b"], ["t"], domain="my"), node(f"F{i + 1}", ["t", "b"], ["c"], domain="my")]
        )
        for i in range(30)
    ]
    levels.append(_function("my", "F30", [node("MatMul", ["a", "b"], ["c"])]))
    with pytest.raises(ModelError, match="at most 200000 are read"):
        load(save(_calling(*levels), tmp_path))


def test_function_of_another_opset(tmp_path: Path) -> None:
    function = _function("my", "Old", [node("MatMul", ["a", "b"], ["c"])], opset=13)
    with pytest.raises(ModelError, match="has the function 'Old' in opset 13, itself in opset 18"):
        load(save(_calling(function), tmp_path))


def test_two_functions_of_one_name(tmp_path: Path) -> None:
    function = _function("my", "Twice", [node("MatMul", ["a", "b"], ["c"])])
    with pytest.raises(ModelError, match="two functions of one name"):
        load(save(_calling(function, function), tmp_path))


def test_nodes_of_a_kept_function_are_checked(tmp_path: Path) -> None:
    function = _function("tinyfoa", "Bad", [node("MatMul", ["a"], ["c"], name="inside")])
    with pytest.raises(ModelError, match=r"node 'inside' .*has 1 inputs"):
        load(save(_calling(function), tmp_path))


def test_function_called_with_too_many_inputs(tmp_path: Path) -> None:
    model = _calling(_function("my", "Dense", [node("MatMul", ["a", "b"], ["c"])]))
    model.graph.node[0].input.append("x")
    with pytest.raises(ModelError, match=r"a function that cannot be inlined \(Number of actual"):
        load(save(model, tmp_path))
