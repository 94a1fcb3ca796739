"""Lowering: every decision between a plan and C code is made here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.export.c99.c_names import identifier
from tinyfoa_rt.export.c99.first_state import model_id, pieces_of
from tinyfoa_rt.export.c99.residents import resident_of
from tinyfoa_rt.export.c99.source import BlockSource, LayerSource, ModelSource
from tinyfoa_rt.export.c99.verify import verify_c_program
from tinyfoa_rt.ir.c_program import (
    Argument,
    Call,
    CBlock,
    CFunction,
    CIntegers,
    CLayer,
    CProgram,
    KernelFiles,
    LayerRef,
    Name,
    Number,
    RealArray,
    Statement,
)  # fmt: skip
from tinyfoa_rt.ir.latents import latent_of
from tinyfoa_rt.ir.losses import loss_of
from tinyfoa_rt.ir.names import LABELS, LOSS, RATE, kept_by, own, quantum_of, split
from tinyfoa_rt.ir.step import StepGraph, StepNode
from tinyfoa_rt.operators import find_operator
from tinyfoa_rt.operators.lowering import CONTEXT, Lowering

__all__ = ["check_lowering", "constants_nbytes", "lower"]


def check_lowering(model: ModelSource) -> None:
    """Lower a model without reading a weight, for what is refused on the way; its state may be empty.

    Raises:
        UnsupportedError: an operator has no kernel.
    """
    _constants_of(model)


def constants_nbytes(model: ModelSource) -> int:
    """Return the bytes of constant data, beside the first state, that the program of a model has; its state may be empty.

    Raises:
        UnsupportedError: an operator has no kernel.
    """
    return sum(array.nbytes for array in _constants_of(model))


def _constants_of(model: ModelSource) -> list[RealArray]:
    """Lower all functions, for the constants that they read."""
    assembly = _Assembly(model)
    for number, block in enumerate(model.blocks):
        assembly.block(number, block)
    assembly.stages()
    return list(assembly.constants.values())


def lower(model: ModelSource) -> CProgram:
    """Return the program of a planned model.

    Raises:
        UnsupportedError: an operator has no kernel.
    """
    layout = model.layout
    assembly = _Assembly(model)
    blocks = tuple(assembly.block(number, block) for number, block in enumerate(model.blocks))
    (input_name,) = (name for name in model.forward.inputs if name not in model.forward.constants)
    shape = model.forward.tensors[input_name].type.shape
    score = model.forward.tensors[model.score].type
    program = CProgram(
        name=model.name,
        prefix=identifier(model.name),
        model_id=model_id(model),
        batch=shape[0],
        input_size=int(np.prod(shape[1:])),
        input=model.offsets[input_name],
        output_size=score.size // score.shape[0],
        takes_vectors=loss_of(model.loss).labels != "class",
        rotate_every=model.rotate_every,
        arena_nbytes=max(block.peak_nbytes for block in model.blocks),
        storage_nbytes=layout.nbytes,
        step_nbytes=layout.step_nbytes,
        header_words=layout.header_words,
        num_scales=len(layout.scales),
        blocks=blocks,
        stages=assembly.stages(),
        score=model.offsets[model.score],
        pieces=pieces_of(model),
        constants=tuple(assembly.constants.values()),
        kernels=_kernels(model),
    )
    verify_c_program(program, model)
    return program


class _Assembly:
    """The parts of one program; constants of all functions are shared."""

    def __init__(self, model: ModelSource) -> None:
        self._model = model
        self._scales = {name: number for number, name in enumerate(model.layout.scales)}
        self._layers: dict[str, LayerRef] = {}
        for number, block in enumerate(model.blocks):
            in_order = (layer for step in block.all_steps for layer in step.layers)
            for index, layer in enumerate(in_order):
                w = own(layer.stored.name, "w")
                for name in (w, own(w, "bits"), own(layer.stored.name, "w_slice")):
                    self._layers[name] = LayerRef(number, index)
        self._statistics = {
            name: (number, place) for number, block in enumerate(model.blocks) for place, name in enumerate(block.statistics)
        }
        self.constants: dict[str, RealArray] = {}

    def block(self, number: int, block: BlockSource) -> CBlock:
        """A block, of whose layers each has its place in the layout of the step that moves it."""
        if not block.steps:
            return self._step(number, block, f"step_{number}")
        steps: list[CBlock] = []
        for place, each in enumerate(block.steps):
            steps.append(self._step(number, each, f"step_{number}_{place}", sum(len(step.layers) for step in steps)))
        num_slices = len(steps) * max(each.num_slices for each in steps)
        layers = tuple(layer for each in steps for layer in each.layers)
        whole = replace(steps[0], base=block.base, end=block.end, planned=block.peak_nbytes)
        return replace(whole, layers=layers, num_slices=num_slices, steps=tuple(steps))

    def _step(self, number: int, block: BlockSource, name: str, first_layer: int = 0) -> CBlock:
        """A block by one step, of all its layers or of one of them; ``first_layer`` counts those of the steps before."""
        offsets = block.offsets
        if LABELS not in block.step.tensors:
            raise UnsupportedError(f"block '{block.name}'", "is trained without labels, which C99 cannot", "plan for ort-cpu")
        kept = {name: self._constant(number, block, name) for name in block.constants}
        changed = {layer.tensor: LayerRef(number, index) for index, layer in enumerate(block.layers, first_layer) if layer.tensor}
        lowering = self._lowering(block.step, offsets, Number(self._batch))
        lowering = replace(lowering, kept=kept, layers={**self._layers, **changed})
        before = [self._stage_call(stage, block.base) for stage in range(number + 1)]
        followed = {**block.statistics, **dict.fromkeys(block.scales, 1)}
        words = {**self._model.layout.statistics, **self._model.layout.scales}
        nodes, update, calls = block.step.nodes, None, []
        if first := block.step.first_update:
            update = _function(name.replace("step", "update"), replace(lowering, locals={}), nodes[first:])
            nodes, calls = nodes[:first], [Call(update.name, (CONTEXT,), may_fail=True)]
        function = _function(name, lowering, nodes, before, calls)
        return CBlock(
            name=block.name,
            layers=tuple(self._layer(layer, number, offsets) for layer in block.layers),
            step=function,
            num_slices=max(layer.stored.grid.turns for layer in block.layers),
            base=block.base,
            end=block.end,
            planned=block.peak_nbytes,
            labels=offsets[LABELS],
            rate=offsets[RATE],
            loss=offsets[LOSS],
            statistics=tuple((offsets[name], words[name], n) for name, n in followed.items()),
            starting_rate=block.starting_rate,
            update=update,
            slices_per_step=block.slices_per_step,
        )

    def _constant(self, number: int, block: BlockSource, name: str) -> Name:
        """What a block's method keeps and a step only reads is constant data."""
        known = kept_by(block.name, name)
        array = RealArray(f"{split(name)[1]}_{number}", block.step.tensors[name].type.size, lambda: self._model.state[known])
        self.constants[known] = array
        return Name(array.name)

    def stages(self) -> tuple[CFunction, ...]:
        """The forward pass up to the scores, cut where trained blocks begin; a Softmax behind them may write over them."""
        nodes = self._model.forward.nodes
        end = next(number for number, node in enumerate(nodes) if self._model.score in node.outputs) + 1
        bounds = [0, *self._model.starts, end]
        rows: Argument = Name("rows") if _begins_with_rows(self._model.forward) else Number(self._batch)
        stages = []
        for number, (start, end) in enumerate(zip(bounds, bounds[1:])):
            lowering = self._lowering(self._model.forward, self._model.offsets, rows)
            stages.append(_function(f"forward_{number}", lowering, nodes[start:end]))
        return tuple(stages)

    def _lowering(self, graph: StepGraph, offsets: Mapping[str, int], rows: Argument) -> Lowering:
        """What the rules of operators are given for a step, or for the forward pass."""
        return Lowering(
            graph,
            offsets,
            rows,
            layers=self._layers,
            scales=self._scales,
            statistics=self._statistics,
            constants=self.constants,
        )

    def _stage_call(self, stage: int, base: int) -> Call:
        """A part of the forward pass, which leaves the block's inputs where its step reads them."""
        return Call(f"forward_{stage}", (CONTEXT, Number(base), Number(self._batch)), may_fail=True)

    @property
    def _batch(self) -> int:
        return self._model.forward.tensors[self._model.forward.inputs[0]].type.shape[0]

    def _layer(self, layer: LayerSource, block: int, offsets: Mapping[str, int]) -> CLayer:
        stored = layer.stored
        kept = self._model.layout.layers[stored.name]
        return CLayer(
            name=stored.name,
            ins=stored.grid.ins,
            outs=stored.grid.outs,
            taps=stored.taps,
            positions=layer.positions,
            num_states=len(self._model.stored.optimizer.states),
            is_tensor_alpha=self._model.weight_scale == "tensor",
            block=block,
            resident=resident_of(layer, self._model.stored.optimizer, offsets),
            kept={field: getattr(kept, field) for field in ("slots", "slot_nbytes", "map", "checks", "bits", "sums", "bias")},
            integers=self._integers(layer),
        )

    def _integers(self, layer: LayerSource) -> CIntegers | None:
        stored = layer.stored
        if not latent_of(stored.latent).is_integer:
            return None
        weight = stored.name if layer.tensor else own(stored.name, "weight")
        quantum = float(self._model.state.get(quantum_of(weight), 0.0))  # 0 where none is read yet
        return CIntegers(latent_of(stored.latent).bits, quantum, layer.key, stored.is_binary)


def _begins_with_rows(forward: StepGraph) -> bool:
    """Whether all that is computed begins with rows of samples, so that a call of fewer of them is shorter; else it is of all."""
    for name in (name for node in forward.nodes for name in node.outputs if name in forward.growth):
        growth, batch = forward.growth[name], forward.tensors[forward.inputs[0]].type.shape[0]
        if not any(growth[:1]) or any(growth[1:]) or forward.tensors[name].type.shape[0] != growth[0] * batch:
            return False
    return True


def _kernels(model: ModelSource) -> tuple[KernelFiles, ...]:
    """Those from outside that the nodes of a model call, each once."""
    nodes = [*model.forward.nodes, *(node for block in model.blocks for each in block.all_steps for node in each.step.nodes)]
    rows = [find_operator(node.op_type, node.domain) for node in nodes]
    return tuple(dict.fromkeys(row.kernel for row in rows if row is not None and row.kernel is not None))


def _function(
    name: str,
    lowering: Lowering,
    nodes: Sequence[StepNode],
    before: Sequence[Statement] = (),
    behind: Sequence[Statement] = (),
) -> CFunction:
    statements: list[Statement] = [*before]
    for node in nodes:
        statements += _statements(lowering, node)
    return CFunction(name, (*statements, *behind), tuple(lowering.locals.values()))


def _statements(lowering: Lowering, node: StepNode) -> list[Statement]:
    row = find_operator(node.op_type, node.domain)
    if row is None or row.lower is None:
        mend = "train only what is behind it on a device that runs onnxruntime"
        raise UnsupportedError(f"node '{node.name}'", f"{node.op_type} has no C99 kernel", mend)
    return row.lower(lowering, node)
