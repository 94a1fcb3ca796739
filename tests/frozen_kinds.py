"""Small models of every kind that a frozen prefix may be: each computes ``z`` (N, features), which a dense classifier reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["CLASSES", "KINDS", "FrozenKind", "floats"]

CLASSES = 3
Array = NDArray[Any]
node = helper.make_node


def floats(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


@dataclass(frozen=True)
class FrozenKind:
    """A prefix: ``inputs`` are (element type, sizes without the batch) by name, ``tensors`` its initializers."""

    nodes: Sequence[onnx.NodeProto]
    tensors: Mapping[str, Array]
    features: int
    inputs: Mapping[str, tuple[int, tuple[int, ...]]] = field(default_factory=lambda: {"x": (TensorProto.FLOAT, (6,))})
    opset: int = 18
    extra_outputs: Sequence[str] = ()

    def model(self) -> onnx.ModelProto:
        values = [helper.make_tensor_value_info(name, kind, ["N", *dims]) for name, (kind, dims) in self.inputs.items()]
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", CLASSES])]
        outputs += [onnx.ValueInfoProto(name=name) for name in self.extra_outputs]
        head = {"head_w": floats(CLASSES, self.features, seed=1), "head_b": floats(CLASSES, seed=2)}
        graph = helper.make_graph(
            [*self.nodes, node("Gemm", ["z", "head_w", "head_b"], ["y"], name="head", transB=1)],
            "kind",
            values,
            outputs,
            [numpy_helper.from_array(array, name) for name, array in {**self.tensors, **head}.items()],
        )
        domains = sorted({each.domain for each in self.nodes if each.domain} | {""})
        imports = [helper.make_opsetid(domain, 1 if domain else self.opset) for domain in domains]
        graph.value_info.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", self.features]))
        return helper.make_model(graph, opset_imports=imports, ir_version=8)

    def samples(self, count: int, seed: int = 5) -> dict[str, Array]:
        """Random values for each input; whole numbers are from 0 to 9."""
        rng = np.random.default_rng(seed)
        drawn = {}
        for name, (kind, dims) in self.inputs.items():
            dtype = helper.tensor_dtype_to_np_dtype(kind)
            size = (count, *dims)
            values: Array = rng.normal(size=size) if dtype.kind == "f" else rng.integers(0, 2 if dtype.kind == "b" else 10, size)
            drawn[name] = values.astype(dtype)
        return drawn


def _image(*channels_and_size: int) -> dict[str, tuple[int, tuple[int, ...]]]:
    return {"x": (TensorProto.FLOAT, channels_and_size)}


def _pooled(value: str) -> list[onnx.NodeProto]:
    return [node("GlobalAveragePool", [value], ["pooled"]), node("Flatten", ["pooled"], ["z"])]


def _branch(nodes: Sequence[onnx.NodeProto], output: str) -> onnx.GraphProto:
    return helper.make_graph(nodes, output, [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)])


def _loop_body() -> onnx.GraphProto:
    """h <- tanh(h + shift), where both the shift and the bound come from outside."""
    inputs = [
        helper.make_tensor_value_info("i", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("h", TensorProto.FLOAT, ["N", 6]),
    ]
    outputs = [
        helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("h_next", TensorProto.FLOAT, ["N", 6]),
    ]
    nodes = [node("Identity", ["go"], ["go_on"]), node("Add", ["h", "shift"], ["moved"]), node("Tanh", ["moved"], ["h_next"])]
    return helper.make_graph(nodes, "body", inputs, outputs)


def _scan_body() -> onnx.GraphProto:
    """The running sum over positions: the state and what is read are (N, 4), positions first."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in ("sum", "step", "sum_next", "sum_out")]
    nodes = [node("Add", ["sum", "step"], ["sum_next"]), node("Identity", ["sum_next"], ["sum_out"])]
    return helper.make_graph(nodes, "body", value[:2], value[2:])


_NORMALIZATION: Mapping[str, Array] = {
    "g": floats(4, seed=3),
    "s": floats(4, seed=4),
    "m": floats(4, seed=5),
    "v": np.abs(floats(4, seed=6)) + 0.5,
}
_FUSED: Mapping[str, Any] = {"domain": "com.microsoft"}

KINDS: dict[str, FrozenKind] = {
    "batch normalization and dropout in training mode": FrozenKind(
        [
            node("BatchNormalization", ["x", "g", "s", "m", "v"], ["n", "m2", "v2"], training_mode=1),
            node("Dropout", ["n", "ratio", "on"], ["d", "mask"]),
            *_pooled("d"),
        ],
        {**_NORMALIZATION, "ratio": np.array(0.5, np.float32), "on": np.array(True)},
        4,
        _image(4, 3, 3),
        opset=15,
        extra_outputs=("m2",),
    ),
    "batch normalization in training mode of operator set 9": FrozenKind(
        [node("BatchNormalization", ["x", "g", "s", "m", "v"], ["n", "m2", "v2", "sm", "sv"]), *_pooled("n")],
        _NORMALIZATION,
        4,
        _image(4, 3, 3),
        opset=9,
    ),
    "Gelu of operator set 20": FrozenKind([node("Gelu", ["x"], ["z"], approximate="tanh")], {}, 6, opset=20),
    "GroupNormalization of operator set 21": FrozenKind(
        [node("GroupNormalization", ["x", "g", "s"], ["n"], num_groups=2), *_pooled("n")],
        {"g": floats(4), "s": floats(4)},
        4,
        _image(4, 3, 3),
        opset=21,
    ),
    "AveragePool with dilations": FrozenKind(
        [node("AveragePool", ["x"], ["p"], kernel_shape=[2, 2], dilations=[2, 1]), node("Flatten", ["p"], ["z"])],
        {},
        18,
        _image(3, 4, 4),
        opset=19,
    ),
    "Cast that says how it saturates": FrozenKind(
        [node("Cast", ["x"], ["z"], to=TensorProto.FLOAT, saturate=1)], {}, 6, opset=19
    ),
    "ReduceMax of truth values": FrozenKind(
        [
            node("Greater", ["x", "zero"], ["b"]),
            node("ReduceMax", ["b", "axes"], ["r"], keepdims=0),
            node("Cast", ["r"], ["f"], to=TensorProto.FLOAT),
            node("Flatten", ["f"], ["z"]),
        ],
        {"zero": np.array(0.7, np.float32), "axes": ints(2)},
        4,
        _image(4, 3),
        opset=20,
    ),
    "an if": FrozenKind(
        [
            node("Abs", ["x"], ["a"]),
            node("ReduceMax", ["a"], ["m"], keepdims=0),
            node("Greater", ["m", "lowest"], ["c"]),
            node(
                "If",
                ["c"],
                ["z"],
                then_branch=_branch([node("Mul", ["x", "limit"], ["t"])], "t"),
                else_branch=_branch([node("Neg", ["x"], ["e"])], "e"),
            ),
        ],
        {"limit": np.array(0.3, np.float32), "lowest": np.array(-1, np.float32)},
        6,
    ),
    "an if of operator set 11 whose inner nodes have changed since": FrozenKind(
        [
            node("Abs", ["x"], ["a"]),
            node("ReduceMin", ["a"], ["m"], keepdims=0),
            node("Less", ["m", "limit"], ["c"]),
            node(
                "If",
                ["c"],
                ["r"],
                then_branch=_branch([node("ReduceSum", ["a"], ["t"], axes=[1], keepdims=1)], "t"),
                else_branch=_branch([node("ReduceMean", ["a"], ["e"], axes=[1], keepdims=1)], "e"),
            ),
            node("Add", ["x", "r"], ["z"]),
        ],
        {"limit": np.array(-1, np.float32)},
        6,
        opset=11,
    ),
    "a loop": FrozenKind(
        [node("Loop", ["times", "", "x"], ["z"], body=_loop_body())],
        {"times": np.array(3, np.int64), "shift": floats(6)},
        6,
    ),
    "a scan": FrozenKind(
        [
            node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
            node("ReduceMin", ["t", "first"], ["low"], keepdims=0),
            node("Scan", ["low", "t"], ["last", "all"], body=_scan_body(), num_scan_inputs=1),
            node("Identity", ["last"], ["z"]),
        ],
        {"first": ints(0)},
        4,
        _image(5, 4),
    ),
    "a dilated convolution with SAME_UPPER": FrozenKind(
        [node("Conv", ["x", "w"], ["c"], auto_pad="SAME_UPPER", dilations=[2, 1], strides=[1, 2]), node("Flatten", ["c"], ["z"])],
        {"w": floats(2, 2, 3, 3)},
        40,
        _image(2, 5, 7),
    ),
    "a dilated convolution with SAME_LOWER": FrozenKind(
        [node("Conv", ["x", "w"], ["c"], auto_pad="SAME_LOWER", dilations=[3]), node("Flatten", ["c"], ["z"])],
        {"w": floats(2, 2, 2)},
        18,
        _image(2, 9),
    ),
    "a constant output": FrozenKind(
        [node("Relu", ["x"], ["z"]), node("Abs", ["c"], ["k"])], {"c": floats(4)}, 6, extra_outputs=("k", "c")
    ),
    "Gemm with alpha and beta": FrozenKind(
        [node("Gemm", ["x", "w", "b"], ["a"], alpha=0.5, beta=-2.0), node("Relu", ["a"], ["z"])],
        {"w": floats(6, 5), "b": floats(5)},
        5,
    ),
    "two layers of one weight": FrozenKind(
        [node("Gemm", ["x", "w", "b"], ["a"]), node("Relu", ["a"], ["r"]), node("Gemm", ["r", "w", "b"], ["z"])],
        {"w": floats(6, 6), "b": floats(6)},
        6,
    ),
    "a dense layer at several positions": FrozenKind(
        [node("MatMul", ["x", "w"], ["a"]), node("Transpose", ["a"], ["t"], perm=[0, 2, 1]), *_pooled("t")],
        {"w": floats(4, 5)},
        5,
        _image(3, 4),
    ),
    "weights of half precision": FrozenKind(
        [
            node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
            node("Gemm", ["h", "w", "b"], ["a"]),
            node("Cast", ["a"], ["z"], to=TensorProto.FLOAT),
        ],
        {"w": floats(6, 5).astype(np.float16), "b": floats(5).astype(np.float16)},
        5,
    ),
    "token ids": FrozenKind(
        [node("Gather", ["table", "ids"], ["e"]), node("ReduceMean", ["e", "one"], ["z"], keepdims=0)],
        {"table": floats(10, 8), "one": ints(1)},
        8,
        {"ids": (TensorProto.INT64, (5,))},
    ),
    "one token id a sample, of 32 bits": FrozenKind(
        [node("Gather", ["table", "ids"], ["z"])], {"table": floats(10, 8)}, 8, {"ids": (TensorProto.INT32, ())}
    ),
    "an image of bytes": FrozenKind(
        [node("Cast", ["x"], ["f"], to=TensorProto.FLOAT), node("Div", ["f", "most"], ["d"]), *_pooled("d")],
        {"most": np.array(9, np.float32)},
        3,
        {"x": (TensorProto.UINT8, (3, 4, 4))},
    ),
    "an input of half precision": FrozenKind(
        [node("Relu", ["x"], ["r"]), node("Cast", ["r"], ["z"], to=TensorProto.FLOAT)], {}, 6, {"x": (TensorProto.FLOAT16, (6,))}
    ),
    "an input of double precision": FrozenKind(
        [node("Sqrt", ["a"], ["r"]), node("Abs", ["x"], ["a"]), node("Cast", ["r"], ["z"], to=TensorProto.FLOAT)],
        {},
        6,
        {"x": (TensorProto.DOUBLE, (6,))},
    ),
    "two inputs": FrozenKind(
        [node("Concat", ["x", "state"], ["z"], axis=1)],
        {},
        8,
        {"x": (TensorProto.FLOAT, (6,)), "state": (TensorProto.FLOAT, (2,))},
    ),
    "ids, a mask and a number": FrozenKind(
        [
            node("Gather", ["table", "ids"], ["e"]),
            node("Unsqueeze", ["mask", "two"], ["m"]),
            node("Where", ["m", "e", "zero"], ["kept"]),
            node("ReduceSum", ["kept", "one"], ["sum"], keepdims=0),
            node("Unsqueeze", ["scale", "one"], ["s"]),
            node("Mul", ["sum", "s"], ["z"]),
        ],
        {"table": floats(10, 8), "one": ints(1), "two": ints(2), "zero": np.array(0, np.float32)},
        8,
        {"ids": (TensorProto.INT64, (5,)), "mask": (TensorProto.BOOL, (5,)), "scale": (TensorProto.FLOAT, ())},
    ),
    "FusedConv": FrozenKind(
        [node("FusedConv", ["x", "w", "b"], ["c"], activation="Relu", strides=[2, 2], **_FUSED), *_pooled("c")],
        {"w": floats(4, 2, 3, 3), "b": floats(4)},
        4,
        _image(2, 6, 6),
        opset=17,
    ),
    "FusedGemm": FrozenKind(
        [node("FusedGemm", ["x", "w", "b"], ["z"], activation="Relu", transB=1, **_FUSED)], {"w": floats(5, 6), "b": floats(5)}, 5
    ),
    "FusedMatMul": FrozenKind(
        [node("FusedMatMul", ["x", "w"], ["a"], alpha=0.5, transA=1, **_FUSED), node("Flatten", ["a"], ["z"])],
        {"w": floats(3, 5)},
        20,
        _image(3, 4),
    ),
    "BiasGelu, FastGelu, QuickGelu and Gelu": FrozenKind(
        [
            node("BiasGelu", ["x", "b"], ["p"], **_FUSED),
            node("FastGelu", ["p", "b"], ["q"], **_FUSED),
            node("QuickGelu", ["q"], ["r"], alpha=1.7, **_FUSED),
            node("Gelu", ["r"], ["z"], **_FUSED),
        ],
        {"b": floats(6)},
        6,
    ),
    "SkipLayerNormalization": FrozenKind(
        [
            node("SkipLayerNormalization", ["x", "x", "g", "s", "b"], ["n", "", "", "sum"], **_FUSED),
            node("Add", ["n", "sum"], ["a"]),
            node("Flatten", ["a"], ["z"]),
        ],
        {"g": floats(4), "s": floats(4), "b": floats(4)},
        12,
        _image(3, 4),
    ),
    "LayerNormalization before operator set 17": FrozenKind(
        [node("Softmax", ["x"], ["p"]), node("LayerNormalization", ["p", "g", "s"], ["z"], axis=-1)],
        {"g": floats(6), "s": floats(6)},
        6,
        opset=12,
    ),
    "SimplifiedLayerNormalization": FrozenKind(
        [node("SimplifiedLayerNormalization", ["x", "g"], ["z"], axis=-1, epsilon=1e-5)], {"g": floats(6)}, 6, opset=13
    ),
    "a fused embedding, whose mask attention reads": FrozenKind(
        [
            node("EmbedLayerNormalization", ["ids", "", "words", "places", "", "g", "s", "mask"], ["e", "count"], **_FUSED),
            node("Attention", ["e", "w", "b", "count"], ["a"], num_heads=2, **_FUSED),
            node("Flatten", ["a"], ["z"]),
        ],
        {"words": floats(10, 4), "places": floats(5, 4), "g": floats(4), "s": floats(4), "w": floats(4, 12), "b": floats(12)},
        20,
        {"ids": (TensorProto.INT32, (5,)), "mask": (TensorProto.INT32, (5,))},
    ),
    "Attention and MultiHeadAttention": FrozenKind(
        [
            node("Attention", ["x", "w", "b"], ["a"], num_heads=2, **_FUSED),
            node("MultiHeadAttention", ["a", "x", "x"], ["m"], num_heads=2, **_FUSED),
            node("Flatten", ["m"], ["z"]),
        ],
        {"w": floats(4, 12), "b": floats(12)},
        12,
        _image(3, 4),
    ),
}
