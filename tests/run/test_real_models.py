"""Models that nobody here wrote, and the zoo's convolutional nets, take training steps on onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.exported_models import EXPORTS
from tinyfoa_rt.emit import emit_step
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.planner.task import resolve_options
from tinyfoa_rt.run.trainer import Trainer
from tinyfoa_rt.steps import StepChoice, assemble_step
from tinyfoa_rt.zoo import write_model

BATCH = 32
# Their fully connected layers before the last are hundreds of megabytes, which the forward pass would carry.
LARGE = ("light_bvlc_alexnet", "light_vgg19", "light_zfnet512")


def samples(graph: Graph, count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    (name,) = graph.inputs
    classes = resolve_options(graph, PlanOptions(budget="1GB")).recipe.num_outputs
    return rng.normal(size=(count, *graph.shape(name)[1:])).astype(np.float32), rng.integers(0, classes, count)


def check_trains(graph: Graph, folder: Path, **options: Any) -> None:
    """Every block takes steps on random samples, the loss is a number, and the inference model gives the trainer's scores."""
    trainer = Trainer(build(graph, plan(graph, "1GB", **{"batch": BATCH, **options})))
    x, y = samples(graph, 2 * BATCH)
    reports = [*trainer.iterate(x, y, normalization=None, epochs=1)]
    assert {report.block for report in reports} == {block.name for block in trainer.artifact.blocks}
    assert all(np.isfinite(report.loss) for report in reports)
    for name, array in trainer.state.arrays().items():
        assert np.isfinite(array).all(), name
    trainer.save(folder / "run")
    scores = trainer.scores(x)
    session = onnxruntime.InferenceSession(folder / "run" / "inference.onnx", providers=["CPUExecutionProvider"])
    (output,) = session.run([trainer.artifact.manifest.output], {trainer.artifact.manifest.input: x})
    classes = output if output.dtype.kind == "i" else output.reshape(len(x), -1).argmax(axis=1)
    # Softmax, where the model ends in one, keeps the order; float32 sums in another order may exchange what is nearly equal.
    chosen = np.take_along_axis(scores, classes[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(chosen, scores.max(axis=1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [("resnet-8-cifar10", {"slices": "2x2"}), ("ds-cnn-kws", {"binarize": "weights", "head_pool": "average"})],
)
def test_convolutional_nets_of_the_zoo(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    write_model(name, tmp_path / "model.onnx")
    check_trains(load(tmp_path / "model.onnx"), tmp_path, **options)


@pytest.mark.parametrize("train", ["last:1", "last:2"])
@pytest.mark.parametrize("name", ["resnet8", "kws", "vww96"])
def test_the_last_blocks_of_trained_models(tmp_path: Path, shared_models: Path, name: str, train: str) -> None:
    check_trains(load(shared_models / f"{name}.onnx"), tmp_path, train=train)


def test_all_blocks_of_a_trained_model(tmp_path: Path, shared_models: Path) -> None:
    check_trains(load(shared_models / "kws.onnx"), tmp_path, slices="2x2", head_pool="average")


@pytest.mark.parametrize("index", range(9))
def test_the_last_block_of_light_models(light_models: list[Path], index: int) -> None:
    path = light_models[index]
    graph = load(path)
    task = resolve_options(graph, PlanOptions(budget="8GB", train="last:1"))
    (context,) = task.contexts
    if path.stem in LARGE:
        choice = StepChoice(Slices(1, 1), 1, holds_slice=False)
        session = onnxruntime.InferenceSession(emit_step(assemble_step(context, choice)).SerializeToString())
        inputs = {
            each.name: np.zeros(each.shape, np.int64 if each.name == "#target" else np.float32) for each in session.get_inputs()
        }
        (loss,) = session.run(["#loss"], inputs)
    else:
        trainer = Trainer(build(graph, plan(graph, "8GB", train="last:1", batch=1)))
        x, _ = samples(graph, 1)
        loss = trainer.partial_fit(x, np.zeros(1, dtype=np.int64))
    # Their weights are constants, so all classes are alike.
    np.testing.assert_allclose(loss, np.log(context.recipe.num_outputs), rtol=1e-3)


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.stem)
def test_exports_from_pytorch_and_scikit_learn(tmp_path: Path, path: Path) -> None:
    graph = load(path)
    if resolve_options(graph, PlanOptions(budget="1GB")).recipe.num_outputs == 1:
        pytest.skip("a regression to one number has no classes")
    check_trains(graph, tmp_path)
