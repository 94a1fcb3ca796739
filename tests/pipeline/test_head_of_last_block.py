"""``--classifier head``: the learned head of the last hidden block is the model's classifier, wherever the model runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.run.trained_models import blobs, check_inference_model
from tests.small_models import ModelBuilder, conv_net, load_model, mlp, residual_net
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.export.c99 import lower
from tinyfoa_rt.export.c99.render import render
from tinyfoa_rt.export.to_c99 import c_source
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer


@pytest.mark.parametrize("binarize", ["none", pytest.param("both", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("model", "ends"), [(mlp, "fc1"), pytest.param(conv_net, "conv1", marks=pytest.mark.slow)])
def test_head_and_classifier_are_one_layer(tmp_path: Path, model: Any, ends: str, binarize: str) -> None:
    """It is what --block-layers says in the names of layers, to the byte of each graph and of generated C."""
    graph = load_model(model(), tmp_path)
    options: dict[str, Any] = {"binarize": binarize, "optimizer": "normalized", "batch": 2, "target": "c99", "nonvolatile": "1MB"}
    head = build(graph, plan(graph, "1MB", classifier="head", **options))
    named = build(graph, plan(graph, "1MB", block_layers=ends, **options))
    assert [len(block.layers) for block in head.blocks] == [1, 2]
    assert head.blocks[-1].is_classifier and not head.blocks[-1].kept
    for path in (*head.manifest.model_paths, "inference.onnx"):
        assert head.models[path] == named.models[path], path
    sources = [render(lower(c_source(each, each.initial))) for each in (head, named)]
    assert sources[0] == sources[1]


def test_it_learns_at_a_rate_of_its_own_and_predicts(tmp_path: Path) -> None:
    graph = load_model(mlp((12, 16, 16, 4)), tmp_path)
    planned = plan(graph, "1MB", classifier="head", head="learned", binarize="none", batch=6)
    assert planned.options.optimizer == "normalized" and [block.name for block in planned.blocks] == ["fc1", "fc2"]
    x, y = blobs()
    trainer = Trainer(build(graph, planned, exits=True)).fit(x, y, normalization=None, epochs=15, validation=0.25)
    assert trainer.progress.validated["fc2"] > 0.6  # four classes well apart: by chance it is 0.25
    trainer.save(tmp_path / "trained")
    check_inference_model(tmp_path / "trained" / "inference.onnx", trainer, x)
    np.testing.assert_array_equal(Trainer.load(tmp_path / "trained").predict(x), trainer.predict(x))


def classified_by_a_convolution() -> Any:
    builder = ModelBuilder((1, 4, 4))
    x = builder.node("Relu", (builder.conv("input", (1, 2), name="conv"),))
    x = builder.node("GlobalAveragePool", (builder.conv(x, (2, 3), name="last"),))
    return builder.model(builder.node("Flatten", (x,)))


@pytest.mark.parametrize(
    ("model", "options", "problem"),
    [
        (lambda: mlp((8, 4)), {}, "wants a trained layer before"),
        (classified_by_a_convolution, {}, "wants a dense classifier that reads the output of conv alone"),
        (mlp, {"train": "last:1"}, "trains fc2 and fc3 together, and fc2 is frozen"),
        (mlp, {"train": "fc1,fc2"}, "and fc3 is frozen"),
        (residual_net, {"block_layers": "2"}, "ends blocks by itself, and so does --block-layers 2"),
        (mlp, {"method": "pepita"}, "ends blocks by itself, and so does --block-layers all"),
    ],
)
def test_what_has_no_such_head_is_refused(tmp_path: Path, model: Any, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=rf"^--classifier head: .*{problem}"):
        plan(load_model(model(), tmp_path), "1MB", classifier="head", **options)
