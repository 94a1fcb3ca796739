"""A head that learns (Mono-Forward): how it is kept, what products read of it, and the step that it takes.

It is kept in the format of latent weights (ir/latents.py). Whole numbers lie as those of a dense layer do, so that their places,
which updates draw by, are those of a dense layer: on onnxruntime inputs by outputs, in generated C outputs by inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.latents import draw_key, latent_of, quantized, quantum_of_reals
from tinyfoa_rt.ir.names import RATE, gradient, kept_by, own, quantum_of, successor
from tinyfoa_rt.ir.optimizers import optimizer_of
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.updates import LARGEST, ON_INTEGERS
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.builder import StepBuilder
from tinyfoa_rt.steps.methods.method import KeptTensor
from tinyfoa_rt.steps.parameters import declare_step_number, kept_types

__all__ = ["LearnedHead"]

# How long its steps are in shares of its size, in units of those of the block's weights. Of real numbers a head learns much in
# little time, and the block then follows an error that means something; bits turn too often to be followed so fast.
_LENGTH_OF_REALS = 10.0


class LearnedHead:
    """The head ``name`` of a block, of ``shape`` (classes, units)."""

    def __init__(self, context: BlockContext, name: str, shape: tuple[int, int]) -> None:
        self._context = context
        self._name = name
        self._classes, self._units = shape
        self._optimizer = optimizer_of(context.recipe.optimizer)
        self._latent = latent_of(context.recipe.latent)

    def kept(self) -> tuple[KeptTensor, ...]:
        """The head, what the optimizer keeps of it, and the quantum of whole numbers."""
        kinds = kept_types(self._optimizer.name, self._type).items()
        states = tuple(KeptTensor(own(self._name, kind), each, "state") for kind, each in kinds)
        quantum = KeptTensor(quantum_of(self._name), TensorType("float32", ()), "head", is_fixed=True)
        return (KeptTensor(self._name, self._type, "head"), *states, *([quantum] if self._latent.is_integer else []))

    def initial(self, head: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        """What is kept begins with, where the head is ``head`` (classes, units), whose entries have the variance 1.

        Generated C lays whole numbers out anew, as it does those of layers.
        """
        kinds = kept_types(self._optimizer.name, TensorType("float32", self._whole_shape)).items()
        states = {own(self._name, kind): np.zeros(each.shape, each.dtype) for kind, each in kinds}
        if not self._latent.is_integer:
            return {self._name: head, **states}
        quantum = quantum_of_reals(self._latent, 1.0, is_kernel=False)
        numbers = np.array(quantized(self._latent, head, quantum).T, order="C")
        return {self._name: numbers, quantum_of(self._name): np.array(quantum, dtype=np.float32), **states}

    def real(self, builder: StepBuilder, stored: str) -> str:
        """What products read of the tensor ``stored``, (classes, units): generated C reads whole numbers where they lie."""
        if not self._turns:
            return stored
        real = builder.call("Dequantize", (stored, quantum_of(stored)), (own(stored, "inputs"),), category="head")[0]
        shape = TensorType("float32", (self._classes, self._units))
        return builder.standard("Transpose", (real,), (own(stored, "real"), shape), {"perm": (1, 0)}, "head")

    def learn(self, builder: StepBuilder, read: tuple[str, str, str, str], attributes: Mapping[str, Attribute]) -> None:
        """Add its step; ``read`` are its error, what it sees, that scale, and what it has sent."""
        name, update = self._name, self._optimizer.update
        rounding: tuple[str, ...] = ()
        grad = builder.call("HeadWeightGrad", read, (gradient(name),), attributes, "gradient")[0]
        if self._turns:
            turned = (own(grad, "inputs"), TensorType("float32", self._whole_shape))
            grad = builder.standard("Transpose", (grad,), turned, {"perm": (1, 0)}, "gradient")
        limits: dict[str, Attribute] = {"limit": LARGEST}
        if self._latent.is_integer:
            update, rounding = update + ON_INTEGERS, (quantum_of(name), declare_step_number(builder))
            key = draw_key(self._context.recipe.seed, kept_by(self._context.block.name, name))
            limits = {"key": key, "taps": 1, "most": self._latent.most}
        if self._optimizer.follows_weights:  # the size of its entries is 1
            limits["length"] = 1.0 if self._sees_bits else _LENGTH_OF_REALS
        states = [own(name, kind) for kind in self._optimizer.kept]
        outputs = tuple(successor(each) for each in (name, *states))
        builder.phase = "update"
        builder.call(update, (name, grad, RATE, *states, *rounding), outputs, limits)
        builder.phase = "gradient"

    @property
    def _sees_bits(self) -> bool:
        return any(part.output == self._context.block.output for part in self._context.binary_parts)

    @property
    def _turns(self) -> bool:
        """Whether the head lies inputs by outputs, and products want it the other way."""
        return self._latent.is_integer and self._context.profile.runtime == "ort"

    @property
    def _whole_shape(self) -> tuple[int, int]:
        """As checkpoints have it."""
        return (self._units, self._classes) if self._latent.is_integer else (self._classes, self._units)

    @property
    def _type(self) -> TensorType:
        """As the profile's runtime has it."""
        if self._context.profile.runtime == "ort":
            return TensorType(self._latent.dtype, self._whole_shape)
        return TensorType(self._latent.name, (self._classes, self._units))
