"""Every frozen part computes what the original does, whatever the batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.c99.exported import Device, ExportedModel
from tests.c99.trained_pair import Pair, exported
from tests.pipeline.batch_models import FIXED, OPEN, BatchModel, attention, merged, merged_images
from tinyfoa_rt import Trainer, build, load, plan
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.export.to_c99 import c_source

Array = NDArray[Any]
# Products of some dozen float32, summed in another order, relative to the largest score.
_TOLERANCE = 1e-5
_OWN_BATCH = {"merged steps of four": 4}


def _run(model: bytes | str, x: Array) -> Array:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["y"], {"x": x})[0])


def _original(model: bytes, x: Array, batch: int | None) -> Array:
    """The outputs of the original, a batch of its own at a time where that is fixed."""
    if batch is None:
        return _run(model, x)
    padded = np.concatenate([x, x[: -len(x) % batch]]) if len(x) >= batch else np.resize(x, (batch, *x.shape[1:]))
    return np.concatenate([_run(model, padded[start : start + batch]) for start in range(0, len(padded), batch)])[: len(x)]


def _close(found: Array, expected: Array) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=_TOLERANCE * np.abs(expected).max())


_CASES = [*(("open", name) for name in OPEN), *(("fixed", name) for name in FIXED)]


def _case(kind: str, name: str) -> tuple[bytes, Array, int | None, bool]:
    make, shape, has_kernels = (OPEN if kind == "open" else FIXED)[name]
    x = np.random.default_rng(1).normal(size=(5, *shape)).astype(np.float32)
    return make(), x, _OWN_BATCH.get(name, 1) if kind == "fixed" else None, has_kernels


@pytest.mark.parametrize(("kind", "name"), _CASES)
def test_a_frozen_part_on_onnxruntime(tmp_path: Path, kind: str, name: str) -> None:
    model, x, own_batch, _ = _case(kind, name)
    path = tmp_path / "model.onnx"
    path.write_bytes(model)
    graph = load(path)
    trainer = Trainer(build(graph, plan(graph, "1MB", train="last:1", binarize="none", batch=2)))
    trainer.save(tmp_path / "out")
    for batch in (1, 2, 5):
        expected = _original(model, x[:batch], own_batch)
        _close(_run(str(tmp_path / "out" / "inference.onnx"), x[:batch]), expected)
        if name != "counted" or batch == 1:  # a trainer takes as many samples at a time as its memory allows
            _close(trainer.scores(x[:batch]), expected)
    trainer.fit(np.concatenate([x, x]), np.arange(10) % 3, normalization=None, epochs=1)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, name in _CASES if _case(kind, name)[3]])
def test_a_frozen_part_in_c(tmp_path: Path, kind: str, name: str) -> None:
    model, x, own_batch, _ = _case(kind, name)
    path = tmp_path / "model.onnx"
    path.write_bytes(model)
    graph = load(path)
    planned = plan(graph, "1MB", target="c99", train="last:1", binarize="none", batch=4)
    artifact = build(graph, planned)
    device = Device(ExportedModel.build(c_source(artifact, artifact.initial), tmp_path)).start()
    fours = np.concatenate([x[:4], x[1:5]])
    _close(device.predict(fours), np.concatenate([_original(model, part, own_batch) for part in (fours[:4], fours[4:])]))
    if name != "counted":  # fewer samples at a time than the plan has
        _close(device.predict(x[:3]), _original(model, x[:3], own_batch))
    device.step(x[:4], np.array([0, 1, 2, 0]), 0.1)


_IN_C = [{}, {"binarize": "weights"}, {"optimizer": "adam"}, {"train": "all[bias]"}]


@pytest.mark.parametrize("options", _IN_C)
@pytest.mark.parametrize("make", [merged, merged_images])
def test_layers_of_merged_rows_learn_in_c_as_on_onnxruntime(
    tmp_path: Path, make: Callable[[], bytes], options: dict[str, str]
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(make())
    graph = load(path)
    artifact, state, model = exported(graph, tmp_path, batch=2, slices="2x2", **{"binarize": "none", **options})
    pair = Pair(artifact, state, Device(model).start(3), 3)
    rng = np.random.default_rng(0)
    shape = graph.shape("x")[1:]
    for index, block in enumerate(artifact.blocks):
        x = rng.normal(size=(6, 2, *shape)).astype(np.float32)
        losses = pair.train_block(index, x, rng.integers(0, 3, (6, 2)), (0.05, 0.05))
        np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=_TOLERANCE)
        for layer in block.layers:
            ours = pair.device.weights(layer.name).reshape(-1)
            np.testing.assert_allclose(ours, pair.state.layers[layer.name].weight.reshape(-1), atol=_TOLERANCE)
        pair.device.next_block()
    expected, ours = pair.scores(rng.normal(size=(3, *shape)).astype(np.float32))
    _close(ours, expected)


def test_samples_of_several_rows_are_shuffled_as_samples(tmp_path: Path) -> None:
    """What enters a block is kept for each sample with all its rows: each meets its own target."""
    path = tmp_path / "model.onnx"
    path.write_bytes(merged())
    graph = load(path)
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = rng.normal(size=(90, 6, 8)).astype(np.float32)
    x[:, :, :3] += 4 * np.eye(3, dtype=np.float32)[y][:, None]
    trainer = Trainer(build(graph, plan(graph, "1MB", batch=4, binarize="none")))
    trainer.fit(x, y, normalization=None, epochs=20)
    assert np.mean(trainer.scores(x).argmax(axis=1) == y) > 0.9


def _refuses(model: bytes, folder: Path, **options: str) -> str:
    path = folder / "model.onnx"
    path.write_bytes(model)
    with pytest.raises(UnsupportedError) as caught:
        plan(load(path), "1MB", binarize="none", **options)
    return str(caught.value)


def test_a_block_of_rows_that_are_no_samples_is_refused_by_plan(tmp_path: Path) -> None:
    """The rows of the output projection are in the order of steps."""
    message = _refuses(attention(), tmp_path, train="last:2")
    assert "(6Nx8), whose rows are not those of single samples" in message
    assert "--train last:1" in message


def test_a_value_that_has_no_samples_is_not_kept_for_each(tmp_path: Path) -> None:
    """It passes a trained block by, on its way to a frozen one."""
    m = BatchModel("N")
    t = m.add("Transpose", ["x"], perm=[1, 0, 2])
    first = m.add("Relu", [m.add("Gemm", [m.add("Flatten", ["x"]), m.weight(48, 8)])])
    second = m.add("Relu", [m.add("Gemm", [first, m.weight(8, 8)])])
    last = m.add("Gather", [m.add("Add", [t, second]), 0], axis=0)
    message = _refuses(m.finish(last, 8), tmp_path, train="v2_0")
    assert message.startswith(f"value '{t}': (6xNx8) has no rows of single samples")
