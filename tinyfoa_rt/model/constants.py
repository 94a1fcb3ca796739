"""Which values are constant, and reading them when someone asks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from tinyfoa_rt.errors import ModelError
from tinyfoa_rt.model.evaluate import evaluate_node
from tinyfoa_rt.model.nodes import is_default_domain, node_place, subgraphs
from tinyfoa_rt.model.tensors import NUMERIC_TYPES, read_tensor

__all__ = ["SMALL_SIZE", "Constants", "TensorShape", "is_deterministic"]

SMALL_SIZE = 1024
_CHEAP_SIZE = 2**16
_LARGEST_COMPUTED = 2**32
_RANDOM_OPS = frozenset(("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"))

TensorShape = tuple[int, tuple[int, ...]]  # element type of ONNX, dimensions


def is_deterministic(node: onnx.NodeProto) -> bool:
    """Whether equal inputs give equal outputs, by a standard operator that needs no subgraph."""
    return is_default_domain(node) and node.op_type not in _RANDOM_OPS and not any(subgraphs(node))


class Constants:
    """Values that depend on no input: stored tensors, known arrays, and nodes computed from constants.

    Nothing is computed until it is read; only what has at most 1,024 elements is kept.
    """

    def __init__(self, tensors: Mapping[str, onnx.TensorProto], folder: Path, opset: int) -> None:
        self.types: dict[str, TensorShape] = {t: (v.data_type, tuple(v.dims)) for t, v in tensors.items()}
        self._tensors = dict(tensors)
        self._producers: dict[str, onnx.NodeProto] = {}
        self._arrays: dict[str, NDArray[Any]] = {}
        self._folder = folder
        self._opset = opset

    def __contains__(self, name: str) -> bool:
        return name in self.types

    def add_tensor(self, name: str, tensor: onnx.TensorProto) -> None:
        self.types[name] = (tensor.data_type, tuple(tensor.dims))
        self._tensors[name] = tensor

    def add_array(self, name: str, array: NDArray[Any]) -> None:
        """Add a small value that is known."""
        self.types[name] = (onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        self._arrays[name] = array

    def add_node(self, node: onnx.NodeProto, types: Mapping[str, TensorShape]) -> None:
        """Add the outputs of a node that reads constants only."""
        for name, found in types.items():
            self.types[name] = found
            self._producers[name] = node

    def producer(self, name: str) -> onnx.NodeProto | None:
        """The node that computes a constant, or ``None`` where it is stored."""
        return self._producers.get(name)

    @property
    def tensors(self) -> Mapping[str, onnx.TensorProto]:
        """The stored ones, large and small."""
        return self._tensors

    def known_tensors(self) -> dict[str, onnx.TensorProto]:
        """Return the small constants whose elements are at hand, as tensors."""
        known = {
            name: numpy_helper.from_array(np.ascontiguousarray(a).reshape(a.shape), name) for name, a in self._arrays.items()
        }
        small = (name for name in self._tensors if math.prod(self.types[name][1]) <= SMALL_SIZE)
        return known | {name: self._tensors[name] for name in small if name not in known}

    def can_fold(self, node: onnx.NodeProto) -> bool:
        names = [name for name in node.input if name]
        return is_deterministic(node) and all(name in self.types and self.types[name][0] in NUMERIC_TYPES for name in names)

    def read_if_cheap(self, name: str) -> NDArray[Any] | None:
        """Return a constant that takes little work, or ``None``: what it decides then stays unknown.

        Old versions of a few operators have no reference implementation; they are read once the opset is raised.
        """
        if not self._is_cheap(name):
            return None
        try:
            return self.read(name)
        except ModelError:
            return None

    def _is_cheap(self, name: str) -> bool:
        """Whether reading a constant touches at most 65,536 elements, counting all that it is computed from."""
        touched, pending, seen = 0, [name], {name}
        while pending and touched <= _CHEAP_SIZE:
            current = pending.pop()
            if current not in self._arrays:
                touched += max(1, math.prod(self.types[current][1]))
                new = set(self._sources(current)) - seen
                seen |= new
                pending.extend(new)
        return touched <= _CHEAP_SIZE

    def read(self, name: str) -> NDArray[Any]:
        """Return the elements of a constant; intermediate results are dropped as soon as nothing needs them.

        Raises:
            ModelError: too large to compute, or the operator cannot run on what it is given.
        """
        order = self._evaluation_order(name)
        sources = {current: self._sources(current) for current in order}  # before any result is kept
        last_use = {source: index for index, current in enumerate(order) for source in sources[current]}
        live: dict[str, NDArray[Any]] = {}
        for index, current in enumerate(order):
            if current not in live:
                live.update(self._compute(current, live))
            for source in sources[current]:
                if last_use[source] == index and source != name:
                    live.pop(source, None)
        return live[name]

    def run_if_cheap(self, node: onnx.NodeProto) -> dict[str, NDArray[Any]] | None:
        """Compute a node that reads constants only, at once, or return ``None``."""
        inputs = {name: self.read_if_cheap(name) for name in node.input if name}
        arrays = {name: array for name, array in inputs.items() if array is not None}
        return evaluate_node(node, arrays, self._opset) if len(arrays) == len(inputs) else None

    def _sources(self, name: str) -> list[str]:
        if name in self._arrays or name not in self._producers:
            return []
        return [source for source in self._producers[name].input if source]

    def _evaluation_order(self, name: str) -> list[str]:
        order: list[str] = []
        seen: set[str] = set()
        pending = [(name, False)]
        while pending:
            current, is_ready = pending.pop()
            if is_ready:
                order.append(current)
            elif current not in seen:
                seen.add(current)
                pending.append((current, True))
                pending.extend((source, False) for source in self._sources(current))
        return order

    def _compute(self, name: str, live: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if name in self._arrays:
            return {name: self._arrays[name]}
        if name in self._tensors:
            return {name: read_tensor(self._tensors[name], self._folder, f"initializer '{name}'")}
        node = self._producers[name]
        if math.prod(self.types[name][1]) > _LARGEST_COMPUTED:
            raise ModelError(node_place(node), "computes a constant of more than 2^32 elements", "store it as an initializer")
        results = evaluate_node(node, {source: live[source] for source in node.input if source}, self._opset)
        result = results[name]
        if (onnx.helper.np_dtype_to_tensor_dtype(result.dtype), result.shape) != self.types[name]:
            raise ModelError(node_place(node), f"computes {result.dtype} {result.shape} against its type", "repair the model")
        if result.size <= SMALL_SIZE:
            self._arrays[name] = np.array(result, order="C")
        return {name: result}
