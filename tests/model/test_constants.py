from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tests.model.onnx_files import LIGHT_MODELS, floats, ints, make_model, node, save
from tinyfoa_rt.errors import ModelError, TinyfoaError, UnsupportedError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.model import load

Arrays = Mapping[str, NDArray[Any]]


def _ort_value(nodes: Sequence[onnx.NodeProto], tensors: Arrays, name: str, opset: int) -> NDArray[Any]:
    """Compute ``name`` with onnxruntime, which shares no code with onnx's reference."""
    model = make_model(nodes, tensors, inputs={}, outputs=(name,), opsets={"": opset})
    model.graph.output[0].type.CopyFrom(onnx.TypeProto())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([name], {})[0])


def _chain(*steps: tuple[str, Sequence[str], Mapping[str, Any]]) -> list[onnx.NodeProto]:
    """Nodes of which each writes ``c0``, ``c1``, ...; the last one writes ``w``."""
    names = [f"c{i}" for i in range(len(steps) - 1)] + ["w"]
    return [node(op, inputs, [name], **attributes) for (op, inputs, attributes), name in zip(steps, names, strict=True)]


_CHAINS: Mapping[str, tuple[list[onnx.NodeProto], Arrays]] = {
    "reshape, transpose, identity": (
        _chain(("Reshape", ["t", "s"], {}), ("Transpose", ["c0"], {"perm": [1, 0]}), ("Identity", ["c1"], {})),
        {"t": floats(32), "s": ints(4, 8)},
    ),
    "dequantize, per row": (
        _chain(("DequantizeLinear", ["q", "scale", "zero"], {"axis": 1})),
        {
            "q": np.arange(-16, 16, dtype=np.int8).reshape(8, 4),
            "scale": np.array([0.5, 0.25, 2, 1], np.float32),
            "zero": np.array([0, 1, -2, 3], np.int8),
        },
    ),
    "constant node": (_chain(("Constant", [], {"value": helper.make_tensor("v", 1, (8, 4), floats(32))})), {}),
    "constant list": (
        _chain(("Constant", [], {"value_floats": floats(32).tolist()}), ("Reshape", ["c0", "s"], {})),
        {"s": ints(8, 4)},
    ),
    "constant of shape": (
        _chain(("ConstantOfShape", ["s"], {"value": helper.make_tensor("v", 1, (1,), [0.5])})),
        {"s": ints(8, 4)},
    ),
    "cast, unsqueeze, gather, concat": (
        _chain(
            ("Cast", ["d"], {"to": TensorProto.FLOAT}),
            ("Unsqueeze", ["c0", "axis"], {}),
            ("Gather", ["c1", "first"], {"axis": 0}),
            ("Concat", ["c2", "c2"], {"axis": 1}),
        ),
        {"d": floats(8, 2).astype(np.float64), "axis": ints(0), "first": np.array(0, np.int64)},
    ),
    "arithmetic": (
        _chain(("Mul", ["t", "t"], {}), ("Add", ["c0", "t"], {}), ("Sqrt", ["c1"], {}), ("Relu", ["c2"], {})),
        {"t": np.abs(floats(8, 4))},
    ),
}


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("chain", _CHAINS)
def test_weight_behind_constant_nodes(tmp_path: Path, chain: str, opset: int) -> None:
    nodes, tensors = _CHAINS[chain]
    model = make_model([*nodes, node("MatMul", ["x", "w"], ["y"])], tensors, opsets={"": opset})
    graph = load(save(model, tmp_path))
    assert [n.op_type for n in graph.nodes] == ["MatMul"]
    assert set(graph.constants) == {"w"}
    weight = graph.constants["w"]
    assert (weight.dtype, weight.shape) == ("float32", (8, 4))
    expected = _ort_value(nodes, tensors, "w", opset)
    np.testing.assert_allclose(weight.read(), expected, rtol=1e-6)  # one rounding a step may differ
    assert weight.read().dtype == expected.dtype


_UNARY: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "Identity": lambda _: {},
    "Neg": lambda _: {},
    "Abs": lambda _: {},
    "Flatten": lambda axis: {"axis": axis},
    "Transpose": lambda axis: {"perm": [0, 1] if axis else [1, 0]},
    "Softmax": lambda axis: {"axis": axis},
    "ReduceSum": lambda axis: {"keepdims": 1},
    "Gemm": lambda axis: {"transA": axis},
}


@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ops=st.lists(st.tuples(st.sampled_from(sorted(_UNARY)), st.integers(0, 1)), min_size=1, max_size=5), rows=st.integers(1, 4)
)
def test_folded_chains_equal_onnxruntime(tmp_path: Path, ops: list[tuple[str, int]], rows: int) -> None:
    steps = []
    for index, (op, axis) in enumerate(ops):
        source = f"c{index - 1}" if index else "t"
        steps.append((op, [source, source] if op == "Gemm" else [source], _UNARY[op](axis)))
    nodes, tensors = _chain(*steps), {"t": floats(rows, rows)}
    path = save(make_model([*nodes, node("Add", ["x", "w"], ["y"])], tensors, inputs={"x": ["N", 1, 1]}), tmp_path)
    try:
        graph = load(path)
    except TinyfoaError:  # a Gemm of a matrix with itself fits square ones only
        assert any(op == "Gemm" for op, _ in ops)
        return
    expected = _ort_value(nodes, tensors, "w", 18)
    assert graph.constants["w"].shape == expected.shape
    np.testing.assert_allclose(graph.constants["w"].read(), expected, rtol=1e-4, atol=1e-5)  # sums in another order


def test_random_values_are_no_constants(tmp_path: Path) -> None:
    nodes = [node("RandomNormal", [], ["r"], shape=[1, 8], seed=1.0), node("Add", ["x", "r"], ["y"])]
    graph = load(save(make_model(nodes), tmp_path))
    assert [n.op_type for n in graph.nodes] == ["RandomNormal", "Add"]
    assert graph.constants == {}
    assert not graph.values["r"].is_batched


def test_data_dependent_size_is_computed(tmp_path: Path) -> None:
    nodes = [node("NonZero", ["m"], ["n"]), node("Squeeze", ["n"], ["i"]), node("Gather", ["x", "i"], ["y"], axis=1)]
    graph = load(save(make_model(nodes, {"m": ints(1, 0, 1, 1)}), tmp_path))
    assert graph.shape("y") == (1, 3)
    assert graph.constants["i"].as_ints() == (0, 2, 3)


def test_initializers_that_are_inputs_are_constants(tmp_path: Path) -> None:
    model = make_model([node("MatMul", ["x", "w"], ["y"])], {"w": floats(8, 4)}, inputs={"w": [8, 4], "x": ["N", 8]})
    model.ir_version = 3
    graph = load(save(model, tmp_path))
    assert graph.inputs == ("x",)
    np.testing.assert_array_equal(graph.constants["w"].read(), floats(8, 4))


def test_loading_reads_no_large_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0

    def watch(shape: Any, *arguments: Any, **options: Any) -> NDArray[Any]:
        nonlocal largest
        largest = max(largest, int(np.prod(shape)))
        return original(shape, *arguments, **options)

    original = np.full
    monkeypatch.setattr(np, "full", watch)
    graph = load(LIGHT_MODELS / "light_vgg19.onnx")
    assert sum(constant.size for constant in graph.constants.values()) > 140_000_000
    assert largest <= 1024

    smallest = min((c for c in graph.constants.values() if c.size > 1024), key=lambda c: c.size)
    assert smallest.read().shape == smallest.shape
    assert largest == smallest.size, "the watch sees what is computed"


def test_reading_more_than_memory_holds_is_refused(tmp_path: Path) -> None:
    nodes = [
        node("ConstantOfShape", ["s"], ["big"]),
        node("ReduceMax", ["big"], ["m"], keepdims=0),
        node("Add", ["x", "m"], ["y"]),
    ]
    graph = load(save(make_model(nodes, {"s": ints(2**20, 2**20)}), tmp_path))
    assert graph.constants["m"].shape == ()
    with pytest.raises(ModelError, match="more than 2\\^32 elements"):
        graph.constants["m"].read()


def test_constant_that_cannot_be_computed_says_so(tmp_path: Path) -> None:
    nodes = [node("Gather", ["t", "i"], ["w"]), node("Add", ["x", "w"], ["y"])]
    graph: Graph = load(save(make_model(nodes, {"t": floats(4, 8), "i": ints(9)}), tmp_path))
    with pytest.raises(ModelError, match="cannot be computed from constants"):
        graph.constants["w"].read()


@pytest.mark.parametrize("opset", [11, 18])
@pytest.mark.parametrize(("condition", "op_type"), [(True, "Relu"), (False, "Tanh")])
def test_if_of_a_known_condition_becomes_its_branch(tmp_path: Path, condition: bool, op_type: str, opset: int) -> None:
    def branch(op: str) -> onnx.GraphProto:
        output = onnx.ValueInfoProto(name=f"{op}_out")
        inner = [node("Add", ["x", "b"], ["sum"]), node(op, ["sum"], [output.name])]
        return helper.make_graph(inner, op, [], [output], [helper.make_tensor("b", 1, (2000,), floats(2000))])

    choice = node("If", ["c"], ["z"], name="if", then_branch=branch("Relu"), else_branch=branch("Tanh"))
    model = make_model(
        [choice, node("Abs", ["z"], ["y"])], {"c": np.array(condition)}, inputs={"x": ["N", 2000]}, opsets={"": opset}
    )
    graph = load(save(model, tmp_path))
    assert [n.op_type for n in graph.nodes] == ["Add", op_type, "Identity", "Abs"]
    (bias,) = graph.constants.values()
    np.testing.assert_array_equal(bias.read(), floats(2000))


def test_if_of_an_unknown_condition_stays_one_node(tmp_path: Path) -> None:
    branch = helper.make_graph([node("Relu", ["x"], ["r"])], "b", [], [helper.make_tensor_value_info("r", 1, None)])
    nodes = [
        node("ReduceMax", ["x"], ["m"], keepdims=0),
        node("Cast", ["m"], ["c"], to=TensorProto.BOOL),
        node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
    ]
    graph = load(save(make_model(nodes), tmp_path))
    assert graph.nodes[-1].op_type == "If"
    assert graph.nodes[-1].captured == ("x",)
    assert graph.nodes[-1].inputs == ("c", "x")
    assert graph.shape("y") == (1, 8)


def test_loop_with_a_declared_result_stays_one_node(tmp_path: Path) -> None:
    body = helper.make_graph(
        [node("Identity", ["go"], ["go_on"]), node("Concat", ["v", "v"], ["v_next"], axis=1)],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [helper.make_tensor_value_info("go_on", TensorProto.BOOL, []), helper.make_tensor_value_info("v_next", 1, None)],
    )
    tensors = {"times": np.array(10**15), "start": np.array(True)}  # never run, however often it says
    model = make_model([node("Loop", ["times", "start", "x"], ["y"], name="loop", body=body)], tensors)
    with pytest.raises(UnsupportedError, match="node 'loop' \\(Loop\\): has the value 'y'"):
        load(save(model, tmp_path))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", 1, ["N", 8]))
    graph = load(save(model, tmp_path))
    assert [n.op_type for n in graph.nodes] == ["Loop"]
    assert graph.shape("y") == (1, 8)
