"""Training with kernels: the same trajectory as with function bodies, the same checkpoints, and refusals in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.ort_ops.wide_artifacts import BATCH, SIZES, samples, wide_artifact
from tests.run.picture_models import local_artifact
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.cli import main
from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.run import Artifact, Trainer
from tinyfoa_rt.run.kernels import find_kernels

STEPS = 200
CPU = ("CPUExecutionProvider",)


def trajectory(artifact: Artifact, kernels: Path | None, classes: int = 4, **settings: Any) -> tuple[NDArray[Any], Trainer]:
    """Losses of all blocks' steps."""
    trainer = Trainer(artifact, kernels=kernels, threads=1)
    x, y = samples(BATCH * STEPS // 4, classes)
    return np.array([each.loss for each in trainer.iterate(x, y, normalization=None, epochs=4, **settings)]), trainer


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "momentum"},
        {"optimizer": "normalized"},
        {"slices": "1x1"},
        {"head": "kaiming"},
        {"head": "learned"},
        {"head": "learned", "optimizer": "momentum"},
        {"head": "learned", "optimizer": "normalized"},
        {"schedule": "freeze-diagonal"},
        {"block_layers": "2"},
        {"block_layers": "all", "optimizer": "momentum", "slices": "1x1"},
        {"block_layers": "all", "binarize": "weights", "weight_scale": "tensor"},
        {"train": "fc1,fc2[:3/8],fc3", "slices": "1x1"},
        pytest.param({"train": "fc1,fc2[:3/8],fc3", "slices": "2x2"}, marks=pytest.mark.slow),
        {"block_layers": "all", "slices_at": "one"},
        {"train": "fc1[bias],fc2,fc3[bias]", "block_layers": "all"},
        {"train": "fc1[:1/4],fc2[:1/2],fc3[:3/8]", "slices": "1x1", "block_layers": "all"},
        {"latent": "int8"},
        pytest.param({"latent": "int12", "optimizer": "momentum"}, marks=pytest.mark.slow),
        pytest.param({"latent": "int8", "head": "learned"}, marks=pytest.mark.slow),
        pytest.param({"latent": "int8", "head": "learned", "optimizer": "normalized"}, marks=pytest.mark.slow),
        {"latent": "int8", "optimizer": "normalized", "binarize": "none", "block_layers": "all"},
        pytest.param({"latent": "int16", "binarize": "weights", "slices": "1x1"}, marks=pytest.mark.slow),
    ],
    ids=lambda options: "-".join(options.values()) or "sgd",
)
def test_200_steps_are_those_of_the_bodies(library: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    artifact = wide_artifact(tmp_path, **options)
    bodies, plain = trajectory(artifact, None)
    kernels, packed = trajectory(artifact, library)
    assert len(bodies) == len(artifact.blocks) * STEPS
    assert not plain.state.is_packed and packed.state.is_packed
    check_trajectory(bodies, kernels, [plain, packed])


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_200_steps_of_adam_are_those_of_the_bodies(library: Path, tmp_path: Path, classes: int) -> None:
    """Adam makes of rounding a step as long as any other: it would for units whose entries in the head were equal."""
    artifact = wide_artifact(tmp_path, sizes=(*SIZES[:-1], classes), optimizer="adam")
    (bodies, plain), (kernels, packed) = (trajectory(artifact, each, classes) for each in (None, library))
    check_trajectory(bodies, kernels, [plain, packed])


def check_trajectory(bodies: NDArray[Any], kernels: NDArray[Any], trainers: list[Trainer]) -> None:
    """Losses to 1e-4: rounding, 1e-7 a step, which a bit now and then makes larger; a factor of 1 % anywhere gives 1e-3.

    A small loss is a difference of logarithms around 1, which are rounded to 1e-7.
    """
    np.testing.assert_allclose(kernels, bodies, rtol=1e-4, atol=1e-6)
    for name, layer in trainers[0].state.layers.items():
        others = trainers[1].state.layers[name].weight
        if others.dtype.kind == "i":
            # The more bits, the more quanta a step is, and each is rounded by 1e-6 of one: of 8 bits 200 steps are far from a
            # quantum, of 16 a few weights in a hundred are one away. A rate that is 1 % wrong moves nearly all of them.
            share = 0.05 if others.dtype == np.int16 else 0.01
            assert np.count_nonzero(layer.weight != others) <= others.size * share, name
            assert np.abs(layer.weight.astype(int) - others).max() <= 1, name
        if layer.is_binary:
            different = np.count_nonzero(layer.signs != trainers[1].state.layers[name].signs)
            assert different <= layer.signs.size / 10_000, name


def test_a_rate_that_is_one_percent_wrong_is_noticed(library: Path, tmp_path: Path) -> None:
    artifact = wide_artifact(tmp_path)
    bodies, plain = trajectory(artifact, None)
    kernels, packed = trajectory(artifact, library, rate=1.01)
    with pytest.raises(AssertionError):
        check_trajectory(bodies, kernels, [plain, packed])


@pytest.mark.parametrize("order", ["layerwise", "interleaved"])
def test_checkpoints_pass_from_one_side_to_the_other(library: Path, tmp_path: Path, order: str) -> None:
    """Begun with kernels, gone on with bodies, ended with kernels: as with bodies alone."""
    x, y = blobs()
    alone = Trainer(artifact_of(tmp_path, order=order), kernels=None).fit(x, y, normalization=None, epochs=4)
    trainer = Trainer(artifact_of(tmp_path, order=order), kernels=library)
    steps = trainer.iterate(x, y, normalization=None, epochs=4)
    for turn, kernels in enumerate((None, library)):
        for _ in range(15):
            next(steps)
        trainer.save(tmp_path / "run")
        trainer = Trainer.load(tmp_path / "run", kernels=kernels)
        assert trainer.state.is_packed == bool(turn)
        steps = trainer.iterate(x, y, normalization=None)
    for _ in steps:
        pass
    for name, array in alone.state.arrays().items():
        np.testing.assert_allclose(trainer.state.arrays()[name], array, rtol=1e-3, atol=1e-3)  # rounding of 4 epochs
    np.testing.assert_allclose(trainer.scores(x), alone.scores(x), rtol=1e-3, atol=1e-3)


def test_streams_and_the_inference_model(library: Path, tmp_path: Path) -> None:
    import onnxruntime

    x, y = blobs()
    trainer = Trainer(artifact_of(tmp_path), kernels=library)
    first = trainer.partial_fit(x, y)
    assert trainer.partial_fit(x, y) < first
    trainer.next_block()
    trainer.partial_fit(x, y)
    trainer.save(tmp_path / "run")
    session = onnxruntime.InferenceSession(tmp_path / "run" / "inference.onnx", providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(scores, trainer.scores(x), rtol=1e-4, atol=1e-4)  # sums in another order


def test_what_is_no_library_is_refused_in_one_line(tmp_path: Path, library: Path) -> None:
    artifact = artifact_of(tmp_path)
    artifact.save(tmp_path / "artifact")
    with pytest.raises(InputError, match=r"none\.so: cannot be read .*make kernels"):
        Trainer(artifact, kernels=tmp_path / "none.so")
    content = library.read_bytes()
    damaged = [
        b"",
        b"no library",
        content[:40],
        content[:2000],
        content[: len(content) // 2],
        content[:-5000],
        content[:18] + b"\xff\xff" + content[20:],
    ]
    for number, wrong in enumerate(damaged):
        path = tmp_path / f"{number}.so"
        path.write_bytes(wrong)
        with pytest.raises(InputError, match=r"cannot be loaded|are cut short") as refusal:
            Trainer(artifact, kernels=path).fit(*blobs())
        assert "\n" not in str(refusal.value)
    command = ["train", str(tmp_path / "artifact"), "--data", "digits", "-o", str(tmp_path / "out"), "--kernels", "none.so"]
    with pytest.raises(SystemExit) as end:
        main(command)
    assert end.value.code == 4


def test_where_kernels_cannot_be_used(tmp_path: Path, library: Path) -> None:
    with pytest.raises(UsageError, match="split what OpenVINOExecutionProvider runs"):
        find_kernels(library, ("OpenVINOExecutionProvider", *CPU), has_packed_form=True)
    assert find_kernels("auto", ("OpenVINOExecutionProvider", *CPU), has_packed_form=True) is None
    assert find_kernels("auto", CPU, has_packed_form=False) is None
    assert find_kernels("none", CPU, has_packed_form=True) is None
    with pytest.raises(UsageError, match="dense layers only"):
        Trainer(local_artifact(tmp_path), kernels=library)
    assert not Trainer(local_artifact(tmp_path)).state.is_packed


def test_the_library_beside_the_package_is_taken(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyfoa_rt.run.kernels.KERNELS", library)
    assert find_kernels("auto", CPU, has_packed_form=True) == library
    monkeypatch.setattr("tinyfoa_rt.run.kernels.KERNELS", library.with_name("none.so"))
    assert find_kernels("auto", CPU, has_packed_form=True) is None
