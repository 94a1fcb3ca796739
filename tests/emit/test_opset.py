"""The operator set of an emitted model: the lowest one in which its nodes mean what they do in the model, bodies included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.model.onnx_files import floats, make_model, node, save
from tests.profiles_for_tests import ALLOCATOR
from tests.small_models import conv_net, load_model
from tests.steps.step_graphs import step_of
from tinyfoa_rt.emit import emit_forward, emit_step, load_functions
from tinyfoa_rt.emit.bodies import VARIANTS
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.model import load
from tinyfoa_rt.operators import OPERATORS
from tinyfoa_rt.partition import partition
from tinyfoa_rt.steps import StepChoice, assemble_forward

# Operators of which a later version means something else by the same attributes; of Pad it is a mode that bodies do not name.
OTHER_MEANINGS = {"AveragePool", "GridSample", "GroupNormalization", "Resize"}
NEWEST = min(24, onnx.defs.onnx_opset_version())


def emitted(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    graph = load(save(model, folder))
    forward, _ = assemble_forward(graph, partition(graph), {}, ALLOCATOR, 1)
    return emit_forward(forward)


@pytest.mark.parametrize(
    ("nodes", "opset", "expected"),
    [
        ([node("Relu", ["x"], ["z"])], NEWEST, 18),
        ([node("Reshape", ["x", "shape"], ["z"])], NEWEST, 18),  # later versions take more types only
        ([node("Cast", ["x"], ["z"], to=1)], 21, 18),
        ([node("Cast", ["x"], ["z"], to=1, saturate=1)], NEWEST, 19),
        ([node("Gelu", ["x"], ["z"])], NEWEST, 20),
        ([node("Pad", ["x", "pads"], ["z"], mode="wrap")], 21, 19),
        ([node("Cast", ["x"], ["b"], to=9), node("ReduceMax", ["b"], ["r"]), node("Where", ["r", "x", "x"], ["z"])], 21, 20),
    ],
)
def test_it_is_as_low_as_the_nodes_allow(tmp_path: Path, nodes: list[onnx.NodeProto], opset: int, expected: int) -> None:
    tensors = {"w": floats(8, 3), "shape": np.array([-1, 8]), "pads": np.array([0, 0, 0, 0])}
    model = emitted(make_model([*nodes, node("MatMul", ["z", "w"], ["y"])], tensors, opsets={"": opset}), tmp_path)
    assert model.opset_import[0].version == expected
    assert all(entry.version == expected for function in model.functions for entry in function.opset_import if not entry.domain)
    onnx.checker.check_model(model, full_check=True)


def test_a_branch_counts_too(tmp_path: Path) -> None:
    """What is inside has no types here, so that only equal versions count: Neg has none after 13, Gelu none before 20."""
    for inner, expected in (("Neg", 18), ("Gelu", 20)):
        branch = onnx.helper.make_graph([node(inner, ["x"], ["r"])], "b", [], [onnx.helper.make_tensor_value_info("r", 1, None)])
        nodes = [
            node("ReduceSum", ["x"], ["s"], keepdims=0),
            node("Cast", ["s"], ["c"], to=onnx.TensorProto.BOOL),
            node("If", ["c"], ["z"], then_branch=branch, else_branch=branch),
            node("MatMul", ["z", "w"], ["y"]),
        ]
        model = emitted(make_model(nodes, {"w": floats(8, 3)}, opsets={"": 20}), tmp_path)
        assert model.opset_import[0].version == expected


def test_bodies_mean_the_same_in_all_later_operator_sets() -> None:
    """Each of their operators has one version from 18 on, or later ones with more types, or with attributes that no body has."""
    for variants in (frozenset[str](), *map(frozenset, ({each} for each in VARIANTS))):
        for function in load_functions(OPERATORS, variants=variants):
            for inner in (each for each in function.node if not each.domain):
                old, new = (onnx.defs.get_schema(inner.op_type, version) for version in (18, NEWEST))
                kept = {name: str(each.default_value) for name, each in new.attributes.items()}
                assert all(kept.get(name) == str(each.default_value) for name, each in old.attributes.items()), inner.op_type
                assert {attribute.name for attribute in inner.attribute} <= set(old.attributes), inner.op_type
                assert inner.op_type not in OTHER_MEANINGS or old.since_version == new.since_version, inner.op_type


def test_a_step_of_a_model_of_a_later_operator_set_is_that_of_18(tmp_path: Path) -> None:
    model = conv_net()
    old = emit_step(step_of(load_model(model, tmp_path), 0, ALLOCATOR, StepChoice(Slices(1, 1), 4, holds_slice=False)))
    model.opset_import[0].version = NEWEST
    new = emit_step(step_of(load_model(model, tmp_path), 0, ALLOCATOR, StepChoice(Slices(1, 1), 4, holds_slice=False)))
    assert new == old
