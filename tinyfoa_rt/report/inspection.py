"""What ``tinyfoa-rt inspect`` shows: blocks with their layers, what their nodes are, and what cannot be trained and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.names import elide, elide_all
from tinyfoa_rt.partition import find_score, loss_candidates
from tinyfoa_rt.partition.layers import find_layers, untrainable_products
from tinyfoa_rt.planner.refusal import check_model, find_refusal
from tinyfoa_rt.planner.runnable import check_runnable
from tinyfoa_rt.planner.task import resolve_options
from tinyfoa_rt.steps import BlockContext
from tinyfoa_rt.terminal import print_parts

__all__ = ["BlockFinding", "inspect_blocks", "print_inspection"]


@dataclass(frozen=True)
class BlockFinding:
    """One block as inspection finds it; ``reason`` is why it cannot be trained, or ``None`` if it can."""

    block: Block
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    operators: tuple[str, ...]
    reason: str | None


def inspect_blocks(graph: Graph, loss_at: str | None = None) -> tuple[BlockFinding, ...]:
    """Return every block with the reason why it cannot be trained, if there is one.

    Args:
        graph: the model.
        loss_at: the value that the loss attaches at; ``None`` for the output that most layers are before.

    Raises:
        UnsupportedError: onnxruntime cannot run a node, or nothing can be learnt of the value.
    """
    if not find_layers(graph):
        return ()
    task = resolve_options(graph, PlanOptions(budget=1, loss_at=loss_at))
    check_runnable(task)
    return tuple(_finding(task.graph, context) for context in task.contexts)


def print_inspection(graph: Graph, console: Console | None = None, *, loss_at: str | None = None) -> None:
    """Print the blocks of a model as a table, and below it where its loss attaches and what cannot be trained and why."""
    findings = inspect_blocks(graph, loss_at)
    whole = () if not findings else _refused_whole(graph, loss_at)
    products = (f"not a trainable layer: {name}: {reason}" for name, reason in untrainable_products(graph).items())
    blocks = (f"cannot be trained: {finding.reason}" for finding in findings if finding.reason is not None)
    parts: tuple[RenderableType, ...] = (
        Text(_headline(graph, findings)),
        _table(findings) if findings else Text(_no_layer(graph)),
        *map(Text, _loss(graph, loss_at)),
        *map(Text, products),
        *map(Text, blocks),
        *map(Text, whole),
        *map(Text, _way_out(findings)),
    )
    print_parts(parts, console)


def _refused_whole(graph: Graph, loss_at: str | None) -> Iterator[str]:
    """Why the model cannot be trained, whichever block is."""
    try:
        check_model(resolve_options(graph, PlanOptions(budget=1, train="last:1", loss_at=loss_at)))
    except UnsupportedError as error:
        yield f"cannot be trained: {error}"


def _no_layer(graph: Graph) -> str:
    operators = " ".join(_counted(node.op_type for node in graph.nodes))
    return f"no layer can be trained (Gemm, MatMul or Conv with a constant weight); what is there: {operators or 'nothing'}"


def _loss(graph: Graph, loss_at: str | None) -> Iterator[str]:
    """Where the loss attaches, and where else it could."""
    score = find_score(graph, loss_at)
    if score is None:
        return
    owned = (
        f", before the {score.function} of '{elide(score.output)}', which belongs to a cross entropy" if score.function else ""
    )
    others = [elide(other.output) for other in loss_candidates(graph) if other.logits != score.logits]
    yield f"the loss attaches at '{elide(score.logits)}'{owned}"
    if others:
        yield f"other outputs that could learn, with --loss-at: {', '.join(others)}"


def _way_out(findings: tuple[BlockFinding, ...]) -> Iterator[str]:
    """What can be trained where not all can: the blocks behind the last that is refused."""
    refused = [index for index, finding in enumerate(findings) if finding.reason is not None]
    behind = len(findings) - 1 - refused[-1] if refused else 0
    if behind:
        yield f"--train last:{behind} trains what is behind; what is before stays frozen"


def _counted(operators: Iterable[str]) -> tuple[str, ...]:
    return tuple(name if count == 1 else f"{count}x{name}" for name, count in Counter(operators).items())


def _headline(graph: Graph, findings: tuple[BlockFinding, ...]) -> str:
    inputs = ", ".join(f"{name} {_shape(graph.shape(name))}" for name in graph.inputs)
    outputs = ", ".join(f"{name} {_shape(graph.shape(name))}" for name in graph.outputs)
    parameters = sum(finding.block.parameters for finding in findings)
    return f"{graph.name}: opset {graph.opset}, {inputs} -> {outputs}, {len(findings)} blocks, {parameters:,} parameters"


def _table(findings: tuple[BlockFinding, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("block", "depth", "input", "output", "operators", "parameters", "trains"):
        table.add_column(title, no_wrap=True, justify="right" if title in ("depth", "parameters") else "left")
    names = elide_all([finding.block.name for finding in findings], 24)
    for name, finding in zip(names, findings):
        block = finding.block
        shapes = (_shape(shape) for shape in finding.shapes)
        operators = elide(" ".join(finding.operators), 26)
        trains = "yes" if finding.reason is None else "no"
        cells = (name, str(block.depth), *shapes, operators, f"{block.parameters:,}", trains)
        table.add_row(*map(Text, cells))
    return table


def _finding(graph: Graph, context: BlockContext) -> BlockFinding:
    block = context.block
    operators = _counted(node.op_type for node in block.nodes)
    shapes = (graph.shape(block.layers[0].input), graph.shape(block.output))
    refusal = find_refusal(context)
    return BlockFinding(block, shapes, operators, None if refusal is None else f"{refusal.place}: {refusal.problem}")


def _shape(shape: tuple[int, ...]) -> str:
    """A shape without its batch."""
    return "x".join(str(length) for length in shape[1:]) or "1"
