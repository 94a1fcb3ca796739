"""An operator that is registered from outside plans, trains and exports: no file of the package knows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.c99.exported import Device
from tests.c99.trained_pair import Pair, exported
from tests.extending.swish import SWISH, SWISH_GRAD
from tests.small_models import ModelBuilder, load_model
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.errors import InputError, UnsupportedError
from tinyfoa_rt.export.c99 import lower
from tinyfoa_rt.export.c99.project import project_files
from tinyfoa_rt.ir.graph import Graph, Node
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.plan import Nonvolatile
from tinyfoa_rt.operators import KernelFiles, StandardOperator, registered
from tinyfoa_rt.operators.vjp import GradientPass
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer

# Of sums of up to 200 products, and of two ways to compute exp, over 8 steps.
TOLERANCE = 2e-5


@pytest.fixture
def swish() -> Iterator[None]:
    with registered(SWISH, SWISH_GRAD):
        yield


def graph_of(folder: Path, op_type: str = "Swish", domain: str = "toys") -> Graph:
    """conv - Swish - conv - Swish - dense, whose intermediate types the file does not say."""
    builder = ModelBuilder((2, 5, 5))
    x = builder.node(op_type, (builder.conv("input", (2, 6), name="conv1"),), domain=domain)
    x = builder.node(op_type, (builder.conv(x, (6, 8), name="conv2"),), domain=domain)
    model = builder.model(builder.dense(builder.node("Flatten", (x,)), 200, 3, "fc"))
    model.opset_import.extend([onnx.helper.make_opsetid(domain, 1)] if domain else [])
    return load_model(model, folder)


def mean_losses(artifact: Artifact) -> tuple[float, float]:
    """Of the first and of the last epoch of 8."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(0, 1, (16, 2, 5, 5)).astype(np.float32), rng.integers(0, 3, 16)
    losses = [report.loss for report in Trainer(artifact, threads=1).iterate(x, y, normalization=None, epochs=8)]
    return float(np.mean(losses[:8])), float(np.mean(losses[-8:]))


def test_it_is_known_by_its_shape_rule_alone(swish: None, tmp_path: Path) -> None:
    graph = graph_of(tmp_path)
    assert [graph.shape(node.outputs[0]) for node in graph.nodes if node.op_type == "Swish"] == [(1, 6, 5, 5), (1, 8, 5, 5)]


def test_without_it_the_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="whose type or shape is not known"):
        graph_of(tmp_path)


@pytest.mark.parametrize("slices", ["1x1", "1x2"])
@pytest.mark.parametrize("binarize", ["none", "both"])
def test_training_on_onnxruntime_and_in_c_is_the_same(swish: None, binarize: str, slices: str, tmp_path: Path) -> None:
    options: Any = {"batch": 2, "binarize": binarize, "slices": slices}
    artifact, state, model = exported(graph_of(tmp_path), tmp_path, nonvolatile="unlimited", **options)
    pair = Pair(artifact, state, Device(model).start(2), 2)
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (8, 2, 50)).astype(np.float32), rng.integers(0, 3, (8, 2))
    losses = pair.train_block(0, x.reshape(8, 2, 2, 5, 5), y, (0.1, 0.1))
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=TOLERANCE, atol=TOLERANCE)
    for layer in artifact.blocks[0].layers:
        ours, expected = pair.device.weights(layer.name), state.layers[layer.name].weight
        np.testing.assert_allclose(ours, expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_a_trained_model_is_stock_onnx(swish: None, tmp_path: Path) -> None:
    """The emitted models hold the bodies, so that they need nobody who has registered the operator."""
    graph = graph_of(tmp_path)
    artifact = build(graph, plan(graph, "1MB", binarize="none", batch=2))
    first, last = mean_losses(artifact)
    assert last < first
    model = onnx.load_from_string(artifact.models["inference.onnx"])
    assert ("toys", "Swish") in [(function.domain, function.name) for function in model.functions]
    onnx.checker.check_model(model)
    again = load_model(model, tmp_path)
    assert [node.op_type for node in again.nodes].count("Swish") == 2
    assert build(again, plan(again, "1MB", binarize="none", batch=2)).models


def test_a_body_of_another_operator_is_refused(tmp_path: Path) -> None:
    with registered(replace(SWISH, name="Wish"), SWISH_GRAD):
        graph = graph_of(tmp_path, "Wish")
        with pytest.raises(InputError, match="body of Wish: is that of Swish in the domain 'toys'"):
            plan(graph, "1MB", batch=2)


def softplus_vjp(backward: GradientPass, node: Node, grad: str) -> None:
    """f'(x) = sigmoid(x), by standard operators alone."""
    x = node.inputs[0]
    slope, product = own(grad, "slope"), own(grad, "product")
    backward.builder.standard("Sigmoid", (backward.saved(x),), (slope, backward.grad_type(x)), category="gradient")
    backward.builder.standard("Mul", (grad, slope), (product, backward.grad_type(x)), category="gradient")
    backward.add(x, product)


def test_a_standard_operator_gets_a_gradient(tmp_path: Path) -> None:
    """Softplus has a memory rule in the package, and nothing else."""
    graph = graph_of(tmp_path, "Softplus", "")
    with pytest.raises(UnsupportedError, match="Softplus has no gradient rule"):
        plan(graph, "1MB", binarize="none", batch=2)
    with registered(StandardOperator(name="Softplus", vjp=softplus_vjp), replaces=True):
        artifact = build(graph, plan(graph, "1MB", binarize="none", batch=2))
    assert mean_losses(artifact)[1] < mean_losses(artifact)[0]


def test_a_body_whose_sizes_are_not_known_is_refused(tmp_path: Path) -> None:
    """Memory is counted inside of bodies: an operator without a rule of shapes must not count as nothing."""
    body = str(SWISH.body).replace("Sigmoid", "Bernoulli")
    with registered(replace(SWISH, body=body), SWISH_GRAD):
        graph = graph_of(tmp_path)
        with pytest.raises(UnsupportedError, match="calls Bernoulli, of whose result the size is not known"):
            plan(graph, "1MB", binarize="none", batch=2)


def test_the_project_has_the_files_of_its_kernels(swish: None, tmp_path: Path) -> None:
    _, _, model = exported(graph_of(tmp_path), tmp_path, nonvolatile="unlimited", batch=2, binarize="none")
    files = project_files(model.program, Nonvolatile(0, 0, 0, 0))
    assert files["added/swish.c"] == (Path(__file__).parent / "swish" / "swish.c").read_text(encoding="utf-8")
    assert '#include "added/swish.h"' in files[f"{model.program.prefix}_model.c"]
    lost = replace(SWISH, kernel=KernelFiles(tmp_path / "lost.h"))
    with registered(lost, replaces=True), pytest.raises(InputError, match=r"lost\.h: cannot be read"):
        project_files(lower(model.source), Nonvolatile(0, 0, 0, 0))
