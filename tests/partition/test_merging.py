"""Where blocks end: runs of one-layer parts become blocks, whose errors come back to all of their layers."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.profiles_for_tests import ALLOCATOR
from tests.random_models import random_models
from tests.small_models import ModelBuilder, conv_net, load_model, mlp, residual_net
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.block import Block, Partition, Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.options import options_of
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.partition import merge_parts, partition, select_blocks
from tinyfoa_rt.steps import StepChoice, assemble_step, block_contexts

FIVE = (8, 7, 6, 5, 4, 3)  # fc1 to fc5


def merged(graph: Graph, block_layers: str, train: str = "all") -> Partition:
    parts = partition(graph)
    return merge_parts(graph, parts, select_blocks(parts.blocks, train), block_layers)


def layers_of(blocks: Partition) -> list[str]:
    return ["+".join(layer.name for layer in block.layers) for block in blocks.blocks]


def branching_net() -> onnx.ModelProto:
    """A short branch and a deep one: deep1 has short beside it, and both are read by what joins them behind deep2."""
    builder = ModelBuilder((4, 6, 6))
    short = builder.conv("input", (4, 8), 1, name="short")
    deep = builder.conv(builder.node("Relu", (builder.conv("input", (4, 8), name="deep1"),)), (8, 8), name="deep2")
    x = builder.node("GlobalAveragePool", (builder.node("Concat", (short, deep), axis=1),))
    return builder.model(builder.dense(builder.node("Flatten", (x,)), 16, 3, "fc"))


@pytest.mark.parametrize(
    ("block_layers", "expected"),
    [
        ("1", ["fc1", "fc2", "fc3", "fc4", "fc5"]),
        ("2", ["fc1", "fc2+fc3", "fc4+fc5"]),
        ("3", ["fc1+fc2", "fc3+fc4+fc5"]),
        ("5", ["fc1+fc2+fc3+fc4+fc5"]),
        ("99", ["fc1+fc2+fc3+fc4+fc5"]),
        ("all", ["fc1+fc2+fc3+fc4+fc5"]),
        ("fc2", ["fc1+fc2", "fc3+fc4+fc5"]),
        ("fc4, fc1", ["fc1", "fc2+fc3+fc4", "fc5"]),
        ("fc5", ["fc1+fc2+fc3+fc4+fc5"]),
    ],
)
def test_blocks_of_a_chain(tmp_path: Path, block_layers: str, expected: list[str]) -> None:
    assert layers_of(merged(load_model(mlp(FIVE), tmp_path), block_layers)) == expected


@pytest.mark.parametrize(
    ("block_layers", "train", "expected"),
    [
        # Each run of trained layers is counted from its own end, and a frozen layer ends a block.
        ("2", "fc1,fc2,fc4,fc5", ["fc1+fc2", "fc3 stays", "fc4+fc5"]),
        ("2", "fc1,fc2,fc3,fc5", ["fc1", "fc2+fc3", "fc4 stays", "fc5"]),
        ("3", "last:2", ["fc1 stays", "fc2 stays", "fc3 stays", "fc4+fc5"]),
        # With all, errors pass it, and come from the model's own loss.
        ("all", "last:3", ["fc1 stays", "fc2 stays", "fc3+fc4+fc5"]),
        ("all", "fc2,fc4", ["fc1 stays", "fc2+(fc3)+fc4+(fc5)"]),
        # A name ends a block only if one is open.
        ("fc2", "fc2,fc4", ["fc1 stays", "fc2", "fc3 stays", "fc4+(fc5)"]),
        ("fc3", "fc2,fc4", ["fc1 stays", "fc2+(fc3)", "fc4+(fc5)"]),
    ],
)
def test_frozen_layers(tmp_path: Path, block_layers: str, train: str, expected: list[str]) -> None:
    graph = load_model(mlp(FIVE), tmp_path)
    trained = select_blocks(partition(graph).blocks, train)

    def described(block: Block) -> str:
        if block.name not in trained:
            return f"{block.name} stays"
        return "+".join(part.name if part.layers[0] in block.layers else f"({part.name})" for part in block.stages)

    assert [described(block) for block in merged(graph, block_layers, train).blocks] == expected


def test_a_block_takes_its_name_from_its_first_part_and_its_end_from_its_last(tmp_path: Path) -> None:
    graph = load_model(residual_net(), tmp_path)
    parts = partition(graph)
    first, whole = parts.blocks, merged(graph, "all").blocks[0]
    assert (whole.name, whole.output, whole.is_classifier) == ("left", "fc_out", True)
    assert whole.parts == first
    assert whole.nodes == tuple(node for part in first for node in part.nodes)
    assert (whole.inputs, whole.exports) == (("input",), ("fc_out",))
    _, last = merged(graph, "2").blocks
    assert (last.name, last.inputs, last.exports) == ("inner", (first[0].output,), ("fc_out",))


def test_a_value_that_is_another_output_of_the_model_is_exported(tmp_path: Path) -> None:
    builder = ModelBuilder((8,))
    first = builder.node("Relu", (builder.dense("input", 8, 6, "fc1"),))
    scores = builder.dense(builder.node("Relu", (builder.dense(first, 6, 5, "fc2"),)), 5, 4, "fc3")
    graph = builder.load(tmp_path, scores, first)
    (whole,) = merged(graph, "all").blocks
    assert whole.exports == (first, scores)
    assert [part.keeps_reals for part in whole.parts] == [True, False, False]


@pytest.mark.parametrize(
    ("block_layers", "expected"),
    [
        ("2", ["short", "deep1", "deep2+fc"]),  # short leads nowhere in a block that ends with deep1
        ("3", ["short", "deep1+deep2+fc"]),
        ("deep1", ["short", "deep1", "deep2+fc"]),
        ("short", ["short", "deep1+deep2+fc"]),
        ("all", ["short+deep1+deep2+fc"]),
    ],
)
def test_a_branch_that_leads_nowhere_in_its_block_is_one_of_its_own(
    tmp_path: Path, block_layers: str, expected: list[str]
) -> None:
    assert layers_of(merged(load_model(branching_net(), tmp_path), block_layers)) == expected


def test_layers_of_one_depth_stay_together(tmp_path: Path) -> None:
    graph = load_model(residual_net(), tmp_path)
    assert layers_of(merged(graph, "2")) == ["left+right", "inner+fc"]
    assert layers_of(merged(graph, "right")) == ["left+right", "inner+fc"]  # the second name of a part


@pytest.mark.parametrize(
    ("block_layers", "message"),
    [
        ("0", "--block-layers 0: is no number of layers; use 1 or more, all, or names of layers"),
        ("-1", "--block-layers -1: no block or layer has this name; use 1, K, all or names such as conv1, conv2, fc "),
        ("last:2", "--block-layers last:2: no block or layer has this name; use 1, K, all or names such as conv1, conv2, fc "),
        ("conv1,conv9", "--block-layers conv9: no block or layer has this name; use 1, K, all or names such as conv1, "),
    ],
)
def test_what_is_refused(tmp_path: Path, block_layers: str, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        merged(load_model(conv_net(), tmp_path), block_layers)
    assert str(refusal.value).startswith(message) and "\n" not in str(refusal.value)


@given(model=random_models(), count=st.integers(1, 4), data=st.data())
def test_blocks_of_any_model(tmp_path: Path, model: onnx.ModelProto, count: int, data: st.DataObject) -> None:
    """Nothing is lost, inputs are what is read from outside, none is too long, and a step moves all of its layers."""
    graph = load_model(model, tmp_path)
    parts = partition(graph)
    names = [part.name for part in parts.blocks]
    trained = set(data.draw(st.lists(st.sampled_from(names), min_size=1)))
    end = data.draw(st.sampled_from([str(count), "all", ",".join(data.draw(st.lists(st.sampled_from(names), min_size=1)))]))
    blocks = merge_parts(graph, parts, trained, end).blocks
    assert [part for block in blocks for part in block.stages] == list(parts.blocks)
    assert {layer.name for block in blocks if block.name in trained for layer in block.layers} == {
        layer.name for part in parts.blocks if part.name in trained for layer in part.layers
    }
    for block in blocks:
        made = {name for node in block.nodes for name in node.outputs}
        read = {name for node in block.nodes for name in node.inputs if graph.constant_at(name, 1) is None}
        assert {*block.inputs} == read - made
        assert {*block.exports} == made & {
            *graph.outputs, *(name for other in blocks if other is not block for name in other.inputs)
        }  # fmt: skip
        assert end != str(count) or len(block.stages) <= count
        assert len(block.stages) == 1 or block.stages[0].name in trained
    whole = [block for block in blocks if block.name in trained]
    for context in block_contexts(graph, whole, Recipe(num_outputs=6), ALLOCATOR):
        step = assemble_step(context, StepChoice(Slices(1, 1), 2, holds_slice=False))
        assert all(f"{layer.name}#w#next" in step.tensors for layer in context.block.layers)


def test_a_number_of_layers_may_be_a_number() -> None:
    assert options_of(block_layers=2).block_layers == "2"
