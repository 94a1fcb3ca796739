"""What the parameters of a trained layer begin with: the model's own weights, as training lays them out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.block import Layer
from tinyfoa_rt.ir.graph import Constant, Graph
from tinyfoa_rt.ir.names import own

__all__ = ["deviation", "initial_weights"]

Array = NDArray[Any]


def initial_weights(graph: Graph, layer: Layer, *, is_binary: bool) -> dict[str, Array]:
    """Return ``LAYER#weight`` and, where there is one, ``LAYER#bias``, float32.

    Weights are inputs x outputs; of a convolution, taps x inputs of a group x outputs; of a locally connected layer, positions x
    taps x inputs x outputs, and its biases outputs x positions. Where biases alone are trained, they are weights of one input.
    """
    weight = _scaled(graph.constants[layer.weight], layer.weight_factor)
    node = layer.nodes[0]
    if node.op_type == "Gemm" and node.int("transB", 0):
        weight = weight.T
    if layer.kind == "bias":
        weight = np.broadcast_to(weight.reshape(-1), (1, layer.out_features))
    if layer.kind == "conv":
        weight = weight.reshape(layer.out_features, layer.in_features, layer.taps).transpose(2, 1, 0)
    if layer.kind == "local":  # the model has a row's inputs channel by channel, and tap by tap within a channel
        split = (layer.positions, layer.in_features, layer.taps, layer.out_features)
        weight = weight.reshape(split).transpose(0, 2, 1, 3)
    if is_binary:
        weight = weight.clip(-1, 1)  # what an update keeps latent weights in
    tensors = {own(layer.name, "weight"): np.array(weight, order="C")}
    if layer.bias is not None:
        bias = _scaled(graph.constants[layer.bias], layer.bias_factor)
        flat = np.broadcast_to(bias.reshape(-1), (layer.bias_size,))
        shape = (layer.out_features, layer.positions) if layer.kind == "local" else (layer.out_features,)
        tensors[own(layer.name, "bias")] = np.array(flat.reshape(shape))
    return tensors


def deviation(graph: Graph, layer: Layer, *, is_binary: bool) -> float:
    """How large the weights of a layer are when training begins: the root of their mean square.

    Of zeros, and of biases that are trained alone, it is what random weights of an output of as many inputs would have. It has
    three digits, since sums differ between machines in the last ones.
    """
    weight = initial_weights(graph, layer, is_binary=is_binary)[own(layer.name, "weight")]
    root = 0.0 if layer.kind == "bias" else math.sqrt(float(np.mean(np.square(weight, dtype=np.float64))))
    return float(f"{root or 1 / math.sqrt(layer.fan_in):.3g}")


def _scaled(stored: Constant, factor: float) -> Array:
    array = np.asarray(stored.read(), dtype=np.float32)
    return array if factor == 1.0 else array * np.float32(factor)
