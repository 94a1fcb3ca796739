"""Products and updates of trained layers -> calls of the runtime and of kernels.

What the runtime streams is one call here: a gradient and its update (a SliceGrad and the update that reads it) become
``tfoa_weight_sgd_step`` and its like, which also pack the signs (PackSigns).
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.c_program import Argument, Call, Fields, Name, Number, Real, Statement, Value
from tinyfoa_rt.ir.names import own, split
from tinyfoa_rt.ir.optimizers import OPTIMIZERS, STEP_COUNT, updated_by
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.lowering import CONTEXT, NULL, Lowering, Rule, real_attribute, scale_of, whole_attribute
from tinyfoa_rt.operators.windows import window_of

__all__ = ["TRAINED_LAYER_RULES", "running_normalization"]


def _dense(lowering: Lowering, node: StepNode) -> list[Statement]:
    """Z = x W^T + b, W the latent values or their signs."""
    x, z = node.inputs[0], node.outputs[0]
    layer = lowering.layers[node.inputs[1]]
    if node.op_type == "BinaryDense":
        load, scale = scale_of(lowering, node.input(8))
        bits = (lowering.at(x, "const uint32_t"), scale)
        return [*load, Call("tfoa_binary_dense", (CONTEXT, layer, *bits, lowering.rows_of(x), lowering.at(z)), may_fail=True)]
    if node.op_type == "SignDense":
        scratch = lowering.at(own(node.name, "scratch"), "void")
        given = (CONTEXT, layer, lowering.real(x), lowering.rows_of(x), scratch)
        return [Call("tfoa_sign_dense", (*given, lowering.at(z)), may_fail=True)]
    load, operand = _operand(lowering, (x, node.input(8)), 0.0)
    return [*load, Call("tfoa_real_dense", (CONTEXT, layer, operand, lowering.rows_of(x), lowering.at(z)), may_fail=True)]


def _conv(lowering: Lowering, node: StepNode) -> list[Statement]:
    """Z = W * x + b, W the latent values or their signs."""
    x, z = node.inputs[0], node.outputs[0]
    shape = lowering.type_of(z).shape
    given = (CONTEXT, lowering.layers[node.inputs[1]], _conv_shape(lowering, node, x, shape))
    if node.op_type == "BinaryConv":
        load, scale = scale_of(lowering, node.input(8))
        bits = (lowering.at(x, "const uint32_t"), scale)
        return [*load, Call("tfoa_binary_conv", (*given, *bits, lowering.at(z)), may_fail=True)]
    if node.op_type == "SignConv":
        scratch = lowering.at(own(node.name, "scratch"), "int16_t")
        return [Call("tfoa_sign_conv", (*given, lowering.real(x), scratch, lowering.at(z)), may_fail=True)]
    return [Call("tfoa_real_conv", (*given, lowering.real(x), lowering.at(z)), may_fail=True)]


def _conv_shape(lowering: Lowering, node: StepNode, x: str, z_shape: tuple[int, ...]) -> Fields:
    """``tfoa_conv_shape`` of a product, or of its gradient; ``z_shape`` has all outputs."""
    x_shape = lowering.type_of(x).shape
    window = window_of(node, x_shape[2:], z_shape[2:], node.ints("kernel_shape", ()))
    counts = Number(whole_attribute(node, "group")), Number(x_shape[1]), Number(z_shape[1])
    return Fields("tfoa_conv_shape", (window, lowering.leading(x_shape), *counts))


def _slice_grad(lowering: Lowering, node: StepNode) -> list[Statement]:
    """No call: the updates that read the gradient compute it as they go."""
    for name in node.outputs:
        lowering.gradients[name] = node
    return []


def _update(lowering: Lowering, node: StepNode) -> list[Statement]:
    latent, grad, rate = node.inputs[:3]
    optimizer = updated_by(node.op_type)
    source = lowering.gradients[grad]
    grad_z, is_weight = source.inputs[0], grad == source.outputs[0]
    states = [lowering.at(name, "int32_t" if split(name)[1] == STEP_COUNT else "float") for name in node.inputs[3:] if name]
    extra: tuple[Argument, ...] = (Fields("tfoa_moments", tuple(states)),) if optimizer.counts_steps else tuple(states)
    end = (lowering.rows_of(grad_z), Value("float", lowering.offsets[rate]), *extra)
    begin = (Name("&slice"), lowering.at(grad_z))
    if not is_weight:
        return [Call(f"tfoa_bias_{optimizer.name}_step", (*begin, *end))]
    limit = Real(real_attribute(node, "limit"))
    arguments = (CONTEXT, lowering.layers[latent], Number(whole_attribute(source, "has_all_rows")), limit)
    lowering.locals["slice"] = "tfoa_slice slice"
    load, operand = _gradient_operand(lowering, source)
    step = Call(f"tfoa_weight_{optimizer.name}_step", (*begin, operand, *end))
    return [Call("tfoa_active_slice", arguments, result="slice"), *load, step]


def _gradient_operand(lowering: Lowering, source: StepNode) -> tuple[list[Statement], Fields]:
    """What the errors are multiplied with, for the operator that computes the gradient of a slice."""
    grad_z, x = source.inputs[:2]
    conv: tuple[Argument, Argument] = (NULL, NULL)
    if source.op_type == "ConvSliceGrad":
        outputs = whole_attribute(source, "group_outputs") * whole_attribute(source, "group")
        positions = lowering.type_of(grad_z).shape[2:]
        shape = _conv_shape(lowering, source, x, (lowering.batch, outputs, *positions))
        conv = (shape, Name("tfoa_conv_weight_gradient"))
    return _operand(lowering, (x, source.input(2)), source.float("input_center", 0.0), conv)


def _operand(
    lowering: Lowering, given: tuple[str, str], center: float, conv: tuple[Argument, Argument] = (NULL, NULL)
) -> tuple[list[Statement], Fields]:
    """What a layer multiplies: bits with their scale, or real numbers; ``given`` are their tensor and that of the scale."""
    x, x_scale = given
    units = Number(lowering.columns(x))
    if lowering.type_of(x).dtype != "bit":
        return [], Fields("tfoa_operand", (NULL, lowering.real(x), units, Real(1.0), Real(0.0), *conv))
    load, scale = scale_of(lowering, x_scale)
    return load, Fields("tfoa_operand", (lowering.at(x, "const uint32_t"), NULL, units, scale, Real(center), *conv))


def _pack_signs(lowering: Lowering, node: StepNode) -> list[Statement]:
    """No call: the updates do it, row by row, and leave rows alone whose weights have not moved."""
    return []


def running_normalization(lowering: Lowering, node: StepNode) -> list[Statement]:
    """Batch normalization of a trained block, outside of its step."""
    x, gain = node.inputs[:2]
    block, number = lowering.statistics[node.inputs[3]]
    epsilon = Real(node.float("epsilon", 1e-5))
    by = Fields("tfoa_running", (Number(block), Number(number), epsilon, lowering.real(gain)))
    shape = Fields("tfoa_channels", lowering.channels(x).values)
    return [
        Call("tfoa_running_normalization", (CONTEXT, by, shape, lowering.real(x), lowering.at(node.outputs[0])), may_fail=True)
    ]


TRAINED_LAYER_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("RealDense", "SignDense", "BinaryDense"), _dense),
    **dict.fromkeys(("RealConv", "SignConv", "BinaryConv"), _conv),
    **dict.fromkeys(("DenseSliceGrad", "ConvSliceGrad"), _slice_grad),
    **dict.fromkeys((row.update for row in OPTIMIZERS.values()), _update),
    "PackSigns": _pack_signs,
}
