"""What the installed onnxruntime cannot run is refused by ``plan``, not by a session of the trainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.model.onnx_files import floats, make_model, node, save
from tests.small_models import load_model, mlp
from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.report.inspection import print_inspection
from tinyfoa_rt.run import Trainer


def unknown_operator() -> onnx.ModelProto:
    """An operator of a domain that only its author's onnxruntime knows, its type declared."""
    nodes = [node("Swirl", ["x"], ["z"], name="swirl", domain="com.example"), node("MatMul", ["z", "w"], ["y"])]
    model = make_model(nodes, {"w": floats(8, 3)}, opsets={"": 18, "com.example": 1})
    model.graph.value_info.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 8]))
    return model


def operator_without_a_kernel() -> onnx.ModelProto:
    """Complex numbers: a standard operator that onnxruntime has for no such type."""
    nodes = [
        node("Cast", ["x"], ["d"], to=TensorProto.BFLOAT16),
        node("Cos", ["d"], ["c"], name="swirl"),
        node("Cast", ["c"], ["z"], to=TensorProto.FLOAT),
        node("MatMul", ["z", "w"], ["y"]),
    ]
    return make_model(nodes, {"w": floats(8, 3)}, opsets={"": 22})


@pytest.mark.parametrize("make", [unknown_operator, operator_without_a_kernel])
def test_a_frozen_node_that_cannot_run_is_refused_by_name(tmp_path: Path, make: object) -> None:
    graph = load(save(make(), tmp_path))  # type: ignore[operator]
    with pytest.raises(UnsupportedError, match=r"node 'swirl' \(\w+\): cannot run on onnxruntime \(.+\); install a newer"):
        plan(graph, "1MB", train="last:1")
    with pytest.raises(UnsupportedError, match="node 'swirl'"):
        print_inspection(graph)


def test_a_plan_of_plain_nodes_does_not_wait_for_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyfoa_rt.planner.runnable._refusal", lambda model: pytest.fail("asked"))
    nodes = [node("Relu", ["x"], ["r"]), node("Reshape", ["r", "shape"], ["z"]), node("MatMul", ["z", "w"], ["y"])]
    graph = load(save(make_model(nodes, {"w": floats(8, 3), "shape": np.array([-1, 8])}), tmp_path))
    assert plan(graph, "1MB").feasible


def test_without_nonvolatile_memory_onnxruntime_trains_whole_layers(tmp_path: Path) -> None:
    """Updates there are of whole tensors: a slice of one that lies in RAM was refused when it ran."""
    graph = load_model(mlp(), tmp_path)
    with pytest.raises(UsageError, match="--slices 2x2, --nonvolatile none: leaves the slices that are not active no place"):
        plan(graph, "1MB", nonvolatile="none", slices="2x2")
    least = plan(graph, 1, nonvolatile="none").floor_bytes
    planned = plan(graph, least, nonvolatile="none")
    assert planned.feasible and {block.slices for block in planned.blocks} == {(1, 1)}
    trainer = Trainer(build(graph, planned), threads=1)
    before = {name: array.copy() for name, array in trainer.state.arrays().items()}
    trainer.fit(np.ones((4, 8), np.float32), np.zeros(4, np.int64), normalization=None, epochs=1)
    assert not np.array_equal(trainer.state.arrays()["fc1#weight"], before["fc1#weight"])
    assert plan(graph, "1MB", nonvolatile="none", slices="2x2", target="c99").blocks[0].slices == (2, 2)
