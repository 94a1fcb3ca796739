"""One gradient rule an operator: every listed operator is passed, with the shape of what it is the gradient of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import onnx
import pytest

from tests.small_models import ModelBuilder, load_model
from tests.steps.step_graphs import settings_of
from tests.targets_for_tests import ARENA
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.steps import StepChoice, assemble_step, to_program
from tinyfoa_rt.steps.vjp import VJP_RULES

SHAPE = (8, 6, 6)
Insert = Callable[[ModelBuilder, str], str]


def unary(op_type: str, **attributes: object) -> Insert:
    return lambda b, x: b.node(op_type, (x,), "tested", **attributes)


def batch_normalization(b: ModelBuilder, x: str, size: int = 8) -> str:
    gain, shift, mean = (b.weight(size) for _ in range(3))
    return b.node("BatchNormalization", (x, gain, shift, mean, b.vector(*(1.0,) * size)), "tested")


def pad(b: ModelBuilder, x: str) -> str:
    return b.node("Pad", (x, b.ints(0, 0, 1, 1, 0, 0, 1, 1)), "tested")


CASES: dict[str, Insert] = {
    "Add": lambda b, x: b.node("Add", (x, "input"), "tested"),
    "AveragePool": unary("AveragePool", kernel_shape=[2, 2]),
    "BatchNormalization": batch_normalization,
    "Clip": lambda b, x: b.node("Clip", (x, b.scalar(-1.0), b.scalar(1.0)), "tested"),
    "Concat": lambda b, x: b.node("Concat", ("input", x), "tested", axis=1),
    "Div": lambda b, x: b.node("Div", (x, b.scalar(2.0)), "tested"),
    "Dropout": unary("Dropout"),
    "Flatten": unary("Flatten"),
    "GlobalAveragePool": unary("GlobalAveragePool"),
    "HardSigmoid": unary("HardSigmoid"),
    "HardSwish": unary("HardSwish"),
    "Identity": unary("Identity"),
    "LRN": unary("LRN", size=3),
    "LeakyRelu": unary("LeakyRelu"),
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
        "MaxPool": 200,
    }.get(case, 288)
    return builder.model(builder.dense(x, width, 3, "fc"))


def model_through(case: str, folder: Path, more: Mapping[str, Insert] | None = None) -> Graph:
    return load_model(step_model(case, more), folder)


def step_through(case: str, folder: Path, slices: Slices) -> StepGraph:
    recipe = Recipe(binarize="weights", num_outputs=3)
    graph = model_through(case, folder)
    return assemble_step(settings_of(graph, ARENA, recipe)[0], StepChoice(slices, 2, holds_slice=slices.count > 1))


def test_every_rule_is_tested() -> None:
    assert set(CASES) == set(VJP_RULES)


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_of_all_channels_has_the_shape_of_the_value(tmp_path: Path, case: str) -> None:
    step = step_through(case, tmp_path, Slices(1, 1))
    update = next(node for node in step.nodes if node.op_type == "ConvSliceGrad")
    assert step.tensors[update.inputs[0]].type.shape == (2, *SHAPE)
    to_program(step, ARENA)


KEEPS_CHANNELS = {
    *("Add", "AveragePool", "BatchNormalization", "Clip", "Div", "Dropout", "Flatten", "GlobalAveragePool", "HardSigmoid"),
    *("HardSwish", "Identity", "LeakyRelu", "MaxPool", "Mul", "ReduceMean", "Relu", "Sigmoid", "Squeeze", "Sub", "Sum", "Tanh"),
}


@pytest.mark.parametrize("case", CASES)
def test_channels_that_stay_apart_are_computed_for_the_active_slice_only(tmp_path: Path, case: str) -> None:
    step = step_through(case, tmp_path, Slices(1, 4))
    update = next(node for node in step.nodes if node.op_type == "ConvSliceGrad")
    channels = step.tensors[update.inputs[0]].type.shape[1]
    assert channels == (2 if case in KEEPS_CHANNELS else 8)


def test_a_value_that_is_read_twice_gets_the_sum_of_its_gradients(tmp_path: Path) -> None:
    builder = ModelBuilder((8,))
    z = builder.dense("input", 8, 8, "fc1")
    both = builder.node("Add", (builder.node("Sigmoid", (z,)), builder.node("Tanh", (z,))))
    graph = builder.load(tmp_path, builder.dense(both, 8, 3, "fc2"))
    recipe = Recipe(binarize="none", num_outputs=3)
    step = assemble_step(settings_of(graph, ARENA, recipe)[0], StepChoice(Slices(1, 1), 2, holds_slice=False))
    sums = [node for node in step.nodes if node.op_type == "Add" and node.phase == "gradient"]
    assert len(sums) == 1
    gradient = next(node for node in step.nodes if node.op_type == "DenseSliceGrad")
    assert gradient.inputs[0] == sums[0].outputs[0]


def test_a_term_that_is_there_twice_gets_its_gradient_twice(tmp_path: Path) -> None:
    step = step_through("Sum", tmp_path, Slices(1, 1))
    (total,) = (node for node in step.nodes if node.op_type == "Add" and node.phase == "gradient")
    assert total.inputs[0] == total.inputs[1]
