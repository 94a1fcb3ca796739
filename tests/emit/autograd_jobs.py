"""Blocks whose steps are compared with PyTorch's autograd, and what PyTorch needs to know of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from tests.emit.drawn_steps import DrawnStep, StepCase
from tests.emit.float64_step import Float64Step
from tests.ops.conv_cases import CONVS
from tests.ops.references.conv import merged
from tests.ops.references.dense import whole_row
from tests.ops.vjp_cases import POOLS
from tests.small_models import ModelBuilder
from tests.steps.vjp_models import CASES, step_model
from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.names import shift_of, statistics_of
from tinyfoa_rt.steps.training_nodes import nodes_to_output, running_statistics

__all__ = ["Job", "autograd_cases", "differentiated", "expected_gradients", "job_of", "own_gradients"]

Array = NDArray[Any]
CHANNELS = 4
_ROOT = Path(__file__).resolve().parents[2]
PADDINGS: tuple[dict[str, Any], ...] = ({"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}, {"auto_pad": "VALID"})


class Job(NamedTuple):
    """A drawn step, and its block for :mod:`tests.emit.run_autograd`."""

    drawn: DrawnStep
    description: Mapping[str, Any]
    values: Mapping[str, Array]


def autograd_cases() -> Iterator[tuple[str, StepCase]]:
    """Every gradient rule, every geometry of a convolution and of a pool; whole layers and slices of them."""
    for name in CASES:
        for slices in (Slices(1, 1), Slices(2, 4)):
            yield f"{name}-{slices.m_in}x{slices.m_out}", _case(step_model(name), slices)
    for number, conv in enumerate(CONVS):
        window = {"strides": list(conv.strides), "dilations": list(conv.dilations), "pads": list(conv.pads), "group": conv.group}
        yield from _windows(f"Conv-{conv.label}-{number}", conv.image, conv.channels, (conv.kernel, window))
        yield f"frozen-Conv-{conv.label}-{number}", _frozen(conv.image, conv.channels, conv.kernel, window)
        back = {**window, "output_padding": list(conv.output_padding)}
        yield f"frozen-ConvTranspose-{conv.label}-{number}", _transposed(conv.size, conv.channels[::-1], conv.kernel, back)
    for padding in PADDINGS:
        window = {**padding, "strides": [2, 2]}
        yield from _windows(f"Conv-{padding['auto_pad']}", (7, 6), (2, 4), ((3, 3), window))
        yield f"frozen-Conv-{padding['auto_pad']}", _frozen((7, 6), (2, 4), (3, 3), window)
        yield f"frozen-ConvTranspose-{padding['auto_pad']}", _transposed((4, 3), (4, 2), (3, 3), window)
    for number, pool in enumerate(POOLS):
        yield from _pools(number, *pool)
    for padding in PADDINGS:
        for op_type in ("MaxPool", "AveragePool"):
            attributes = {**padding, "kernel_shape": [3, 2], "strides": [2, 2]}
            yield f"{op_type}-{padding['auto_pad']}", _pool(op_type, (7, 6), attributes)


def _windows(
    label: str, image: tuple[int, ...], channels: tuple[int, int], kernel: tuple[tuple[int, ...], dict[str, Any]]
) -> Iterator[tuple[str, StepCase]]:
    """A convolution behind the input, in two grids of slices."""
    length, window = kernel
    for slices in (Slices(1, 1), Slices(2, 3)):
        builder = ModelBuilder((channels[0], *image))
        weight = builder.weight(channels[1], channels[0] // int(window.get("group", 1)), *length)
        z = builder.node("Conv", ("input", weight, builder.weight(channels[1])), "conv", **window)
        yield f"{label}-{slices.m_in}x{slices.m_out}", _case(_with_classifier(builder, z, channels[1], len(image)), slices)


def _frozen(image: tuple[int, ...], channels: tuple[int, int], kernel: tuple[int, ...], window: dict[str, Any]) -> StepCase:
    """A trained convolution before two that read one weight, and so are no layers."""
    builder = ModelBuilder((channels[0], *image))
    x = builder.node("Conv", ("input", builder.weight(channels[0], channels[0], *[1] * len(image))), "conv")
    weight = builder.weight(channels[1], channels[0] // int(window.get("group", 1)), *kernel)
    left, right = (builder.node("Conv", (each, weight), **window) for each in (x, builder.node("Tanh", (x,))))
    return _case(_with_classifier(builder, builder.node("Add", (left, right)), channels[1], len(image)), Slices(1, 1))


def _transposed(image: tuple[int, ...], channels: tuple[int, int], kernel: tuple[int, ...], window: dict[str, Any]) -> StepCase:
    """A trained convolution before a transposed one, which is no layer."""
    builder = ModelBuilder((channels[0], *image))
    x = builder.node("Conv", ("input", builder.weight(channels[0], channels[0], *[1] * len(image))), "conv")
    weight = builder.weight(channels[0], channels[1] // int(window.get("group", 1)), *kernel)
    y = builder.node("Tanh", (builder.node("ConvTranspose", (x, weight), **window),))
    return _case(_with_classifier(builder, y, channels[1], len(image)), Slices(1, 1))


def _pools(
    number: int, kernel: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...], pads: tuple[int, ...],
    overhang: tuple[int, ...],
) -> Iterator[tuple[str, StepCase]]:  # fmt: skip
    image = (7, 6)[: len(kernel)]
    window = {"kernel_shape": list(kernel), "strides": list(strides), "pads": list(pads), "ceil_mode": int(any(overhang))}
    yield f"MaxPool-{number}", _pool("MaxPool", image, {**window, "dilations": list(dilations)})
    if set(dilations) == {1}:  # opset 18 has no other
        for includes in (0, 1):
            yield f"AveragePool-{number}-{includes}", _pool("AveragePool", image, {**window, "count_include_pad": includes})


def _pool(op_type: str, image: tuple[int, ...], attributes: Mapping[str, Any]) -> StepCase:
    builder = ModelBuilder((CHANNELS, *image))
    weight = builder.weight(CHANNELS, CHANNELS, *(3 for _ in image))
    z = builder.node("Conv", ("input", weight, builder.weight(CHANNELS)), "conv", pads=[1] * 2 * len(image))
    pooled = builder.node("Tanh", (builder.node(op_type, (z,), "pool", **attributes),))
    return _case(_with_classifier(builder, pooled, CHANNELS, len(image)), Slices(1, 2), head_pool="average")


def _with_classifier(builder: ModelBuilder, x: str, channels: int, rank: int) -> onnx.ModelProto:
    """A convolution of one tap behind the block, so that the block's output has its positions."""
    weight = builder.weight(3, channels, *[1] * rank)
    scores = builder.node("GlobalAveragePool", (builder.node("Conv", (x, weight), "classifier"),))
    return builder.model(builder.node("Flatten", (scores,)))


def _case(model: onnx.ModelProto, slices: Slices, **recipe: Any) -> StepCase:
    chosen = {"num_outputs": 3, "binarize": "none", "optimizer": "sgd", "head": "kaiming", **recipe}
    return StepCase(model, 0, slices, chosen, 3, 0)


def job_of(case: StepCase, folder: Path) -> Job:
    """The case as :mod:`tests.emit.run_autograd` reads it: full weights in place of slices, nodes up to the block's output."""
    drawn = DrawnStep(case, folder)
    graph, block = drawn.graph, drawn.block
    nodes = nodes_to_output(block)
    read = {name for node in nodes for name in node.inputs if name}
    values = {name: np.asarray(graph.constants[name].read()) for name in read if graph.is_constant(name)}
    values |= {name: drawn.feeds[name] for name in (*block.inputs, "#head", "#target") if name in drawn.feeds}
    after = Float64Step(drawn.model).run(drawn.feeds)
    for node in running_statistics(block):  # by the statistics that the step has updated first, which are constants of it
        values |= {name: after[f"{kept}#next"] for name, kept in zip(node.inputs[3:5], statistics_of(node.outputs[0]))}
        values[node.inputs[2]] = drawn.feeds[shift_of(node.outputs[0])]
    parameters = []
    for layer in block.layers:
        values |= _parameters(drawn, layer)
        parameters += [name for name in (layer.weight, layer.bias) if name is not None]
    head = next((node for node in drawn.step.nodes if node.op_type == "HeadLogits"), None)
    description = {
        "nodes": [(n.op_type, n.inputs, n.outputs[0], dict(n.attributes), graph.shape(n.outputs[0])) for n in nodes],
        "parameters": parameters,
        "output": block.output,
        "pools": head.int("pools", 0) if head else 0,
        "gain": float(np.float32(head.float("gain", 1.0))) if head else 1.0,  # as an attribute of ONNX
        "loss": case.recipe.get("loss", "cross-entropy"),
    }
    return Job(drawn, description, values)


def _parameters(drawn: DrawnStep, layer: Layer) -> Mapping[str, Array]:
    """Weight and bias of a layer as the model has them, the active slice in its place."""
    feeds, name = drawn.feeds, layer.name
    matrix = merged(feeds[f"{name}#w"], feeds.get(f"{name}#w_slice"), feeds.get(f"{name}#origin"), layer.taps)
    found = {layer.weight: matrix.transpose(2, 1, 0).reshape(drawn.graph.shape(layer.weight))}
    if layer.bias is not None:
        found[layer.bias] = whole_row(feeds[f"{name}#bias"], feeds.get(f"{name}#bias_slice"), feeds.get(f"{name}#origin"))
    return found


def _of_slice(job: Job, layer: Layer, gradients: Mapping[str, Array]) -> Mapping[str, Array]:
    """The part of a layer's gradients that its step computes, laid out and named as the step has them."""
    feeds, name = job.drawn.feeds, layer.name
    taps_inputs_outputs = gradients[layer.weight].reshape(layer.out_features, -1, layer.taps).transpose(2, 1, 0)
    ins = outs = slice(None)
    suffix = ""
    if f"{name}#w_slice" in feeds:
        first_input, first_output, num_inputs, num_outputs = (int(value) for value in feeds[f"{name}#origin"])
        ins, outs = slice(first_input, first_input + num_inputs), slice(first_output, first_output + num_outputs)
        suffix = "_slice"
    part = taps_inputs_outputs[:, ins, outs]
    found = {f"{name}#w{suffix}": part.reshape(-1, part.shape[-1])}
    if layer.bias is not None:
        found[f"{name}#bias{suffix}"] = gradients[layer.bias][outs]
    return found


def differentiated(jobs: Iterable[Job], folder: Path, torch_python: Path) -> list[Mapping[str, Array]]:
    """The loss of each job, and all gradients that PyTorch has of its parameters."""
    listed = list(jobs)
    (folder / "jobs.json").write_text(json.dumps([job.description for job in listed]), encoding="utf-8")
    for number, job in enumerate(listed):
        values: dict[str, Any] = dict(job.values)
        np.savez(folder / f"{number}.values.npz", **values)
    command = [str(torch_python), "-m", "tests.emit.run_autograd", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=_ROOT)
    assert done.returncode == 0, done.stderr
    found: list[Mapping[str, Array]] = []
    for number in range(len(listed)):
        with np.load(folder / f"{number}.gradients.npz") as arrays:
            found.append(dict(arrays))
    return found


def own_gradients(job: Job) -> dict[str, Array]:
    """The loss of the step, and w - w_next over the rate."""
    feeds = job.drawn.feeds
    after = Float64Step(job.drawn.model).run(feeds)
    moved = {name: (feeds[name] - after[f"{name}#next"]) / float(feeds["#rate"]) for name in job.drawn.trained}
    return {"loss": after["#loss"], **moved}


def expected_gradients(job: Job, gradients: Mapping[str, Array]) -> dict[str, Array]:
    expected = {"loss": gradients["loss"]}
    for layer in job.drawn.block.layers:
        expected |= _of_slice(job, layer, gradients)
    return expected
