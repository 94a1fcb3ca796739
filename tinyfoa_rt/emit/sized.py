"""What depends on the number of samples, computed in the model: from the length of what it is given.

Shapes are first + more * samples; all else is computed by the nodes of the original model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tinyfoa_rt.ir.graph import Attribute, Constant, Sized
from tinyfoa_rt.ir.names import SIZED, own
from tinyfoa_rt.ir.step import StepGraph

__all__ = ["SizedEmission", "plain_attribute"]


def plain_attribute(value: Attribute) -> Any:
    """An attribute as onnx takes it."""
    if isinstance(value, np.ndarray):
        return numpy_helper.from_array(value)
    return list(value) if isinstance(value, tuple) else value


class SizedEmission:
    """Nodes of one model, and its initializers through ``constant``, which names them."""

    def __init__(self, step: StepGraph, constant: Callable[[str, NDArray[Any]], str]) -> None:
        self._step = step
        self._constant = constant
        self._samples = ""
        self._known: set[str] = set()
        self.nodes: list[onnx.NodeProto] = []

    def add(self, sized: Sized) -> str:
        """Add the nodes that compute ``sized``, once; return the name of what they give."""
        name = _named(sized.value.name)
        if name in self._known:
            return name
        if sized.per_sample is not None:
            self._add_linear(sized, sized.per_sample)
            self._known.add(name)
            return name
        assert sized.node is not None
        node, inputs = sized.node, [self._input(each) for each in sized.inputs]
        outputs = [_named(output) if output else "" for output in node.outputs]
        attributes = {key: plain_attribute(value) for key, value in node.attributes.items()}
        self.nodes.append(helper.make_node(node.op_type, inputs, outputs, name=name, domain=node.domain, **attributes))
        self._known.update(outputs)
        return name

    def _input(self, given: Constant | Sized | None) -> str:
        if isinstance(given, Sized):
            return self.add(given)
        return self._constant(_named(given.name), given.read()) if given is not None else ""

    def _add_linear(self, sized: Sized, more: NDArray[Any]) -> None:
        """First + more * samples."""
        name = _named(sized.value.name)
        first = self._constant(own(name, "first"), sized.read(1) - more)
        factor = self._constant(own(name, "per_sample"), more)
        samples = self._number_of_samples()
        if sized.value.dtype == "int32":
            samples = self._node("Cast", [samples], own(name, "samples"), to=TensorProto.INT32)
        grown = self._node("Mul", [samples, factor], own(name, "grown"))
        self._node("Add", [grown, first], name)

    def _number_of_samples(self) -> str:
        """The name of the number of samples: how long the first input is."""
        if not self._samples:
            source = next(name for name in self._step.inputs if any(self._step.growth.get(name, ())))
            growth = self._step.growth[source]
            axis = next(axis for axis, more in enumerate(growth) if more)
            index = self._constant(own(source, "axis"), np.array(axis))
            rows = self._constant(own(source, "rows"), np.array(growth[axis]))
            shape = self._node("Shape", [source], own(source, "sizes"))
            self._samples = self._node(
                "Div", [self._node("Gather", [shape, index], own(source, "length")), rows], own(source, "samples")
            )
        return self._samples

    def _node(self, op_type: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=output, **attributes))
        return output


def _named(name: str) -> str:
    """What is computed from the batch has names of its own: it is no value of the step."""
    return own(name, SIZED)
