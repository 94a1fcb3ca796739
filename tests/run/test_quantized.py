"""Quantized models: what is frozen runs on integers as onnxruntime runs it, what is trained computes in real numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.quantized_models import FORMATS, quantize
from tests.small_models import conv_net
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.model import load
from tinyfoa_rt.partition.layers import untrainable_products
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run.trainer import Trainer
from tinyfoa_rt.zoo import write_model

Array = NDArray[Any]
KINDS = [*(kind for kind in FORMATS if kind != "qdq, 16 bits"), "dynamic"]
BATCH = 4
# The layers that train stay real where the format has integer operators.
CLASSIFIERS = {
    "ds-cnn-kws": ["classifier", "classifier_MatMul"],
    "resnet8": ["model/dense/MatMul;model/dense/BiasAdd", "Add__29"],
}


def samples_of(path: Path, count: int, scale: float = 1.0) -> Array:
    shape = [dim.dim_value for dim in onnx.load(path, load_external_data=False).graph.input[0].type.tensor_type.shape.dim]
    return np.random.default_rng(0).uniform(0, scale, (count, *shape[1:])).astype(np.float32)


def quantized(folder: Path, source: Path, kind: str, scale: float = 1.0) -> tuple[Graph, Array]:
    """The loaded model and samples for it."""
    real = [] if kind.startswith("qdq") else CLASSIFIERS[source.stem]
    x = samples_of(source, 8, scale)
    return load(quantize(source, folder / "quantized.onnx", kind, x[:3], real)), x


def trainer_of(graph: Graph, train: str, **options: Any) -> Trainer:
    recipe = {"binarize": "none", **options}
    return Trainer(build(graph, plan(graph, "64MB", train=train, batch=BATCH, **recipe)))


@pytest.fixture(scope="module", name="kws")
def write_kws(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zoo") / "ds-cnn-kws.onnx"
    write_model("ds-cnn-kws", path)
    return path


def run_own(graph: Graph, names: list[str], x: Array) -> dict[str, Array]:
    """The values as onnxruntime computes them from the quantized model itself."""
    model = onnx.load(graph.source.path)
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    options = onnxruntime.SessionOptions()
    # As a trainer runs it (run/session.py): fused pairs of quantization may round to the number beside.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, {graph.inputs[0]: x})))


def entering(trainer: Trainer, x: Array) -> dict[str, Array]:
    """What enters the first trained block."""
    values = trainer._forward.to_block(0, x)
    return {name: values[name] for name in trainer.artifact.blocks[0].inputs if name in values}


def check_same(ours: dict[str, Array], own: dict[str, Array]) -> None:
    """To the bit: the same integers go through the same kernels."""
    for name, value in own.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


def check_frozen_part(graph: Graph, x: Array, train: str) -> None:
    trainer = trainer_of(graph, train)
    ours = entering(trainer, x)
    assert ours
    own = run_own(graph, list(ours), x)
    check_same(ours, own)
    with pytest.raises(AssertionError):
        check_same({name: value * np.float32(1.01) for name, value in ours.items()}, own)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_frozen_gives_what_onnxruntime_gives(tmp_path: Path, kws: Path, kind: str) -> None:
    graph, x = quantized(tmp_path, kws, kind)
    check_frozen_part(graph, x, "last:1")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("qdq")])
def test_several_blocks_behind_a_quantized_prefix(tmp_path: Path, kws: Path, kind: str) -> None:
    graph, x = quantized(tmp_path, kws, kind)
    check_frozen_part(graph, x, "last:3")


@pytest.mark.parametrize("kind", ["qdq, per channel", "operators, unsigned"])
def test_a_trained_model_quantized(tmp_path: Path, shared_models: Path, kind: str) -> None:
    graph, x = quantized(tmp_path, shared_models / "resnet8.onnx", kind, scale=255.0)
    check_frozen_part(graph, x, "last:1")


@pytest.mark.parametrize("kind", ["qdq, signed", "qdq, unsigned", "qdq, per channel"])
def test_training_begins_with_what_the_quantized_model_computes_but_for_rounding(tmp_path: Path, kind: str) -> None:
    """The quantizer leaves out each Relu before a rounding: what is below zero is cut off there."""
    onnx.save(conv_net(), tmp_path / "small.onnx")
    x = np.random.default_rng(0).normal(size=(16, 3, 8, 8)).astype(np.float32)
    graph = load(quantize(tmp_path / "small.onnx", tmp_path / "quantized.onnx", kind, x))
    assert not any(node.op_type == "Relu" for node in graph.nodes)
    own = run_own(graph, [graph.outputs[0]], x)[graph.outputs[0]]
    ours = trainer_of(graph, "all").scores(x)
    # A step is 1 / 255 of a range; a few of them add up. Without the bounds at zero all would be another function.
    assert np.abs(ours - own).max() < 0.05 * np.ptp(own)


@pytest.mark.parametrize(
    ("kind", "train"), [("qdq, signed", "all"), ("qdq, per channel", "last:2"), ("operators, unsigned", "last:1")]
)
def test_it_learns_and_predicts(tmp_path: Path, kws: Path, kind: str, train: str) -> None:
    graph, x = quantized(tmp_path, kws, kind)
    y = np.arange(len(x)) % 2
    trainer = trainer_of(graph, train, head_pool="average")
    before = trainer.evaluate(x, y).loss
    trainer.fit(x, y, normalization=None, epochs=20)
    assert trainer.evaluate(x, y).loss < before
    trainer.save(tmp_path / "run")
    session = onnxruntime.InferenceSession(tmp_path / "run" / "inference.onnx", providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {graph.inputs[0]: x})
    # Float32 sums in another order; a scale that is one percent wrong gives 1e-2.
    np.testing.assert_allclose(output, trainer.scores(x), rtol=1e-4, atol=1e-4)


def test_a_trained_block_has_no_rounding_and_a_frozen_one_keeps_its_integers(tmp_path: Path, kws: Path) -> None:
    graph, _ = quantized(tmp_path, kws, "qdq, per channel")
    artifact = trainer_of(graph, "last:1").artifact
    operators = {
        path: [node.op_type for node in onnx.load_from_string(artifact.models[path]).graph.node]
        for path in artifact.models
        if path.endswith(".onnx")
    }
    assert "QuantizeLinear" not in operators["steps/1.onnx"]
    assert "QuantizeLinear" in operators["forward/0.onnx"]
    initializers = onnx.load_from_string(artifact.models["forward/0.onnx"]).graph.initializer
    assert not [each.name for each in initializers if each.data_type == onnx.TensorProto.FLOAT and len(each.dims) == 4]


@pytest.mark.parametrize(("kind", "operator"), [("operators, unsigned", "QLinearConv"), ("dynamic", "ConvInteger")])
def test_inspection_says_what_multiplies_integers(tmp_path: Path, kws: Path, kind: str, operator: str) -> None:
    graph, _ = quantized(tmp_path, kws, kind)
    reasons = untrainable_products(graph)
    assert len(reasons) == 9
    assert all(reason.startswith(f"{operator} multiplies integers") for reason in reasons.values())


def test_sixteen_bits_run_in_the_operator_set_that_has_them(tmp_path: Path) -> None:
    model = conv_net()
    model.opset_import[0].version = 21
    onnx.save(model, tmp_path / "small.onnx")
    graph, x = quantized(tmp_path, tmp_path / "small.onnx", "qdq, 16 bits")
    trainer = trainer_of(graph, "last:1")
    assert onnx.load_from_string(trainer.artifact.models["forward/0.onnx"]).opset_import[0].version == 21
    ours = entering(trainer, x)
    for name, value in run_own(graph, list(ours), x).items():
        # Weights of 16 bits are made real when the model is emitted; onnxruntime multiplies in real numbers either way.
        np.testing.assert_allclose(ours[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["qdq, signed", "operators, unsigned"])
def test_c99_has_no_kernels_for_integers(tmp_path: Path, kws: Path, kind: str) -> None:
    graph, _ = quantized(tmp_path, kws, kind)
    options = {"target": "c99", "train": "last:1", "batch": 1, "binarize": "none"}
    with pytest.raises(UnsupportedError, match="QuantizeLinear"):
        plan(graph, "1MB", **options)
