"""ONNX operators in PyTorch, so that autograd can differentiate them: for baselines, and beside our own gradient rules.

Imports torch and nothing of the package: it runs in an environment that has no onnx.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn import functional

__all__ = ["TorchNode", "run_nodes"]

Tensor = Any  # torch.Tensor: torch is not installed where types are checked
Shape = Sequence[int]


class TorchNode(NamedTuple):
    """One operator call: constants and computed values by name, ``shape`` that of its output at batch 1."""

    op_type: str
    inputs: Sequence[str]
    output: str
    attributes: Mapping[str, Any]
    shape: Shape


def run_nodes(nodes: Sequence[TorchNode], values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``values`` and what the nodes compute from them.

    Raises:
        KeyError: an operator is not among those that are written here.
    """
    known = dict(values)
    for node in nodes:
        operands = [known[name] if name else None for name in node.inputs]
        known[node.output] = _OPERATORS[node.op_type](node, operands)
    return known


def _with_batch(node: TorchNode, operands: Sequence[Any]) -> Tensor:
    """The elements of the first operand in the shape of the output, whose leading 1 is the batch."""
    x = operands[0]
    assert node.shape[0] == 1
    return x.reshape(len(x), *node.shape[1:])


def _window(node: TorchNode, x: Tensor, kernel: Shape) -> tuple[list[int], list[int], list[int]]:
    """Strides, dilations, and pads as torch wants them: last axis first, begin and end; what the last window lacks is added."""
    rank = len(kernel)
    strides, dilations = (list(node.attributes.get(name, [1] * rank)) for name in ("strides", "dilations"))
    auto, pads = node.attributes.get("auto_pad", "NOTSET"), list(node.attributes.get("pads", [0] * 2 * rank))
    flat: list[int] = []
    for axis in reversed(range(rank)):
        reach = (node.shape[2 + axis] - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1
        lacking = max(0, reach - x.shape[2 + axis])
        begin = {"SAME_UPPER": lacking // 2, "SAME_LOWER": lacking - lacking // 2, "VALID": 0}.get(auto, pads[axis])
        flat += [begin, reach - x.shape[2 + axis] - begin]  # negative where the last window ends before the image
    return strides, dilations, flat


def _conv(node: TorchNode, operands: Sequence[Any]) -> Tensor:
    x, weight, *bias = operands
    strides, dilations, pads = _window(node, x, weight.shape[2:])
    function = functional.conv1d if x.ndim == 3 else functional.conv2d
    group = node.attributes.get("group", 1)
    return function(functional.pad(x, pads), weight, bias[0] if bias else None, strides, 0, dilations, group)


def _conv_transpose(node: TorchNode, operands: Sequence[Any]) -> Tensor:
    """Torch pads both sides alike: without pads it computes all that windows reach; the output is part of that, or goes on."""
    x, weight, *bias = operands
    rank, attributes = len(weight.shape) - 2, node.attributes
    strides, dilations, more = (
        list(attributes.get(name, [default] * rank))
        for name, default in (("strides", 1), ("dilations", 1), ("output_padding", 0))
    )
    function = functional.conv_transpose1d if rank == 1 else functional.conv_transpose2d
    full = function(x, weight, bias[0] if bias else None, strides, 0, 0, attributes.get("group", 1), dilations)
    auto, pads, edges = attributes.get("auto_pad", "NOTSET"), list(attributes.get("pads", [0] * 2 * rank)), []
    for axis in reversed(range(rank)):
        size, reach = node.shape[2 + axis], full.shape[2 + axis]
        lacking = max(0, reach + more[axis] - size)
        begin = {"SAME_UPPER": lacking // 2, "SAME_LOWER": lacking - lacking // 2, "VALID": 0}.get(auto, pads[axis])
        edges += [-begin, size + begin - reach]
    assert not bias or max(edges) <= 0, "where no window reaches, the bias alone is there"
    return functional.pad(full, edges)


def _max_pool(node: TorchNode, operands: Sequence[Any]) -> Tensor:
    (x,) = operands
    kernel = node.attributes["kernel_shape"]
    strides, dilations, pads = _window(node, x, kernel)
    function = functional.max_pool1d if x.ndim == 3 else functional.max_pool2d
    return function(functional.pad(x, pads, value=-math.inf), list(kernel), strides, 0, dilations)


def _average_pool(node: TorchNode, operands: Sequence[Any]) -> Tensor:
    """Sums by a depthwise convolution with ones: torch's own pool has neither dilations nor pads of two sizes."""
    (x,) = operands
    kernel = list(node.attributes["kernel_shape"])
    strides, dilations, pads = _window(node, x, kernel)
    function = functional.conv1d if x.ndim == 3 else functional.conv2d
    ones = x.new_ones(x.shape[1], 1, *kernel)

    def sums(image: Tensor) -> Tensor:
        return function(image, ones, None, strides, 0, dilations, x.shape[1])

    counted = torch.ones_like(x)
    if node.attributes.get("count_include_pad", 0) and "pads" in node.attributes:
        given = node.attributes["pads"]
        rank = len(kernel)
        own = [edge for axis in reversed(range(rank)) for edge in (given[axis], given[axis + rank])]
        counted = functional.pad(counted, own, value=1.0)
        pads_left = [pad - edge for pad, edge in zip(pads, own)]
        return sums(functional.pad(x, pads)) / sums(functional.pad(counted, pads_left))
    return sums(functional.pad(x, pads)) / sums(functional.pad(counted, pads))


def _lrn(node: TorchNode, operands: Sequence[Any]) -> Tensor:
    (x,) = operands
    size, attributes = node.attributes["size"], node.attributes
    before, after = (size - 1) // 2, size // 2
    squares = functional.pad((x**2).transpose(1, -1), (before, after)).unfold(-1, size, 1).sum(-1).transpose(1, -1)
    scale = attributes.get("bias", 1.0) + attributes.get("alpha", 1e-4) / size * squares
    return x * scale ** -attributes.get("beta", 0.75)


def _batch_normalization(node: TorchNode, operands: Sequence[Any]) -> Tensor:
    x, gain, shift, mean, variance = operands
    return functional.batch_norm(x, mean, variance, gain, shift, eps=node.attributes.get("epsilon", 1e-5))


def _gemm(node: TorchNode, operands: Sequence[Any]) -> Tensor:
    x, weight, *bias = operands
    product = node.attributes.get("alpha", 1.0) * x @ (weight.T if node.attributes.get("transB", 0) else weight)
    return product + node.attributes.get("beta", 1.0) * bias[0] if bias else product


def _clip(node: TorchNode, operands: Sequence[Any]) -> Tensor:
    x, *bounds = operands
    lowest, highest = (float(bound) if bound is not None else None for bound in [*bounds, None, None][:2])
    return torch.clamp(x, lowest, highest)


def _reduce_mean(node: TorchNode, operands: Sequence[Any]) -> Tensor:
    x, axes = operands
    return x.mean(dim=axes.tolist(), keepdim=bool(node.attributes.get("keepdims", 1)))


def _pad(node: TorchNode, operands: Sequence[Any]) -> Tensor:
    x, pads = operands[0], operands[1].tolist()
    rank = len(pads) // 2
    return functional.pad(x, [edge for axis in reversed(range(rank)) for edge in (pads[axis], pads[axis + rank])])


def _hard_sigmoid(node: TorchNode, operands: Sequence[Any]) -> Tensor:
    return (node.attributes.get("alpha", 0.2) * operands[0] + node.attributes.get("beta", 0.5)).clamp(0, 1)


_OPERATORS: Mapping[str, Callable[[TorchNode, Sequence[Any]], Tensor]] = {
    "Add": lambda node, x: x[0] + x[1],
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Clip": _clip,
    "Concat": lambda node, x: torch.cat(list(x), dim=node.attributes["axis"]),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": lambda node, x: x[0] / x[1],
    "Dropout": _with_batch,
    "Flatten": _with_batch,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda node, x: x[0].mean(dim=list(range(2, x[0].ndim)), keepdim=True),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda node, x: functional.hardswish(x[0]),
    "Identity": _with_batch,
    "LRN": _lrn,
    "LeakyRelu": lambda node, x: functional.leaky_relu(x[0], node.attributes.get("alpha", 0.01)),
    "MatMul": lambda node, x: x[0] @ x[1],
    "MaxPool": _max_pool,
    "Mul": lambda node, x: x[0] * x[1],
    "Pad": _pad,
    "ReduceMean": _reduce_mean,
    "Relu": lambda node, x: functional.relu(x[0]),
    "Reshape": _with_batch,
    "Sigmoid": lambda node, x: torch.sigmoid(x[0]),
    "Softmax": lambda node, x: torch.softmax(x[0], dim=node.attributes.get("axis", -1)),
    "Squeeze": _with_batch,
    "Sub": lambda node, x: x[0] - x[1],
    "Sum": lambda node, x: torch.stack(torch.broadcast_tensors(*x)).sum(dim=0),
    "Tanh": lambda node, x: torch.tanh(x[0]),
    "Transpose": lambda node, x: x[0].permute(*node.attributes["perm"]),
    "Unsqueeze": _with_batch,
}
