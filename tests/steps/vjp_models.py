"""Models through which a gradient has to pass one operator after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx

from tests.small_models import ModelBuilder, load_model
from tinyfoa_rt.ir.graph import Graph

SHAPE = (8, 6, 6)
Insert = Callable[[ModelBuilder, str], str]


def unary(op_type: str, **attributes: object) -> Insert:
    return lambda b, x: b.node(op_type, (x,), "tested", **attributes)


def batch_normalization(b: ModelBuilder, x: str, size: int = 8) -> str:
    gain, shift, mean = (b.weight(size) for _ in range(3))
    return b.node("BatchNormalization", (x, gain, shift, mean, b.vector(*(1.0,) * size)), "tested")


def pad(b: ModelBuilder, x: str) -> str:
    return b.node("Pad", (x, b.ints(0, 0, 1, 1, 0, 0, 1, 1)), "tested")


def frozen(op_type: str, *shape: int, **attributes: Any) -> Insert:
    """A product twice, so that two read its weight and it is no layer."""

    def insert(b: ModelBuilder, x: str) -> str:
        weight = b.weight(*shape)
        x = b.node("Flatten", (x,)) if op_type == "Gemm" else x
        return b.node(op_type, (b.node(op_type, (x, weight), **attributes), weight), "tested", **attributes)

    return insert


CASES: dict[str, Insert] = {
    "Add": lambda b, x: b.node("Add", (x, "input"), "tested"),
    "AveragePool": unary("AveragePool", kernel_shape=[2, 2]),
    "BatchNormalization": batch_normalization,
    "Clip": lambda b, x: b.node("Clip", (x, b.scalar(-1.0), b.scalar(1.0)), "tested"),
    "Concat": lambda b, x: b.node("Concat", ("input", x), "tested", axis=1),
    "Conv": frozen("Conv", 8, 4, 2, 3, group=2, pads=[2, 0, 0, 2], dilations=[2, 1]),
    "ConvTranspose": frozen("ConvTranspose", 8, 4, 2, 3, group=2, pads=[2, 0, 0, 2], dilations=[2, 1]),
    "Div": lambda b, x: b.node("Div", (x, b.scalar(2.0)), "tested"),
    "Dropout": unary("Dropout"),
    "Flatten": unary("Flatten"),
    "Gemm": frozen("Gemm", 288, 288, alpha=0.5, transB=1),
    "GlobalAveragePool": unary("GlobalAveragePool"),
    "HardSigmoid": unary("HardSigmoid"),
    "HardSwish": unary("HardSwish"),
    "Identity": unary("Identity"),
    "LRN": unary("LRN", size=3),
    "LeakyRelu": unary("LeakyRelu"),
    "MatMul": frozen("MatMul", 6, 6),
    "MaxPool": unary("MaxPool", kernel_shape=[2, 2]),
    "Mul": lambda b, x: b.node("Mul", (x, b.weight(8, 1, 1)), "tested"),
    "Pad": pad,
    "ReduceMean": lambda b, x: b.node("ReduceMean", (x, b.ints(2, -1)), "tested", keepdims=0),
    "Relu": unary("Relu"),
    "Reshape": lambda b, x: b.node("Reshape", (x, b.ints(0, 4, 72)), "tested"),
    "Sigmoid": unary("Sigmoid"),
    "Softmax": unary("Softmax", axis=1),
    "Squeeze": lambda b, x: b.node("Squeeze", (b.node("GlobalAveragePool", (x,)), b.ints(2, 3)), "tested"),
    "Sub": lambda b, x: b.node("Sub", ("input", x), "tested"),
    "Sum": lambda b, x: b.node("Sum", (x, "input", x), "tested"),
    "Tanh": unary("Tanh"),
    "Transpose": unary("Transpose", perm=[0, 2, 3, 1]),
    "Unsqueeze": lambda b, x: b.node("Unsqueeze", (x, b.ints(1)), "tested"),
}


def step_model(case: str, more: Mapping[str, Insert] | None = None) -> onnx.ModelProto:
    """conv - case - Tanh - Flatten - classifier, so that a gradient has to pass the case."""
    builder = ModelBuilder(SHAPE)
    x = {**CASES, **(more or {})}[case](builder, builder.conv("input", (8, 8), name="conv"))
    x = builder.node("Flatten", (builder.node("Tanh", (x,), "behind"),))
    width = {
        "Concat": 576,
        "GlobalAveragePool": 8,
        "ReduceMean": 8,
        "Squeeze": 8,
        "Pad": 512,
        "AveragePool": 200,
        "Stacked": 1152,
        "MaxPool": 200,
    }.get(case, 288)
    return builder.model(builder.dense(x, width, 3, "fc"))


def model_through(case: str, folder: Path, more: Mapping[str, Insert] | None = None) -> Graph:
    return load_model(step_model(case, more), folder)
