"""Gradient and update of a whole dense layer, one block of its rows after the other, so that no gradient is stored.

An update is a dozen operators, and each of them would walk through as many numbers as the layer has weights. What a block of
rows needs stays in the processor's cache instead, and its memory is used again for the next one. The loop is a Scan, which reads
blocks where they lie and writes each where it belongs; the step's outputs are declared as (blocks, rows, outputs) for that, of
the same bytes as (inputs, outputs). A number that the optimizer keeps of the whole is the mean of those of its blocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import onnx
from onnx import TensorProto, helper

from tinyfoa_rt.emit.bodies import load_functions
from tinyfoa_rt.emit.update_halves import split_update
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.optimizers import OPTIMIZERS, Optimizer
from tinyfoa_rt.ir.step import StepGraph, StepNode
from tinyfoa_rt.operators import DOMAIN

__all__ = ["RowBlocks", "block_shape", "join_in_row_blocks"]

_LARGE = 2**17  # elements of a layer that is worth a loop
_BLOCK = 5 * 2**15  # elements: 640 KB for each of some five values, which the second-level caches of two processors hold
_LEAST = 2**14  # elements of a block for which the 30 microseconds of a turn of the loop are few


def block_shape(rows: int, columns: int) -> tuple[int, int, int] | None:
    """Return (blocks, rows a block, columns) of equal blocks of a matrix; ``None`` where it is small or has no such blocks."""
    height = max((n for n in range(1, rows) if rows % n == 0 and n * columns <= _BLOCK), default=0)
    return (rows // height, height, columns) if height * columns >= _LEAST and rows * columns > _LARGE else None


@dataclass(frozen=True)
class _Pair:
    """A gradient, the update that alone reads it, its optimizer, and the blocks of the weights."""

    gradient: StepNode
    update: StepNode
    optimizer: Optimizer
    shape: tuple[int, int, int]


class RowBlocks(NamedTuple):
    """The nodes of a step, the shapes of its outputs that are in blocks, and the bodies of what only loops call, by name."""

    nodes: list[onnx.NodeProto]
    shapes: dict[str, tuple[int, int, int]]
    bodies: dict[str, onnx.FunctionProto]


def join_in_row_blocks(step: StepGraph, nodes: Sequence[onnx.NodeProto], variants: frozenset[str]) -> RowBlocks:
    """Join gradients and updates of layers that are large enough, and are updated as a whole by an elementwise optimizer.

    Args:
        step: the step.
        nodes: its nodes as they are emitted, with their names.
        variants: of the bodies of updates (emit/bodies.py).
    """
    pairs = {pair.update.name: pair for pair in _pairs(step)}
    gradients = {pair.gradient.name for pair in pairs.values()}
    protos = {node.name: node for node in nodes}
    found = RowBlocks([], {}, {})
    for node in nodes:
        if node.name in gradients:
            found.nodes.extend(_bias_gradient(node))
        elif node.name in pairs:
            loop = _Loop(pairs[node.name], protos[pairs[node.name].gradient.name], node, variants)
            found.nodes.extend(loop.nodes())
            found.shapes.update(dict.fromkeys(loop.moved, loop.pair.shape))
            found.bodies.update({body.name: body for body in loop.halves if body.node})
        else:
            found.nodes.append(node)
    return found


def _pairs(step: StepGraph) -> Iterator[_Pair]:
    optimizers = {each.update: each for each in OPTIMIZERS.values() if each.is_elementwise}
    readers = Counter(name for node in step.nodes for name in node.inputs)
    gradients = {node.outputs[0]: node for node in step.nodes if node.op_type == "DenseSliceGrad"}
    for update in step.nodes:
        gradient = gradients.get(update.inputs[1]) if update.op_type in optimizers else None
        if gradient is None or readers[update.inputs[1]] > 1 or readers[update.outputs[0]]:
            continue
        weight, (_, x, scale, origin) = step.tensors[update.inputs[0]], map(gradient.input, range(4))
        is_real = step.tensors[x].type.dtype == "float32" and len(step.tensors[x].type.shape) == 2 and not scale
        shape = None if weight.depends_on_slice or origin else block_shape(*weight.type.shape)
        if is_real and shape is not None:
            yield _Pair(gradient, update, optimizers[update.op_type], shape)


def _bias_gradient(gradient: onnx.NodeProto) -> list[onnx.NodeProto]:
    """What is left of a layer's gradient: that of its biases."""
    if len(gradient.output) < 2:
        return []
    given, found = [gradient.input[0], gradient.input[3]], gradient.output[1]
    node = helper.make_node("BiasSliceGrad", given, [found], name=gradient.name, domain=DOMAIN)
    node.attribute.extend(each for each in gradient.attribute if each.name in ("bias_size", "has_all_rows"))
    return [node]


class _Loop:
    """The Scan over blocks of weights, states and turned inputs, behind what is the same for all of them."""

    def __init__(self, pair: _Pair, gradient: onnx.NodeProto, update: onnx.NodeProto, variants: frozenset[str]) -> None:
        num_states = len(pair.optimizer.states)
        self.pair = pair
        self._errors, self._x = gradient.input[:2]
        self._update = update
        self._matrices = [update.input[0], *update.input[3 : 3 + num_states]]
        self.moved = list(update.output[: 1 + num_states])
        body = load_functions([update.op_type], variants=variants)[-1]
        self.halves = split_update(body, ("w", "grad", *pair.optimizer.states))
        self._names = dict(zip((*body.input, *body.output), (*update.input, *update.output)))

    def nodes(self) -> list[onnx.NodeProto]:
        """Those that split rows, what is computed once, the loop, and the means of what its turns have found."""
        num_blocks, height, _ = self.pair.shape
        splits = [
            helper.make_node(op_type, [source], [self._own(op_type, source)], name=self._own(op_type, source), domain=DOMAIN)
            for op_type, source in (*(("SplitRows", each) for each in self._matrices), ("SplitColumns", self._x))
        ]
        for node in splits:
            node.attribute.append(helper.make_attribute("shape", [num_blocks, height, -1]))
        once, of_block = self.halves
        first = [self._call(once, {})] if once.node else []
        outputs = [self._names[name] for name in of_block.output]
        found = {name: self._own("turns", name) for name in outputs if name not in self.moved}
        given, results = [node.output[0] for node in splits], [found.get(name, name) for name in outputs]
        loop = helper.make_node("Scan", given, results, name=self._update.name, body=self._turn(of_block, outputs))
        loop.attribute.append(helper.make_attribute("num_scan_inputs", len(given)))
        means = [
            helper.make_node("ReduceMean", [turns], [name], name=self._own("mean", name), keepdims=0)
            for name, turns in found.items()
        ]
        return [*splits, *first, loop, *means]

    def _turn(self, body: onnx.FunctionProto, results: Sequence[str]) -> onnx.GraphProto:
        """One block's gradient and update; the errors, and what was computed once, are read from outside."""
        block = self.pair.shape[1:]
        inside = {name: self._own("block", name) for name in (*self._matrices, self._x, self._update.input[1], *results)}
        given = [inside[self._x], self._errors]
        product = helper.make_node("Gemm", given, [inside[self._update.input[1]]], name=self._own("turn", "Gemm"))
        inputs = [helper.make_tensor_value_info(inside[name], TensorProto.FLOAT, block) for name in self._matrices]
        inputs.append(helper.make_tensor_value_info(inside[self._x], TensorProto.FLOAT, (block[0], None)))
        shapes = [block if name in self.moved else () for name in results]
        outputs = [helper.make_tensor_value_info(inside[name], TensorProto.FLOAT, shape) for name, shape in zip(results, shapes)]
        return helper.make_graph([product, self._call(body, inside)], self._own("turn", "graph"), inputs, outputs)

    def _call(self, half: onnx.FunctionProto, inside: Mapping[str, str]) -> onnx.NodeProto:
        """A half of the update; ``inside`` are the names that a turn has for what it takes a block of."""
        names = {name: self._names.get(name, self._own("once", name)) for name in (*half.input, *half.output)}
        inputs, outputs = ([inside.get(names[name], names[name]) for name in ports] for ports in (half.input, half.output))
        node = helper.make_node(half.name, inputs, outputs, name=self._own("call", half.name), domain=half.domain)
        known = {each.name for each in half.attribute_proto}
        node.attribute.extend(each for each in self._update.attribute if each.name in known)
        return node

    def _own(self, role: str, name: str) -> str:
        return own(self._update.name, role, name)
