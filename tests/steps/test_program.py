"""Programs: storage is shared only where nothing is lost. The oracle replays the schedule on tagged storage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.profiles_for_tests import ALLOCATOR, ARENA
from tests.small_models import conv_net, load_model, mlp, residual_net
from tests.steps.step_graphs import all_steps, step_of
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.program import Program
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.steps import StepChoice, to_program

VIEWS = {"Flatten", "Reshape", "Identity", "Dropout", "Squeeze", "Unsqueeze"}


def replay(step: StepGraph, program: Program) -> None:
    """Run the schedule on storage that remembers which tensor was written last; every read must find its own tensor."""
    storage_of = {name: b.buffer.name for b in program.buffers for name in b.tensors}
    lifetime = {b.buffer.name: b.buffer.lifetime for b in program.buffers}
    holds = {storage_of[name]: {name} for name in step.tensors if name in storage_of and is_given(step, name)}
    for time, node in enumerate(step.nodes):
        for name in filter(None, node.inputs):
            if name in storage_of:
                assert name in holds[storage_of[name]], f"{node.name} reads {name}, but its storage was written over"
                assert lifetime[storage_of[name]].start <= time < lifetime[storage_of[name]].end, f"{name} is not alive"
        for name in filter(None, node.outputs):
            if name in storage_of:
                before = holds.get(storage_of[name], set())
                holds[storage_of[name]] = {*before, name} if node.op_type in VIEWS else {name}
                assert lifetime[storage_of[name]].start <= time < lifetime[storage_of[name]].end


def is_given(step: StepGraph, name: str) -> bool:
    written = {output for node in step.nodes for output in node.outputs}
    return name not in written


def steps() -> Iterator[tuple[str, Recipe, tuple[int, int]]]:
    for binarize in ("both", "weights", "none"):
        for optimizer in ("sgd", "adam"):
            for grid in ((1, 1), (2, 2)):
                yield f"{binarize}-{optimizer}-{grid[0]}", Recipe(optimizer, "learned", binarize, num_outputs=3), grid


@pytest.mark.parametrize(("recipe", "grid"), [case[1:] for case in steps()], ids=[case[0] for case in steps()])
def test_no_read_finds_its_storage_written_over(tmp_path: Path, recipe: Recipe, grid: tuple[int, int]) -> None:
    for model in (mlp(), conv_net(), residual_net()):
        for step in all_steps(load_model(model, tmp_path), ARENA, recipe, grid):
            replay(step, to_program(step, ARENA))


def test_the_replay_notices_a_reuse_that_loses_a_value(tmp_path: Path) -> None:
    step = step_of(load_model(conv_net(), tmp_path), 0, ARENA, StepChoice(Slices(1, 1), 2, False))
    program = to_program(step, ARENA)
    pooled = next(b for b in program.buffers if "maxpool2_out#preactivation" in b.tensors)
    conv = next(b for b in program.buffers if "conv1_out" in b.tensors)
    joined = type(conv)(conv.buffer, conv.category, False, (*conv.tensors, *pooled.tensors))
    broken = Program(program.name, program.steps, tuple(joined if b is conv else b for b in program.buffers if b is not pooled))
    with pytest.raises(AssertionError, match="written over"):
        replay(step, broken)


def bytes_of(program: Program) -> dict[str, int]:
    return {b.buffer.name: b.buffer.nbytes for b in program.buffers if b.buffer.place == "ram"}


def test_bytes_of_a_dense_block_by_hand(tmp_path: Path) -> None:
    """fc1 of 8-16-12-4: 8 inputs, 16 units, 3 classes, batch 4, 2 x 2 slices."""
    choice = StepChoice(Slices(2, 2), 4, holds_slice=True)
    step = step_of(load_model(mlp(), tmp_path), 0, ARENA, choice)
    assert bytes_of(to_program(step, ARENA)) == {
        "input": 4 * 8 * 4,
        "#rate": 4,
        "#target": 4 * 4,
        "fc1#origin": 4 * 4,
        "fc1#w_slice": 8 * 4 * 4,
        "fc1#w_slice#bits": 8 * 4,  # 4 inputs fill one word a row
        "fc1#abs_sum_slice": 8 * 4,
        "fc1#bias_slice": 8 * 4,
        "relu1_out#scale": 4,
        "fc1_out": 4 * 16 * 4,
        "fc1_out#SignDense#scratch": 4 * (4 + 8 * 2),  # a sample's step, and 16 bits an input
        "relu1_out": 4 * 4,  # 16 bits fill one word a sample
        "relu1_out#window": 4 * 4,
        "#logits": 4 * 3 * 4,
        "#loss": 4,
        "relu1_out#grad": 4 * 8 * 4,
    }


def test_a_target_that_does_not_stream_holds_the_slice_gradient(tmp_path: Path) -> None:
    choice = StepChoice(Slices(2, 2), 4, holds_slice=True)
    graph = load_model(mlp(), tmp_path)
    held = bytes_of(to_program(step_of(graph, 0, ALLOCATOR, choice, optimizer="momentum"), ALLOCATOR))
    assert held["fc1#w_slice#grad"] == 8 * 4 * 4
    assert held["relu1_out"] == 4 * 16  # a byte an element
    assert held["#head"] == 3 * 16


def test_plain_sgd_never_holds_the_gradient(tmp_path: Path) -> None:
    choice = StepChoice(Slices(2, 2), 4, holds_slice=True)
    step = step_of(load_model(mlp(), tmp_path), 0, ALLOCATOR, choice)
    assert not any("fc1#w#grad" in name for name in step.tensors)


def test_streaming_keeps_what_the_gradient_is_computed_from(tmp_path: Path) -> None:
    step = step_of(load_model(mlp(), tmp_path), 0, ARENA, StepChoice(Slices(2, 2), 4, holds_slice=True))
    program = to_program(step, ARENA)
    last_update = max(time for time, node in enumerate(step.nodes) if node.op_type == "SgdUpdate")
    by_name = {b.buffer.name: b.buffer.lifetime for b in program.buffers}
    assert by_name["relu1_out#grad"].end == last_update + 1
    assert by_name["input"].end == last_update + 1


def test_updates_are_in_place(tmp_path: Path) -> None:
    step = step_of(load_model(mlp(), tmp_path), 0, ARENA, StepChoice(Slices(2, 2), 4, holds_slice=True), optimizer="adam")
    tensors_of = {b.buffer.name: b.tensors for b in to_program(step, ARENA).buffers}
    for name in ("fc1#w_slice", "fc1#w_slice#mean", "fc1#w_slice#step_count", "fc1#w_slice#bits", "fc1#abs_sum_slice"):
        assert tensors_of[name] == (name, f"{name}#next")
