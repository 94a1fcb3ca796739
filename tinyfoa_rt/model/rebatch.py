"""A model exported at a fixed batch: what it writes about the batch is written anew, for any batch.

It stands in a few places: targets of Reshape, sizes of Resize, and constants that the one sample is joined with or starts from.
Then tinyfoa_rt.model.independence proves that each sample is computed as it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tinyfoa_rt.errors import ModelError, UnsupportedError
from tinyfoa_rt.model.draft import Draft
from tinyfoa_rt.model.independence import MEND, Doubling, check_branches, check_independence
from tinyfoa_rt.model.infer import Inferred, infer
from tinyfoa_rt.model.nodes import forget_inner_shapes, is_default_domain
from tinyfoa_rt.model.shapes import bind_inputs

__all__ = ["open_batch"]

_RECURRENT = frozenset(("GRU", "LSTM", "RNN"))
_STATES = (5, 6)


def open_batch(draft: Draft, shapes: Mapping[str, Sequence[int]]) -> Draft:
    """Return the draft for any batch; one whose batch is open already as it is.

    Raises:
        UnsupportedError: it is not certain that each sample would be computed as at the file's own batch.
        ModelError: the model does not hold together.
    """
    batch = bind_inputs(draft, shapes).fixed_batch
    if not batch:
        return draft
    draft = replace(draft, nodes=tuple(map(forget_inner_shapes, draft.nodes)))
    own = infer(draft, bind_inputs(draft, shapes, batch=batch))
    opening = _Opening(own, batch)
    try:
        doubled = infer(draft, bind_inputs(draft, shapes, batch=2 * batch), opening.rewrite)
    except ModelError as error:
        if opening.walk is not None:  # what comes first is the cause
            check_independence(Doubling(own, opening.walk, batch), draft.opsets[""])
        problem = f"fits batch {batch} only, which the file fixes: at batch {2 * batch} it {error.problem}"
        raise UnsupportedError(error.place, problem, MEND) from error
    doubling = Doubling(own, doubled, batch)
    check_independence(doubling, draft.opsets[""])
    check_branches(doubling)
    return replace(draft, nodes=tuple(doubled.visited), tensors=doubled.constants.tensors)


class _Opening:
    """Rewrites nodes during a walk at twice the file's batch; what they read is known at both."""

    def __init__(self, own: Inferred, batch: int) -> None:
        self._own = own
        self._batch = batch
        self._taken = {*own.types, *own.constants.types}
        # How many rows of something else each sample is repeated in, on the axis that samples lie along: 6 for (6 N, 8).
        self._outer: dict[str, int] = {}
        self.walk: Inferred | None = None

    def rewrite(self, node: onnx.NodeProto, found: Inferred) -> Sequence[onnx.NodeProto]:
        """The nodes that take a node's place."""
        self.walk = found
        doubling = Doubling(self._own, found, self._batch)
        source, axis = next(((name, at) for name in node.input if (at := doubling.axis(name)) is not None), ("", 0))
        if not source or not is_default_domain(node):
            return (node,)
        self._outer.update(dict.fromkeys(node.output, self._outer.get(source, 1)))
        if node.op_type == "Reshape" and doubling.is_same(node.input[1]):
            return (self._reshaped(node, axis, found),)
        if node.op_type == "Resize" and len(node.input) > 3 and doubling.is_same(node.input[3]):
            return self._resized(node, axis, found)
        if node.op_type in _RECURRENT or node.op_type == "Concat":
            positions = range(len(node.input)) if node.op_type == "Concat" else _STATES
            return self._repeated(node, positions, (source, axis), found)
        return (node,)

    def _reshaped(self, node: onnx.NodeProto, axis: int, found: Inferred) -> onnx.NodeProto:
        """The node with -1 at the axis that samples lie along: elements keep their order, so as many lie before as did."""
        before, after = (self._own.tensor_shape(name) for name in (node.input[0], node.output[0]))
        if before is None or after is None:
            return node
        target, written = list(after[1]), self._own.constants.read(node.input[1])
        count = math.prod(before[1][:axis]) * self._outer.get(node.input[0], 1)
        places = []
        for position, size in enumerate(target):
            outer, rest = divmod(count, math.prod(target[:position]))
            if outer and not rest and size % (outer * self._batch) == 0:
                is_pure, is_last = outer == 1 and size == self._batch, position == len(target) - 1
                places.append((not is_pure, int(written[position]) != -1, is_last, outer > 1, position, outer))
        if not places:
            return node
        *_, position, outer = min(places)
        self._outer[node.output[0]] = outer
        target[position] = -1
        return _with_input(node, 1, self._constant(f"{node.output[0]}.shape", np.array(target), found))

    def _resized(self, node: onnx.NodeProto, axis: int, found: Inferred) -> Sequence[onnx.NodeProto]:
        sizes = self._own.constants.read(node.input[3])
        shape = self._own.tensor_shape(node.input[0])
        if shape is None or len(sizes) != len(shape[1]) or sizes[axis] != shape[1][axis]:
            return (node,)
        nodes, name = self._sizes((node.input[0], axis), sizes, found)
        return (*nodes, _with_input(node, 3, name))

    def _repeated(
        self, node: onnx.NodeProto, positions: Iterable[int], source: tuple[str, int], found: Inferred
    ) -> Sequence[onnx.NodeProto]:
        """The node with those constant inputs repeated that one sample is joined with, or starts from: each sample is."""
        axis = source[1]
        nodes: list[onnx.NodeProto] = []
        for position in positions:
            name = node.input[position] if position < len(node.input) else ""
            dims = found.constants.types[name][1] if name in found.constants else ()
            if self._batch == 1 and len(dims) > axis and dims[axis] == 1:
                more, sizes = self._sizes(source, np.array(dims), found)
                output = self._new(f"{name}.repeated")
                nodes += [*more, helper.make_node("Expand", [name, sizes], [output], name=output)]
                node = _with_input(node, position, output)
        return (*nodes, node)

    def _sizes(self, source: tuple[str, int], sizes: NDArray[np.int64], found: Inferred) -> tuple[list[onnx.NodeProto], str]:
        """Nodes that compute ``sizes`` with that of an axis of ``source`` in its place, and the name of what they give."""
        name, axis = source
        shape, length, whole = (self._new(f"{name}.{part}") for part in ("shape", "length", "sizes"))
        parts = [
            self._constant(f"{name}.{part}", sizes[span], found)
            for part, span in (("before", slice(axis)), ("behind", slice(axis + 1, None)))
        ]
        index = self._constant(f"{name}.axis", np.array([axis]), found)
        nodes = [
            helper.make_node("Shape", [name], [shape], name=shape),
            helper.make_node("Gather", [shape, index], [length], name=length, axis=0),
            helper.make_node("Concat", [parts[0], length, parts[1]], [whole], name=whole, axis=0),
        ]
        return nodes, whole

    def _constant(self, name: str, value: NDArray[np.int64], found: Inferred) -> str:
        name = self._new(name)
        found.constants.add_tensor(name, numpy_helper.from_array(value.astype(np.int64), name))
        return name

    def _new(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def _with_input(node: onnx.NodeProto, position: int, name: str) -> onnx.NodeProto:
    changed = onnx.NodeProto()
    changed.CopyFrom(node)
    changed.input[position] = name
    return changed
