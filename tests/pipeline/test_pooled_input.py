"""Means in front of a model: it is that of a smaller input, and takes raw samples, whoever loads, builds or runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.run.trained_models import arrays_of, assert_equal_weights
from tests.small_models import ModelBuilder, conv_net, mlp
from tinyfoa_rt.artifact.plan_file import dumps, parse_plan
from tinyfoa_rt.errors import InputError, UnsupportedError, UsageError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer

Array = NDArray[np.float32]


def saved(model: onnx.ModelProto, folder: Path, *size: int) -> Path:
    """A file of the model, for an input of another size behind the channels."""
    for dim, length in zip(model.graph.input[0].type.tensor_type.shape.dim[2:], size):
        dim.dim_value = length
    del model.graph.value_info[:]
    path = folder / f"model{'x'.join(map(str, size))}.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def means(x: Array, size: int) -> Array:
    """Means of size x size pixels; the last row and column may be of fewer."""
    rows, columns = (range(0, length, size) for length in x.shape[2:])
    cells = [[x[:, :, r : r + size, c : c + size].mean(axis=(2, 3)) for c in columns] for r in rows]
    return np.array(cells, np.float32).transpose(2, 3, 0, 1)


def samples(count: int, *shape: int) -> tuple[Array, NDArray[np.int64]]:
    """Multiples of 1/16, so that sums of a few are exact in any order."""
    rng = np.random.default_rng(0)
    return (rng.integers(-32, 33, (count, *shape)) / 16).astype(np.float32), rng.integers(0, 5, count)


@pytest.mark.parametrize(
    "options",
    [
        {"binarize": "none", "block_layers": "all", "optimizer": "sgd"},
        pytest.param({"slices": "1x2"}, marks=pytest.mark.slow),
    ],
)
def test_training_on_raw_samples_is_that_of_the_small_model_on_means(options: dict[str, str], tmp_path: Path) -> None:
    pooled, small = load(saved(conv_net(), tmp_path), pool_input=2), load(saved(conv_net(), tmp_path, 4, 4))
    x, y = samples(40, 3, 8, 8)
    found = []
    for graph, given in ((pooled, x), (small, means(x, 2))):
        trainer = Trainer(build(graph, plan(graph, "1MB", batch=4, **options)), threads=1)
        found.append(trainer.fit(given, y, normalization=None, epochs=1))
    assert_equal_weights(*map(arrays_of, found))
    assert found[0].progress.rates == found[1].progress.rates
    assert any(not np.array_equal(array, found[0].artifact.initial[name]) for name, array in arrays_of(found[0]).items())
    # The forward pass of many samples at once may add in another order.
    np.testing.assert_allclose(found[0].scores(x), found[1].scores(means(x, 2)), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_the_trained_model_takes_raw_samples(tmp_path: Path) -> None:
    graph = load(saved(conv_net(), tmp_path), pool_input=2)
    x, y = samples(12, 3, 8, 8)
    trainer = Trainer(build(graph, plan(graph, "1MB", batch=4, binarize="none"))).fit(x, y, normalization=None, epochs=1)
    trainer.save(tmp_path / "trained")
    (scores,) = onnxruntime.InferenceSession(tmp_path / "trained" / "inference.onnx").run(None, {"input": x})
    np.testing.assert_allclose(scores, trainer.scores(x), rtol=1e-5, atol=1e-6)  # folded normalizations, sums of hundreds


def test_an_input_that_does_not_divide_evenly_ends_in_means_of_fewer(tmp_path: Path) -> None:
    graph = load(saved(conv_net(), tmp_path, 7, 5), pool_input=3)
    assert graph.shape(graph.inputs[0]) == (1, 3, 7, 5)
    assert graph.shape(graph.nodes[0].outputs[0]) == (1, 3, 3, 2)
    small = load(saved(conv_net(), tmp_path, 3, 2))
    x, _ = samples(6, 3, 7, 5)
    ours, expected = (Trainer(build(each, plan(each, "1MB", batch=2, binarize="none"))) for each in (graph, small))
    np.testing.assert_allclose(ours.scores(x), expected.scores(means(x, 3)), rtol=1e-5, atol=1e-6)  # means of nine


def test_signals(tmp_path: Path) -> None:
    builder = ModelBuilder((2, 12))
    x = builder.node("Relu", (builder.node("Conv", ("input", builder.weight(4, 2, 3)), "conv"),))
    x = builder.node("Flatten", (builder.node("GlobalAveragePool", (x,)),))
    graph = load(saved(builder.model(builder.dense(x, 4, 3, "fc")), tmp_path), pool_input=4)
    assert graph.shape(graph.nodes[0].outputs[0]) == (1, 2, 3)
    assert plan(graph, "1MB").feasible


def test_a_plan_says_it_and_is_built_from_the_file_with_it(tmp_path: Path) -> None:
    path = saved(conv_net(), tmp_path)
    planned = plan(load(path, pool_input=2), "1MB", batch=4)
    again = parse_plan("plan", dumps(planned).encode())
    assert again == planned and again.pool_input == 2
    assert build(path, again).manifest.inputs[0].shape == (1, 3, 8, 8)
    with pytest.raises(InputError, match="plan: is for --pool-input 2, and the model was loaded with 1"):
        build(load(path), again)
    with pytest.raises(InputError, match="pool_input: is 0"):
        parse_plan("plan", dumps(replace(planned, pool_input=0)).encode())


@pytest.mark.slow
def test_a_refused_budget_names_what_would_fit(tmp_path: Path) -> None:
    graph = load(saved(conv_net(), tmp_path, 32, 32))
    floors = [plan(load(saved(conv_net(), tmp_path, 32, 32), pool_input=size), "1MB").floor_bytes for size in (1, 2, 4)]
    assert floors == sorted(floors, reverse=True)
    assert plan(graph, floors[0] - 1).reason.endswith(f" With means in front, --pool-input 2, it needs {floors[1]:,} bytes.")
    assert f"--pool-input 4, it needs {floors[2]:,} bytes" in plan(graph, floors[1] - 1).reason
    assert "--pool-input" not in plan(graph, floors[2] - 1).reason
    assert "--pool-input" not in plan(graph, floors[0] - 1, train="last:2").reason  # a frozen layer has learnt from large ones
    assert "--pool-input" not in plan(load(saved(mlp(), tmp_path)), 100).reason


def _flat() -> onnx.ModelProto:
    builder = ModelBuilder((2, 6, 6))
    x = builder.node("Flatten", (builder.node("Relu", (builder.conv("input", (2, 4), name="conv"),)),))
    return builder.model(builder.dense(x, 144, 3, "fc"))


def _channels_last() -> onnx.ModelProto:
    builder = ModelBuilder((8, 8, 3))
    x = builder.node("Transpose", ("input",), perm=[0, 3, 1, 2])
    x = builder.node("Flatten", (builder.node("GlobalAveragePool", (builder.conv(x, (3, 4), name="conv"),)),))
    return builder.model(builder.dense(x, 4, 3, "fc"))


@pytest.mark.parametrize(
    ("model", "size", "message"),
    [
        (mlp, 2, "is for models with one input of real numbers, .* or images; leave it out, or make the model anew"),
        (_flat, 2, r"makes the input smaller than the model takes: node 'fc' \(Gemm\) .*zoo NAME --pool-input K"),
        (_channels_last, 2, "is for channels first, and the input is 8x8x3"),
        (conv_net, 9, "is more than the input has, 8x8; use a smaller number"),
    ],
)
def test_a_model_that_takes_no_smaller_input_is_refused(
    model: Callable[[], onnx.ModelProto], size: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedError, match=f"^--pool-input {size}: {message}"):
        load(saved(model(), tmp_path), pool_input=size)


def test_a_size_out_of_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--pool-input 0: is not between 2 and 64"):
        load(saved(conv_net(), tmp_path), pool_input=0)


def test_a_graph_has_no_other_change(tmp_path: Path) -> None:
    """Names of inputs, outputs and layers stay as the file has them."""

    def names(graph: Graph) -> tuple[object, ...]:
        return graph.inputs, graph.outputs, [node.name for node in graph.nodes if node.op_type != "AveragePool"]

    path = saved(conv_net(), tmp_path)
    assert names(load(path, pool_input=2)) == names(load(path))
