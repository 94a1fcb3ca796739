"""Running one operator on known arrays, with ONNX's own reference implementation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from tinyfoa_rt.errors import ModelError
from tinyfoa_rt.model.nodes import node_place

__all__ = ["evaluate_node"]

# The reference knows these from a later version on, which means the same for what an earlier one allows.
_FIRST_IMPLEMENTED = {"DequantizeLinear": 19}


def evaluate_node(node: onnx.NodeProto, inputs: Mapping[str, NDArray[Any]], opset: int) -> dict[str, NDArray[Any]]:
    """Return the named outputs of a standard operator.

    Raises:
        ModelError: the operator refuses these inputs or has no reference implementation.
    """
    from onnx.reference import ReferenceEvaluator  # costs 50 ms, and most models need none of it

    version = max(opset, _FIRST_IMPLEMENTED.get(node.op_type, 0))
    model = onnx.ModelProto(ir_version=10, opset_import=[onnx.OperatorSetIdProto(domain="", version=version)])
    model.graph.name = "one"
    model.graph.node.append(node)
    names = [name for name in node.output if name]
    model.graph.input.extend(onnx.ValueInfoProto(name=name) for name in inputs)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            results = ReferenceEvaluator(model).run(names, dict(inputs))
    except Exception as error:  # the reference raises whatever NumPy does
        cause = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(node_place(node), f"cannot be computed from constants ({cause})", "repair the model") from error
    return {name: np.asarray(result) for name, result in zip(names, results, strict=True)}
