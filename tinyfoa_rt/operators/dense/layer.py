"""Dense layers that are trained, in three precisions (operators/products.py says what they compute)."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.c_program import Call, Statement
from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.step import StepNode, TensorType
from tinyfoa_rt.operators.geometry import known, same_as_first
from tinyfoa_rt.operators.lowering import CONTEXT, Lowering, LowerRule, scale_of
from tinyfoa_rt.operators.products import keep_gradient, product_operand, product_ports, slice_gradient_row
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import Memory, Operator, Port, ScratchRule, Types, no_scratch

__all__: list[str] = []


def _shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    x, w = known(inputs[0]), known(inputs[1])
    return (TensorType("float32", (*x.shape[:-1], w.size // x.shape[-1])),)


def _quantized_samples(inputs: Types) -> int:
    """Of each sample its step, and 16 bits an input in whole words (targets/c99/runtime/sign_dense.c)."""
    x = known(inputs[0])
    num_inputs = x.shape[-1]
    return x.size // num_inputs * (4 + 4 * -(-num_inputs // 2))


def _lower_real(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, z = node.inputs[0], node.outputs[0]
    load, operand = product_operand(lowering, (x, node.input(8)), 0.0)
    given = (CONTEXT, lowering.layers[node.inputs[1]], operand, lowering.rows_of(x), lowering.at(z))
    return [*load, Call("tfoa_real_dense", given, may_fail=True)]


def _lower_sign(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, z = node.inputs[0], node.outputs[0]
    scratch = lowering.at(own(node.name, "scratch"), "void")
    given = (CONTEXT, lowering.layers[node.inputs[1]], lowering.real(x), lowering.rows_of(x), scratch)
    return [Call("tfoa_sign_dense", (*given, lowering.at(z)), may_fail=True)]


def _lower_binary(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, z = node.inputs[0], node.outputs[0]
    load, scale = scale_of(lowering, node.input(8))
    given = (CONTEXT, lowering.layers[node.inputs[1]], lowering.at(x, "const uint32_t"), scale, lowering.rows_of(x))
    return [*load, Call("tfoa_binary_dense", (*given, lowering.at(z)), may_fail=True)]


def _product(name: str, precision: str, scratch: ScratchRule, lower: LowerRule) -> Operator:
    return Operator(
        name=name,
        inputs=product_ports(precision),
        outputs=(Port("z"),),
        shape_rule=_shape,
        scratch=scratch,
        doc=f"Dense product, {precision} precision, with the active slice kept apart.",
        attributes=("alpha",),
        lower=lower,
    )


register(
    _product("RealDense", "real", no_scratch, _lower_real),
    _product("SignDense", "sign", _quantized_samples, _lower_sign),
    _product("BinaryDense", "binary", no_scratch, _lower_binary),
    slice_gradient_row("DenseSliceGrad", (), keep_gradient),
    Operator(
        name="DenseSgdStep",
        inputs=(
            *(Port("w"), Port("grad_z"), Port("x"), Port("x_scale", is_optional=True), Port("rate")),
            Port("origin", is_optional=True),
        ),
        outputs=(Port("w_next"),),
        shape_rule=same_as_first,
        scratch=no_scratch,
        doc="DenseSliceGrad and SgdUpdate in one, so that the gradient is never stored.",
        memory=Memory(updates={0: 0}),
        attributes=("has_all_rows", "input_center", "limit"),
    ),
)
