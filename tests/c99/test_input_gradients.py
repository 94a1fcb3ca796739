"""Gradients of a layer's input in generated C, of layers that lie in the storage, with a slice in RAM and without one."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.c99.drawn_shapes import window_of
from tests.c99.exported import LIBRARY, Device
from tests.c99.forward_kernels import ConvShape
from tests.c99.kernel_library import build_library
from tests.c99.onnx_reference import check_sum, conv_input_gradient, drawn
from tests.c99.trained_pair import SIZES, exported
from tests.emit.conv_models import WINDOWS, conv_model
from tests.small_models import load_model, mlp
from tinyfoa_rt.ir.graph import Graph

Array = NDArray[Any]
DENSE: dict[str, dict[str, Any]] = {
    "real": {"batch": 3, "slices": "3x2", "binarize": "none"},
    "whole": {"batch": 1, "slices": "1x1", "binarize": "none"},
    "signs": {"batch": 2, "slices": "4x1"},  # cuts of 70 and 45 inputs that fall inside of words
    "tensor": {"batch": 3, "slices": "2x3", "weight_scale": "tensor", "binarize": "weights"},
}
CONV: dict[str, dict[str, Any]] = {
    "real": {"batch": 2, "slices": "2x3", "binarize": "none"},
    "signs": {"batch": 3, "slices": "2x2"},
    "tensor": {"batch": 2, "slices": "1x2", "weight_scale": "tensor", "binarize": "weights"},
}
MAPPED = pytest.mark.parametrize("mapped_nbytes", [None, 0], ids=["mapped", "read"])


def address_of_layer(device: Device, block: int, folder: Path) -> ctypes.c_void_p:
    """The address of the first layer of a block, as C knows it."""
    (folder / "layer").mkdir()
    library = build_library(folder / "layer", "gcc", [Path(__file__).with_name("layer_of.c")], flags=["-I", str(LIBRARY)])
    library.layer_of.restype = ctypes.c_void_p
    model = ctypes.c_char.in_dll(device.model.library, f"{device.model.program.prefix}_model")
    return ctypes.c_void_p(library.layer_of(ctypes.byref(model), block))


class Layer:
    """The trained layer of a block, which has one."""

    def __init__(self, graph: Graph, folder: Path, block: int, mapped_nbytes: int | None, **options: Any) -> None:
        artifact, _, model = exported(graph, folder, **options)
        self.device = Device(model, mapped_nbytes=mapped_nbytes).start(1)
        self.block, self.batch = block, model.program.batch
        self.is_tensor_alpha = options.get("weight_scale") == "tensor"
        (self.record,) = artifact.blocks[block].layers
        self.address = address_of_layer(self.device, block, folder)

    def begin_turn(self) -> None:
        """Train the block for two turns; the second one's slice is in RAM, and the storage has what it was before."""
        for _ in range(self.block):
            self.device.next_block()
        size = self.device.model.program.input_size
        for step in range(2):
            self.device.step(drawn(step, self.batch, size), np.zeros(self.batch, np.int32), 0.1)

    def input_gradient(self, name: str, over: Any, grad_z: Array, shape: tuple[int, ...]) -> Array:
        grad_x = np.full(shape, np.nan, np.float32)
        self.device.operate(name, self.address, over, grad_z, grad_x)
        return grad_x

    def weights(self) -> tuple[Array, int]:
        """What stands for the weights in a product, (outputs, inputs, taps), and its roundings."""
        weights = self.device.weights(self.record.name)
        w = weights.reshape(-1, self.record.grid.ins[-1], self.record.grid.outs[-1]).transpose(2, 1, 0).astype(np.float64)
        if not self.record.is_binary:
            return w, 0
        alpha = abs(w).mean(axis=None if self.is_tensor_alpha else (1, 2), keepdims=True)
        return np.where(w < 0, -alpha, alpha), w[0].size + len(w) + 3


def check(layer: Layer, name: str, over: Any, shapes: tuple[tuple[int, ...], tuple[int, ...]], window: dict[str, Any]) -> None:
    """With the slice in RAM, and behind its turn, when all of the layer lies in the storage."""
    z_shape, x_shape = ((layer.batch, *shape) for shape in shapes)
    errors = drawn(7, *z_shape)
    layer.begin_turn()
    active = layer.input_gradient(name, over, errors, x_shape)
    layer.device.save()
    for grad_x in (active, layer.input_gradient(name, over, errors, x_shape)):
        check_gradient(layer, errors, grad_x, window)


def check_gradient(layer: Layer, errors: Array, grad_x: Array, window: dict[str, Any]) -> None:
    """A dense layer is a convolution of one tap over one position."""
    w, of_alpha = layer.weights()
    window = window or {"kernel_shape": (1,), "strides": (1,), "dilations": (1,), "pads": (0, 0), "group": 1}
    kernel, size = w.reshape(*w.shape[:2], *window["kernel_shape"]), grad_x.shape[2:] or (1,)
    of_z = errors if errors.ndim > 2 else errors[..., None]
    expected, most = (conv_input_gradient(g, k, size, **window) for g, k in ((of_z, kernel), (abs(of_z), abs(kernel))))
    check_sum(grad_x.reshape(expected.shape), expected, most, len(w) * w.shape[2] + of_alpha)


def test_errors_one_percent_off_are_noticed(tmp_path: Path) -> None:
    layer = Layer(load_model(mlp(SIZES), tmp_path), tmp_path, 0, None, **DENSE["signs"])
    errors = drawn(7, layer.batch, SIZES[1])
    grad_x = layer.input_gradient("tfoa_sign_dense_input_grad", layer.batch, np.float32(1.01) * errors, (layer.batch, SIZES[0]))
    with pytest.raises(AssertionError):
        check_gradient(layer, errors, grad_x, {})


@MAPPED
@pytest.mark.parametrize("block", [0, 1])
@pytest.mark.parametrize("case", DENSE)
def test_dense(case: str, block: int, mapped_nbytes: int | None, tmp_path: Path) -> None:
    layer = Layer(load_model(mlp(SIZES), tmp_path), tmp_path, block, mapped_nbytes, **DENSE[case])
    precision = "sign" if layer.record.is_binary else "real"
    shapes = (SIZES[block + 1],), (SIZES[block],)
    check(layer, f"tfoa_{precision}_dense_input_grad", layer.batch, shapes, {})


@MAPPED
@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("case", CONV)
def test_convolution(case: str, name: str, mapped_nbytes: int | None, tmp_path: Path) -> None:
    graph = load_model(conv_model(), tmp_path)
    layer = Layer(graph, tmp_path, list(WINDOWS).index(name), mapped_nbytes, **CONV[case])
    node = next(node for node in graph.nodes if node.name == name)
    x_shape, w_shape, z_shape = (graph.shape(each) for each in (*node.inputs[:2], node.outputs[0]))
    window = {"kernel_shape": w_shape[2:], "strides": (1, 1), "dilations": (1, 1), "pads": (0,) * 4, "group": 1, **WINDOWS[name]}
    counts = layer.batch, window["group"], x_shape[1], z_shape[1]
    shape = ConvShape(window_of(list(x_shape[2:]), z_shape[2:], window), *counts)
    precision = "sign" if layer.record.is_binary else "real"
    check(layer, f"tfoa_{precision}_conv_input_grad", shape, (z_shape[1:], x_shape[1:]), window)
