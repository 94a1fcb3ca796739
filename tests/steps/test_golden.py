"""Step graphs and their programs as text, compared with files: a change of any operator, order or byte shows as a diff."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from tests.golden_files import check_golden
from tests.profiles_for_tests import ARENA
from tests.small_models import conv_net, load_model, mlp, residual_net
from tests.steps.step_graphs import step_of
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.program import Program
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.steps import StepChoice, to_program

FOLDER = Path(__file__).parent / "golden"
CASES: dict[str, tuple[Callable[[], onnx.ModelProto], int, Profile]] = {
    "mlp-first-block": (mlp, 0, ARENA),
    "mlp-classifier": (mlp, 2, ARENA),
    "conv-first-block": (conv_net, 0, ARENA),
    "residual-second-block": (residual_net, 1, ARENA),
}


def as_text(step: StepGraph, program: Program) -> str:
    """One line a node and one a buffer."""
    lines = []
    for time, node in enumerate(step.nodes):
        outputs = ", ".join(
            f"{name} {step.tensors[name].type.dtype}{list(step.tensors[name].type.shape)}" for name in node.outputs
        )
        inputs = ", ".join(name or "-" for name in node.inputs)
        lines.append(f"{time:2} {node.phase:8} {outputs} = {node.op_type}({inputs})")
    for each in program.buffers:
        buffer = each.buffer
        shared = f"  holds {', '.join(each.tensors)}" if len(each.tensors) > 1 else ""
        kept = "kept" if each.is_persistent else "    "
        span = f"[{buffer.lifetime.start}, {buffer.lifetime.end})"
        lines.append(f"{buffer.nbytes:6} {buffer.place:11} {kept} {span:8} {each.category:10} {buffer.name}{shared}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_step_graph(tmp_path: Path, case: str) -> None:
    model, index, target = CASES[case]
    step = step_of(load_model(model(), tmp_path), index, target, StepChoice(Slices(2, 2), 4, holds_slice=True))
    check_golden(FOLDER / f"{case}.txt", as_text(step, to_program(step, target)))
