"""One training step of a block: forward, loss, gradient back through its layers, update of the active slice of each.

Where the error comes from is the block's method (:mod:`tinyfoa_rt.steps.methods`), which is asked and not known.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import groupby

from tinyfoa_rt.ir.block import Layer
from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.ir.names import LOSS, RATE, gradient, own, shift_of, successor
from tinyfoa_rt.ir.step import StepGraph, TensorType
from tinyfoa_rt.operators.vjp import refuse
from tinyfoa_rt.steps.backward import BackwardPass, channel_slice, vjp_rule
from tinyfoa_rt.steps.block_context import BlockContext, StepChoice
from tinyfoa_rt.steps.block_pass import BlockPass
from tinyfoa_rt.steps.builder import StepBuilder
from tinyfoa_rt.steps.input_gradients import add_input_gradient
from tinyfoa_rt.steps.layer_updates import LayerUpdates, rate_after
from tinyfoa_rt.steps.methods import method_of
from tinyfoa_rt.steps.methods.supervised import declare_labels
from tinyfoa_rt.steps.parameters import LayerTensors, declare_read_only, declare_trained
from tinyfoa_rt.steps.recomputation import Recomputation
from tinyfoa_rt.steps.saved_values import needless_values
from tinyfoa_rt.steps.training_nodes import reached_by_layers

__all__ = ["assemble_step"]


def assemble_step(context: BlockContext, choice: StepChoice) -> StepGraph:
    """Return the step graph of a block.

    Raises:
        UnsupportedError: the gradient would have to pass a node without a rule, or does not reach a layer; or what enters or
            leaves the block has no rows of single samples.
    """
    if context.disorder:
        raise refuse(context.block.layers[0].name, context.disorder)
    dropped = context.needless.get(choice.segments)
    if dropped is None:
        step = _assemble(context, choice, frozenset())
        dropped = needless_values(step) if context.block.parts and context.profile.packs_bits else frozenset()
        context.needless[choice.segments] = dropped
        if not dropped:
            return step
    return _assemble(context, choice, dropped)


def _assemble(context: BlockContext, choice: StepChoice, dropped: frozenset[str]) -> StepGraph:
    """A step that keeps the small form of the values ``dropped`` for its gradients."""
    builder = StepBuilder(context.graph, context.profile, choice.batch)
    step = _StepAssembly(context, choice, builder, dropped)
    step.declare()
    step.run_forward()
    step.run_backward()
    return builder.finish(context.block.name, (LOSS, *step.reported), step.scores, step.first_update)


class _StepAssembly:
    """The parts of one step while they are added to the builder."""

    def __init__(self, context: BlockContext, choice: StepChoice, builder: StepBuilder, dropped: frozenset[str]) -> None:
        self.context = context
        self.choice = choice
        self.builder = builder
        self.block = context.block
        self.forward = BlockPass(builder, context, choice, dropped=dropped)
        self.passes: Mapping[str, BlockPass] = {}
        self.again = Recomputation(builder)
        self.method = method_of(context.recipe.method)
        self.scores = ""
        self._shifted: list[tuple[Node, str]] = []
        self.moved = choice.moved(context.block)
        self.layer_of = {node.name: layer for layer in self.block.layers for node in layer.nodes}
        self.part_of = {name: part for part in self.block.stages for node in part.nodes for name in node.outputs}
        self.binary = {part.output: part for part in context.binary_parts}
        # Where an error moves several slices, what each of them takes stands behind all that is computed once.
        self.is_repeated = choice.slices_per_step > 1
        self.first_update = 0
        # onnxruntime runs first what comes last in a graph and has no reader, with all that it needs: so updates stand there,
        # those of the last layer last, and each is taken as soon as its error has passed.
        self.moves_last = bool(self.block.parts) and context.profile.runtime == "ort" and not self.is_repeated
        self._last: list[Callable[[], None]] = []
        # The next layer's update waits for these shifts, or the errors that they read would be held to the end.
        self._moved: list[str] = []

    @property
    def reported(self) -> tuple[str, ...]:
        """What a step on onnxruntime also hands out: scores, and the block's output where the next block trains on it."""
        if self.context.profile.runtime != "ort":
            return ()
        handed_on = self.block.output if self.choice.hands_on else ""
        return tuple(dict.fromkeys(name for name in (self.scores, handed_on) if name))

    def declare(self) -> None:
        """Declare what is there when the step begins: inputs, labels, parameters."""
        for value in self.block.inputs:
            value_type = self.builder.value_type(value)
            if value in self.context.binary_values:
                value_type = TensorType(self.context.recipe.activation_dtype, value_type.shape)
                scale = self.context.binary_values[value]
                if scale and not self.builder.has(scale):
                    place = self.builder.parameter_place
                    self.builder.tensor(scale, TensorType("float32", ()), "weight", place=place, is_persistent=True)
            self.builder.input(value, value_type)
        self.builder.tensor(RATE, TensorType("float32", ()), "state", is_persistent=True)
        for layer in self.block.layers:
            if layer.kind == "dense" and len(self.context.graph.shape(layer.input)) != 2:
                raise refuse(layer.name, "is a dense layer at several positions, which cannot be trained yet")
            self.forward.tensors[layer.name] = self._declared(layer)

    def _declared(self, layer: Layer) -> LayerTensors:
        """A layer that moves, or one that waits for its turn."""
        recipe = self.context.recipe_of(layer)
        if layer in self.moved:
            return declare_trained(self.builder, layer, recipe, self.choice)
        return declare_read_only(self.builder, layer, recipe)

    def run_forward(self) -> None:
        part_of = {node.name: number for number, part in enumerate(self.block.stages) for node in part.nodes}

        def segment(node: Node) -> int:
            return bisect_right(self.choice.segments, part_of[node.name])

        for number, (_, nodes) in enumerate(groupby(self.context.nodes, segment)):
            if number:
                self.again.cut()
            self.forward.run(list(nodes))
        self.again.end_forward()

    def run_backward(self) -> None:
        origin = self.forward.tensors[self.block.layers[0].name].origin
        # Layers below need the error of all channels, and so do slices of other channels.
        sends_slices = self.method.sends_slices and not self.block.parts and not self.is_repeated
        part = channel_slice(self.context, self.choice.slices, origin) if sends_slices else None
        whole = self.choice.moving is None
        reached = self.context.reached if whole else reached_by_layers(replace(self.block, layers=self.moved))
        names = {**self.forward.renamed, **{name: self.builder.known_real(name) for name in self.binary}}
        backward = BackwardPass(self.forward, self.again, names, reached, part)
        self._add_error(backward)
        for value, owner in self.part_of.items():
            if owner.name in self.passes:
                names[value] = self.builder.known_real(self.passes[owner.name].name(value))
        for node in reversed(self.context.nodes):
            for output in (name for name in node.outputs if name in self.binary):
                self._pass_window(output, backward)
                names[output] = self._pass_of(output).preactivations[output]
            layer = self.layer_of.get(node.name)
            if layer is not None:
                if node is layer.nodes[-1]:
                    self._train(layer, backward)
            elif any(value in reached for value in node.inputs):
                self._propagate(node, backward)
        if self.is_repeated:
            self._move_shifts(backward)
            self.first_update = self.builder.num_nodes
        for update in reversed(self._last):
            update()
        self._move_shifts(backward)  # onnxruntime takes these steps last, and keeps what they read until then
        missing = [layer.name for layer in self.moved if backward.of(layer.output) is None]
        if missing:
            raise refuse(missing[0], f"it does not reach its block's output '{self.block.output}', so no error reaches it")

    def _add_error(self, backward: BackwardPass) -> None:
        """The method's loss, and the gradients by values of the block that it begins with."""
        if self.method.reads_labels:
            declare_labels(self.context, self.builder)
        for each in self.method.kept(self.context):
            place = self.builder.parameter_place if each.is_fixed else "ram"
            self.builder.tensor(each.name, each.type, each.category, place=place, is_persistent=True)
        signal = self.method.add(self.context, self.forward, backward)
        self.scores, self.passes = signal.scores, signal.passes
        self.builder.phase = "gradient"
        for value, grad in signal.gradients.items():
            backward.add(value, grad)

    def _pass_of(self, value: str) -> BlockPass:
        """The forward pass from which a part of the block, which computes ``value``, learns."""
        return self.passes.get(self.part_of[value].name, self.forward)

    def _pass_window(self, output: str, backward: BackwardPass) -> None:
        """The gradient by what a binary output is the sign of: the straight-through estimator."""
        grad = backward.of(output)
        if grad is not None:
            windowed = (grad, own(self._pass_of(output).name(output), "window"), backward.origin)
            name = gradient(own(output, "preactivation"))
            size = backward.channel_size(output)
            backward.replace(output, self.builder.call("StraightThroughGrad", windowed, (name,), size, "gradient")[0])

    def _train(self, layer: Layer, backward: BackwardPass) -> None:
        """What a layer sends to those below it is taken before its weights move."""
        grad_z = backward.of(layer.output)
        if grad_z is None:
            return
        tensors, sent = self.forward.tensors[layer.name], ""
        updates = LayerUpdates(self.context, self.choice, self._pass_of(layer.output), self.again)
        if layer.kind == "bias":
            backward.add(layer.input, grad_z)
        elif self.method.passes_errors and backward.needs(layer.input):
            sent = add_input_gradient(self.context, layer, tensors, backward, grad_z)
        if layer not in self.moved:
            return
        if not self.moves_last and not self.is_repeated:
            updates.add(layer, tensors, backward, grad_z)
            return
        read = "" if layer.kind == "bias" else updates.input_of(layer)[0]
        if self.is_repeated:
            self._last.append(lambda: updates.add(layer, tensors, backward, grad_z))
            return
        done = [name for name in (sent, grad_z, read) if name]
        waits_for = [*done[: bool(sent)], *self.again.unfinished(tensors.w, done), *self._moved]
        self._moved.clear()
        self._last.append(lambda: updates.add(layer, tensors, backward, grad_z, waits_for))

    def _propagate(self, node: Node, backward: BackwardPass) -> None:
        grad = backward.of(node.outputs[0])
        if grad is None:
            return
        if node.name in self.forward.absorbed:  # the straight-through window has already taken its part
            backward.add(node.inputs[0], grad)
            return
        rule = vjp_rule(self.context.graph, node)
        if node in self.context.running:
            self._shifted.append((node, grad))
            if self.moves_last or self.context.profile.runtime != "ort":  # the gradient may take the place of what both read
                self._move_shifts(backward)
        rule(backward, node, grad)

    def _move_shifts(self, backward: BackwardPass) -> None:
        """A shift takes plain steps, whatever the optimizer: it is a threshold, whose error is the sum of many positions."""
        self.builder.phase = "update"
        for node, grad in self._shifted:
            layers = self.part_of[node.outputs[0]].layers
            share = self.context.recipe.shift_share(max(layer.fan_in for layer in layers))
            attributes = {"share": share, **backward.channel_size(node.inputs[0])}
            shift = shift_of(node.outputs[0])
            rate = rate_after(self.builder, self.again.unfinished(shift, [grad]) if self.moves_last else (), shift)
            self._moved += self.builder.call(
                "ShiftSgdStep", (shift, grad, rate, backward.origin), (successor(shift),), attributes
            )
        self._shifted.clear()
        self.builder.phase = "gradient"
