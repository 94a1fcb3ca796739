"""Cases of function bodies in their packed form: a packed operator as a model, and packed inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from tests.ops.body_cases import BodyCase, dense_cases, number, real
from tests.ops.input_gradient_cases import dense_input_gradient_cases
from tests.ops.one_node import one_node_model
from tests.ops.references.packed import pack_bits
from tinyfoa_rt.emit import load_functions
from tinyfoa_rt.emit.packed import ALWAYS, PACKED_OPERATORS
from tinyfoa_rt.emit.packed_functions import packed_function
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators import DOMAIN

__all__ = ["kernel_cases", "packed_cases", "packed_inputs", "packed_model", "packed_outputs"]

Array = NDArray[Any]


def packed_cases() -> list[BodyCase]:
    """The cases of bodies that have a packed form, sizes beyond a word and a block of the kernels among them."""
    cases = [*dense_cases(), *dense_input_gradient_cases(), *_wide_cases()]
    found = []
    for case in cases:
        packed = [each for each in case.inputs if each is not None and each.dtype in (np.uint8, np.int8)]
        makes_bits = case.op_type in ("BinaryActivation", "PackSigns") or case.op_type in ALWAYS
        has_matrices = all(each.ndim == 2 for each in packed) and case.inputs[0] is not None and case.inputs[0].ndim == 2
        if "Integers" in case.op_type:  # whole numbers are no signs: tests/ort_ops/test_integers.py
            continue
        if case.op_type in PACKED_OPERATORS and (packed or makes_bits) and has_matrices and "pooled" not in case.variants:
            found.append(case)
    return found


def kernel_cases() -> list[BodyCase]:
    """Those of them that the library of kernels computes; of the others it runs the bodies."""
    return [case for case in packed_cases() if case.op_type != "HeadWeightGrad"]


def packed_model(case: BodyCase, expected: Sequence[Array]) -> onnx.ModelProto:
    """The packed operator of the case's operator, with its body; ``expected`` are the outputs in bytes."""
    plain = one_node_model(case, expected)
    (proto,) = plain.graph.node
    outputs = tuple(name for name, _ in zip(proto.output, expected))
    node = StepNode(
        name=case.label, op_type=case.op_type, domain=DOMAIN, inputs=tuple(proto.input), outputs=outputs, phase="forward"
    )
    given = {name: value for name, value in zip(proto.input, case.inputs) if value is not None}
    results = dict(zip(outputs, expected))
    packed = frozenset(name for name, value in {**given, **results}.items() if value.dtype in (np.uint8, np.int8))
    body = packed_function(f"Packed{case.op_type}", node, proto, packed, case.variants)
    called = dict.fromkeys(each.op_type for each in body.node if each.domain == DOMAIN)
    units = helper.make_attribute("units", _units(case))
    new = helper.make_node(body.name, list(proto.input), list(outputs), name="node", domain=DOMAIN)
    new.attribute.extend([*proto.attribute, units])
    inputs = dict(zip(given, packed_inputs(case)))
    graph = helper.make_graph(
        [new],
        case.label,
        [_info(name, value) for name, value in inputs.items()],
        [_info(name, value) for name, value in zip(outputs, packed_outputs(expected))],
    )
    functions = [*load_functions(called, variants=case.variants), body]
    return helper.make_model(graph, opset_imports=plain.opset_import, functions=functions, ir_version=9)


def packed_inputs(case: BodyCase) -> list[Array]:
    """The inputs that are there."""
    function = load_functions([case.op_type], variants=case.variants)[-1]
    return [_packed(value, port) for port, value in zip(function.input, case.inputs) if value is not None]


def packed_outputs(outputs: Sequence[Array]) -> list[Array]:
    return [_packed(value, "") for value in outputs]


def _packed(value: Array, port: str) -> Array:
    """Bits as rows, signs as rows of outputs, stored heads as they lie; real numbers as they are."""
    if value.dtype == np.uint8:
        return pack_bits(value)[0]
    if value.dtype == np.int8:
        return pack_bits(value > 0 if port == "head" else (value > 0).T)[0]
    return value


def _units(case: BodyCase) -> int:
    for position, value in enumerate(case.inputs):
        if value is not None and value.dtype == np.uint8:
            return int(value.shape[1])
        if value is not None and value.dtype == np.int8:
            return int(value.shape[0] if position < 2 and case.op_type != "HeadGrad" else value.shape[1])
    return 0


def _info(name: str, value: Array) -> onnx.ValueInfoProto:
    dtype = np.dtype(np.float32) if value.dtype == np.float64 else value.dtype
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), [None] * value.ndim)


def _wide_cases() -> list[BodyCase]:
    """Layers of 70 x 100 and a batch of 150: several words, blocks and passes of the kernels, and what is left over."""
    found = []
    for case in (*dense_cases(), *dense_input_gradient_cases()):
        rng = np.random.default_rng(len(case.label))
        if case.op_type in ("BinaryDense", "SignDense", "RealDense") and "-7" in case.label:
            found.append(replace(_wide_product(rng, case), label=f"{case.label}-wide"))
        elif case.op_type in ("DenseSgdStep", "DenseSliceGrad") and "-7" in case.label and "whole" not in case.label:
            found.append(replace(_wide_step(rng, case), label=f"{case.label}-wide"))
        elif case.op_type == "SignDenseInputGrad" and "-7" in case.label:
            found.append(replace(_wide_input_gradient(rng, case), label=f"{case.label}-wide"))
    stored = (rng.integers(0, 2, (7, 70)).astype(np.uint8), number(0.6), real(rng, 4, 70))
    return [*found, BodyCase("HeadLogits-stored-bits", "HeadLogits", stored, {"num_classes": 4, "gain": 0.3})]


def _wide_product(rng: np.random.Generator, case: BodyCase) -> BodyCase:
    ins, outs, batch = 70, 100, 150
    first_in, first_out, num_in, num_out = 37, 13, 33, 80
    (x, w, _, w_slice), scale = case.inputs[:4], case.inputs[-1]
    assert x is not None and w is not None
    given = rng.integers(0, 2, (batch, ins)).astype(np.uint8) if x.dtype == np.uint8 else real(rng, batch, ins)
    weights = real(rng, ins, outs) if w.dtype == np.float32 else rng.choice((-1, 1), (ins, outs)).astype(np.int8)
    part = weights[first_in : first_in + num_in, first_out : first_out + num_out].copy()
    biases, abs_sums, part_sums = real(rng, outs), rng.uniform(1, 2, outs).astype(np.float32), None
    rest: tuple[Array | None, ...] = (None, None, None)
    if w_slice is not None:
        weights[first_in : first_in + num_in, first_out : first_out + num_out] = 0
        biases[first_out : first_out + num_out] = 0
        rest = (part, real(rng, num_out), np.array((first_in, first_out, num_in, num_out), dtype=np.int32))
        part_sums = rng.uniform(1, 2, num_out).astype(np.float32)
    is_real = w.dtype == np.float32
    alphas = (None, None) if is_real else (abs_sums, part_sums)
    return replace(case, inputs=(given, weights, biases, *rest, *alphas, scale))


def _wide_input_gradient(rng: np.random.Generator, case: BodyCase) -> BodyCase:
    """As the case, with 150 samples of a layer of 70 x 100."""
    product = BodyCase(case.label, "SignDense", (case.inputs[0], case.inputs[1], None, case.inputs[2], *[None] * 5))
    _, w, _, w_slice, _, origin, abs_sum, abs_sum_slice, _ = _wide_product(rng, product).inputs
    grad_z = real(rng, 150, 100) / 10
    given = (grad_z.astype(np.float32), w, w_slice, origin, abs_sum, abs_sum_slice)
    return replace(case, inputs=given, attributes={**case.attributes, "input_shape": (150, 70)})


def _wide_step(rng: np.random.Generator, case: BodyCase) -> BodyCase:
    """As the case, with 150 samples of 90 inputs, a slice of 57 x 43 of them."""
    is_step = case.op_type == "DenseSgdStep"
    position = 2 if is_step else 1
    x = case.inputs[position]
    assert x is not None
    given = rng.integers(0, 2, (150, 90)).astype(np.uint8) if x.dtype == np.uint8 else real(rng, 150, 90)
    columns = 60 if case.attributes["has_all_rows"] else 43
    grad_z, part = real(rng, 150, columns) / 10, np.array((29, 11, 57, 43), dtype=np.int32)
    scale = case.inputs[position + 1]
    if is_step:
        w = rng.uniform(-1, 1, (57, 43)).astype(np.float32)
        return replace(case, inputs=(w, grad_z.astype(np.float32), given, scale, number(0.1), part))
    attributes = {**case.attributes, "slice_shape": (57, 43), "bias_size": 43}
    return replace(case, inputs=(grad_z.astype(np.float32), given, scale, part), attributes=attributes)
