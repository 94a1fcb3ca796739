"""Models of which only the last blocks learn: all before them runs as it is, in float32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.trained_pair import Pair, pair_of_graph
from tests.small_models import ModelBuilder, conv_net, load_model
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.model import load

# Sums of a few hundred float32 products in two different orders, relative to the largest score.
TOLERANCE = 1e-5


def pair_of(graph: Graph, folder: Path, **options: Any) -> Pair:
    return pair_of_graph(graph, folder, **{"batch": 2, "slices": "2x1", **options})


def check(pair: Pair, shape: tuple[int, ...]) -> None:
    """A few steps of every block, then the scores of three samples, which do not fill the second batch."""
    rng = np.random.default_rng(0)
    for index in range(len(pair.device.model.program.blocks)):
        x = rng.normal(0, 1, (6, pair.device.model.program.batch, *shape)).astype(np.float32)
        y = rng.integers(0, pair.device.model.program.output_size, x.shape[:2])
        losses = pair.train_block(index, x, y, (0.01, 0.01))
        np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=TOLERANCE)
        pair.device.next_block()
    samples = rng.normal(0, 1, (3, *shape)).astype(np.float32)
    expected, ours = pair.scores(samples)
    np.testing.assert_allclose(ours, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())


def test_a_convolutional_prefix(tmp_path: Path) -> None:
    check(pair_of(load_model(conv_net(), tmp_path), tmp_path, train="last:1"), (3, 8, 8))


def test_operators_of_a_prefix(tmp_path: Path) -> None:
    builder = ModelBuilder((4, 9, 7))
    x = builder.node("Conv", ("input", builder.weight(6, 4, 3, 3)), strides=[2, 1], auto_pad="SAME_LOWER")
    x = builder.node("Clip", (x, builder.scalar(-0.5), builder.scalar(6.0)))
    y = builder.node("AveragePool", (x,), kernel_shape=[3, 2], pads=[1, 0, 1, 1], count_include_pad=1)
    x = builder.node("Add", (builder.node("MaxPool", (x,), kernel_shape=[3, 2], pads=[1, 0, 1, 1]), y))
    x = builder.node("Add", (x, builder.weight(6, 1, 1)))
    x = builder.node("Transpose", (x,), perm=[0, 2, 3, 1])
    x = builder.node("MatMul", (x, builder.weight(6, 5)))
    x = builder.node("Reshape", (x, builder.ints(-1, 175)))
    x = builder.node("Gemm", (x, builder.weight(175, 12), builder.weight(12)), alpha=0.5, beta=2.0)
    x = builder.node("Softmax", (x,), axis=1)
    graph = builder.load(tmp_path, builder.dense(x, 12, 3, "last"))
    check(pair_of(graph, tmp_path, train="last:1"), (4, 9, 7))


def test_activations_and_moved_parts_of_a_prefix(tmp_path: Path) -> None:
    builder = ModelBuilder((4, 6, 5))
    left = builder.node("Slice", ("input", builder.ints(1, -4), builder.ints(4, 6), builder.ints(1, 2), builder.ints(2, 1)))
    left = builder.node("Pad", (left, builder.ints(0, 1, 2, 0, 0, 0, 0, 0), builder.scalar(0.5)))
    right = builder.node("LRN", (builder.node("Conv", ("input", builder.weight(2, 4, 1, 1))),), size=3, alpha=0.5)
    x = builder.node("Concat", (left, right), axis=1)
    normal = (builder.weight(5), builder.weight(5), builder.weight(5), builder.vector(*range(1, 6)))
    x = builder.node("BatchNormalization", (x, *normal))
    curves = [builder.node(op, (x,)) for op in ("Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "HardSwish", "Neg")]
    x = builder.node("Sum", (builder.node("Mul", (curves[0], curves[1])), *curves[2:4], builder.weight(5, 1, 1)))
    x = builder.node("Sub", (x, builder.node("Div", (curves[4], builder.vector(*range(1, 6))))))
    x = builder.node("Add", (x, curves[5]))
    x = builder.node("Flatten", (builder.node("ReduceMean", (x, builder.ints(2, 3)), keepdims=1),))
    graph = builder.load(tmp_path, builder.dense(x, 5, 3, "last"))
    check(pair_of(graph, tmp_path, train="last:1"), (4, 6, 5))


def test_one_dimensional_windows_and_global_pools(tmp_path: Path) -> None:
    builder = ModelBuilder((2, 20))
    x = builder.node("Conv", ("input", builder.weight(4, 1, 5), builder.weight(4)), group=2, dilations=[2], pads=[3, 1])
    x = builder.node("Relu", (x,))
    x = builder.node("MaxPool", (x,), kernel_shape=[3], strides=[2], ceil_mode=1)
    x = builder.node("Flatten", (builder.node("GlobalAveragePool", (x,)),))
    graph = builder.load(tmp_path, builder.dense(x, 4, 3, "last"))
    check(pair_of(graph, tmp_path, train="last:1", slices="2x1"), (2, 20))


@pytest.mark.parametrize(
    ("window", "size"),
    [
        ({"strides": [2, 1], "dilations": [1, 2], "pads": [1, 0, 0, 1], "output_padding": [1, 0], "group": 2}, 9 * 8),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, 8 * 10),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, 8 * 10),
        ({"output_shape": [8, 6], "strides": [2, 1]}, 8 * 6),
    ],
    ids=["pads", "upper", "lower", "shape"],
)
def test_a_transposed_convolution(tmp_path: Path, window: dict[str, Any], size: int) -> None:
    builder = ModelBuilder((4, 4, 5))
    group = window.get("group", 1)
    x = builder.node("ConvTranspose", ("input", builder.weight(4, 6 // group, 3, 3), builder.weight(6)), **window)
    graph = builder.load(tmp_path, builder.dense(builder.node("Flatten", (x,)), 6 * size, 3, "last"))
    check(pair_of(graph, tmp_path, train="last:1"), (4, 4, 5))


@pytest.mark.parametrize(("axes", "keepdims", "width"), [((2, 3), 0, 4), ((-1,), 1, 24), ((1, 2), 0, 5)])
def test_sums_over_axes(tmp_path: Path, axes: tuple[int, ...], keepdims: int, width: int) -> None:
    builder = ModelBuilder((4, 6, 5))
    x = builder.node("Flatten", (builder.node("ReduceSum", ("input", builder.ints(*axes)), keepdims=keepdims),))
    graph = builder.load(tmp_path, builder.dense(x, width, 3, "last"))
    check(pair_of(graph, tmp_path, train="last:1"), (4, 6, 5))


def test_a_sum_over_the_batch_is_refused(tmp_path: Path) -> None:
    builder = ModelBuilder((8,))
    x = builder.node("Add", ("input", builder.node("ReduceSum", ("input", builder.ints(-1)), "whole")))
    graph = builder.load(tmp_path, builder.dense(builder.node("Mul", (x, builder.scalar(0.5))), 8, 3, "last"))
    pair_of(graph, tmp_path, train="last:1")
    wrong = replace(
        graph,
        constants={
            n: replace(c, read=lambda: np.array([0])) if n in graph.nodes[0].inputs else c for n, c in graph.constants.items()
        },
    )
    with pytest.raises(UnsupportedError, match="node 'whole': takes a sum over the batch"):
        pair_of(wrong, tmp_path, train="last:1")


@pytest.mark.parametrize("name", ["resnet8", "kws", "ad01"])
def test_trained_models(shared_models: Path, tmp_path: Path, name: str) -> None:
    graph = load(shared_models / f"{name}.onnx")
    shape = graph.shape(graph.inputs[0])[1:]
    pair = pair_of(graph, tmp_path, train="last:1", batch=1, slices="2x1", loss="cross-entropy")
    check(pair, shape)


def test_an_operator_without_a_kernel_is_named(tmp_path: Path) -> None:
    builder = ModelBuilder((8,))
    odd = builder.node("Erf", ("input",), "odd")
    graph = builder.load(tmp_path, builder.dense(odd, 8, 3, "last"))
    with pytest.raises(UnsupportedError, match="node 'odd': Erf has no C99 kernel"):
        pair_of(graph, tmp_path)
