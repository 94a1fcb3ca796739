"""Kernels of the library and the function bodies that they stand for, as models of one node."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray

from tests.ops.body_cases import BodyCase, dense_cases
from tests.ops.one_node import EVALUATORS, one_node_model
from tests.ops.packed_models import kernel_cases, packed_inputs, packed_model, packed_outputs
from tests.ops.references import REFERENCES

Array = NDArray[Any]

PLAIN = (
    "SoftmaxCrossEntropy",
    "WeightedSoftmaxCrossEntropy",
    "BinaryCrossEntropy",
    "MeanSquaredError",
    "BiasSliceGrad",
    "SgdUpdate",
    "MomentumUpdate",
    "AdamUpdate",
    "NormalizedUpdate",
)
CASES = [*kernel_cases(), *(case for case in dense_cases() if case.op_type in PLAIN and case.inputs[0] is not None)]


def run_with(library: Path, model: onnx.ModelProto, feeds: Sequence[Array], threads: int = 1) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.register_custom_ops_library(str(library))
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(zip([each.name for each in model.graph.input], feeds))))


def without_body(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same node, and an empty hand: what is computed then, a kernel computes."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.functions[:]
    return bare


def models_of(case: BodyCase) -> tuple[onnx.ModelProto, list[Array], list[Array]]:
    """A model of the case in the form that has a kernel, its inputs, and what the function body makes of them."""
    plain_model = one_node_model(case, REFERENCES[case.op_type](*case.inputs, **case.attributes))
    plain = EVALUATORS["onnxruntime"](case, plain_model)
    if case.op_type in PLAIN:
        return plain_model, [each for each in case.inputs if each is not None], plain
    return packed_model(case, plain), packed_inputs(case), packed_outputs(plain)
