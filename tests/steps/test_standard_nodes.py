"""Standard nodes of a step graph are valid ONNX as they are, and give the shapes that the step says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.profiles_for_tests import ALLOCATOR, ARENA
from tests.steps.step_graphs import contexts_of
from tests.steps.vjp_models import CASES, Insert, model_through
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.step import StepGraph, StepNode
from tinyfoa_rt.steps import StepChoice, assemble_step

# A value that is repeated along the axes that it has, and one that gets an axis.
REPEATED: dict[str, Insert] = {
    "Channels": lambda b, x: b.node("Add", (x, b.node("GlobalAveragePool", (x,))), "tested"),
    "Stacked": lambda b, x: b.node(
        "Transpose",
        (b.node("Add", (b.node("Flatten", (x,)), b.weight(4, 1, 288))),),
        "tested",
        perm=[1, 0, 2],
    ),
}


def model_of(step: StepGraph, node: StepNode) -> onnx.ModelProto:
    """A model of the one node, its constants inside, with the types that the step says."""
    infos = {
        name: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, step.tensors[name].type.shape)
        for name in (*node.inputs, *node.outputs)
        if name in step.tensors and name not in step.constants
    }
    constants = [numpy_helper.from_array(np.asarray(step.constants[n].read()), n) for n in node.inputs if n in step.constants]
    attributes: Any = {name: list(value) if isinstance(value, tuple) else value for name, value in node.attributes.items()}
    graph = helper.make_graph(
        [helper.make_node(node.op_type, node.inputs, node.outputs, domain=node.domain, **attributes)],
        "one",
        [infos[name] for name in dict.fromkeys(node.inputs) if name in infos],
        [infos[name] for name in node.outputs if name in infos],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", step.opset)], ir_version=9)


def check(step: StepGraph, node: StepNode) -> None:
    """Raises what onnx says of the node, or of shapes that are not those of its operator."""
    onnx.checker.check_model(model_of(step, node), full_check=True)


@pytest.mark.parametrize("profile", [ARENA, ALLOCATOR], ids=["arena", "allocator"])
@pytest.mark.parametrize("case", [*CASES, *REPEATED])
def test_onnx_takes_every_standard_node(tmp_path: Path, case: str, profile: Profile) -> None:
    graph = model_through(case, tmp_path, REPEATED)
    context = contexts_of(graph, profile, Recipe(binarize="weights", num_outputs=3))[0]
    step = assemble_step(context, StepChoice(Slices(1, 1), 2, holds_slice=False))
    nodes = [node for node in step.nodes if not node.domain]
    assert any(node.phase == "gradient" for node in nodes) or case not in ("Concat", "Pad", "Reshape", *REPEATED)
    for node in nodes:
        check(step, node)


def test_a_node_without_its_shape_is_noticed(tmp_path: Path) -> None:
    graph = model_through("Reshape", tmp_path)
    context = contexts_of(graph, ARENA, Recipe(binarize="weights", num_outputs=3))[0]
    step = assemble_step(context, StepChoice(Slices(1, 1), 2, holds_slice=False))
    node = next(node for node in step.nodes if node.op_type == "Reshape" and node.phase == "gradient")
    with pytest.raises(onnx.checker.ValidationError):
        check(step, StepNode(node.name, "Reshape", "", node.inputs[:1], node.outputs, "gradient"))
