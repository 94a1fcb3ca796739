"""Products of matrices in a frozen part."""

from __future__ import annotations

from tinyfoa_rt.ir.c_program import Argument, Braces, Call, Fields, Number, Real, Statement
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.lowering import NULL, Lowering, refuse
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import StandardOperator
from tinyfoa_rt.operators.strides import MOST_AXES, numbers, strides_of

__all__: list[str] = []


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


register(StandardOperator(name="Gemm", lower=_lower_gemm), StandardOperator(name="MatMul", lower=_lower_matmul))
