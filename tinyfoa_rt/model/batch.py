"""The batch as a symbol: every dimension is a linear function of it, learnt from the same walk at several batches.

A constant that differs between them depends on the number of samples: it is told apart from those that do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx

from tinyfoa_rt.errors import ModelError, UnsupportedError
from tinyfoa_rt.model.draft import Draft
from tinyfoa_rt.model.infer import Inferred, infer
from tinyfoa_rt.model.nodes import is_default_domain, node_place, read_names
from tinyfoa_rt.model.shapes import Dims, bind_inputs

__all__ = ["AnyBatch", "check_outputs", "infer_any_batch"]

# One sample is special (a dimension of 1 is repeated, or left out), two others make a line, and the third must lie on it.
_BATCHES = (1, 2, 5)
_MEND = "export the model with a dynamic batch as the first dimension"


@dataclass(frozen=True)
class AnyBatch:
    """A draft's values at any batch.

    Attributes:
        single: the walk at batch 1.
        growth: what each further sample adds to the dimensions of a value; those that grow are here, and no others.
        sized: the constants of ``single`` that depend on the number of samples.
    """

    draft: Draft
    shapes: Mapping[str, Sequence[int]]
    single: Inferred
    growth: Mapping[str, Dims]
    sized: frozenset[str]
    _walks: dict[int, Inferred] = field(repr=False)

    def at(self, batch: int) -> Inferred:
        """The walk at a batch."""
        if batch not in self._walks:
            self._walks[batch] = infer(self.draft, bind_inputs(self.draft, self.shapes, batch=batch))
        return self._walks[batch]


def infer_any_batch(draft: Draft, shapes: Mapping[str, Sequence[int]]) -> AnyBatch:
    """Type every value at any batch.

    Raises:
        UnsupportedError: the model holds together at one batch only, or a size is no linear function of the batch.
        ModelError: it does not hold together at all.
    """
    single = infer(draft, bind_inputs(draft, shapes))
    walks = {1: single}
    for batch in _BATCHES[1:]:
        try:
            walks[batch] = infer(draft, bind_inputs(draft, shapes, batch=batch))
        except ModelError as error:
            raise UnsupportedError(error.place, f"fits batch 1 only: at batch {batch} it {error.problem}", _MEND) from error
        _check_walk(single, walks[batch])
    sized = _sized(walks)
    growth = {}
    for node in single.visited:
        _check_reshape(node, walks)
        for name in node.output:
            if name in single.types or name in sized:
                growth[name] = _growth(node, name, walks)
    for name, dims in _inputs(single):
        growth[name] = (1, *(0 for _ in dims[1:]))
    return AnyBatch(draft, shapes, single, {name: each for name, each in growth.items() if any(each)}, sized, walks)


def _inputs(single: Inferred) -> Iterable[tuple[str, Dims]]:
    written = {name for node in single.visited for name in node.output}
    for name in single.types:
        shape = single.tensor_shape(name)
        if name not in written and shape is not None:
            yield name, shape[1]


def check_outputs(found: AnyBatch, nodes: Sequence[onnx.NodeProto]) -> None:
    """Refuse a model of which no output has something for each sample.

    Args:
        found: its values.
        nodes: those that its outputs need.

    Raises:
        UnsupportedError: no output grows with the batch, or one is computed from the number of samples alone.
    """
    for name in found.draft.outputs:
        if name in found.sized:
            problem = "depends on the number of samples, and on no sample"
            raise UnsupportedError(f"output '{name}'", problem, "leave it out of the model's outputs")
    if any(name in found.growth for name in found.draft.outputs):
        return
    losing = (node for node in nodes if any(name in found.growth for name in read_names(node)))
    node = next(node for node in losing if not any(name in found.growth for name in node.output))
    shape = found.single.tensor_shape(node.output[0])
    shown = "x".join(map(str, shape[1])) if shape else "unknown"
    problem = f"keeps nothing of each sample: '{node.output[0]}' has the shape {shown or '()'} at any batch"
    raise UnsupportedError(node_place(node), problem, _MEND)


def _check_walk(one: Inferred, other: Inferred) -> None:
    """Refuse a model that takes another branch at another batch.

    Raises:
        UnsupportedError: it does.
    """
    for first, second in zip(one.visited, other.visited):
        if list(first.output) != list(second.output):
            problem = "is computed at some batches only, behind an If that asks for the batch"
            raise UnsupportedError(node_place(first), problem, _MEND)


def _sized(walks: Mapping[int, Inferred]) -> frozenset[str]:
    """The constants that are not the same at all batches."""
    single, *others = walks.values()
    found: set[str] = set()
    for node in single.visited:
        reads_sized = node.op_type in ("Shape", "Size") or any(name in found for name in read_names(node))
        for name in node.output if reads_sized else ():
            if name in single.constants and not all(_is_equal(name, single, other) for other in others):
                found.add(name)
    return frozenset(found)


def _is_equal(name: str, one: Inferred, other: Inferred) -> bool:
    """Whether a constant is known to be the same in two walks."""
    if name not in other.constants or one.constants.types[name] != other.constants.types[name]:
        return False
    arrays = [walk.constants.read_if_cheap(name) for walk in (one, other)]
    return arrays[0] is not None and arrays[1] is not None and np.array_equal(*arrays)  # type: ignore[arg-type]


def _growth(node: onnx.NodeProto, name: str, walks: Mapping[int, Inferred]) -> Dims:
    """What each further sample adds to the dimensions of a value; nothing where they are not known.

    Raises:
        UnsupportedError: they are no linear functions of the batch.
    """
    shapes = {batch: walk.tensor_shape(name) for batch, walk in walks.items()}
    known = {batch: shape[1] for batch, shape in shapes.items() if shape is not None}
    if len(known) < len(walks):
        return ()
    first = known[1]
    growth = tuple(two - one for one, two in zip(first, known[2], strict=False))
    for batch, dims in known.items():
        line = tuple(one + more * (batch - 1) for one, more in zip(first, growth, strict=False))
        if dims != line or min(growth, default=0) < 0:
            shown = ", ".join(f"{'x'.join(map(str, each)) or 'scalar'} at batch {at}" for at, each in known.items())
            raise UnsupportedError(node_place(node), f"does not follow the batch: '{name}' is {shown}", _MEND)
    return growth


def _check_reshape(node: onnx.NodeProto, walks: Mapping[int, Inferred]) -> None:
    """Refuse a Reshape that changes the number of elements: ONNX's own rule does not compare them.

    Raises:
        UnsupportedError: a target needs another number of elements than there are.
    """
    if node.op_type != "Reshape" or not is_default_domain(node):
        return
    for batch, walk in walks.items():
        before, after = walk.tensor_shape(node.input[0]), walk.tensor_shape(node.output[0])
        if before is not None and after is not None and math.prod(before[1]) != math.prod(after[1]):
            shown = " to ".join("x".join(map(str, shape[1])) for shape in (before, after))
            problem = f"reshapes {shown} at batch {batch}, another number of elements"
            raise UnsupportedError(node_place(node), problem, _MEND)
