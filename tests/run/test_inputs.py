"""Inputs of any numeric type, and several of them: arrays go by name, and what does not fit is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.frozen_kinds import CLASSES, KINDS, FrozenKind, floats
from tinyfoa_rt.cli import main
from tinyfoa_rt.errors import InputError, UnsupportedError, UsageError
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, export, plan
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.cache import ActivationCache
from tinyfoa_rt.run.data import Normalization

Array = NDArray[Any]
SEVERAL = "ids, a mask and a number"
IDS = "token ids"
Y = np.arange(12) % CLASSES


def trainer_of(folder: Path, name: str, order: str = "layerwise") -> Trainer:
    onnx.save(KINDS[name].model(), folder / "kind.onnx")
    graph = load(folder / "kind.onnx")
    return Trainer(build(graph, plan(graph, "1MB", train="last:1", binarize="none", batch=4, order=order)))


@pytest.mark.parametrize("order", ["layerwise", "interleaved"])
def test_several_inputs_are_learnt_from_by_name(tmp_path: Path, order: str) -> None:
    trainer = trainer_of(tmp_path, SEVERAL, order)
    samples = KINDS[SEVERAL].samples(12)
    before = trainer.evaluate(samples, Y).loss
    trainer.fit(samples, Y, normalization=None, epochs=20)
    assert trainer.evaluate(samples, Y).loss < before
    assert np.isfinite(trainer_of(tmp_path, SEVERAL, order).partial_fit(samples, Y))
    assert trainer.predict({**samples, "more": Y}).shape == (12,)
    trainer.save(tmp_path / "out")
    again = Trainer.load(tmp_path / "out")
    np.testing.assert_array_equal(again.scores(samples), trainer.scores(samples))


@pytest.mark.parametrize("order", ["layerwise", "interleaved"])
@pytest.mark.parametrize("binarize", ["none", "both"])
def test_every_layer_behind_several_inputs_trains(tmp_path: Path, binarize: str, order: str) -> None:
    """Two towers, whose outputs join: nothing is computed before the first block, which reads both inputs."""
    names = {"x": 6, "state": 2}
    nodes = [onnx.helper.make_node("Gemm", [name, f"w_{name}"], [f"h_{name}"], name=f"tower_{name}") for name in names]
    nodes += [
        onnx.helper.make_node("Add", [f"h_{name}" for name in names], ["h"]),
        onnx.helper.make_node("Relu", ["h"], ["z"]),
    ]
    kind = FrozenKind(nodes, {f"w_{name}": floats(size, 8) for name, size in names.items()}, 8, KINDS["two inputs"].inputs)
    onnx.save(kind.model(), tmp_path / "towers.onnx")
    graph = load(tmp_path / "towers.onnx")
    trainer = Trainer(build(graph, plan(graph, "1MB", binarize=binarize, batch=4, order=order)))
    assert trainer.artifact.blocks[0].inputs == ("x", "state")
    samples = kind.samples(24)
    y = (samples["x"][:, 0] > samples["state"][:, 1]).astype(int)
    trainer.fit(samples, y, normalization=None, epochs=30)
    assert trainer.evaluate(samples, y).accuracy > 0.8  # type: ignore[operator]
    trainer.save(tmp_path / "out")
    session = onnxruntime.InferenceSession(tmp_path / "out" / "inference.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(
        session.run(None, samples)[0], trainer.scores(samples), rtol=1e-3, atol=1e-3
    )  # 16 bits of an input


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        (SEVERAL, lambda given: given["ids"], "data: is one array, the model has 3 inputs; give arrays named ids, mask, scale"),
        (SEVERAL, lambda given: {"ids": given["ids"]}, "data: has no array for the model's input 'mask'"),
        (SEVERAL, lambda given: {**given, "scale": given["scale"][:7]}, "12 of 'ids', 12 of 'mask', 7 of 'scale'"),
        (SEVERAL, lambda given: {**given, "mask": given["ids"]}, "row 0: holds what is no bool, which input 'mask' takes"),
        (SEVERAL, lambda given: {**given, "scale": given["scale"] / 0}, "row 0: holds NaN or Inf"),
        (IDS, lambda given: given["ids"] + 0.5, "row 0: holds what is no int64, which input 'ids' takes"),
        (IDS, lambda given: np.where(np.arange(60).reshape(12, 5) == 57, np.nan, given["ids"]), "row 11: holds what is no int64"),
        (IDS, lambda given: given["ids"][:, :4], "have shape"),
        ("an image of bytes", lambda given: given["x"].astype(int) + 250, "holds what is no uint8"),
        ("an image of bytes", lambda given: given["x"].astype(int) - 10, "row 0: holds what is no uint8"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, name: str, change: Any, problem: str) -> None:
    trainer = trainer_of(tmp_path, name)
    with np.errstate(all="ignore"):
        x: Array | Mapping[str, Array] = change(KINDS[name].samples(12))
    with pytest.raises(InputError, match=problem):
        trainer.scores(x)
    with pytest.raises(InputError, match=problem):
        trainer.fit(x, Y, normalization=None, epochs=1)


@pytest.mark.parametrize("name", [SEVERAL, IDS])
def test_only_one_input_of_real_numbers_is_normalized(tmp_path: Path, name: str) -> None:
    trainer = trainer_of(tmp_path, name)
    with pytest.raises(UsageError, match="normalization: is of samples of real numbers"):
        trainer.fit(KINDS[name].samples(12), Y, normalization=Normalization(1.0, 2.0), epochs=1)


def test_bytes_that_are_no_bits_stay_bytes_in_the_cache() -> None:
    cache = ActivationCache(6, {"bits"})
    rng = np.random.default_rng(0)
    values = {"bits": rng.integers(0, 2, (6, 9)).astype(np.uint8), "bytes": rng.integers(0, 256, (6, 9)).astype(np.uint8)}
    cache.put(0, 6, values)
    assert cache.nbytes == 6 * 2 + 6 * 9
    for name, expected in values.items():
        np.testing.assert_array_equal(cache.gather(np.array([4, 1]), name), expected[[4, 1]])


@pytest.mark.parametrize("is_split", [True, False])
def test_the_command_takes_arrays_by_name(tmp_path: Path, is_split: bool, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(KINDS[SEVERAL].model(), tmp_path / "kind.onnx")
    given = {**KINDS[SEVERAL].samples(60), "y": np.arange(60) % CLASSES}
    parts = {"_train": slice(0, 40), "_test": slice(40, 60)} if is_split else {"": slice(None)}
    np.savez(tmp_path / "d.npz", **{name + ending: x[rows] for name, x in given.items() for ending, rows in parts.items()})  # type: ignore[arg-type]
    options = ["--budget", "1MB", "--epochs", "1", "--batch", "4", "--data", str(tmp_path / "d.npz")]
    for command in (["train", str(tmp_path / "kind.onnx"), *options, "-o", str(tmp_path / "out")],
                    ["eval", str(tmp_path / "out"), "--data", str(tmp_path / "d.npz"), "--json"]):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert ended.value.code == 0
    assert f'"samples": {20 if is_split else 12}' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "place"),
    [(SEVERAL, "input 'ids': is int64"), (IDS, "input 'ids': is int64"), ("two inputs", "input 'state': is float32")],
)
def test_other_runtimes_refuse_what_they_do_not_take(tmp_path: Path, name: str, place: str) -> None:
    onnx.save(KINDS[name].model(), tmp_path / "kind.onnx")
    with pytest.raises(UnsupportedError, match=f"{place}: generated C takes one input, of float32"):
        plan(tmp_path / "kind.onnx", "1MB", target="c99", train="last:1")
    trainer_of(tmp_path, name).save(tmp_path / "out")
    with pytest.raises(UnsupportedError, match=r"the trainer in C\+\+ takes one of float32"):
        export(tmp_path / "out", tmp_path / "project", format="ort")
