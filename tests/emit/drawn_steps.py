"""Random blocks without binarization: models, recipes and slices that hypothesis draws, and what their steps are fed.

Everything lies on a lattice: inputs are whole numbers, weights multiples of 1/4, and biases lie 1/8 beside them. So no z is
nearer than 1/8 to the kink of a Relu, and a finite difference never steps over one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.profiles_for_tests import ALLOCATOR
from tests.small_models import ModelBuilder, load_model
from tests.steps.step_graphs import contexts_of
from tinyfoa_rt.artifact.records import OptimizerRecord
from tinyfoa_rt.emit import emit_step
from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.run.conv_state import ConvState
from tinyfoa_rt.run.layer_state import LayerState
from tinyfoa_rt.run.local_state import LocalState
from tinyfoa_rt.steps import StepChoice, assemble_step
from tinyfoa_rt.zoo.build import assemble, lay_out
from tinyfoa_rt.zoo.spec import LayerSpec, ModelSpec

__all__ = ["ENDINGS", "DrawnStep", "StepCase", "dense_cases", "local_cases"]

Array = NDArray[Any]
Parameters = tuple[Array, Array | None]
Ending = Callable[[ModelBuilder, str, str, tuple[int, int]], tuple[str, int]]


def _relu(b: ModelBuilder, z: str) -> str:
    return b.node("Relu", (z,))


# What a block owns behind its layer: from the layer's output z, its input x and its sizes to the block's output and its size.
ENDINGS: Mapping[str, Ending] = {
    "nothing": lambda b, z, x, n: (z, n[1]),
    "subtracted": lambda b, z, x, n: (b.node("Sub", (b.scalar(0.25), z)), n[1]),
    "broadcast": lambda b, z, x, n: (
        b.node("Flatten", (b.node("Add", (b.node("Unsqueeze", (z, b.ints(1))), b.weight(1, 2, n[1]))),)),
        2 * n[1],
    ),
    "second layer": lambda b, z, x, n: (b.node("Add", (z, b.dense(x, *n))), n[1]),
    "relu": lambda b, z, x, n: (_relu(b, z), n[1]),
    "shifted": lambda b, z, x, n: (_relu(b, b.node("Add", (z, b.scalar(0.25)))), n[1]),
    "dropout": lambda b, z, x, n: (b.node("Dropout", (_relu(b, z),)), n[1]),
    "flattened": lambda b, z, x, n: (b.node("Flatten", (b.node("Unsqueeze", (_relu(b, z), b.ints(1))),)), n[1]),
    "transposed": lambda b, z, x, n: (
        b.node("Flatten", (b.node("Transpose", (b.node("Unsqueeze", (_relu(b, z), b.ints(1))),), perm=[0, 2, 1]),)),
        n[1],
    ),
    "joined": lambda b, z, x, n: (b.node("Concat", (_relu(b, z), x), axis=1), sum(n)),
}
WITHOUT_KINK = ("nothing", "subtracted", "broadcast", "second layer")


@dataclass(frozen=True)
class StepCase:
    """One step: block ``index`` of a model, of those that ``train`` selects and that end where ``block_layers`` says.

    Blocks of several layers are off the lattice, where values of many layers would meet: their weights keep the size of what
    they multiply.
    """

    model: onnx.ModelProto = field(repr=False)
    index: int
    slices: Slices
    recipe: Mapping[str, Any]
    batch: int
    seed: int
    block_layers: str = "1"
    train: str = "all"


@st.composite
def dense_cases(draw: st.DrawFn, ending: str, index: int) -> StepCase:
    """Block ``index`` of a perceptron with two hidden blocks of that ending; the third is its classifier."""
    sizes = [draw(st.integers(3, 7)) for _ in range(3)]
    has_bias = ending not in WITHOUT_KINK or draw(st.booleans())  # without one, z may be zero
    classes = draw(st.integers(2, 4))
    builder, x, width = ModelBuilder(sizes[:1]), "input", sizes[0]
    for number, size in enumerate((*sizes[1:], classes), 1):
        z = builder.dense(x, width, size, f"fc{number}") if has_bias else _without_bias(builder, x, (width, size), number)
        x, width = ENDINGS["nothing" if number == 3 else ending](builder, z, x, (width, size))
    recipe = {**_recipe(draw, classes), "binarize": "none"}
    if index == 2:  # the classifier's weights are real, whatever enters it
        recipe["binarize"] = draw(st.sampled_from(["none", "both"]))
        recipe["block_output"] = draw(st.sampled_from(["bits", "scaled"]))
    return _case(draw, builder.model(x), index, recipe)


@st.composite
def local_cases(draw: st.DrawFn, has_relu: bool, index: int, head_pool: str) -> StepCase:
    """A block of a locally connected net: the first one's output has positions, the second one's is flattened."""
    classes = draw(st.integers(2, 4))
    layers: list[LayerSpec] = []
    size = image = (draw(st.integers(3, 5)), draw(st.integers(3, 5)))
    for number in (1, 2):
        window, size = _window(draw, size)
        layers.append(LayerSpec("locally_connected", f"lc{number}", None, window))
        layers += [LayerSpec("relu", f"relu{number}", None, {})] if has_relu else []
    layers += [LayerSpec("flatten", "flatten", None, {}), LayerSpec("dense", "fc", None, {"units": classes})]
    spec = ModelSpec("local", "A drawn net", (draw(st.integers(1, 3)), *image), 1, tuple(layers))
    recipe = {**_recipe(draw, classes), "binarize": "none", "head_pool": head_pool}
    return _case(draw, assemble(spec, lay_out(spec, "local")), index, recipe)


def _without_bias(builder: ModelBuilder, x: str, sizes: tuple[int, int], number: int) -> str:
    return builder.node("MatMul", (x, builder.weight(*sizes)), f"fc{number}")


def _recipe(draw: st.DrawFn, classes: int) -> dict[str, Any]:
    return {
        "num_outputs": classes,
        "loss": draw(st.sampled_from(["cross-entropy", "binary-cross-entropy", "mean-squared-error"])),
        "optimizer": draw(st.sampled_from(["sgd", "momentum"])),
        "head": draw(st.sampled_from(["rademacher", "kaiming", "learned"])),
    }


def _window(draw: st.DrawFn, size: tuple[int, int]) -> tuple[dict[str, Any], tuple[int, int]]:
    """A window that fits, and the size of what it leaves."""
    kernel = [draw(st.integers(1, min(3, length))) for length in size]
    strides = [draw(st.integers(1, 2)) for _ in size]
    pads = [draw(st.integers(0, 1)) for _ in range(4)]
    after = [(size[a] + pads[a] + pads[a + 2] - kernel[a]) // strides[a] + 1 for a in (0, 1)]
    window = {"channels": draw(st.integers(2, 4)), "kernel": kernel, "strides": strides, "pads": pads}
    return window, (after[0], after[1])


def _case(draw: st.DrawFn, model: onnx.ModelProto, index: int, recipe: Mapping[str, Any]) -> StepCase:
    # More bands than a layer has inputs or outputs are asked for too: the step gets as many as there are.
    slices = Slices(*draw(st.sampled_from([(1, 1), (2, 2), (3, 2), (1, 3), (2, 1)])))
    return StepCase(model, index, slices, recipe, draw(st.integers(1, 4)), draw(st.integers(0, 2**32 - 1)))


class DrawnStep:
    """The emitted step of a case, the block that it trains, and feeds; ``trained`` names the parameters that it moves."""

    def __init__(self, case: StepCase, folder: Path) -> None:
        self.graph = graph = load_model(case.model, folder)
        recipe = Recipe(**{"num_outputs": 3, **case.recipe})
        context = contexts_of(graph, ALLOCATOR, recipe, case.block_layers, case.train)[case.index]
        self.block = block = context.block
        furthest = max if block.parts else min
        slices = Slices(
            min(case.slices.m_in, furthest(layer.in_features for layer in block.layers)),
            min(case.slices.m_out, furthest(layer.out_features for layer in block.layers)),
        )
        in_part = any(layer.trained_inputs is not None for layer in block.layers)
        choice = StepChoice(slices, case.batch, holds_slice=slices.count > 1 or in_part)
        self.step = assemble_step(context, choice)
        self.model = emit_step(self.step)
        self.rng = rng = np.random.default_rng(case.seed)
        self.feeds: dict[str, Array] = {"#rate": np.array(0.5), "scale": np.array(0.5)}
        turn = int(rng.integers(slices.count))
        for layer in block.layers:
            parameters = _parameters(rng, layer) if block.parts else _on_lattice(rng, layer)
            self.feeds.update(_tensors(layer, parameters, SliceGrid.of(layer, slices), turn, case.recipe["optimizer"]))
        names = [each.name for each in self.model.graph.output]
        ends = ("w#next", "w_slice#next", "bias#next", "bias_slice#next", "#head#next")
        self.trained = [name.removesuffix("#next") for name in names if name.endswith(ends)]
        for info in self.model.graph.input:
            if info.name not in self.feeds:
                self.feeds[info.name] = _drawn(rng, info, case.recipe["num_outputs"])


def _on_lattice(rng: np.random.Generator, layer: Layer) -> Parameters:
    """Weights and a bias of a layer of its own block."""
    weight, bias = _shapes(layer)
    return rng.integers(-4, 5, weight) / 4, None if bias is None else rng.integers(-4, 4, bias) / 4 + 1 / 8


def _parameters(rng: np.random.Generator, layer: Layer) -> Parameters:
    """Weights and a bias of a layer among others."""
    weight, bias = _shapes(layer)
    spread = np.sqrt(2 / layer.fan_in)
    return rng.normal(0, spread, weight), None if bias is None else rng.normal(0, 0.2, bias)


def _shapes(layer: Layer) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """The shapes of a layer's weights and bias in its state."""
    before = {"dense": (), "bias": (), "conv": (layer.taps,), "local": (layer.positions, layer.taps)}[layer.kind]
    bias = (layer.out_features, *((layer.positions,) if layer.kind == "local" else ()))
    return (*before, layer.in_features, layer.out_features), bias if layer.bias is not None else None


def _tensors(layer: Layer, parameters: Parameters, grid: SliceGrid, turn: int, optimizer: str) -> Mapping[str, Array]:
    """What a step reads of a layer while slice ``turn`` is active."""
    weight, bias = (None if each is None else each.astype(np.float32) for each in parameters)
    assert weight is not None
    kind = {"dense": LayerState, "bias": LayerState, "conv": ConvState, "local": LocalState}[layer.kind]
    state = kind(layer.name, weight, bias, grid, OptimizerRecord.of(optimizer), False)
    return state.begin_turn(turn % grid.turns)


def _drawn(rng: np.random.Generator, info: onnx.ValueInfoProto, classes: int) -> Array:
    """Bits, class numbers, signs of a head; or real numbers, whole for an input."""
    shape = [dim.dim_value for dim in info.type.tensor_type.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
    if dtype == np.uint8:
        return rng.integers(0, 2, shape).astype(np.uint8)
    if dtype == np.int8:
        return rng.choice(np.array((-1, 1), dtype=np.int8), shape)
    if dtype == np.int64:
        return rng.integers(0, classes, shape)
    if info.name.endswith("#running_variance"):
        return rng.uniform(1, 2, shape)
    if info.name == "#head#velocity":
        return np.zeros(shape)
    if info.name in ("#head", "#target"):
        return rng.normal(size=shape)
    return rng.integers(-2, 3, shape).astype(np.float64) if shape else np.array(0.7)
