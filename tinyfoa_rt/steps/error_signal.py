"""Where the error at a block's output comes from.

A block has a local head: logits = B h, the loss of the logits, delta_h = B^T delta_logits. The model's own classifier is trained
with its true loss, on its own output. The error leaves here in the form that the block's nodes take it: behind the
straight-through window where the output is binary.
"""

from __future__ import annotations

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.losses import loss_of
from tinyfoa_rt.ir.names import HEAD, LOGITS, LOSS, RATE, TARGET, gradient, own, successor
from tinyfoa_rt.ir.optimizers import optimizer_of
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.updates import LARGEST
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.builder import StepBuilder
from tinyfoa_rt.steps.forward import ForwardPass
from tinyfoa_rt.steps.parameters import declare_states
from tinyfoa_rt.steps.setting import BlockSetting

__all__ = ["add_error_signal"]


def add_error_signal(setting: BlockSetting, forward: ForwardPass, backward: BackwardPass) -> str:
    """Add head, loss and their gradient; return the gradient of the block's (real) output."""
    builder = forward.builder
    output = setting.block.output
    target = _declare_target(setting, builder)
    if setting.block.is_classifier:
        return _true_error(setting, builder, target)
    head = _declare_head(setting, builder)
    seen, scale = _seen(setting, forward)
    pools = int(setting.head_pool == "average")
    drawn: dict[str, Attribute] = {"seed": setting.recipe.seed, "pools": pools, "gain": setting.head_gain}
    attributes = {"num_classes": setting.recipe.num_outputs, **drawn}
    logits = builder.call("HeadLogits", (seen, scale, head), (LOGITS,), attributes, "head")[0]
    grad_logits, _ = _loss(setting.recipe, builder, (logits, target))
    builder.phase = "gradient"
    full = builder.type_of(seen).shape
    shape = backward.part.shape(full) if backward.part else full
    grad_attributes = {"output_shape": shape, **drawn, **_channel_units(setting, backward)}
    inputs = (grad_logits, head, "", backward.origin)
    grad_h = builder.call("HeadGrad", inputs, (gradient(seen),), grad_attributes, "gradient")[0]
    if setting.recipe.head == "learned":
        _learn_head(setting, builder, head, (seen, scale))
    if seen != output:
        none = (0,) * len(setting.head_cells)
        spread: dict[str, Attribute] = {**_cells(setting), "dilations": (1,) * len(none), "overhang": none, "unreached": none}
        spread["input_shape"] = backward.grad_type(output).shape
        grad_h = builder.call("AveragePoolGrad", (grad_h, backward.origin), (gradient(output),), spread, "gradient")[0]
    if not setting.is_binary:
        return grad_h
    windowed = (grad_h, own(output, "window"), backward.origin)
    name = gradient(own(output, "preactivation"))
    return builder.call("StraightThroughGrad", windowed, (name,), backward.channel_size(output), "gradient")[0]


def _seen(setting: BlockSetting, forward: ForwardPass) -> tuple[str, str]:
    """What the head reads, and its scale: the block's output, or the means of its cells, which are real numbers."""
    builder, output = forward.builder, setting.block.output
    scale = forward.binary.get(output, "")
    if setting.head_pool != "grid":
        return output, scale
    shape = builder.value_type(output).shape
    cells = (own(output, "cells"), TensorType("float32", (*shape[:2], *setting.head_cells)))
    real = builder.real(output, scale) if setting.is_binary else output
    return builder.standard("AveragePool", (real,), cells, _cells(setting), "head"), ""


def _cells(setting: BlockSetting) -> dict[str, Attribute]:
    """The window of the grid: cells side by side, the last of which may reach beyond the end; the mean is of what is there."""
    size, cell = setting.graph.shape(setting.block.output)[2:], setting.head_cell
    beyond = tuple(count * length - whole for count, length, whole in zip(setting.head_cells, cell, size))
    return {"kernel_shape": cell, "strides": cell, "pads": (*(0 for _ in size), *beyond)}


def _true_error(setting: BlockSetting, builder: StepBuilder, target: str) -> str:
    """The gradient of the loss of the model's own output, which has positions, of size 1, where a convolution classifies."""
    output = setting.block.output
    shape = builder.type_of(output).shape
    if len(shape) <= 2:
        return _loss(setting.recipe, builder, (output, target))[0]
    flat = TensorType("float32", (shape[0], setting.recipe.num_outputs))
    logits = builder.standard("Reshape", (output,), (own(output, "flat"), flat))
    grad, _ = _loss(setting.recipe, builder, (logits, target))
    builder.phase = "gradient"
    return builder.standard("Reshape", (grad,), (gradient(output), TensorType("float32", shape)), category="gradient")


def _channel_units(setting: BlockSetting, backward: BackwardPass) -> dict[str, Attribute]:
    """The attribute that says how many units of the head a channel of the active slice has; none where it is one."""
    units = setting.head_units // backward.part.channels if backward.part else 1
    return {"channel_units": units} if units > 1 else {}


def _declare_target(setting: BlockSetting, builder: StepBuilder) -> str:
    if loss_of(setting.recipe.loss).target != "class":
        target_type = TensorType("float32", (builder.batch, setting.recipe.num_outputs))
    else:
        # onnxruntime's operators index with 64-bit numbers.
        target_type = TensorType("int64" if setting.target.runtime == "ort" else "int32", (builder.batch,))
    return builder.tensor(TARGET, target_type, "activation", is_persistent=True)


def _loss(recipe: Recipe, builder: StepBuilder, inputs: tuple[str, str]) -> tuple[str, ...]:
    return builder.call(loss_of(recipe.loss).operator, inputs, (gradient(LOGITS), LOSS), {}, "head")


def _declare_head(setting: BlockSetting, builder: StepBuilder) -> str:
    """The stored head, or the empty string where it is computed from its hash."""
    shape = (setting.recipe.num_outputs, setting.head_units)
    if setting.recipe.head == "rademacher":
        if setting.target.computes_head:
            return ""
        return builder.tensor(HEAD, TensorType("int8", shape), "head", is_persistent=True)
    head_type = TensorType("float32", shape)
    if setting.recipe.head in ("kaiming", "classifier"):
        return builder.tensor(HEAD, head_type, "head", place=builder.parameter_place, is_persistent=True)
    builder.tensor(HEAD, head_type, "head", is_persistent=True)
    declare_states(builder, HEAD, setting.recipe.optimizer)
    return HEAD


def _learn_head(setting: BlockSetting, builder: StepBuilder, head: str, seen: tuple[str, str]) -> None:
    """Mono-Forward: the head takes a gradient step of its own, from what it has seen and its scale."""
    shape = builder.type_of(head).shape
    attributes: dict[str, Attribute] = {"slice_shape": shape, "bias_size": 0, "has_all_rows": 1}
    inputs = (gradient(LOGITS), *seen)
    grad = builder.call("DenseSliceGrad", inputs, (gradient(HEAD),), attributes, "gradient")[0]
    optimizer = optimizer_of(setting.recipe.optimizer)
    states = [own(HEAD, kept) for kept in optimizer.kept]
    outputs = tuple(successor(name) for name in (head, *states))
    builder.call(optimizer.update, (head, grad, RATE, *states), outputs, {"limit": LARGEST})
