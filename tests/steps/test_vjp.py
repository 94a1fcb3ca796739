"""One gradient rule an operator: every listed operator is passed, with the shape of what it is the gradient of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.profiles_for_tests import ARENA
from tests.small_models import ModelBuilder
from tests.steps.step_graphs import contexts_of
from tests.steps.vjp_models import CASES, SHAPE, Insert, model_through
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.operators import STANDARD_OPERATORS
from tinyfoa_rt.steps import StepChoice, assemble_step, to_program


def step_through(case: str, folder: Path, slices: Slices) -> StepGraph:
    recipe = Recipe(binarize="weights", num_outputs=3)
    graph = model_through(case, folder)
    return assemble_step(contexts_of(graph, ARENA, recipe)[0], StepChoice(slices, 2, holds_slice=slices.count > 1))


def test_every_rule_is_tested() -> None:
    assert set(CASES) == {name for (_, name), row in STANDARD_OPERATORS.items() if row.vjp}


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
    step = assemble_step(contexts_of(graph, ARENA, recipe)[0], StepChoice(Slices(1, 1), 2, holds_slice=False))
    sums = [node for node in step.nodes if node.op_type == "Add" and node.phase == "gradient"]
    assert len(sums) == 1
    gradient = next(node for node in step.nodes if node.op_type == "DenseSliceGrad")
    assert gradient.inputs[0] == sums[0].outputs[0]


def test_a_term_that_is_there_twice_gets_its_gradient_twice(tmp_path: Path) -> None:
    step = step_through("Sum", tmp_path, Slices(1, 1))
    (total,) = (node for node in step.nodes if node.op_type == "Add" and node.phase == "gradient")
    assert total.inputs[0] == total.inputs[1]


COMPUTED = "is computed, not constant; but a trained block needs its gradient"
REFUSED: dict[str, tuple[Insert, str]] = {
    "two computed values": (lambda b, x: b.node("MatMul", (x, x), "tested"), f"its weight {COMPUTED}"),
    "a computed bias": (lambda b, x: b.node("Conv", (x, b.weight(8, 8, 1, 1), bias_of(b, x)), "tested"), f"its bias {COMPUTED}"),
    "an output that no window reaches": (
        lambda b, x: b.node(
            "ConvTranspose",
            (b.node("AveragePool", (x,), kernel_shape=[2, 2]), b.weight(8, 8, 1, 1)),
            "tested",
            output_shape=[6, 6],
        ),
        "its output goes on behind its last window; but a trained block needs its gradient",
    ),
    "a transposed input": (
        lambda b, x: b.node(
            "Gemm", (b.node("Transpose", (b.node("Flatten", (x,)),), perm=[1, 0]), b.weight(288, 288)), "tested", transA=1
        ),
        "its input is transposed (transA=1); but a trained block needs its gradient",
    ),
    "a matrix a channel": (
        lambda b, x: b.node("MatMul", (x, b.weight(8, 6, 6)), "tested"),
        "its weight has 3 dimensions; but a trained block needs its gradient, through 2",
    ),
}


def bias_of(b: ModelBuilder, x: str) -> str:
    return b.node("ReduceMean", (x, b.ints(0, 2, 3)), keepdims=0)


@pytest.mark.parametrize(("insert", "words"), REFUSED.values(), ids=REFUSED)
def test_products_that_no_gradient_passes_are_refused_by_name(tmp_path: Path, insert: Insert, words: str) -> None:
    graph = model_through("refused", tmp_path, {"refused": insert})
    context = contexts_of(graph, ARENA, Recipe(binarize="weights", num_outputs=3))[0]
    with pytest.raises(UnsupportedError, match=re.escape(f"node 'tested': {words}")):
        assemble_step(context, StepChoice(Slices(1, 1), 2, holds_slice=False))
