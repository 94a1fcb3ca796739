"""The verifier of steps and programs refuses what assembly could get wrong; each case breaks one thing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.small_models import load_model, mlp
from tests.steps.step_graphs import step_of
from tests.targets_for_tests import ARENA
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.buffer import Lifetime
from tinyfoa_rt.ir.program import Program
from tinyfoa_rt.ir.step import StepGraph, StepNode, StepTensor, TensorType
from tinyfoa_rt.ir.verify_step import StepFault, verify_program, verify_step
from tinyfoa_rt.steps import StepChoice, to_program


@pytest.fixture
def step(tmp_path: Path) -> StepGraph:
    return step_of(load_model(mlp(), tmp_path), 0, ARENA, StepChoice(Slices(2, 2), 4, holds_slice=True))


def with_tensor(step: StepGraph, name: str, tensor: StepTensor) -> StepGraph:
    return replace(step, tensors={**step.tensors, name: tensor})


def a_call(op_type: str, *inputs: str, **attributes: int) -> StepNode:
    return StepNode("cut", op_type, "", inputs, ("relu1_out#cut",), "gradient", attributes)


STEPS: dict[str, tuple[Callable[[StepGraph], StepGraph], str]] = {
    "order": (lambda s: replace(s, nodes=tuple(reversed(s.nodes))), "before it is there"),
    "twice": (lambda s: replace(s, nodes=(*s.nodes, replace(s.nodes[0], name="again"))), "which is there already"),
    "names": (lambda s: replace(s, nodes=(*s.nodes, s.nodes[0])), "two nodes have the name"),
    "given": (lambda s: replace(s, inputs=(*s.inputs, "relu1_out")), "computes what the step is given"),
    "untyped": (lambda s: replace(s, tensors={n: t for n, t in s.tensors.items() if n != "fc1_out"}), "type is not known"),
    "shapeless": (lambda s: replace(s, nodes=(*s.nodes, a_call("Reshape", "fc1_out"))), "cut is no Reshape of ONNX"),
    "bounds": (lambda s: replace(s, nodes=(*s.nodes, a_call("Slice", *["fc1_out"] * 3, axis=1))), "cut is no Slice of ONNX"),
    "output": (lambda s: replace(s, outputs=("nothing",)), "nothing computes its output"),
    "called": (lambda s: with_tensor(s, "other", s.tensors["fc1_out"]), "is called other"),
    "next": (
        lambda s: with_tensor(s, "fc1#w_slice#next", replace(s.tensors["fc1#w_slice#next"], type=TensorType("float32", (1,)))),
        "cannot take the place of fc1#w_slice",
    ),
}


@pytest.mark.parametrize("fault", STEPS)
def test_a_broken_step_is_refused(step: StepGraph, fault: str) -> None:
    damage, expected = STEPS[fault]
    verify_step(step)
    with pytest.raises(StepFault, match=expected):
        verify_step(damage(step))


def changed(program: Program, tensor: str, **fields: object) -> Program:
    """The program with another buffer for ``tensor``."""
    buffers = [
        replace(each, buffer=replace(each.buffer, **fields)) if tensor in each.tensors else each  # type: ignore[arg-type]
        for each in program.buffers
    ]
    return replace(program, buffers=tuple(buffers))


PROGRAMS: dict[str, tuple[Callable[[Program], Program], str]] = {
    "dropped": (
        lambda p: replace(p, buffers=tuple(each for each in p.buffers if "fc1_out" not in each.tensors)),
        "fc1_out has no storage",
    ),
    "small": (lambda p: changed(p, "fc1_out", nbytes=4), "fc1_out is larger than its storage"),
    "late": (lambda p: changed(p, "fc1_out", lifetime=Lifetime(1, 3)), "fc1_out is needed from 0"),
    "early": (lambda p: changed(p, "relu1_out#window", lifetime=Lifetime(1, 5)), "relu1_out#window is needed from 1 to 5"),
    "twice": (lambda p: replace(p, buffers=(*p.buffers, p.buffers[0])), "lies in two buffers"),
}


@pytest.mark.parametrize("fault", PROGRAMS)
def test_a_broken_program_is_refused(step: StepGraph, fault: str) -> None:
    damage, expected = PROGRAMS[fault]
    program = to_program(step, ARENA)
    verify_program(program, step, packs_bits=True)
    with pytest.raises(StepFault, match=expected):
        verify_program(damage(program), step, packs_bits=True)
