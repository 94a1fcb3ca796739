from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import onnx
import pytest
from onnx import helper

from tests.model.onnx_files import dense_model, floats, make_model, node, save
from tinyfoa_rt.errors import ModelError, UnsupportedError
from tinyfoa_rt.model import load


def _refuse(nodes: Sequence[onnx.NodeProto], folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load(save(make_model(nodes, {"w": floats(8, 8)}), folder))
    assert caught.value.mend
    return str(caught.value)


def test_cycle(tmp_path: Path) -> None:
    nodes = [
        node("Add", ["x", "c"], ["a"], name="first"),
        node("Relu", ["a"], ["b"], name="second"),
        node("Relu", ["b"], ["c"], name="third"),
        node("Relu", ["c"], ["y"], name="behind"),
    ]
    message = _refuse(nodes, tmp_path)
    assert "in a cycle of 3 nodes" in message
    assert "behind" not in message


def test_node_that_reads_itself(tmp_path: Path) -> None:
    assert "node 'loop' (Add): depends on itself" in _refuse([node("Add", ["x", "y"], ["y"], name="loop")], tmp_path)


def test_dangling_input(tmp_path: Path) -> None:
    message = _refuse([node("Gemm", ["x", "gone"], ["y"], name="fc")], tmp_path)
    assert "node 'fc' (Gemm): reads 'gone', which nothing produces" in message


def test_dangling_capture(tmp_path: Path) -> None:
    branch = helper.make_graph([node("Relu", ["gone"], ["r"])], "b", [], [onnx.ValueInfoProto(name="r")])
    nodes = [node("ReduceMax", ["x"], ["m"]), node("If", ["m"], ["y"], name="if", then_branch=branch, else_branch=branch)]
    assert "reads 'gone'" in _refuse(nodes, tmp_path)


def test_dangling_output(tmp_path: Path) -> None:
    assert "output 'y': is produced by nothing" in _refuse([node("Relu", ["x"], ["z"])], tmp_path)


def test_two_producers(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["y"], name="one"), node("Tanh", ["x"], ["y"], name="two")]
    assert "node 'two' (Tanh): writes 'y', as node 'one' (Relu) does" in _refuse(nodes, tmp_path)


@pytest.mark.parametrize("name", ["x", "w"])
def test_node_that_writes_an_input(tmp_path: Path, name: str) -> None:
    nodes = [node("Relu", ["x"], [name]), node("Relu", ["x"], ["y"])]
    assert f"writes '{name}', which is an input or an initializer" in _refuse(nodes, tmp_path)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (node("Relu", ["x", "w"], ["y"], name="n"), "has 2 inputs, expected 1"),
        (node("Gemm", ["x"], ["y"], name="n"), "has 1 inputs, expected 2 to 3"),
        (node("Concat", [], ["y"], name="n", axis=0), "has 0 inputs, expected 1 or more"),
        (node("Gemm", ["x", ""], ["y"], name="n"), "lacks its input 1"),
        (node("Relu", ["x"], ["y", "z"], name="n"), "has 2 outputs, expected 1"),
        (node("Softmax", ["x"], ["y"], name="n", axis="last"), "attribute 'axis' as STRING, expected INT"),
        (node("Concat", ["x", "x"], ["y"], name="n"), "lacks the attribute 'axis'"),
        (node("Split", ["x"], ["y"], name="n", num_outputs=2), "attribute 'num_outputs' of 2, expected 1"),
        (node("LayerNormalization", ["x", "w"], ["y"], name="n", axis=2**40), "attribute 'axis' of 1099511627776"),
        (node("GatherND", ["x", "s"], ["y"], name="n", batch_dims=-3), "attribute 'batch_dims' of -3, expected 0 to 63"),
        (node("MatMul", ["x", "x"], ["y"], name="n"), "is not valid"),
        (node("Reshape", ["x", "s"], ["y"], name="n"), "another number of elements"),
    ],
)
def test_malformed_node(tmp_path: Path, bad: onnx.NodeProto, message: str) -> None:
    shape = node("Constant", [], ["s"], value_ints=[1, 9])
    with pytest.raises((ModelError, UnsupportedError), match=message) as caught:
        load(save(make_model([shape, bad], {"w": floats(8, 8)}), tmp_path))
    assert caught.value.place.startswith("node 'n'")


def test_attribute_twice(tmp_path: Path) -> None:
    twice = node("Softmax", ["x"], ["y"], axis=1)
    twice.attribute.append(twice.attribute[0])
    assert "has an attribute twice" in _refuse([twice], tmp_path)


def test_attribute_that_refers_to_a_function(tmp_path: Path) -> None:
    bad = node("Softmax", ["x"], ["y"], axis=1)
    bad.attribute[0].ref_attr_name = "outer"
    assert "refers to a function's" in _refuse([bad], tmp_path)


@pytest.mark.parametrize("op_type", ["Frobnicate", "Upsample", ""])
def test_unknown_or_removed_operator(tmp_path: Path, op_type: str) -> None:
    with pytest.raises(UnsupportedError, match=r"no operator of ai.onnx opset 18|removed"):
        load(save(make_model([node(op_type, ["x"], ["y"])]), tmp_path))


def test_nodes_out_of_order_are_sorted(tmp_path: Path) -> None:
    nodes = [node("Tanh", ["b"], ["y"]), node("Relu", ["a"], ["b"]), node("Abs", ["x"], ["a"])]
    graph = load(save(make_model(nodes), tmp_path))
    assert [n.op_type for n in graph.nodes] == ["Abs", "Relu", "Tanh"]


def test_dead_nodes_are_dropped(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["y"]), node("Abs", ["x"], ["a"]), node("Unknown", ["a"], ["b"], domain="odd")]
    graph = load(save(make_model(nodes), tmp_path))
    assert [n.op_type for n in graph.nodes] == ["Relu"]
    assert set(graph.values) == {"x", "y"}


def test_names_become_unique(tmp_path: Path) -> None:
    names = ["same", "", "same", "Relu_1", ""]
    nodes = [node("Relu", [f"v{i}"], [f"v{i + 1}"], name=name) for i, name in enumerate(names)]
    graph = load(save(make_model(nodes, inputs={"v0": ["N", 3]}, outputs=["v5"]), tmp_path))
    assert [n.name for n in graph.nodes] == ["same", "Relu_1_", "same_2", "Relu_1", "Relu_4"]


def test_attributes_become_python_values(tmp_path: Path) -> None:
    nodes = [
        node("LeakyRelu", ["x"], ["a"], alpha=0.5),
        node("MaxPool", ["a"], ["b"], kernel_shape=[2], auto_pad="VALID"),
        node("Flatten", ["b"], ["y"], axis=1),
    ]
    leaky, pool, flatten = load(save(make_model(nodes, inputs={"x": [1, 3, 8]}), tmp_path)).nodes
    assert leaky.float("alpha", 0.0) == 0.5
    assert pool.ints("kernel_shape", ()) == (2,)
    assert pool.string("auto_pad", "") == "VALID"
    assert flatten.int("axis", 0) == 1


def test_half_precision_storage_behind_a_cast_is_fine(tmp_path: Path) -> None:
    nodes = [node("Cast", ["h"], ["w"], to=onnx.TensorProto.FLOAT), node("MatMul", ["x", "w"], ["y"])]
    graph = load(save(make_model(nodes, {"h": floats(8, 4).astype("float16")}), tmp_path))
    assert graph.constants["w"].dtype == "float32"


def test_a_third_partys_exception_becomes_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RecursionError("too deep\nsecond line")

    monkeypatch.setattr(importlib.import_module("tinyfoa_rt.model.load"), "order_nodes", fail)
    with pytest.raises(ModelError, match=r"cannot be understood \(RecursionError: too deep\)"):
        load(save(dense_model(), tmp_path))
