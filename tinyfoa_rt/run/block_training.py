"""Training steps of one block: its session, the buffers that it is bound to, and the slices' turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.artifact.records import Manifest
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.ir.names import LABELS, LOSS, RATE, STEP, kept_by, quantum_of, split
from tinyfoa_rt.run.evaluation import accuracy_of
from tinyfoa_rt.run.frozen_slice import FrozenSlice
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime, Session
from tinyfoa_rt.run.whole_weights import pack_rows

__all__ = ["BlockTraining", "StepResult"]

Array = NDArray[Any]


class StepResult(NamedTuple):
    """Mean loss of a batch, and the share of its samples that the block's scores classify right; 0 where it has none."""

    loss: float
    accuracy: float


class BlockTraining:
    """Takes steps of block ``index`` on the arrays of ``state``.

    ``inputs`` are the arrays that a step reads its batch from, by name; the caller fills them. An array in ``given`` is read
    where it lies: the output of the block before, where blocks are trained in turn.
    """

    def __init__(
        self, artifact: Artifact, index: int, state: ModelState, runtime: Runtime, given: Mapping[str, Array] | None = None
    ) -> None:
        self.record = artifact.blocks[index]
        self._prediction = artifact.manifest.loss.prediction
        self._state = state
        self._layers = [state.layers[layer.name] for layer in self.record.layers]
        paths = (*self.record.steps, self.record.slice_step)
        opened = [
            runtime.open(path, artifact.model(path, is_packed=state.is_packed), artifact.manifest.next_of)
            for path in paths
            if path
        ]
        # What moves a slice by the error of a step, where that moves several; else a step does it itself.
        self._of_slices = opened[len(self.record.steps) :]
        self._sessions = opened[: len(self.record.steps)]
        self._session = self._sessions[0]
        self._turn = 0
        self.has_scaled_inputs = artifact.manifest.block_output == "scaled"
        self.num_turns = len(self._sessions) * max(layer.grid.turns for layer in self._layers)
        self.inputs = {name: (given or {}).get(name, self._session.empty(name)) for name in self.record.inputs}
        self.labels = self._session.empty(LABELS) if LABELS in self._session.inputs else _unread_labels(artifact.manifest)
        self.rate: Array = np.zeros((), dtype=np.float32)
        self._number: Array = np.zeros((), dtype=np.int64)
        self.outputs = {
            name: self._session.empty(name) for name in self._session.outputs if name not in artifact.manifest.next_of
        }
        self._scores = self._checked_scores(artifact.manifest)
        given = {LABELS: self.labels, RATE: self.rate, STEP: self._number}
        for session in self._sessions:
            session.bind({**self.inputs, **self.outputs, **given, **self._others(session)})
        for session in self._of_slices:
            session.bind({**self.inputs, **self.outputs, **given, **state.others})
        self._frozen: Sequence[FrozenSlice] = ()

    def input_bits(self, name: str) -> int:
        """How many bits a sample of a binary input has."""
        array = self.inputs[name]
        return self._session.bits.get(name, array.size // len(array))

    @property
    def bound(self) -> Mapping[str, Array]:
        """All arrays that a step reads and writes, by their names in it."""
        return {name: array for session in (self._session, *self._of_slices) for name, array in session.bound.items()}

    @property
    def output(self) -> Array:
        """The block's output of the last batch, where the step hands it on."""
        return self.outputs[self.record.output]

    def turn_of(self, step: int, steps_a_turn: int) -> int:
        """The turn of a step of the block: the slice that it moves, or the first of those that it moves."""
        return step // steps_a_turn * self.record.slices_per_step % self.num_turns

    def begin_turn(self, turn: int) -> None:
        """Let slice ``turn`` of each layer be trained, or where layers take turns the next slice of the next layer.

        Where a step moves several slices, it begins with that one. Nothing happens where it is active already.
        """
        self._turn = turn
        self._activate(turn)

    def _activate(self, turn: int) -> None:
        slice_turn, place = divmod(turn, len(self._sessions))
        moved = range(place, place + 1) if self.record.layer_steps else range(len(self._layers))
        if all(self._layers[each].active == slice_turn % self._layers[each].grid.turns for each in moved):
            return
        tensors: dict[str, Array] = {}
        self.end_turn()
        for number, layer in enumerate(self._layers):
            is_moved = number in moved
            tensors.update(layer.begin_turn(slice_turn % layer.grid.turns) if is_moved else layer.forward_tensors())
        self._session = self._sessions[place]
        for session in (self._session, *self._of_slices):
            session.bind(tensors)

    def freeze(self, frozen: Sequence[FrozenSlice]) -> None:
        """Keep slices as they are while the rest is trained (schedule ``freeze-diagonal``)."""
        self._frozen = frozen

    def end_turn(self) -> None:
        """Copy the active slice back, so that the state is whole."""
        for layer in self._layers:
            layer.end_turn()

    def step(self, rate: float, number: int = 0) -> StepResult:
        """Take one step on the batch in ``inputs`` and ``labels``; ``number`` is that of the steps of all blocks before it."""
        assert any(layer.active is not None for layer in self._layers), "a slice must be active"
        self._activate(self._turn)
        self.rate[...] = rate
        self._number[...] = number
        self._session.run()
        for moves_slice in self._of_slices:
            for turn in range(self._turn, self._turn + self.record.slices_per_step):
                self._activate(turn % self.num_turns)
                moves_slice.run()
        for frozen in self._frozen:
            frozen.restore()
        scores, accuracy = self._scores, 0.0
        if scores is not None:
            accuracy = accuracy_of(scores.reshape(len(scores), -1), self.labels, self._prediction)
        return StepResult(float(self.outputs[LOSS]), accuracy)

    def reset_optimizer(self) -> None:
        """Forget what the optimizer has gathered; turns end."""
        self.end_turn()
        for layer in self._layers:
            layer.reset_optimizer()
        for name in self.record.kept:
            owner = split(name)[0]
            if owner in self.record.kept and name != quantum_of(owner):  # what the optimizer keeps of what the method does
                self._state.others[kept_by(self.record.name, name)][...] = 0

    def _checked_scores(self, manifest: Manifest) -> Array | None:
        """Return the step's scores, if it has any, after its own values were compared with the manifest."""
        scores = self.outputs.get(self.record.scores)
        # Positions merged into the batch are several rows a sample.
        rows = [(array.shape or (0,))[0] for array in self.inputs.values()]
        fits = (
            self.labels.shape == _unread_labels(manifest).shape
            and (scores is not None or not self.record.scores)
            and (scores is None or scores.shape[:1] == (manifest.batch,))
            and self.outputs.keys() <= {LOSS, self.record.scores, self.record.output, *self._read_by_slices}
            and all(count and count % manifest.batch == 0 for count in rows)
        )
        if not fits or LOSS not in self.outputs or self.outputs[LOSS].shape != ():
            raise InputError(self.record.step, "has other inputs or outputs than the manifest says", "build the artifact again")
        return scores

    @property
    def _read_by_slices(self) -> Iterable[str]:
        return (name for session in self._of_slices for name in session.inputs)

    def _others(self, session: Session) -> dict[str, Array]:
        """Scales, running statistics and what the method keeps, by their names in a step."""
        others = dict(self._state.others)
        for name in self.record.kept:
            kept = others[kept_by(self.record.name, name)]
            others[name] = pack_rows(kept > 0) if session.dtype(name) == np.uint32 else kept
        return others


def _unread_labels(manifest: Manifest) -> Array:
    """Where a batch's labels go, for accuracy, when the step does not read them."""
    if manifest.loss.labels == "class":
        return np.zeros(manifest.batch, dtype=np.int64)
    return np.zeros((manifest.batch, manifest.num_outputs), dtype=np.float32)
