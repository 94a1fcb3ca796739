"""One function a kind of layer: it checks the shape of its input, declares parameters and appends its node."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.zoo.network import LOCAL_DOMAIN, Network
from tinyfoa_rt.zoo.spec import LayerSpec

__all__ = ["add_layer"]


def add_layer(network: Network, layer: LayerSpec, source: str) -> None:
    """Append ``layer``, reading the value ``source``.

    Raises:
        InputError: the layer cannot read a value of that shape.
    """
    _BUILDERS[layer.kind](network, layer, source)


def _dense(network: Network, layer: LayerSpec, x: str) -> None:
    (n_in,) = _shape(network, layer, x, rank=1)
    n_out = layer.size("units")
    weight = network.parameter(f"{layer.name}.weight", (n_out, n_in), fan_in=n_in)
    bias = network.parameter(f"{layer.name}.bias", (n_out,))
    network.node(layer, "Gemm", [x, weight, bias], (n_out,), transB=1)


def _conv(network: Network, layer: LayerSpec, x: str) -> None:
    channels, *_ = _shape(network, layer, x, rank=3)
    n_out, group, kernel = layer.size("channels"), layer.size("group"), layer.sizes("kernel")
    if channels % group or n_out % group:
        raise InputError(network.place(layer), f"has group {group} for {channels} to {n_out} channels", "use a divisor of both")
    weight_shape = (n_out, channels // group, *kernel)
    inputs = [x, network.parameter(f"{layer.name}.weight", weight_shape, fan_in=math.prod(weight_shape[1:]))]
    if layer.options.get("bias", True):
        inputs.append(network.parameter(f"{layer.name}.bias", (n_out,)))
    attributes = {**_window(layer), "group": group}
    network.node(layer, "Conv", inputs, (n_out, *_output_size(network, layer, x)), **attributes)


def _locally_connected(network: Network, layer: LayerSpec, x: str) -> None:
    channels, *_ = _shape(network, layer, x, rank=3)
    n_out, size = layer.size("channels"), _output_size(network, layer, x)
    row_size = channels * math.prod(layer.sizes("kernel"))
    weight = network.parameter(f"{layer.name}.weight", (math.prod(size), row_size, n_out), fan_in=row_size)
    bias = network.parameter(f"{layer.name}.bias", (n_out, *size))
    network.node(layer, "LocallyConnected", [x, weight, bias], (n_out, *size), domain=LOCAL_DOMAIN, **_window(layer))


def _batch_norm(network: Network, layer: LayerSpec, x: str) -> None:
    shape = network.shapes[x]
    inputs = [x]
    for suffix, fill, is_trained in (("scale", 1.0, True), ("bias", 0.0, True), ("mean", 0.0, False), ("var", 1.0, False)):
        inputs.append(network.constant(f"{layer.name}.{suffix}", shape[:1], fill, is_trained))
    network.node(layer, "BatchNormalization", inputs, shape)


def _relu(network: Network, layer: LayerSpec, x: str) -> None:
    network.node(layer, "Relu", [x], network.shapes[x])


def _add(network: Network, layer: LayerSpec, x: str) -> None:
    other = layer.options["with"]
    shape, other_shape = network.shapes[x], network.shapes[other]
    if shape != other_shape:
        problem = f"adds '{x}' of shape {list(shape)} and '{other}' of shape {list(other_shape)}"
        raise InputError(network.place(layer), problem, "add values of one shape")
    network.node(layer, "Add", [x, other], shape)


def _pool(op_type: str) -> Callable[[Network, LayerSpec, str], None]:
    def add(network: Network, layer: LayerSpec, x: str) -> None:
        channels, *_ = _shape(network, layer, x, rank=3)
        network.node(layer, op_type, [x], (channels, *_output_size(network, layer, x)), **_window(layer))

    return add


def _global_average_pool(network: Network, layer: LayerSpec, x: str) -> None:
    channels, *_ = _shape(network, layer, x, rank=3)
    network.node(layer, "GlobalAveragePool", [x], (channels, 1, 1))


def _flatten(network: Network, layer: LayerSpec, x: str) -> None:
    network.node(layer, "Flatten", [x], (math.prod(network.shapes[x]),), axis=1)


_BUILDERS: Mapping[str, Callable[[Network, LayerSpec, str], None]] = {
    "dense": _dense,
    "conv": _conv,
    "locally_connected": _locally_connected,
    "batch_norm": _batch_norm,
    "relu": _relu,
    "add": _add,
    "average_pool": _pool("AveragePool"),
    "max_pool": _pool("MaxPool"),
    "global_average_pool": _global_average_pool,
    "flatten": _flatten,
}


def _shape(network: Network, layer: LayerSpec, x: str, rank: int) -> tuple[int, ...]:
    shape = network.shapes[x]
    if len(shape) != rank:
        raise InputError(network.place(layer), f"reads a value of shape {list(shape)}", f"give it one of {rank} dimensions")
    return shape


def _window(layer: LayerSpec) -> dict[str, tuple[int, ...]]:
    strides, pads = layer.sizes("strides", (1, 1)), layer.sizes("pads", (0, 0, 0, 0))
    return {"kernel_shape": layer.sizes("kernel"), "strides": strides, "pads": pads}


def _output_size(network: Network, layer: LayerSpec, x: str) -> tuple[int, int]:
    """(H_out, W_out) of a window that slides over ``x``; pads are top, left, bottom, right."""
    _, height, width = _shape(network, layer, x, rank=3)
    kernel, strides, pads = _window(layer).values()
    rows = (height + pads[0] + pads[2] - kernel[0]) // strides[0] + 1
    columns = (width + pads[1] + pads[3] - kernel[1]) // strides[1] + 1
    if rows < 1 or columns < 1:
        raise InputError(network.place(layer), f"has a kernel larger than its input, {height}x{width}", "use a smaller kernel")
    return rows, columns
