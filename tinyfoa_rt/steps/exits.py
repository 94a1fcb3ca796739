"""Exits: the forward pass from the model's inputs to a hidden block, which predicts by its own head.

inputs -> stem -> blocks -> the block -> its head -> what stands behind the model's scores -> output
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.block import Partition
from tinyfoa_rt.ir.graph import Graph, Node
from tinyfoa_rt.ir.names import kept_by, own, scale_of
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.step import StepGraph, TensorType
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.builder import StepBuilder
from tinyfoa_rt.steps.forward import ForwardPass, run_all, run_blocks
from tinyfoa_rt.steps.methods import method_of

__all__ = ["assemble_exit"]


def assemble_exit(
    parts: Partition, trained: Mapping[str, Recipe], context: BlockContext, score: str, output: str = ""
) -> tuple[StepGraph, Mapping[str, int]] | None:
    """Assemble the forward pass that ends at the block of ``context``; ``None`` where the block does not predict by itself.

    Args:
        parts: the model's blocks.
        trained: the recipe of each trained block, by name.
        context: of the block.
        score: the value of the model that the block's scores take the place of.
        output: the model's output to end with; by default it ends with the scores.

    Returns:
        The step graph, and for each block's name the step at which its forward pass begins.

    Raises:
        UnsupportedError: the model's output is computed from more than its scores.
    """
    block, method = context.block, method_of(context.recipe.method)
    if block.is_classifier:
        return None
    builder = StepBuilder(context.graph, context.profile, 1)
    for each in method.kept(context):
        builder.tensor(
            kept_by(block.name, each.name), each.type, each.category, place=builder.parameter_place, is_persistent=True
        )
    forward, starts = run_blocks(builder, parts, trained, block.name)
    if block.output in forward.binary:  # what a head sees is scaled, whatever the next block reads
        scale = scale_of(block.output)
        if not builder.has(scale):
            builder.tensor(scale, TensorType("float32", ()), "weight", place=builder.parameter_place, is_persistent=True)
        forward.binary[block.output] = scale
    wanted = builder.value_type(score)
    is_flat = wanted.shape == (builder.batch, context.recipe.num_outputs)
    scores = method.predict(context, forward, score if is_flat else own(score, "flat"), block.name)
    if not scores:
        return None
    if not is_flat:
        shape = builder.integers(own(score, "shape"), (0, *wanted.shape[1:]))  # 0: as many samples as there are
        builder.standard("Reshape", (scores, shape), (score, wanted))
    if output:
        run_all(ForwardPass(builder, Recipe(binarize="none"), {}), _behind(context.graph, parts, score, output))
    return builder.finish(f"to the head of {block.name}", (output or score,)), starts


def _behind(graph: Graph, parts: Partition, score: str, output: str) -> Sequence[Node]:
    """The nodes that compute the model's output from its scores, such as Softmax."""
    known, found = {score}, []
    for node in (*parts.blocks[-1].nodes, *parts.behind):
        reads = [name for name in node.inputs if name and graph.constant_at(name, 1) is None]
        if reads and known.issuperset(reads):
            found.append(node)
            known.update(node.outputs)
    if output not in known:
        problem = f"is not computed from the scores '{score}' alone, which a block's head takes the place of"
        raise UnsupportedError(f"output '{output}'", problem, "leave out --validation, --stop best and --exits")
    return found
