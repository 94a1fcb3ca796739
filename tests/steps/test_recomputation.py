"""Where activations are computed again: what is copied, what is kept, and that a copy never reads what has moved."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.emit.conv_models import conv_model
from tests.profiles_for_tests import ALLOCATOR, ARENA
from tests.small_models import ModelBuilder, load_model, mlp
from tests.steps.step_graphs import contexts_of
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.names import AGAIN, NEXT, split, successor
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.planner.segments import repeated_share, segments_of
from tinyfoa_rt.steps import BlockContext, StepChoice, assemble_step, to_program

FIVE = (30, 24, 20, 18, 16, 4)


def context_of(graph: Graph, profile: Profile, binarize: str = "none") -> BlockContext:
    recipe = Recipe(binarize=binarize, num_outputs=4)
    return contexts_of(graph, profile, recipe, "all")[0]


def step_of(graph: Graph, profile: Profile, segments: tuple[int, ...], binarize: str = "none") -> StepGraph:
    return assemble_step(context_of(graph, profile, binarize), StepChoice(Slices(1, 1), 4, False, segments=segments))


def copies(step: StepGraph) -> list[str]:
    return [node.name.removesuffix(f"#{AGAIN}") for node in step.nodes if split(node.name)[1] == AGAIN]


def straight() -> onnx.ModelProto:
    """What a layer gives is read by the update of the next alone, through a normalization behind the second."""
    builder = ModelBuilder((2, 6, 6))
    x = builder.conv(builder.conv("input", (2, 5), name="conv0"), (5, 6), name="conv1")
    ones = builder.vector(*[1.0] * 6)
    x = builder.node("BatchNormalization", (x, ones, builder.weight(6), builder.weight(6), ones), "norm")
    x = builder.conv(x, (6, 4), name="conv2")
    return builder.model(builder.dense(builder.node("Flatten", (x,)), 4 * 36, 4, "fc"))


@pytest.mark.parametrize("profile", [ARENA, ALLOCATOR], ids=["arena", "allocator"])
def test_what_gradients_read_in_front_of_the_last_cut_is_computed_again(tmp_path: Path, profile: Profile) -> None:
    """Of fc1-fc2 | fc3-fc4 | fc5: what fc2 and fc4 give enters another segment and is kept, and all of fc5 is."""
    graph = load_model(mlp(FIVE), tmp_path)
    assert copies(step_of(graph, profile, ())) == []
    step = step_of(graph, profile, (2, 4))
    assert copies(step) == ["fc3_out#RealDense", "relu5", "fc1_out#RealDense", "relu1"]
    (again,) = (node for node in step.nodes if node.outputs == ("relu5_out#again",))
    assert again.inputs == ("fc3_out#again",)
    (fc3,) = (node for node in step.nodes if node.outputs == ("fc3_out#again",))
    assert fc3.inputs[0] == "relu3_out"  # what entered the segment


def test_bits_and_windows_are_kept(tmp_path: Path) -> None:
    assert copies(step_of(load_model(mlp(FIVE), tmp_path), ARENA, (2, 4), "both")) == []


def test_statistics_follow_a_batch_once(tmp_path: Path) -> None:
    step = step_of(load_model(conv_model(), tmp_path), ARENA, (4,))
    followed = [node for node in step.nodes if node.op_type == "FollowedBatchNormalization"]
    (first,) = (node for node in step.nodes if node.outputs[0] == followed[0].outputs[0].removesuffix(f"#{AGAIN}"))
    assert first.op_type == "RunningBatchNormalization"
    assert followed[0].inputs[1:] == (*first.inputs[1:3], *map(successor, first.inputs[3:]))
    assert followed[0].attributes == {"epsilon": first.attributes["epsilon"]}


@pytest.mark.parametrize("make", [straight, conv_model, lambda: mlp(FIVE)], ids=["straight", "conv", "dense"])
def test_whatever_the_order_a_copy_is_computed_before_what_it_reads_moves(tmp_path: Path, make: type[onnx.ModelProto]) -> None:
    """onnxruntime knows only who reads what: the next value of a tensor must be computed from all copies that read the tensor."""
    step = step_of(load_model(make(), tmp_path), ALLOCATOR, (1, 3))
    maker = {name: node for node in step.nodes for name in node.outputs}
    checked = 0
    for name, tensor in step.tensors.items():
        before, waiting = set(), [name] if tensor.role == NEXT and maker[name].phase == "update" else []
        while waiting:
            node = maker.get(waiting.pop())
            if node is not None and node.name not in before:
                before.add(node.name)
                waiting += node.inputs
        for node in step.nodes if before else ():
            if split(node.name)[1] == AGAIN and tensor.next_of in node.inputs:
                assert node.name in before, (node.name, name)
                checked += 1
    assert checked >= 2


def test_an_arena_shrinks(tmp_path: Path) -> None:
    """Wide layers at a large batch: of four activations of 64 x 64 numbers, which are kept, one or two are computed again."""
    graph = load_model(mlp((8, 64, 64, 64, 64, 4)), tmp_path)

    def live(segments: tuple[int, ...]) -> int:
        choice = StepChoice(Slices(1, 1), 64, False, segments=segments)
        buffers = to_program(assemble_step(context_of(graph, ARENA), choice), ARENA).buffers
        transient = [each.buffer for each in buffers if not each.is_persistent and each.buffer.place == "ram"]
        return max(
            sum(b.nbytes for b in transient if b.lifetime.start <= time < b.lifetime.end)
            for time in range(max(b.lifetime.end for b in transient))
        )

    assert live(()) - live((2,)) == 4 * 64 * 64


def test_the_share_that_is_computed_twice_counts_multiply_accumulates(tmp_path: Path) -> None:
    graph = load_model(mlp(FIVE), tmp_path)
    context = context_of(graph, ARENA)
    share = repeated_share(context, step_of(graph, ARENA, (2, 4)))
    weights = [a * b for a, b in zip(FIVE, FIVE[1:])]
    assert share == pytest.approx((weights[0] + weights[2]) / sum(weights), rel=1e-12)


@pytest.mark.parametrize("recompute", ["never", "auto", "always"])
def test_cuts_that_are_tried_need_less_the_more_is_computed_twice(tmp_path: Path, recompute: str) -> None:
    graph = load_model(mlp((8, 64, 64, 64, 64, 64, 64, 4)), tmp_path)
    context, choice = context_of(graph, ALLOCATOR), StepChoice(Slices(1, 1), 64, False)
    found = segments_of(context, choice, recompute)
    shares = [repeated_share(context, step_of(graph, ARENA, cuts)) for cuts in found]
    assert shares == sorted(shares)
    assert (() in found) == (recompute != "always")
    assert (len(found) > 2) == (recompute != "never")
    assert all(list(cuts) == sorted({*cuts}) for cuts in found)
