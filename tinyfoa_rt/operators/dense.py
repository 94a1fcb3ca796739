"""Dense layers that are trained, in three precisions (operators/products.py says what they compute), and frozen products."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.c_program import Argument, Braces, Call, Fields, Number, Real, Statement
from tinyfoa_rt.ir.graph import Attribute, Node
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.step import StepNode, TensorType
from tinyfoa_rt.operators.geometry import known, same_as_first
from tinyfoa_rt.operators.lowering import CONTEXT, NULL, Lowering, LowerRule, refuse, scale_of
from tinyfoa_rt.operators.products import (
    frozen_weight,
    input_gradient_call,
    input_gradient_row,
    keep_gradient,
    product_operand,
    product_ports,
    slice_gradient_row,
)  # fmt: skip
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import Memory, Operator, Port, ScratchRule, StandardOperator, Types, no_scratch
from tinyfoa_rt.operators.strides import MOST_AXES, numbers, strides_of
from tinyfoa_rt.operators.vjp import GradientPass, grad_name
from tinyfoa_rt.operators.vjp import refuse as refuse_to_train

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
    return [*load, Call(lowering.of_bits(x, "tfoa_real_dense", "tfoa_real_dense_of_levels"), given, may_fail=True)]


def _lower_sign(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, z = node.inputs[0], node.outputs[0]
    scratch = lowering.at(own(node.name, "scratch"), "void")
    given = (CONTEXT, lowering.layers[node.inputs[1]], lowering.real(x), lowering.rows_of(x), scratch)
    return [Call("tfoa_sign_dense", (*given, lowering.at(z)), may_fail=True)]


def _lower_binary(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, z = node.inputs[0], node.outputs[0]
    load, scale = scale_of(lowering, node.input(8))
    given = (CONTEXT, lowering.layers[node.inputs[1]], lowering.at(x, "const uint32_t"), scale, lowering.rows_of(x))
    return [*load, Call(lowering.of_bits(x, "tfoa_binary_dense", "tfoa_level_dense"), (*given, lowering.at(z)), may_fail=True)]


def _lower_input_gradient(kernel: str) -> LowerRule:
    return lambda lowering, node: input_gradient_call(lowering, node, kernel, lowering.rows_of(node.outputs[0]))


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


def _gemm_vjp(backward: GradientPass, node: Node, grad: str) -> None:
    """grad_x = alpha grad W^T, of a weight that stays as it is."""
    weight, x = frozen_weight(backward, node), node.inputs[0]
    if node.int("transA", 0):
        raise refuse_to_train(node.name, "its input is transposed (transA=1); but a trained block needs its gradient")
    attributes = {"alpha": node.float("alpha", 1.0), "transB": 1 - node.int("transB", 0)}
    result = grad_name(node, x), backward.grad_type(x)
    backward.add(x, backward.builder.standard("Gemm", (grad, weight), result, attributes, "gradient"))


def _matmul_vjp(backward: GradientPass, node: Node, grad: str) -> None:
    """grad_x = grad W^T, of a matrix that stays as it is: all rows are multiplied at once."""
    builder, weight, x = backward.builder, frozen_weight(backward, node), node.inputs[0]
    if len(builder.graph.shape(weight)) != 2:
        axes = len(builder.graph.shape(weight))
        raise refuse_to_train(node.name, f"its weight has {axes} dimensions; but a trained block needs its gradient, through 2")
    full, name = backward.grad_type(x), grad_name(node, x)
    rows, columns = full.size // full.shape[-1], builder.graph.shape(weight)[1]
    if len(full.shape) == 2:
        backward.add(x, builder.standard("Gemm", (grad, weight), (name, full), {"transB": 1}, "gradient"))
        return
    errors = builder.reshape(grad, (own(name, "errors"), TensorType("float32", (rows, columns))), "gradient")
    result = own(name, "rows"), TensorType("float32", (rows, full.shape[-1]))
    product = builder.standard("Gemm", (errors, weight), result, {"transB": 1}, "gradient")
    backward.add(x, builder.reshape(product, (name, full), "gradient"))


def _lower_gemm(lowering: Lowering, node: StepNode) -> list[Statement]:
    a, b = node.inputs[:2]
    c = node.input(2)
    columns = lowering.shape(node.outputs[0])[1]
    transposes = node.int("transA", 0), node.int("transB", 0)
    if transposes[0]:
        raise refuse(node, "multiplies a transposed batch")
    c_shape = [1, 1, *(lowering.shape(c) if c else ())][-2:]
    strides = (columns if c_shape[1] > 1 else 1) if c_shape[0] > 1 else 0, int(c_shape[1] > 1)
    sizes = (lowering.rows_of(node.outputs[0]), *(Number(n) for n in (columns, lowering.shape(a)[1], *transposes, *strides)))
    scales = Real(node.float("alpha", 1.0)), Real(node.float("beta", 1.0))
    operands = lowering.real(a), lowering.real(b), lowering.real(c) if c else NULL
    return [Call("tfoa_gemm", (Fields("tfoa_gemm_shape", (*sizes, *scales)), *operands, lowering.at(node.outputs[0])))]


def _lower_matmul(lowering: Lowering, node: StepNode) -> list[Statement]:
    a, b = node.inputs
    a_shape, b_shape, shape = (lowering.shape(name) for name in (a, b, node.outputs[0]))
    if min(len(a_shape), len(b_shape)) < 2 or len(shape) > MOST_AXES:
        raise refuse(node, "multiplies vectors, or has too many axes")
    batches = shape[:-2]
    rows: Argument = Number(shape[-2]) if batches else lowering.leading(shape)
    sizes: list[Argument] = [lowering.leading(shape), *(Number(n) for n in batches[1:])] if batches else []
    room = MOST_AXES - 2
    filled = Braces((*sizes, *(Number(0) for _ in range(room - len(sizes)))))
    strides = []
    for operand in (a_shape, b_shape):
        of_batch = strides_of(operand[:-2], batches)
        strides.append(numbers([stride * operand[-2] * operand[-1] for stride in of_batch], room))
    counts = (rows, Number(shape[-1]), Number(a_shape[-1]), Number(len(batches)))
    fields = Fields("tfoa_matmul_shape", (*counts, filled, *strides))
    return [Call("tfoa_matmul", (fields, lowering.real(a), lowering.real(b), lowering.at(node.outputs[0])))]


def _sgd_step(name: str, rounding: tuple[Port, ...], attributes: tuple[str, ...], doc: str) -> Operator:
    return Operator(
        name=name,
        inputs=(
            *(Port("w"), Port("grad_z"), Port("x"), Port("x_scale", is_optional=True), Port("rate")),
            *(*rounding, Port("origin", is_optional=True)),
        ),
        outputs=(Port("w_next"),),
        shape_rule=same_as_first,
        scratch=no_scratch,
        doc=doc,
        memory=Memory(updates={0: 0}),
        attributes=("has_all_rows", "input_center", *attributes),
    )


register(
    _product("RealDense", "real", no_scratch, _lower_real),
    _product("SignDense", "sign", _quantized_samples, _lower_sign),
    _product("BinaryDense", "binary", no_scratch, _lower_binary),
    slice_gradient_row("DenseSliceGrad", (), keep_gradient),
    input_gradient_row("RealDenseInputGrad", "real", (), _lower_input_gradient("tfoa_real_dense_input_grad")),
    input_gradient_row("SignDenseInputGrad", "sign", (), _lower_input_gradient("tfoa_sign_dense_input_grad")),
    _sgd_step("DenseSgdStep", (), ("limit",), "DenseSliceGrad and SgdUpdate in one, so that the gradient is never stored."),
    _sgd_step(
        "DenseSgdStepOnIntegers",
        (Port("quantum"), Port("step", is_optional=True)),
        ("key", "taps", "most"),
        "DenseSgdStep on whole numbers, rounded by chance to [-most, most].",
    ),
    StandardOperator(name="Gemm", vjp=_gemm_vjp, lower=_lower_gemm),
    StandardOperator(name="MatMul", vjp=_matmul_vjp, lower=_lower_matmul),
)
