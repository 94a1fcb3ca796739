"""The update of a layer: from the error at its output to the active slice of its weights, and the signs that follow them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tinyfoa_rt.ir.block import Layer
from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.latents import draw_key, latent_of
from tinyfoa_rt.ir.names import RATE, STEP, gradient, own, successor
from tinyfoa_rt.ir.optimizers import optimizer_of
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.operators.updates import LARGEST, ON_INTEGERS
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.block_context import BlockContext, StepChoice
from tinyfoa_rt.steps.builder import StepBuilder
from tinyfoa_rt.steps.forward import ForwardPass, window_attributes
from tinyfoa_rt.steps.parameters import LayerTensors, Parameter
from tinyfoa_rt.steps.recomputation import Recomputation

__all__ = ["LayerUpdates", "rate_after"]

_SLICE_GRADIENTS = {"dense": "DenseSliceGrad", "conv": "ConvSliceGrad", "local": "LocallyConnectedSliceGrad"}


def rate_after(builder: StepBuilder, computed: Sequence[str], owner: str) -> str:
    """Return the rate of a step; where ``computed`` names tensors, as one of ``owner`` that is there once all of them are."""
    return _after(builder, RATE, {own(owner, *["rate"] * count): name for count, name in enumerate(computed, 1)})


def _after(builder: StepBuilder, rate: str, computed: Mapping[str, str]) -> str:
    """A rate that is there once all of ``computed`` are: tensors by the names of the rates that wait for them."""
    for waiting, name in computed.items():
        rate = builder.call("RateAfter", (rate, name), (waiting,), {}, "gradient")[0]
    return rate


class LayerUpdates:
    """Adds the updates of a block's layers to a step."""

    def __init__(self, context: BlockContext, choice: StepChoice, forward: ForwardPass, again: Recomputation) -> None:
        self.context = context
        self.choice = choice
        self.forward = forward
        self.again = again
        self.builder = forward.builder
        self.optimizer = optimizer_of(context.recipe.optimizer)

    def add(
        self, layer: Layer, tensors: LayerTensors, backward: BackwardPass, grad_z: str, waits_for: Sequence[str] | None = None
    ) -> None:
        """Add the gradient of a layer's active slice, by the error ``grad_z`` at its output, and the step that follows it.

        In a block of several layers on onnxruntime the weights move after the tensors ``waits_for`` have been computed, and the
        bias after their signs. The bias is what onnxruntime goes for first: so it draws all that is to move of the layer with it,
        and no error waits for the layers below.
        """
        self.builder.phase = "gradient"
        tensors = replace(tensors, rate=rate_after(self.builder, waits_for or (), layer.name))
        if layer.kind == "bias":
            self._move_biases(layer, tensors, grad_z)
            return
        weight, bias = tensors.weight, tensors.bias_parameter
        assert weight is not None
        if self._is_one_operator(layer):
            self._step_down(layer, tensors, backward, grad_z, waits_for)
            return
        attributes = dict(window_attributes(self.context.graph, layer))
        if layer.kind == "conv":
            attributes["group_outputs"] = group_outputs = layer.out_features // layer.groups
            attributes["slice_groups"] = SliceGrid.of(layer, self.choice.slices).most_groups(group_outputs)
        attributes["slice_shape"] = weight.grad_type.shape
        attributes["bias_size"] = bias.grad_type.size if bias else 0
        attributes["has_all_rows"] = int(backward.part is None)
        attributes |= self._input_center(layer)
        x, x_scale = self.input_of(layer)
        outputs = tuple(gradient(parameter.latent) for parameter in (weight, bias) if parameter)
        inputs = (grad_z, x, x_scale, tensors.origin)
        self.builder.call(_SLICE_GRADIENTS[layer.kind], inputs, outputs, attributes, "gradient")
        self.builder.phase = "update"
        origin = "" if tensors.w_slice else tensors.origin
        self._update(layer, weight, outputs[0], (tensors.rate, origin))
        self._finish(layer, tensors, ("".join(outputs[1:]), origin), waits_for)

    def _is_one_operator(self, layer: Layer) -> bool:
        """Whether gradient and update of the weights are one operator."""
        has_one = layer.kind == "dense" and bool(self.optimizer.dense_step)
        return has_one and self.context.profile.runtime == "ort"

    def _move_biases(self, layer: Layer, tensors: LayerTensors, grad_z: str) -> None:
        """The step of biases that alone are trained: their gradient reads the error and nothing else."""
        assert tensors.weight is not None
        shapes: dict[str, Attribute] = {
            "slice_shape": tensors.weight.grad_type.shape,
            "split": (-1, layer.out_features, layer.positions),
        }
        grad = self.builder.call("BiasGrad", (grad_z,), (gradient(tensors.weight.latent),), shapes, "gradient")[0]
        self.builder.phase = "update"
        self._update(layer, tensors.weight, grad, (tensors.rate, ""))
        self.builder.phase = "gradient"

    def input_of(self, layer: Layer) -> tuple[str, str]:
        """What a layer has multiplied, or what is computed again in its place; and its scale where it is binary and has one."""
        if self.forward.reads_bits(layer, self.context.recipe_of(layer)):
            return self.forward.name(layer.input), self.forward.binary[layer.input]
        return self.again.saved(self.forward.real_input(layer.input)), ""

    def _step_down(
        self, layer: Layer, tensors: LayerTensors, backward: BackwardPass, grad_z: str, waits_for: Sequence[str] | None
    ) -> None:
        """Where gradients have a buffer of their own: gradient and update of the weights are one operator."""
        weight, bias = tensors.weight, tensors.bias_parameter
        assert weight is not None
        attributes: dict[str, Attribute] = {"has_all_rows": int(backward.part is None)}
        grad = ""
        if bias is not None:
            size: dict[str, Attribute] = {"bias_size": bias.grad_type.size, **attributes}
            grad = self.builder.call("BiasSliceGrad", (grad_z, tensors.origin), (gradient(bias.latent),), size, "gradient")[0]
        self.builder.phase = "update"
        op_type = self.optimizer.dense_step
        rounding: tuple[str, ...] = ()
        kept: dict[str, Attribute] = {"limit": 1.0 if self._is_binary(layer) else LARGEST}
        if weight.quantum:
            op_type, (rounding, kept) = op_type + ON_INTEGERS, self._rounding(layer, weight)
        inputs = (weight.latent, grad_z, *self.input_of(layer), tensors.rate, *rounding, tensors.origin)
        attributes |= kept | self._input_center(layer)
        self.builder.call(op_type, inputs, (successor(weight.latent),), attributes)
        self._finish(layer, tensors, (grad, ""), waits_for)

    def _finish(self, layer: Layer, tensors: LayerTensors, given: tuple[str, str], waits_for: Sequence[str] | None) -> None:
        """The step of the bias, by its gradient and where its slice begins, and the signs of the weights that have moved."""
        bias, rate = tensors.bias_parameter, tensors.rate
        moved = self._moved(layer, tensors) if waits_for is not None and bias is not None else {}
        if moved:
            self._pack(layer, tensors)
            rate = _after(self.builder, rate, {own(layer.name, "bias", "rate", role): name for role, name in moved.items()})
            self.builder.phase = "update"
        if bias is not None:
            self._update(layer, bias, given[0], (rate, given[1]))
        if not moved:
            self._pack(layer, tensors)
        self.builder.phase = "gradient"

    def _moved(self, layer: Layer, tensors: LayerTensors) -> dict[str, str]:
        """What is computed behind a step of the weights, or from their gradient beside it, by its role."""
        assert tensors.weight is not None
        scalars = {kept: successor(own(tensors.weight.latent, kept)) for kept in self.optimizer.scalars}
        return scalars | ({"sums": successor(tensors.updated_signs[1])} if self._is_binary(layer) else {})

    def _input_center(self, layer: Layer) -> dict[str, Attribute]:
        """The attribute that says what the gradient takes off the input of binary weights; none where that is nothing."""
        recipe = self.context.recipe_of(layer)
        is_binary = recipe.binarize == "both" and self.forward.reads_bits(layer, recipe)
        center = recipe.input_center if is_binary else 0.0
        return {"input_center": center} if center else {}

    def _is_binary(self, layer: Layer) -> bool:
        return self.context.recipe_of(layer).binarize != "none"

    def _pack(self, layer: Layer, tensors: LayerTensors) -> None:
        """Signs and sums follow the weights."""
        assert tensors.weight is not None
        if self._is_binary(layer):
            signs, sums = tensors.updated_signs
            latent, quantum = successor(tensors.weight.latent), tensors.weight.quantum
            op_type, given = ("PackSignsOfIntegers", (quantum,)) if quantum else ("PackSigns", ())
            inputs = (latent, signs, sums, *given, tensors.origin)
            self.builder.call(op_type, inputs, (successor(signs), successor(sums)))
        self.builder.phase = "gradient"

    def _update(self, layer: Layer, parameter: Parameter, grad: str, given: tuple[str, str]) -> None:
        """One step of a weight or a bias; ``given`` are the rate, and where the slice begins."""
        rate, origin = given
        op_type, attributes = self.optimizer.update, self._limit(layer, parameter)
        rounding: tuple[str, ...] = ()
        if parameter.quantum:  # whole numbers
            op_type, (rounding, attributes) = op_type + ON_INTEGERS, self._rounding(layer, parameter)
        if self.optimizer.follows_weights:
            attributes["length"] = self.context.deviations[layer.name]
        inputs = (parameter.latent, grad, rate, *parameter.states, *rounding, origin)
        outputs = tuple(successor(name) for name in (parameter.latent, *parameter.states))
        self.builder.call(op_type, inputs, outputs, attributes)

    def _rounding(self, layer: Layer, weight: Parameter) -> tuple[tuple[str, ...], dict[str, Attribute]]:
        """What an update of whole numbers reads beside the rate, and what it is told."""
        recipe = self.context.recipe
        key, most = draw_key(recipe.seed, layer.name), latent_of(recipe.latent).most
        given = (weight.quantum, STEP if self.builder.has(STEP) else "")
        return given, {"key": key, "taps": layer.taps, "most": most}

    def _limit(self, layer: Layer, parameter: Parameter) -> dict[str, Attribute]:
        """Latent weights whose signs multiply stay between -1 and 1, biases and real weights anywhere."""
        is_clipped = self._is_binary(layer) and self.builder.type_of(parameter.latent).shape[1:] != ()
        return {"limit": 1.0 if is_clipped else LARGEST}
