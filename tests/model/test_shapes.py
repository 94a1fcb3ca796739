from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper

from tests.model.onnx_files import Dims, dense_model, floats, ints, make_model, node, save
from tinyfoa_rt.errors import InputError, ModelError, UnsupportedError, UsageError
from tinyfoa_rt.model import load


@pytest.mark.parametrize("batch", ["N", None, 1, 7])
def test_the_batch_becomes_one(tmp_path: Path, batch: int | str | None) -> None:
    model = make_model([node("MatMul", ["x", "w"], ["y"])], {"w": floats(8, 4)}, inputs={"x": [batch, 8]})
    graph = load(save(model, tmp_path))
    assert graph.shape("x") == (1, 8)
    assert graph.shape("y") == (1, 4)
    assert {name: value.is_batched for name, value in graph.values.items()} == {"x": True, "w": False, "y": True}


@pytest.mark.parametrize("opset", [9, 13, 18, 23])
def test_reshape_to_a_computed_shape(tmp_path: Path, opset: int) -> None:
    """What PyTorch writes for x.view(x.size(0), -1) with a dynamic batch."""
    is_old = opset < 13
    unsqueeze = node("Unsqueeze", ["n"], ["n1"], axes=[0]) if is_old else node("Unsqueeze", ["n", "axis"], ["n1"])
    nodes = [
        node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3]),
        node("Shape", ["c"], ["shape"]),
        node("Constant", [], ["zero"], value=helper.make_tensor("z", 7, (), [0])),
        node("Gather", ["shape", "zero"], ["n"], axis=0),
        unsqueeze,
        node("Concat", ["n1", "rest"], ["target"], axis=0),
        node("Reshape", ["c", "target"], ["flat"]),
        node("Softmax", ["flat"], ["y"], axis=1),
    ]
    tensors: dict[str, NDArray[Any]] = {"w": floats(4, 3, 3, 3), "rest": ints(-1)}
    if not is_old:
        tensors["axis"] = ints(0)
    model = make_model(nodes, tensors, inputs={"x": ["batch", 3, 8, 8]}, opsets={"": opset})
    graph = load(save(model, tmp_path))
    assert [n.op_type for n in graph.nodes] == ["Conv", "Reshape", "Softmax"]
    assert [graph.sized["target"].at(batch).as_ints() for batch in (1, 3)] == [(1, -1), (3, -1)]
    assert graph.shape("y") == (1, 4 * 6 * 6)
    assert graph.opset == max(opset, 18)


def test_computed_shapes_that_need_arithmetic(tmp_path: Path) -> None:
    nodes = [
        node("Shape", ["x"], ["half"], start=1, end=3),
        node("Div", ["half", "two"], ["size"]),
        node("Cast", ["size"], ["size32"], to=onnx.TensorProto.INT32),
        node("Cast", ["size32"], ["size64"], to=onnx.TensorProto.INT64),
        node("Concat", ["one", "size64", "rest"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["y"]),
    ]
    tensors = {"two": ints(2), "one": ints(1), "rest": ints(-1)}
    graph = load(save(make_model(nodes, tensors, inputs={"x": ["N", 6, 4]}), tmp_path))
    assert graph.shape("y") == (1, 3, 2, 4)
    assert [n.op_type for n in graph.nodes] == ["Reshape"]


_IMAGE: dict[str, Dims | None] = {"image": ["N", 3, "height", "width"]}


def _pooled(inputs: dict[str, Dims | None]) -> onnx.ModelProto:
    return make_model([node("GlobalAveragePool", ["image"], ["y"])], inputs=inputs)


def test_dynamic_dimension_asks_for_a_shape(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load(save(_pooled(_IMAGE), tmp_path))
    assert str(caught.value) == (
        "input 'image': has the dimensions Nx3xheightxwidth, not all known; say for example --shape image=1x3x224x224"
    )


def test_shape_binds_dynamic_dimensions(tmp_path: Path) -> None:
    path = save(_pooled(_IMAGE), tmp_path)
    graph = load(path, shapes={"image": (16, 3, 32, 48)})
    assert graph.shape("image") == (1, 3, 32, 48)
    assert graph.shape("y") == (1, 3, 1, 1)


def test_a_named_dimension_is_bound_in_all_inputs(tmp_path: Path) -> None:
    model = make_model([node("Add", ["a", "b"], ["y"])], inputs={"a": ["N", "width"], "b": ["N", "width"]})
    graph = load(save(model, tmp_path), shapes={"a": [1, 5]})
    assert graph.shape("b") == (1, 5)


def test_input_of_no_shape(tmp_path: Path) -> None:
    path = save(_pooled({"image": None}), tmp_path)
    with pytest.raises(ModelError, match="input 'image': has no shape; say for example --shape image=1x3x224x224"):
        load(path)
    assert load(path, shapes={"image": [1, 3, 4, 4]}).shape("image") == (1, 3, 4, 4)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"picture": (1, 3, 4, 4)}, "--shape 'picture': is no input of the model; its inputs are 'image'"),
        ({"image": (1, 4, 4)}, "has 3 dimensions, the input 4; the input is Nx3xheightxwidth"),
        ({"image": (1, 1, 4, 4)}, "says 1 where the model says 3"),
        ({"image": (1, 3, 0, 4)}, "not a positive number"),
        ({"image": (1, 3, -4, 4)}, "not a positive number"),
    ],
)
def test_shape_that_does_not_fit(tmp_path: Path, shapes: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(save(_pooled(_IMAGE), tmp_path), shapes=shapes)
    assert message in str(caught.value)


@pytest.mark.parametrize("dim", [0, -1, 10**12, 2**31 + 1, 2**63 - 1])
@pytest.mark.parametrize("index", [0, 1])
def test_impossible_input_dimension(tmp_path: Path, dim: int, index: int) -> None:
    dims = [1, 8]
    dims[index] = dim
    with pytest.raises(ModelError, match=f"input 'x': has the dimension {dim} in its shape"):
        load(save(make_model([node("Relu", ["x"], ["y"])], inputs={"x": dims}), tmp_path))


def test_too_many_elements(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="more than 2\\^40 elements"):
        load(save(make_model([node("Relu", ["x"], ["y"])], inputs={"x": [1, 2**21, 2**21]}), tmp_path))


def test_impossible_inner_dimension(tmp_path: Path) -> None:
    nodes = [node("AveragePool", ["x"], ["p"], name="pool", kernel_shape=[9]), node("Relu", ["p"], ["y"])]
    with pytest.raises(ModelError, match=r"value 'p' of node 'pool' \(AveragePool\): has the dimension 0"):
        load(save(make_model(nodes, inputs={"x": ["N", 3, 8]}), tmp_path))


def test_list_as_long_as_a_rank_can_never_be(tmp_path: Path) -> None:
    """ONNX's rule would make one dimension for each of 2^30 entries."""
    model = make_model([node("Reshape", ["x", "s"], ["y"], name="r")], inputs={"x": ["N", 8], "s": ["N"]})
    model.graph.input[1].type.tensor_type.elem_type = onnx.TensorProto.INT64
    model.graph.node.insert(0, node("Tile", ["s", "times"], ["long"]))
    model.graph.node[1].input[1] = "long"
    model.graph.initializer.append(helper.make_tensor("times", 7, (1,), [2**30]))
    with pytest.raises(ModelError, match=r"node 'r' .* at most 64 dimensions"):
        load(save(model, tmp_path))


def test_unknown_shape_names_node_and_value(tmp_path: Path) -> None:
    nodes = [node("Mystery", ["x"], ["m"], name="strange", domain="other"), node("Relu", ["m"], ["y"])]
    path = save(make_model(nodes, opsets={"": 18, "other": 1}), tmp_path)
    with pytest.raises(UnsupportedError) as caught:
        load(path)
    assert str(caught.value) == (
        "node 'strange' (Mystery): has the value 'm', whose type or shape is not known; declare it in the model's value_info"
    )


@pytest.mark.parametrize(("batch", "declared"), [("N", "N"), (4, 4), ("N", 1)])
def test_custom_operator_with_a_declared_shape(tmp_path: Path, batch: int | str, declared: int | str) -> None:
    nodes = [node("Mystery", ["x"], ["m"], name="strange", domain="other"), node("Relu", ["m"], ["y"])]
    model = make_model(nodes, inputs={"x": [batch, 8]}, opsets={"": 13, "other": 1})
    model.graph.value_info.append(helper.make_tensor_value_info("m", 1, [declared, 5]))
    graph = load(save(model, tmp_path))
    assert graph.shape("y") == (1, 5)
    assert graph.nodes[0].domain == "other"


@pytest.mark.parametrize(
    ("target", "shape", "growth"), [((4, -1), (1, 8), (1, 0)), ((4, 8), (1, 8), (1, 0)), ((8, -1), (2, 4), (2, 0))]
)
def test_reshape_that_writes_the_batch(tmp_path: Path, target: tuple[int, ...], shape: Dims, growth: Dims) -> None:
    """Elements keep their order, so each sample has the rows that it had."""
    model = make_model([node("Reshape", ["x", "s"], ["y"], name="view")], {"s": ints(*target)}, inputs={"x": [4, 8]})
    value = load(save(model, tmp_path)).values["y"]
    assert (value.shape, value.growth) == (shape, growth)


def test_broadcast_that_fixes_the_batch(tmp_path: Path) -> None:
    model = make_model([node("Add", ["x", "c"], ["y"], name="add")], {"c": floats(4, 8)}, inputs={"x": [4, 8]})
    with pytest.raises(UnsupportedError, match=r"node 'add' .*fits batch 4 only, which the file fixes"):
        load(save(model, tmp_path))


def test_concat_that_fixes_the_batch(tmp_path: Path) -> None:
    model = make_model([node("Concat", ["x", "c"], ["y"], name="cat", axis=1)], {"c": floats(4, 2)}, inputs={"x": [4, 8]})
    with pytest.raises(UnsupportedError, match=r"node 'cat' .*fits batch 4 only"):
        load(save(model, tmp_path))


def test_reshape_that_keeps_a_fixed_batch_free(tmp_path: Path) -> None:
    nodes = [node("Reshape", ["x", "s"], ["r"]), node("Transpose", ["r"], ["y"], perm=[1, 0, 2])]
    graph = load(save(make_model(nodes, {"s": ints(-1, 4, 2)}, inputs={"x": [4, 8]}), tmp_path))
    assert graph.shape("y") == (4, 1, 2)


def test_unknown_element_type(tmp_path: Path) -> None:
    model = dense_model()
    model.graph.input[0].type.tensor_type.elem_type = 99
    with pytest.raises(ModelError, match="input 'x': has the unknown element type 99"):
        load(save(model, tmp_path))


def test_unused_inputs_are_left_out(tmp_path: Path) -> None:
    model = make_model([node("Relu", ["x"], ["y"])], inputs={"x": ["N", 8], "spare": None})
    assert load(save(model, tmp_path)).inputs == ("x",)


def test_input_that_is_no_tensor(tmp_path: Path) -> None:
    model = dense_model()
    model.graph.input.append(helper.make_tensor_sequence_value_info("s", 1, None))
    with pytest.raises(InputError, match="input 's': is not a tensor"):
        load(save(model, tmp_path))


def test_sequence_output_is_dropped(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["y"]), node("SequenceConstruct", ["y", "x"], ["s"])]
    graph = load(save(make_model(nodes, outputs=("y", "s")), tmp_path))
    assert graph.outputs == ("y",)
    assert [n.op_type for n in graph.nodes] == ["Relu"]


def test_only_a_sequence_output(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="no output that is a tensor"):
        load(save(make_model([node("SequenceConstruct", ["x"], ["y"])]), tmp_path))


def test_sequence_on_the_way(tmp_path: Path) -> None:
    nodes = [node("SequenceConstruct", ["x"], ["s"], name="seq"), node("ConcatFromSequence", ["s"], ["y"], axis=0)]
    with pytest.raises(UnsupportedError, match=r"node 'seq' .*'s', which is no tensor"):
        load(save(make_model(nodes), tmp_path))


def test_unused_optional_outputs_may_stay_unknown(tmp_path: Path) -> None:
    graph = load(save(make_model([node("Dropout", ["x"], ["y", "mask"])]), tmp_path))
    assert graph.nodes[0].op_type == "Dropout"
    assert all(name in graph.values for name in graph.nodes[0].outputs if name)


@pytest.mark.parametrize("op_type", ["AveragePool", "MaxPool"])
@pytest.mark.parametrize("opset", [10, 18])
@pytest.mark.parametrize(
    ("length", "attributes"),
    [
        (6, {"kernel_shape": [2], "strides": [3]}),  # a third window would begin behind the image
        (7, {"kernel_shape": [2], "strides": [3]}),  # the third begins at its last place
        (6, {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}),
        (5, {"kernel_shape": [2], "strides": [2], "pads": [1, 1]}),  # behind the image, though not behind its pads
    ],
)
def test_pools_with_ceil_mode_are_as_large_as_onnxruntime_makes_them(
    tmp_path: Path, op_type: str, opset: int, length: int, attributes: dict[str, Any]
) -> None:
    pool = node(op_type, ["x"], ["y"], ceil_mode=1, **attributes)
    path = save(make_model([pool], {}, inputs={"x": ["N", 3, length]}, opsets={"": opset}), tmp_path)
    (y,) = onnxruntime.InferenceSession(path).run(None, {"x": np.zeros((1, 3, length), dtype=np.float32)})
    assert load(path).shape("y") == y.shape
