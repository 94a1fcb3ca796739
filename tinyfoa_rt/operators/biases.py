"""Biases that alone are trained of a layer (partition/biases.py): z = x + b, where x is a product that stays as it is.

A bias is a weight of one input, which is always 1; its gradient is the sum of the error over all that it was added to.
"""

from __future__ import annotations

from tinyfoa_rt.ir.c_program import Call, Statement
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.geometry import same_as_first
from tinyfoa_rt.operators.lowering import CONTEXT, Lowering, StreamedGradient
from tinyfoa_rt.operators.products import slice_shape
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import IN_PLACE, Memory, Operator, Port, no_scratch

__all__: list[str] = []


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, z = node.inputs[0], node.outputs[0]
    given = (CONTEXT, lowering.layers[node.inputs[1]], lowering.rows_of(z), lowering.at(z))
    return [*lowering.in_place(x, z), Call("tfoa_add_biases", given, may_fail=True)]


def _keep_gradient(lowering: Lowering, node: StepNode) -> list[Statement]:
    lowering.gradients[node.outputs[0]] = StreamedGradient(node, None)
    return []


register(
    Operator(
        name="AddBias",
        inputs=(Port("x"), Port("w")),
        outputs=(Port("z"),),
        shape_rule=same_as_first,
        scratch=no_scratch,
        doc="z = x + w, biases that alone are trained of a layer; bias_shape is how they lie beside a sample.",
        memory=IN_PLACE,
        attributes=("bias_shape",),
        lower=_lower,
    ),
    Operator(
        name="BiasGrad",
        inputs=(Port("grad_z"),),
        outputs=(Port("grad_w"),),
        shape_rule=lambda inputs, attributes: (slice_shape(attributes),),
        scratch=no_scratch,
        doc="Gradient of biases that alone are trained: sums of errors; split is (rows, biases, positions).",
        memory=Memory(streams=frozenset({0})),
        attributes=("slice_shape", "split"),
        lower=_keep_gradient,
    ),
)
