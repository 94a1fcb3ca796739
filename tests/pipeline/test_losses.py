"""Where the loss attaches and which loss it is: last functions, one output, several outputs, positions, targets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.small_models import ModelBuilder
from tinyfoa_rt.cli import main
from tinyfoa_rt.errors import InputError, TinyfoaError, UsageError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.partition import find_score, loss_candidates
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.planner.loss import loss_of_labels
from tinyfoa_rt.planner.task import PlanningTask, resolve_options
from tinyfoa_rt.report.inspection import print_inspection
from tinyfoa_rt.run import Trainer

X = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
ENDINGS = [
    "Sigmoid", "Reciprocal", "1 / (1 + exp)", "Softmax", "LogSoftmax", "exp / sum", "shifted exp / sum", "x - log sum exp",
    "x - ReduceLogSumExp", "Log(Softmax)", "Flatten(Softmax)",
]  # fmt: skip


def end(builder: ModelBuilder, z: str, ending: str) -> str:
    """The last function of a model, as a node or spelled out."""
    one, axis = builder.scalar(1), builder.ints(1)
    if ending in ("Sigmoid", "Softmax", "LogSoftmax"):
        return builder.node(ending, (z,))
    if ending in ("Reciprocal", "1 / (1 + exp)"):
        divisor = builder.node("Add", (builder.node("Exp", (builder.node("Neg", (z,)),)), one))
        return builder.node("Reciprocal", (divisor,)) if ending == "Reciprocal" else builder.node("Div", (one, divisor))
    if ending == "Log(Softmax)":
        return builder.node("Log", (builder.node("Softmax", (z,)),))
    if ending == "Flatten(Softmax)":
        return builder.node("Flatten", (builder.node("Softmax", (z,)),))
    if ending == "x - ReduceLogSumExp":
        return builder.node("Sub", (z, builder.node("ReduceLogSumExp", (z, axis), keepdims=1)))
    x = builder.node("Sub", (z, builder.node("ReduceMax", (z, axis), keepdims=1))) if "shifted" in ending else z
    powers = builder.node("Exp", (x,))
    total = builder.node("ReduceSum", (powers, axis), keepdims=1)
    if ending == "x - log sum exp":
        return builder.node("Sub", (x, builder.node("Log", (total,))))
    return builder.node("Div", (powers, total))


def model(ending: str = "", outputs: int = 1) -> tuple[ModelBuilder, str]:
    """A hidden layer and one that ends the model."""
    builder = ModelBuilder((6,))
    z = builder.dense(builder.node("Relu", (builder.dense("input", 6, 9, "hidden"),)), 9, outputs, "last")
    return builder, end(builder, z, ending) if ending else z


def loaded(folder: Path, ending: str = "", outputs: int = 1) -> Graph:
    builder, output = model(ending, outputs)
    return builder.load(folder, output)


def job_of(graph: Graph, **options: Any) -> PlanningTask:
    return resolve_options(graph, PlanOptions(budget="1MB", **options))


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_last_function_belongs_to_a_cross_entropy(tmp_path: Path, ending: str) -> None:
    is_sigmoid = ending in ENDINGS[:3]
    graph = loaded(tmp_path, ending, 3)
    score = find_score(graph)
    assert score is not None and score.logits == "last_out"
    assert score.function == ("sigmoid" if is_sigmoid else "softmax")
    task = job_of(graph)
    assert task.recipe.loss == ("binary-cross-entropy" if is_sigmoid else "cross-entropy")
    assert task.parts.blocks[-1].output == "last_out"
    # A mean squared error compares the output itself with its target.
    assert resolve_options(graph, PlanOptions(budget=1, loss="mean-squared-error")).parts.blocks[-1].output == graph.outputs[0]


@pytest.mark.parametrize(
    ("y", "outputs", "loss"),
    [
        (np.arange(80) % 2, 1, "binary-cross-entropy"),
        (np.arange(80) % 2, 2, "cross-entropy"),
        (np.arange(80) % 3, 1, "mean-squared-error"),
        (np.arange(80) % 3, 3, "cross-entropy"),
        (np.arange(80) % 6, 6, "cross-entropy"),
        (X[:, :1], 1, "mean-squared-error"),
        (X[:, :3], 3, "mean-squared-error"),
        ((X[:, :3] > 0).astype(np.float32), 3, "binary-cross-entropy"),
        ((X > 0).astype(np.float32), 6, "mean-squared-error"),  # as large as the input
    ],
)
def test_targets_decide(tmp_path: Path, y: NDArray[Any], outputs: int, loss: str) -> None:
    assert loss_of_labels(loaded(tmp_path, outputs=outputs), None, y) == loss


@pytest.mark.parametrize(
    ("ending", "outputs", "loss"),
    [
        ("", 1, "mean-squared-error"),
        ("Sigmoid", 1, "binary-cross-entropy"),
        ("", 3, "cross-entropy"),
        ("", 6, "mean-squared-error"),
    ]
    + [("Softmax", 6, "cross-entropy"), ("Sigmoid", 6, "mean-squared-error"), ("Sigmoid", 3, "binary-cross-entropy")],
)
def test_the_model_decides_where_there_are_no_targets(tmp_path: Path, ending: str, outputs: int, loss: str) -> None:
    assert job_of(loaded(tmp_path, ending, outputs)).recipe.loss == loss


def save_data(folder: Path, form: str, y: NDArray[Any]) -> Path:
    path = folder / f"data.{form[:3]}"
    if form == "csv":
        np.savetxt(path, np.c_[X, y], delimiter=",")
    else:
        np.savez(path, x_train=X, y_train=y[:, None] if form == "npz-column" else y)
    return path


@pytest.mark.parametrize("form", ["csv", "npz", "npz-column"])
@pytest.mark.parametrize("ending", ["", "Sigmoid"])
@pytest.mark.parametrize("is_binary", [True, False])
def test_one_output_learns_from_the_command_line(tmp_path: Path, form: str, ending: str, is_binary: bool) -> None:
    """Labels 0 and 1 mean a binary cross entropy on the logit, real targets a regression: of both the sum of the inputs."""
    builder, output = model(ending)
    onnx.save(builder.model(output), tmp_path / "model.onnx")
    truth = X.sum(axis=1)
    y = (truth > 0).astype(np.int64) if is_binary else 1 / (1 + np.exp(-truth)) if ending else truth
    words = ["train", str(tmp_path / "model.onnx"), "--data", str(save_data(tmp_path, form, y)), "--budget", "64KB"]
    with pytest.raises(SystemExit) as done:
        main([*words, "--binarize", "none", "--epochs", "40", "--batch", "4", "-o", str(tmp_path / "run")])
    assert not done.value.code
    trainer = Trainer.load(tmp_path / "run")
    found = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert trainer.artifact.manifest.loss.name == ("binary-cross-entropy" if is_binary else "mean-squared-error")
    if is_binary:
        assert found["accuracy"] > 0.85 and set(trainer.predict(X)) == {0, 1}
    else:
        mean = 0.5 * float(np.var(y))  # what the mean of the targets would give; a squared error behind a Sigmoid falls slowly
        assert found["accuracy"] is None and found["loss"] < (0.9 if ending else 0.4) * mean
    session = onnxruntime.InferenceSession(tmp_path / "run" / "inference.onnx", providers=["CPUExecutionProvider"])
    probabilities = 1 / (1 + np.exp(-trainer.scores(X))) if is_binary and ending else trainer.scores(X)
    assert trainer.progress.normalization is not None
    x = trainer.progress.normalization.apply(X)
    np.testing.assert_allclose(session.run(None, {"input": x})[0], probabilities, atol=1e-4)


def trainer_of(graph: Graph, **options: Any) -> Trainer:
    return Trainer(build(graph, plan(graph, "1MB", batch=4, binarize="none", **options)))


@pytest.mark.parametrize("shape", [(80,), (80, 1)])
def test_one_output_learns_in_python(tmp_path: Path, shape: tuple[int, ...]) -> None:
    y = (X.sum(axis=1) > 0).astype(np.int64).reshape(shape)
    trainer = trainer_of(loaded(tmp_path, "Sigmoid")).fit(X, y, normalization=None, epochs=40)
    assert trainer.evaluate(X, y).accuracy == (trainer.predict(X) == y.ravel()).mean() > 0.9


def test_several_labels_a_sample(tmp_path: Path) -> None:
    y = (X[:, :3] + X[:, 3:] > 0).astype(np.float32)
    trainer = trainer_of(loaded(tmp_path, "Sigmoid", 3)).fit(X, y, normalization=None, epochs=40)
    found = trainer.evaluate(X, y)
    assert found.accuracy is not None and found.accuracy > 0.85 and trainer.predict(X).shape == (80, 3)
    logits = trainer.scores(X).astype(np.float64)
    right = -np.log(1 / (1 + np.exp(np.where(y > 0, -logits, logits)))).sum(axis=1).mean()
    assert found.loss == pytest.approx(right, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "y"),
    [({"loss": "mean-squared-error"}, X[:, :2]), ({"loss": "binary-cross-entropy"}, X[:, 0]), ({"outputs": 3}, X[:, 0])],
)
def test_targets_of_another_loss_name_the_option(tmp_path: Path, options: dict[str, Any], y: NDArray[Any]) -> None:
    outputs = options.pop("outputs", 1)
    with pytest.raises(InputError, match="--loss"):
        trainer_of(loaded(tmp_path, outputs=outputs), **options).fit(X, y, normalization=None, epochs=1)


def test_classes_of_one_output_are_refused_by_the_plan(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one output to choose from, 'last_out'; use --loss binary-cross-entropy"):
        plan(loaded(tmp_path), "1MB", loss="cross-entropy")


def two_outputs(folder: Path) -> Graph:
    """Classes, and two numbers from the hidden layer, whose activations are an output too."""
    builder = ModelBuilder((6,))
    features = builder.node("Relu", (builder.dense("input", 6, 9, "hidden"),))
    numbers = builder.dense(features, 9, 2, "numbers")
    classes = builder.node("Softmax", (builder.dense(features, 9, 3, "classes"),))
    return builder.load(folder, features, numbers, classes)


def run(path: Path, x: NDArray[Any]) -> Sequence[NDArray[Any]]:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"input": x})  # type: ignore[no-any-return]


def test_other_outputs_keep_their_numbers(tmp_path: Path) -> None:
    """The hidden layer hands on no bits where another output reads it, and the layer of that output stays as it is."""
    graph = two_outputs(tmp_path)
    task = job_of(graph)
    assert [block.name for block in task.parts.blocks] == ["hidden", "classes"]
    assert not any(context.binary_parts for context in task.contexts)
    assert [node.name for node in task.parts.behind] == ["numbers"]
    trainer = Trainer(build(graph, plan(graph, "1MB", batch=4, train="last:1")))
    trainer.fit(X, np.arange(80) % 3, normalization=None, epochs=2).save(tmp_path / "run")
    for ours, original in zip(run(tmp_path / "run" / "inference.onnx", X)[:2], run(tmp_path / "small.onnx", X)):
        np.testing.assert_allclose(ours, original, rtol=1e-5, atol=1e-6)  # the same sums


def test_the_loss_attaches_where_it_is_told(tmp_path: Path) -> None:
    graph = two_outputs(tmp_path)
    assert [each.output for each in loss_candidates(graph)] == ["relu1_out", "numbers_out", "softmax4_out"]
    task = job_of(graph, loss_at="numbers_out")
    assert task.parts.blocks[-1].name == "numbers" and task.recipe.num_outputs == 2
    trainer = trainer_of(graph, loss_at="numbers_out", loss="mean-squared-error")
    y = np.stack([X[:, 0] + X[:, 1], X[:, 2]], axis=1)
    assert trainer.fit(X, y, normalization=None, epochs=60).evaluate(X, y).loss < 0.5 * 0.5 * float(y.var())
    with pytest.raises(UsageError, match=r"--loss-at nothing: is no value.*use relu1_out, numbers_out, softmax4_out"):
        plan(graph, "1MB", loss_at="nothing")


def test_inspect_says_where_the_loss_attaches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_inspection(two_outputs(tmp_path))
    printed = capsys.readouterr().out
    assert "the loss attaches at 'classes_out', before the softmax of 'softmax4_out'" in printed
    assert "other outputs that could learn, with --loss-at: relu1_out, numbers_out" in printed


@pytest.mark.parametrize("at", [None, "conv0_out"])
def test_outputs_with_positions_are_refused_in_one_line(tmp_path: Path, at: str | None) -> None:
    builder = ModelBuilder((1, 8, 8))
    graph = builder.load(tmp_path, builder.node("Softmax", (builder.conv("input", (1, 2)),), axis=1))
    said = []
    for ask in (lambda: plan(graph, "1MB", loss_at=at), lambda: print_inspection(graph, loss_at=at)):
        with pytest.raises(TinyfoaError) as refusal:
            ask()
        said.append(str(refusal.value))
    assert said[0] == said[1] and "has positions (2x8x8 a sample)" in said[0] and "--loss-at" in said[0]


def test_positions_of_size_one_and_reconstructions_are_none(tmp_path: Path) -> None:
    builder = ModelBuilder((1, 8, 8))
    pooled = builder.node("GlobalAveragePool", (builder.conv("input", (1, 3)),))
    assert job_of(builder.load(tmp_path, builder.conv(pooled, (3, 2), 1))).recipe.num_outputs == 2
    builder = ModelBuilder((1, 8, 8))
    assert job_of(builder.load(tmp_path, builder.conv("input", (1, 1)))).recipe.loss == "mean-squared-error"
