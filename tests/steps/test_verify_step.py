"""The verifier of steps and programs refuses what assembly could get wrong; each case breaks one thing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.profiles_for_tests import ARENA
from tests.small_models import load_model, mlp
from tests.steps.step_graphs import step_of
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.buffer import Lifetime
from tinyfoa_rt.ir.graph import Constant
from tinyfoa_rt.ir.program import Program
from tinyfoa_rt.ir.step import StepGraph, StepNode, StepTensor, TensorType
from tinyfoa_rt.ir.verify_program import verify_program
from tinyfoa_rt.ir.verify_step import StepFault, verify_step
from tinyfoa_rt.steps import StepChoice, to_program


@pytest.fixture
def step(tmp_path: Path) -> StepGraph:
    return step_of(load_model(mlp(), tmp_path), 0, ARENA, StepChoice(Slices(2, 2), 4, holds_slice=True))


def with_tensor(step: StepGraph, name: str, tensor: StepTensor) -> StepGraph:
    return replace(step, tensors={**step.tensors, name: tensor})


def a_call(op_type: str, *inputs: str, **attributes: int) -> StepNode:
    return StepNode("cut", op_type, "", inputs, ("relu1_out#cut",), "gradient", attributes)


def with_fields(step: StepGraph, name: str, **fields: object) -> StepGraph:
    """The step with another tensor of that name."""
    return with_tensor(step, name, replace(step.tensors[name], **fields))  # type: ignore[arg-type]


def with_node(step: StepGraph, op_type: str, reads: str, writes: str, place: int) -> StepGraph:
    node = StepNode("more", op_type, "", (reads,), (writes,), "forward")
    return replace(step, nodes=(*step.nodes[:place], node, *step.nodes[place:]))


def with_view(step: StepGraph, shape: tuple[int, ...]) -> StepGraph:
    """The step with another view of 4 x 16 numbers."""
    more = with_tensor(step, "view", StepTensor("view", TensorType("float32", shape), "activation"))
    return with_node(more, "Flatten", "fc1_out", "view", 1)


def with_constant(step: StepGraph, key: str, name: str, shape: tuple[int, ...]) -> StepGraph:
    return replace(step, constants={key: Constant(name, "float32", shape, lambda: np.zeros(shape))})


STEPS: dict[str, tuple[Callable[[StepGraph], StepGraph], str]] = {
    "order": (lambda s: replace(s, nodes=tuple(reversed(s.nodes))), "before it is there"),
    "twice": (
        lambda s: replace(s, nodes=(s.nodes[0], replace(s.nodes[0], name="again"), *s.nodes[1:])),
        "which is there already",
    ),
    "names": (lambda s: replace(s, nodes=(*s.nodes, s.nodes[0])), "two nodes have the name"),
    "inputs": (lambda s: replace(s, inputs=("input", "input")), "two inputs have the name input"),
    "outputs": (lambda s: replace(s, outputs=("#loss", "#loss")), "two outputs have the name #loss"),
    "given": (lambda s: replace(s, inputs=(*s.inputs, "relu1_out")), "computes what the step is given"),
    "untyped": (lambda s: replace(s, tensors={n: t for n, t in s.tensors.items() if n != "fc1_out"}), "type is not known"),
    "shapeless": (lambda s: replace(s, nodes=(*s.nodes, a_call("Reshape", "fc1_out"))), "cut is no Reshape of ONNX"),
    "attribute": (lambda s: replace(s, nodes=(*s.nodes, a_call("Neg", "fc1_out", axis=1))), "cut is no Neg of ONNX"),
    "bounds": (lambda s: replace(s, nodes=(*s.nodes, a_call("Slice", *["fc1_out"] * 3, axis=1))), "cut is no Slice of ONNX"),
    "untyped input": (lambda s: replace(s, inputs=(*s.inputs, "more")), "the input more has no type"),
    "kept input": (lambda s: with_fields(s, "input", is_persistent=True), "the input input has no type, or is kept"),
    "output": (lambda s: replace(s, outputs=("nothing",)), "nothing computes its output"),
    "called": (lambda s: with_tensor(s, "other", s.tensors["fc1_out"]), "is called other"),
    "without a role": (lambda s: with_tensor(s, "a#", StepTensor("a#", TensorType("float32", ()), "state")), "is called a#"),
    "empty": (lambda s: with_fields(s, "fc1_out", type=TensorType("float32", (4, 0))), "fc1_out has the shape"),
    "gradient": (lambda s: with_fields(s, "#logits#grad", type=TensorType("float16", (4, 3))), "#logits#grad holds float16"),
    "constant's name": (lambda s: with_constant(s, "axes", "other", (1,)), "is called axes"),
    "constant's shape": (lambda s: with_constant(s, "fc1#bias", "fc1#bias", (3,)), "has the shape"),
    "next": (
        lambda s: with_fields(s, "fc1#w_slice#next", type=TensorType("float32", (1,))),
        "cannot take the place of fc1#w_slice",
    ),
    "next elsewhere": (lambda s: with_fields(s, "fc1#w_slice#next", place="nonvolatile"), "cannot take the place of fc1#w_slice"),
    "next of another size": (
        lambda s: with_fields(s, "fc1#w_slice#next", depends_on_slice=True),
        "cannot take the place of fc1#w_slice",
    ),
    "next of nothing": (
        lambda s: with_tensor(s, "lost#next", StepTensor("lost#next", TensorType("float32", ()), "state")),
        "cannot take the place of lost",
    ),
    "next of what is not kept": (
        lambda s: with_tensor(s, "fc1_out#next", replace(s.tensors["fc1_out"], name="fc1_out#next")),
        "cannot take the place of fc1_out",
    ),
    "no next": (lambda s: replace(s, nodes=s.nodes[:-1]), "nothing computes fc1#w_slice#bits#next"),
    "overwritten": (lambda s: with_node(s, "Relu", "input", "fc1#bias_slice", 0), "overwrites fc1#bias_slice"),
    "read behind": (lambda s: with_node(s, "Relu", "fc1#bias_slice", "", 10), "behind its next value"),
    "nothing": (lambda s: with_node(s, "Relu", "input", "", 0), "computes nothing"),
    "view": (lambda s: with_view(s, (4, 15)), "makes float32 .4, 15. of float32 .4, 16."),
    "view of another type": (
        lambda s: with_fields(with_view(s, (8, 8)), "view", type=TensorType("int32", (8, 8))),
        "makes int32",
    ),
}


@pytest.mark.parametrize("fault", STEPS)
def test_a_broken_step_is_refused(step: StepGraph, fault: str) -> None:
    damage, expected = STEPS[fault]
    verify_step(step)
    verify_step(with_view(step, (8, 8)))
    with pytest.raises(StepFault, match=expected):
        verify_step(damage(step))


def test_operators_of_other_domains_are_not_held_to_those_of_onnx(step: StepGraph) -> None:
    """Neither to their attributes nor to their shapes."""
    more = with_tensor(step, "view", StepTensor("view", TensorType("float32", (4, 15)), "activation"))
    node = StepNode("more", "Reshape", "tinyfoa", ("fc1_out",), ("view",), "forward", {"axis": 1})
    verify_step(replace(more, nodes=(step.nodes[0], node, *step.nodes[1:])))


def changed(program: Program, tensor: str, **fields: object) -> Program:
    """The program with another buffer for ``tensor``."""
    buffers = [
        replace(each, buffer=replace(each.buffer, **fields)) if tensor in each.tensors else each  # type: ignore[arg-type]
        for each in program.buffers
    ]
    return replace(program, buffers=tuple(buffers))


def joined(program: Program, tensor: str, onto: str) -> Program:
    """The program with ``tensor`` in the storage of ``onto``, which is large enough and lives long enough for both."""
    buffers = []
    for each in program.buffers:
        if onto in each.tensors:
            buffer = replace(each.buffer, nbytes=4096, lifetime=Lifetime(0, len(program.steps)))
            buffers.append(replace(each, buffer=buffer, tensors=(*each.tensors, tensor)))
        elif tensor not in each.tensors:
            buffers.append(each)
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
    "steps": (lambda p: replace(p, steps=p.steps[::-1]), "are not the nodes"),
    "elsewhere": (lambda p: changed(p, "fc1_out", place="nonvolatile"), "fc1_out is larger than its storage, or lies elsewhere"),
    "one name": (lambda p: changed(p, "fc1_out", name="input"), "two buffers have the name input"),
    "too long": (lambda p: changed(p, "fc1_out", lifetime=Lifetime(0, 11)), "fc1_out lives .* in 10 steps"),
    "before": (lambda p: changed(p, "fc1_out", lifetime=Lifetime(-1, 2)), "fc1_out lives .* in 10 steps"),
    "not kept": (lambda p: changed(p, "fc1#bias", lifetime=Lifetime(0, 9)), "fc1#bias is kept, but lives"),
    "not persistent": (
        lambda p: replace(p, buffers=tuple(replace(b, is_persistent=False) for b in p.buffers)),
        "is needed from 0",
    ),
    "no longer there for a gradient that is streamed": (
        lambda p: changed(p, "relu1_out#preactivation#grad", lifetime=Lifetime(4, 8)),
        "relu1_out#preactivation#grad is needed from 5 to 8",
    ),
    "over what is still read": (lambda p: joined(p, "#logits", "relu1_out#window"), "#logits overwrites relu1_out#window"),
    "over what a streamed gradient is computed from": (lambda p: joined(p, "fc1#w_slice#grad", "relu1_out#grad"), "overwrites"),
    "over an input": (lambda p: joined(p, "#loss", "#target"), "#loss overwrites #target"),
    "over a next value": (lambda p: joined(p, "#loss", "relu1_out#scale"), "#loss overwrites relu1_out#scale#next"),
    "over another that is kept": (lambda p: joined(p, "#rate", "#target"), "#rate overwrites #target"),
}


@pytest.mark.parametrize("fault", PROGRAMS)
def test_a_broken_program_is_refused(step: StepGraph, fault: str) -> None:
    damage, expected = PROGRAMS[fault]
    program = to_program(step, ARENA)
    verify_program(program, step, packs_bits=True)
    with pytest.raises(StepFault, match=expected):
        verify_program(damage(program), step, packs_bits=True)
