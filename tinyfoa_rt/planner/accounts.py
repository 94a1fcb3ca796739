"""What the same task needs by other ways of training: columns a to d of the paper's Figure 1.

``forward``, ``gradient`` and ``update`` count weights alone, as the paper's arithmetic does (docs/accounts.md): those that the
forward pass reads, their gradients, and those that an update changes, with the optimizer's state. The output layer is left out
where there are others: it is the same in all four columns. ``peak`` counts everything, activations too: it is that of a plan, or
a sum where a layer cannot be trained end to end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyfoa_rt.ir.plan import Account

__all__ = ["LayerAccount", "ModelAccount", "accounts"]

_FLOAT32 = 4


@dataclass(frozen=True, slots=True)
class LayerAccount:
    """Weights of one layer, and of its largest slice."""

    weights: int
    slice_weights: int


@dataclass(frozen=True)
class ModelAccount:
    """What the accounts are computed from.

    Attributes:
        layers: the trained hidden layers, or the output layer if it is the only one.
        parameters: trained numbers of the whole model, biases and output layer included.
        activations: elements of all activations of a batch.
        largest_activation: elements of the largest.
        num_states: numbers an optimizer keeps for each parameter.
        planned_peaks: RAM of backpropagation in bytes, ``bp_float`` and ``bp_binary``, each where it can be planned.
        layerwise_peak: RAM of training whole layers, one block at a time, in bytes.
        plan_peak: RAM of the plan, in bytes.
        is_binary: whether weights are binarized.
    """

    layers: Sequence[LayerAccount]
    parameters: int
    activations: int
    largest_activation: int
    num_states: int
    planned_peaks: Mapping[str, int]
    layerwise_peak: int
    plan_peak: int
    is_binary: bool


def accounts(model: ModelAccount) -> dict[str, Account]:
    """Return the four accounts by name."""
    all_weights = sum(layer.weights for layer in model.layers)
    largest = max(layer.weights for layer in model.layers)
    largest_slice = max(layer.slice_weights for layer in model.layers)
    kept = _FLOAT32 * (1 + model.num_states)
    bits = _bits if model.is_binary else _reals
    return {
        "bp_float": Account(_reals(all_weights), _reals(all_weights), kept * all_weights, *_peak(model, "bp_float")),
        "bp_binary": Account(_bits(all_weights), _reals(all_weights), kept * all_weights, *_peak(model, "bp_binary")),
        "layerwise": Account(bits(largest), _reals(largest), kept * largest, model.layerwise_peak),
        "layerwise_sliced": Account(bits(largest), _reals(largest_slice), kept * largest_slice, model.plan_peak),
    }


def _reals(count: int) -> int:
    return _FLOAT32 * count


def _bits(count: int) -> int:
    return -(-count // 8)


def _peak(model: ModelAccount, way: str) -> tuple[int, bool]:
    """RAM of backpropagation in bytes, and whether it was planned."""
    if way in model.planned_peaks:
        return model.planned_peaks[way], True
    return (_bp_float_peak if way == "bp_float" else _bp_binary_peak)(model), False


def _bp_float_peak(model: ModelAccount) -> int:
    """Weights, gradients and state of all layers, all activations, and the error signal of two neighbours."""
    parameters = _FLOAT32 * (2 + model.num_states) * model.parameters
    return parameters + _reals(model.activations + 2 * model.largest_activation)


def _bp_binary_peak(model: ModelAccount) -> int:
    """As with float, and the bits of the weights; activations are kept as two bits each: the value and its window."""
    parameters = _FLOAT32 * (2 + model.num_states) * model.parameters + _bits(model.parameters)
    return parameters + 2 * _bits(model.activations) + 2 * _reals(model.largest_activation)
