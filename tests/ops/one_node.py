"""A model of one domain operator and the function bodies that it calls, under two evaluators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import onnxruntime
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_conv_transpose import ConvTranspose as OneGroup

from tests.ops.body_cases import BodyCase
from tinyfoa_rt.emit import load_functions
from tinyfoa_rt.operators import DOMAIN

__all__ = ["EVALUATORS", "ConvTranspose", "check_equal", "feeds_of", "one_node_model"]

Array = NDArray[Any]


def one_node_model(case: BodyCase, outputs: Sequence[Array]) -> onnx.ModelProto:
    """The model; sizes are left open, so that a body cannot rely on knowing them. ``outputs`` give element types and ranks."""
    functions = load_functions([case.op_type], variants=case.variants)
    (function,) = (each for each in functions if each.name == case.op_type)
    names = [name if value is not None else "" for name, value in zip(function.input, case.inputs)]
    known = {name: value for name, value in case.attributes.items() if name in _attribute_names(function)}
    node = helper.make_node(case.op_type, names, list(function.output), name="node", domain=DOMAIN, **known)
    graph = helper.make_graph(
        [node],
        case.label,
        [_open_info(name, value) for name, value in zip(names, case.inputs) if value is not None],
        [_open_info(name, value) for name, value in zip(function.output, outputs)],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=9)


def feeds_of(case: BodyCase, model: onnx.ModelProto) -> dict[str, Array]:
    return {each.name: value for each, value in zip(model.graph.input, (x for x in case.inputs if x is not None))}


def _attribute_names(function: onnx.FunctionProto) -> set[str]:
    return {*function.attribute, *(attribute.name for attribute in function.attribute_proto)}


def _open_info(name: str, value: Array) -> onnx.ValueInfoProto:
    # float64 is the references' own precision; bodies compute float32.
    dtype = np.dtype(np.float32) if value.dtype == np.float64 else value.dtype
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), [None] * value.ndim)


def _on_onnxruntime(case: BodyCase, model: onnx.ModelProto) -> list[Array]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds_of(case, model)))


class DequantizeLinear(OpRun):
    """Of opset 13 to 18, which onnx's reference evaluator lacks."""

    op_domain = ""

    def _run(self, x: Array, scale: Array, zero_point: Array, **_: object) -> tuple[Array]:
        rows = (-1, *[1] * (x.ndim - 1))  # the bodies' axis is 0
        levels = x.astype(np.int32) - zero_point.astype(np.int32).reshape(rows)
        return (levels.astype(np.float32) * scale.reshape(rows),)


class ConvTranspose(OpRun):
    """Of any number of groups: onnx's reference evaluator cuts the weights of several in the wrong places."""

    op_domain = ""

    def _run(self, x: Array, w: Array, bias: Array | None = None, *, group: int | None = None, **given: Any) -> tuple[Array]:
        group = group or 1
        biases = [None] * group if bias is None else np.split(bias, group)
        parts = zip(np.split(x, group, axis=1), np.split(w, group), biases)
        known = {name: value for name, value in given.items() if value is not None}
        return (np.concatenate([OneGroup.eval(*part, group=1, **known) for part in parts], axis=1),)  # type: ignore[arg-type]


def _on_reference(case: BodyCase, model: onnx.ModelProto) -> list[Array]:
    explicit = onnx.ModelProto.FromString(model.SerializeToString())
    (node,) = explicit.graph.node
    given = {attribute.name for attribute in node.attribute}
    (function,) = (each for each in model.functions if each.name == node.op_type)
    node.attribute.extend(each for each in function.attribute_proto if each.name not in given)  # the inliner knows no defaults
    inlined = onnx.inliner.inline_local_functions(explicit)  # the evaluator of a function knows no operators that are added
    outputs = ReferenceEvaluator(inlined, new_ops=[ConvTranspose, DequantizeLinear]).run(None, feeds_of(case, model))
    assert isinstance(outputs, list)
    return outputs


EVALUATORS: Mapping[str, Callable[[BodyCase, onnx.ModelProto], list[Array]]] = {
    "onnxruntime": _on_onnxruntime,
    "reference": _on_reference,
}


def check_equal(case: BodyCase, outputs: Sequence[Array], expected: Sequence[Array]) -> None:
    """Assert that integers are the same, and real numbers within the case's tolerance."""
    for output, reference in zip(outputs, expected):
        assert output.shape == reference.shape, case.label
        if reference.dtype.kind in "iu":
            assert output.dtype == reference.dtype
            np.testing.assert_array_equal(output, reference)
        else:
            limits = case.tolerance
            np.testing.assert_allclose(output, reference, limits.relative, limits.absolute, err_msg=limits.reason)
