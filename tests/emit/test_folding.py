"""Batch normalization behind trained layers is folded into them in the inference model, and stays apart where training runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.small_models import ModelBuilder, load_model
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run.trainer import Trainer

Array = NDArray[Any]
# The same numbers are multiplied in another order: a few roundings of 6e-8 of sums of up to a hundred products, behind a factor
# of up to 1 / sqrt(0.05); real inputs of binary weights are quantized to 16 bits alike on both sides.
RELATIVE, ABSOLUTE = 1e-4, 1e-4


def normalized(b: ModelBuilder, x: str, channels: int) -> str:
    """Some gains are negative; statistics are measured when training begins."""
    gain = b.vector(*np.linspace(-1.5, 1.5, channels))
    return b.node("BatchNormalization", (x, gain, b.weight(channels), b.weight(channels), b.vector(*[0.5] * channels)))


def net() -> onnx.ModelProto:
    """A convolution without a bias, a depthwise one, a dense layer, each normalized; one more normalization behind a Relu."""
    b = ModelBuilder((3, 6, 5), seed=3)
    z = b.node("Conv", ("input", b.weight(8, 3, 3, 3)), "conv", pads=[1, 1, 1, 1])
    x = b.node("Relu", (normalized(b, z, 8),))
    z = normalized(b, b.conv(x, (8, 8), name="depthwise", group=8), 8)
    x = b.node("Flatten", (normalized(b, b.node("Relu", (z,)), 8),))
    x = b.node("Relu", (normalized(b, b.node("MatMul", (x, b.weight(240, 12)), "dense"), 12),))
    return b.model(b.dense(x, 12, 4, "fc"))


def trained(folder: Path, **options: Any) -> tuple[Trainer, Array]:
    graph = load_model(net(), folder)
    trainer = Trainer(build(graph, plan(graph, "1MB", batch=6, **options)))
    rng = np.random.default_rng(0)
    x = 2 * rng.normal(size=(24, 3, 6, 5)).astype(np.float32)
    trainer.fit(x, rng.integers(0, 4, 24), normalization=None, epochs=2)
    trainer.save(folder / "run")
    return trainer, x


def scores_of(folder: Path, x: Array) -> Array:
    session = onnxruntime.InferenceSession(folder / "run" / "inference.onnx", providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input": x})[0])


def count(model: onnx.ModelProto) -> int:
    return sum(node.op_type == "BatchNormalization" for node in model.graph.node)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"binarize": "none"}, 1),
        ({"binarize": "weights"}, 1),
        ({"binarize": "both", "slices": "2x2"}, 1),
        ({"binarize": "weights", "weight_scale": "tensor"}, 4),  # one alpha for all outputs has no place for their factors
    ],
    ids=str,
)
def test_the_inference_model_gives_the_trainers_scores(tmp_path: Path, options: dict[str, Any], left: int) -> None:
    trainer, x = trained(tmp_path, **options)
    path = tmp_path / "run" / "inference.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    assert count(onnx.load(path, load_external_data=False)) == left
    np.testing.assert_allclose(scores_of(tmp_path, x), trainer.scores(x), RELATIVE, ABSOLUTE)


def test_steps_and_stages_keep_it_apart(tmp_path: Path) -> None:
    trainer, _ = trained(tmp_path, binarize="none")
    files = trainer.artifact.models
    models = {path: onnx.load_from_string(files[path]) for path in files if path.endswith(".onnx")}
    assert sum(count(model) for path, model in models.items() if path.startswith("forward/")) == 4


@pytest.mark.parametrize("name", ["running_mean", "running_variance"])
def test_a_statistic_that_is_one_percent_wrong_is_noticed(tmp_path: Path, name: str) -> None:
    trainer, x = trained(tmp_path, binarize="none")
    right = trainer.scores(x)
    for key, array in trainer.state.others.items():
        if key.endswith(name):
            array[...] = np.float32(1.01) * array
    trainer.save(tmp_path / "run")
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(scores_of(tmp_path, x), right, RELATIVE, ABSOLUTE)
