"""Where the parameters of a layer lie during a step.

Three cases, by what the profile and the choice allow:

1. *sliced*: the layer lies in nonvolatile memory and only its active slice is in RAM, with its latent values, bits and state.
2. *resident*: the whole layer is in RAM (one slice, or no nonvolatile memory to keep the others in).
3. *read-only*: the layer is not trained in this step; it is read where it lies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from tinyfoa_rt.ir.block import Layer
from tinyfoa_rt.ir.latents import latent_of
from tinyfoa_rt.ir.names import RATE, STEP, own, quantum_of
from tinyfoa_rt.ir.optimizers import STEP_COUNT, optimizer_of
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.steps.block_context import StepChoice
from tinyfoa_rt.steps.builder import StepBuilder

__all__ = [
    "LayerTensors", "Parameter",
    "declare_read_only", "declare_states", "declare_step_number", "declare_trained", "kept_types",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    """A trained tensor: its latent values, and the optimizer state of the same shape. ``grad_type`` is what one step updates.

    ``quantum`` is what one unit is worth of latent values that are whole numbers.
    """

    latent: str
    states: tuple[str, ...]
    grad_type: TensorType
    quantum: str = ""


@dataclass(frozen=True, slots=True)
class LayerTensors:
    """Names of a layer's tensors; the empty string where there is none. ``w`` and ``w_slice`` are what products read."""

    w: str
    bias: str = ""
    w_slice: str = ""
    bias_slice: str = ""
    origin: str = ""
    abs_sum: str = ""
    abs_sum_slice: str = ""
    weight: Parameter | None = None
    bias_parameter: Parameter | None = None
    rate: str = RATE

    @property
    def updated_signs(self) -> tuple[str, str]:
        """The bits and row sums that follow the latent weights."""
        return (self.w_slice or self.w), (self.abs_sum_slice or self.abs_sum)


def matrix_type(layer: Layer, profile: Profile, dtype: str, part: tuple[int, int] | None = None) -> TensorType:
    """The weight, or a part of it given as (inputs, outputs), as a matrix; see operators/products.py for its orientation."""
    ins, outs = part or (layer.in_features, layer.out_features)
    rows, columns = outs * layer.weight_copies, ins * layer.taps
    if profile.runtime == "c99":
        return TensorType(dtype, (rows, columns))
    return TensorType(dtype, (layer.positions, columns, outs) if layer.kind == "local" else (columns, outs))


def sum_type(layer: Layer, profile: Profile, num_outputs: int) -> TensorType:
    """Sums of |W|, one an output and position."""
    if layer.kind == "local" and profile.runtime != "c99":
        return TensorType("float32", (layer.positions, num_outputs))
    return TensorType("float32", (num_outputs * layer.weight_copies,))


def declare_read_only(builder: StepBuilder, layer: Layer, recipe: Recipe) -> LayerTensors:
    """Declare a layer that an earlier stage of training has finished."""
    is_binary = recipe.binarize != "none"
    place = builder.parameter_place
    w_type = matrix_type(layer, builder.profile, "bit" if is_binary else _latent_dtype(builder, recipe))
    w = builder.tensor(own(layer.name, "w"), w_type, "weight", place=place, is_persistent=True)
    if not is_binary:
        w = _read(builder, w, _quantum(builder, layer, recipe))
    bias = abs_sum = ""
    if layer.bias is not None:
        bias_type = TensorType("float32", (layer.bias_size,))
        bias = builder.tensor(own(layer.name, "bias"), bias_type, "weight", place=place, is_persistent=True)
    if is_binary:
        sums = sum_type(layer, builder.profile, layer.out_features)
        abs_sum = builder.tensor(own(layer.name, "abs_sum"), sums, "weight", place=place, is_persistent=True)
    return LayerTensors(w, bias, abs_sum=abs_sum)


def declare_trained(builder: StepBuilder, layer: Layer, recipe: Recipe, choice: StepChoice) -> LayerTensors:
    """Declare a layer that this step trains."""
    grid = SliceGrid.of(layer, choice.slices)
    ins, outs = grid.largest
    weight = matrix_type(layer, builder.profile, _latent_dtype(builder, recipe), (ins, outs))
    part = _Part(weight, outs, grid.count > 1, grid.is_even)
    if latent_of(recipe.latent).is_integer:
        declare_step_number(builder)
    declare = _sliced if choice.holds_slice and part.is_slice else _resident
    return declare(builder, layer, recipe, part)


def declare_step_number(builder: StepBuilder) -> str:
    """Declare how many steps have been taken, by which whole numbers are rounded; generated C counts them itself."""
    if builder.profile.runtime != "ort":
        return ""
    return STEP if builder.has(STEP) else builder.tensor(STEP, TensorType("int64", ()), "state", is_persistent=True)


class _Part(NamedTuple):
    """What one step updates of a layer: the type of the weight's part, how many output features it has, whether there is more."""

    weight: TensorType
    num_outputs: int
    is_slice: bool
    is_even: bool


def _sliced(builder: StepBuilder, layer: Layer, recipe: Recipe, part: _Part) -> LayerTensors:
    read_only = declare_read_only(builder, layer, recipe)
    name = layer.name
    vector = TensorType("float32", (part.num_outputs * layer.weight_copies,))
    origin = builder.tensor(own(name, "origin"), TensorType("int32", (4,)), "state", is_persistent=True)
    quantum = _quantum(builder, layer, recipe)
    weight = _parameter(builder, own(name, "w_slice"), part.weight, recipe, quantum)
    w_slice, abs_sum_slice = weight.latent, ""
    if recipe.binarize != "none":
        bits = TensorType("bit", part.weight.shape)
        w_slice = builder.tensor(own(name, "w_slice", "bits"), bits, "weight", is_persistent=True)
        sums = sum_type(layer, builder.profile, part.num_outputs)
        abs_sum_slice = builder.tensor(own(name, "abs_sum_slice"), sums, "state", is_persistent=True)
    else:
        w_slice = _read(builder, w_slice, quantum)
    bias_parameter = None
    if layer.bias is not None:
        bias_parameter = _parameter(builder, own(name, "bias_slice"), vector, recipe)
    if not part.is_even:
        parameters = [parameter for parameter in (weight, bias_parameter) if parameter is not None]
        sized = [name for p in parameters for name in (p.latent, *p.states) if builder.type_of(name).shape]
        builder.mark_slice_dependent(*sized, *(name for name in (w_slice, abs_sum_slice) if name and name not in sized))
    return LayerTensors(
        w=read_only.w,
        bias=read_only.bias,
        w_slice=w_slice,
        bias_slice=bias_parameter.latent if bias_parameter else "",
        origin=origin,
        abs_sum=read_only.abs_sum,
        abs_sum_slice=abs_sum_slice,
        weight=weight,
        bias_parameter=bias_parameter,
    )


def _resident(builder: StepBuilder, layer: Layer, recipe: Recipe, part: _Part) -> LayerTensors:
    name = layer.name
    whole = matrix_type(layer, builder.profile, _latent_dtype(builder, recipe))
    vector = TensorType("float32", (layer.out_features * layer.weight_copies,))
    origin = ""
    if part.is_slice:
        origin = builder.tensor(own(name, "origin"), TensorType("int32", (4,)), "state", is_persistent=True)
    quantum = _quantum(builder, layer, recipe)
    weight = _parameter(builder, own(name, "w"), whole, recipe, quantum)
    weight = replace(weight, grad_type=_real(part.weight))
    w, abs_sum = weight.latent, ""
    if recipe.binarize != "none":
        w = builder.tensor(own(name, "w", "bits"), TensorType("bit", whole.shape), "weight", is_persistent=True)
        sums = sum_type(layer, builder.profile, layer.out_features)
        abs_sum = builder.tensor(own(name, "abs_sum"), sums, "state", is_persistent=True)
    else:
        w = _read(builder, w, quantum)
    bias_parameter = None
    if layer.bias is not None:
        declared = _parameter(builder, own(name, "bias"), vector, recipe)
        updated = TensorType("float32", (part.num_outputs * layer.weight_copies,))
        bias_parameter = Parameter(declared.latent, declared.states, updated)
    bias = bias_parameter.latent if bias_parameter else ""
    return LayerTensors(w, bias, origin=origin, abs_sum=abs_sum, weight=weight, bias_parameter=bias_parameter)


def _parameter(builder: StepBuilder, name: str, tensor_type: TensorType, recipe: Recipe, quantum: str = "") -> Parameter:
    """Declare latent values and optimizer state in RAM."""
    latent = builder.tensor(name, tensor_type, "weight", is_persistent=True)
    return Parameter(latent, declare_states(builder, latent, recipe.optimizer), _real(tensor_type), quantum)


def _latent_dtype(builder: StepBuilder, recipe: Recipe) -> str:
    """The type of latent weights: generated C packs those of few bits, onnxruntime has types of its own."""
    latent = latent_of(recipe.latent)
    return latent.name if builder.profile.runtime == "c99" else latent.dtype


def _quantum(builder: StepBuilder, layer: Layer, recipe: Recipe) -> str:
    """What one unit of a layer's latent weights is worth; the empty string where they are real numbers."""
    if not latent_of(recipe.latent).is_integer:
        return ""
    name = quantum_of(own(layer.name, "w"))
    if not builder.has(name):
        builder.tensor(name, TensorType("float32", ()), "weight", place=builder.parameter_place, is_persistent=True)
    return name


def _read(builder: StepBuilder, latent: str, quantum: str) -> str:
    """What products read of latent weights: on onnxruntime whole numbers become real ones in front of them."""
    if not quantum or builder.profile.runtime != "ort":
        return latent
    return builder.call("Dequantize", (latent, quantum), (own(latent, "real"),))[0]


def _real(tensor_type: TensorType) -> TensorType:
    """What gradients and optimizers keep of a tensor."""
    return TensorType("float32", tensor_type.shape)


def declare_states(builder: StepBuilder, latent: str, optimizer: str) -> tuple[str, ...]:
    """Declare what the optimizer keeps of a trained tensor; return it in the order in which the update takes it."""
    types = kept_types(optimizer, builder.type_of(latent))
    return tuple(builder.tensor(own(latent, kept), each, "state", is_persistent=True) for kept, each in types.items())


def kept_types(optimizer: str, like: TensorType) -> dict[str, TensorType]:
    """Types of what an optimizer keeps of a trained tensor like ``like``, by name, in the order in which the update takes it."""
    row = optimizer_of(optimizer)
    types = {STEP_COUNT: TensorType("int32", ()), **dict.fromkeys(row.scalars, TensorType("float32", ()))}
    return {kept: types.get(kept, _real(like)) for kept in row.kept}
