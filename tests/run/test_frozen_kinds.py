"""What a frozen prefix may hold: it gives the original's outputs at any batch, and the classifier behind it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.frozen_kinds import CLASSES, KINDS, FrozenKind, floats
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run.trainer import Trainer


def trainer_of(path: Path, train: str = "last:1") -> Trainer:
    graph = load(path)
    planned = plan(graph, "1MB", train=train, binarize="none", batch=4)
    return Trainer(build(graph, planned))


def session_of(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # the originals are in training mode, and say so
    # Fused nodes would round in another order.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def original_of(kind: FrozenKind, folder: Path) -> Path:
    """The model as onnxruntime runs it: what it refuses is said in other words."""
    model = kind.model()
    for node in model.graph.node:
        if node.op_type == "BatchNormalization":
            del node.output[1:]
            kept = [each for each in node.attribute if each.name != "training_mode"]
            del node.attribute[:]
            node.attribute.extend(kept)
        if node.op_type == "Dropout":
            del node.input[1:]
        if node.op_type == "Conv" and any(each.name == "auto_pad" for each in node.attribute):
            _say_pads(node, kind)
    for output in [each for each in model.graph.output if each.name == "m2"]:
        output.name = "m"
    onnx.save(model, folder / "original.onnx")
    return folder / "original.onnx"


def _say_pads(node: onnx.NodeProto, kind: FrozenKind) -> None:
    """By the formula of the operator set."""
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    size, kernel = kind.inputs["x"][1][1:], kind.tensors[node.input[1]].shape[2:]
    before, after = [], []
    for axis, length in enumerate(size):
        stride = attributes.get("strides", [1] * len(size))[axis]
        reach = (kernel[axis] - 1) * attributes["dilations"][axis] + 1
        total = max((-(-length // stride) - 1) * stride + reach - length, 0)
        small, large = total // 2, total - total // 2
        is_upper = attributes["auto_pad"] == b"SAME_UPPER"
        before.append(small if is_upper else large)
        after.append(large if is_upper else small)
    kept = [each for each in node.attribute if each.name != "auto_pad"]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute("pads", before + after)])


@pytest.mark.parametrize("name", KINDS)
def test_it_gives_the_original_s_outputs_at_any_batch_and_the_classifier_learns(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    onnx.save(kind.model(), tmp_path / "kind.onnx")
    original = session_of(original_of(kind, tmp_path))
    trainer = trainer_of(tmp_path / "kind.onnx")
    trainer.save(tmp_path / "out")
    ours = session_of(tmp_path / "out" / "inference.onnx")
    assert [each.name for each in ours.get_outputs()] == ["y", *kind.extra_outputs]
    for count in (1, 2, 5):
        samples = kind.samples(count)
        for expected, found in zip(original.run(None, samples), ours.run(None, samples), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    samples = kind.samples(12)
    before = {key: array.copy() for key, array in trainer.state.arrays().items()}
    x = next(iter(samples.values())) if len(samples) == 1 else samples
    trainer.fit(x, np.arange(12) % CLASSES, normalization=None, epochs=1)
    assert any((array != before[key]).any() for key, array in trainer.state.arrays().items())


def test_alpha_and_beta_are_inside_what_is_trained(tmp_path: Path) -> None:
    kind = KINDS["Gemm with alpha and beta"]
    onnx.save(kind.model(), tmp_path / "kind.onnx")
    trainer = trainer_of(tmp_path / "kind.onnx", "all")
    assert len(trainer.artifact.blocks) == 2
    trainer.save(tmp_path / "out")
    samples = kind.samples(5)
    expected = session_of(tmp_path / "kind.onnx").run(None, samples)[0]
    np.testing.assert_allclose(
        session_of(tmp_path / "out" / "inference.onnx").run(None, samples)[0], expected, rtol=1e-5, atol=1e-6
    )
    samples = kind.samples(12)
    trainer.fit(samples["x"], np.arange(12) % CLASSES, normalization=None, epochs=1)
    trainer.save(tmp_path / "out")
    trained = session_of(tmp_path / "out" / "inference.onnx").run(None, samples)[0]
    np.testing.assert_allclose(trained, trainer.scores(samples["x"]), rtol=1e-5, atol=1e-6)
    assert not np.allclose(trained[:5], expected, rtol=1e-3)


def test_a_plan_says_what_stays_frozen(tmp_path: Path) -> None:
    onnx.save(KINDS["two layers of one weight"].model(), tmp_path / "kind.onnx")
    planned = plan(tmp_path / "kind.onnx", "1MB")
    assert [block.name for block in planned.blocks] == ["head"]
    assert planned.reason.endswith("Gemm_0 and 1 more stay frozen: its weight 'w' is shared with another layer.")


def test_a_layer_learns_by_what_comes_back_through_a_shared_weight(tmp_path: Path) -> None:
    kind = KINDS["two layers of one weight"]
    first = [onnx.helper.make_node("Gemm", ["input", "v"], ["x"]), *kind.nodes]
    inputs = {"input": (onnx.TensorProto.FLOAT, (4,))}
    model = FrozenKind(first, {**kind.tensors, "v": floats(4, 6)}, kind.features, inputs).model()
    onnx.save(model, tmp_path / "kind.onnx")
    trainer = trainer_of(tmp_path / "kind.onnx", "all")
    before = {key: array.copy() for key, array in trainer.state.arrays().items()}
    trainer.fit(floats(12, 4), np.arange(12) % CLASSES, normalization=None, epochs=1)
    after = trainer.state.arrays()
    assert all((after[key] != array).any() for key, array in before.items() if key.endswith("#w"))


def test_generated_c_refuses_a_loop_by_name(tmp_path: Path) -> None:
    onnx.save(KINDS["a loop"].model(), tmp_path / "kind.onnx")
    with pytest.raises(UnsupportedError, match="node 'Loop_0': Loop has no C99 kernel"):
        plan(tmp_path / "kind.onnx", "1MB", target="c99", train="last:1")
