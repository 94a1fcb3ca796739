"""A new classifier: its weights, the shapes behind it, and the whole way from the command line to a prediction."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.exported_models import FOLDER
from tests.small_models import ModelBuilder, load_model, mlp
from tinyfoa_rt.cli import main
from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.model import load
from tinyfoa_rt.partition import with_classes
from tinyfoa_rt.partition.layers import find_layers
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer


@pytest.mark.parametrize("name", ["torch_dynamo_mlp", "torch_script_cnn", "tensorflow_mlp"])
def test_the_last_layer_and_what_is_behind_it(name: str) -> None:
    """Gemm with transB, MatMul and Add, with Softmax behind or not."""
    before = load(FOLDER / f"{name}.onnx")
    graph = with_classes(before, 7)
    old, new = find_layers(before)[-1], find_layers(graph)[-1]
    assert (new.name, new.in_features, new.out_features) == (old.name, old.in_features, 7)
    weight = graph.constants[new.weight].read()
    assert weight.shape == graph.shape(new.weight) and weight.dtype == np.float32
    bound = 1 / np.sqrt(new.in_features)
    assert 0.5 * bound < np.abs(weight).max() <= bound  # uniform: a maximum below half of it has a chance of 2^-size
    if new.bias is not None:
        assert not graph.constants[new.bias].read().any() and graph.constants[new.bias].read().size == 7
    behind = [value for value in graph.values.values() if value.is_batched and value.shape != before.shape(value.name)]
    assert behind and all(value.shape[-1] == 7 for value in behind)
    assert before.shape(old.output)[-1] != 7  # the graph that was given is as it was


def test_a_model_behind_a_frozen_prefix_learns_other_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Six classes where the model had four: train, evaluate, and run the inference graph on onnxruntime."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 2, (6, 12))
    y = rng.integers(0, 6, 300)
    x = (centres[y] + 0.3 * rng.normal(size=(300, 12))).astype(np.float32)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x[:100], y_test=y[:100])
    onnx.save(mlp((12, 24, 24, 4)), tmp_path / "model.onnx")
    words = ["train", str(tmp_path / "model.onnx"), "--data", str(tmp_path / "data.npz"), "--budget", "64KB", "--classes", "6"]
    words += ["--train", "last:1", "--binarize", "none", "--epochs", "30", "-o", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as end:
        main(words)
    assert not end.value.code, capsys.readouterr().err
    accuracy = re.search(r"accuracy (\d+\.\d+)%", capsys.readouterr().out)
    assert accuracy is not None and float(accuracy[1]) > 90  # 17 % is chance
    session = onnxruntime.InferenceSession(str(tmp_path / "run" / "inference.onnx"), providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {session.get_inputs()[0].name: x[:100]})
    assert scores.shape == (100, 6) and 100 * (scores.argmax(axis=1) == y[:100]).mean() == pytest.approx(float(accuracy[1]))


def test_an_exported_project_has_them_too(tmp_path: Path) -> None:
    """C99 reads the model again, with the options that it was planned with."""
    from tinyfoa_rt.pipeline import export

    graph = load_model(mlp((12, 16, 16, 4)), tmp_path)
    build(graph, plan(graph, "64KB", target="c99", classes=9)).save(tmp_path / "artifact")
    export(tmp_path / "artifact", tmp_path / "project")
    (header,) = (tmp_path / "project").glob("*_model.h")
    assert "_OUTPUTS 9\n" in header.read_text()


def test_more_classes_than_the_data_has_are_no_error_and_fewer_are(tmp_path: Path) -> None:
    graph = load_model(mlp((12, 16, 16, 4)), tmp_path)
    trainer = Trainer(build(graph, plan(graph, "64KB", classes=2)))
    x = np.zeros((8, 12), np.float32)
    with pytest.raises(Exception, match="class"):
        trainer.partial_fit(x, np.arange(8) % 3)
    trainer.partial_fit(x, np.arange(8) % 2)


@pytest.mark.parametrize("classes", [0, 1, 1_000_001])
def test_numbers_that_are_none(classes: int) -> None:
    with pytest.raises(UsageError, match="is not between 2 and 1,000,000"):
        PlanOptions(classes=classes)


def test_labels_of_the_old_classes_are_refused() -> None:
    """scikit-learn's models map scores to labels."""
    with pytest.raises(UnsupportedError, match="cut the model behind its classifier"):
        with_classes(load(FOLDER / "sklearn_classifier.onnx"), 7)


def test_what_depends_on_the_number_of_classes_is_refused(tmp_path: Path) -> None:
    builder = ModelBuilder((12,))
    scores = builder.dense("input", 12, 4, "fc")
    graph = load_model(builder.model(builder.node("Add", (scores, scores))), tmp_path)
    with pytest.raises(UnsupportedError, match=r"\(Add\) stands behind the classifier"):
        with_classes(graph, 6)
