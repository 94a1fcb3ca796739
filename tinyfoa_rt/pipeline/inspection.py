"""What ``tinyfoa-rt inspect`` shows: blocks with their layers, what their nodes are, and what cannot be trained and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.block import Block, Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.names import elide
from tinyfoa_rt.options import PlanOptions
from tinyfoa_rt.partition.layers import untrainable_products
from tinyfoa_rt.pipeline.job import resolve
from tinyfoa_rt.steps import BlockSetting, StepChoice, assemble_step
from tinyfoa_rt.terminal import print_parts

__all__ = ["BlockFinding", "inspect_blocks", "print_inspection"]


@dataclass(frozen=True)
class BlockFinding:
    """One block as inspection finds it; ``reason`` is why it cannot be trained, or ``None`` if it can."""

    block: Block
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    operators: tuple[str, ...]
    reason: str | None


def inspect_blocks(graph: Graph) -> tuple[BlockFinding, ...]:
    """Return every block with the reason why it cannot be trained, if there is one."""
    job = resolve(graph, PlanOptions(budget=1))
    return tuple(_finding(graph, setting) for setting in job.settings)


def print_inspection(graph: Graph, console: Console | None = None) -> None:
    """Print the blocks of a model as a table, and below it what cannot be trained and why."""
    findings = inspect_blocks(graph)
    products = (f"not a trainable layer: {name}: {reason}" for name, reason in untrainable_products(graph).items())
    blocks = (f"cannot be trained: {finding.reason}" for finding in findings if finding.reason is not None)
    parts: tuple[RenderableType, ...] = (
        Text(_headline(graph, findings)),
        _table(findings),
        *map(Text, products),
        *map(Text, blocks),
    )
    print_parts(parts, console)


def _headline(graph: Graph, findings: tuple[BlockFinding, ...]) -> str:
    inputs = ", ".join(f"{name} {_shape(graph.shape(name))}" for name in graph.inputs)
    outputs = ", ".join(f"{name} {_shape(graph.shape(name))}" for name in graph.outputs)
    parameters = sum(finding.block.parameters for finding in findings)
    return f"{graph.name}: opset {graph.opset}, {inputs} -> {outputs}, {len(findings)} blocks, {parameters:,} parameters"


def _table(findings: tuple[BlockFinding, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("block", "depth", "input", "output", "operators", "parameters", "trains"):
        table.add_column(title, no_wrap=True, justify="right" if title in ("depth", "parameters") else "left")
    for finding in findings:
        block = finding.block
        shapes = (_shape(shape) for shape in finding.shapes)
        operators = elide(" ".join(finding.operators), 26)
        trains = "yes" if finding.reason is None else "no"
        cells = (elide(block.name, 24), str(block.depth), *shapes, operators, f"{block.parameters:,}", trains)
        table.add_row(*map(Text, cells))
    return table


def _finding(graph: Graph, setting: BlockSetting) -> BlockFinding:
    block = setting.block
    counts = Counter(node.op_type for node in block.nodes)
    operators = tuple(name if count == 1 else f"{count}x{name}" for name, count in counts.items())
    shapes = (graph.shape(block.layers[0].input), graph.shape(block.output))
    try:
        assemble_step(setting, StepChoice(Slices(1, 1), 1, False))
    except UnsupportedError as error:
        return BlockFinding(block, shapes, operators, str(error))
    return BlockFinding(block, shapes, operators, None)


def _shape(shape: tuple[int, ...]) -> str:
    """A shape without its batch."""
    return "x".join(str(length) for length in shape[1:]) or "1"
