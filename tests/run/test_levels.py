"""Activations of two bits: what a training does otherwise than with one bit. Their steps are in test_trainer_oracle.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.run.trained_models import artifact_of, blobs, check_inference_model
from tests.small_models import conv_net, load_model
from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.names import scale_of
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.calibration import input_powers
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime

X, Y = blobs()


def test_the_power_of_levels_is_their_mean_square(tmp_path: Path) -> None:
    """The rate follows from it; of a normal distribution it is 0.81, and of bits 0.5."""
    artifact = artifact_of(tmp_path, activation_bits=2)
    state = ModelState(artifact.manifest, artifact.initial)
    training = BlockTraining(artifact, 1, state, Runtime((), 1, None))
    (levels,) = training.inputs.values()
    levels[...] = np.arange(levels.size).reshape(levels.shape) % 4
    np.testing.assert_allclose(input_powers(training, state), (levels.astype(float) ** 2).mean(axis=1))


@pytest.mark.parametrize("latent", ["float32", "int8"])
def test_the_trained_model_hands_on_levels(tmp_path: Path, latent: str) -> None:
    """Also where training went on from a checkpoint, to the same bits."""
    artifact = artifact_of(tmp_path, activation_bits=2, latent=latent)
    whole = Trainer(artifact, kernels=None).fit(X, Y, normalization=None, epochs=2)
    begun = Trainer(artifact, kernels=None)
    for count, _ in enumerate(begun.iterate(X, Y, normalization=None, epochs=2), 1):
        if count == 50:  # in the second block
            break
    begun.save(tmp_path / "begun")
    resumed = Trainer.load(tmp_path / "begun", kernels=None).fit(X, Y, normalization=None, epochs=2)
    arrays = resumed.state.arrays()
    for name, array in whole.state.arrays().items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    whole.save(tmp_path / "run")
    check_inference_model(tmp_path / "run" / "inference.onnx", whole, X)
    assert all(float(arrays[scale_of(value)]) > 0 for block in artifact.blocks for value in block.binary)


def test_bytes_of_levels(tmp_path: Path) -> None:
    """A byte holds a bit or a level on onnxruntime: what is more is the scale, which a prediction reads."""
    graph = load_model(conv_net(), tmp_path)
    one, two = (plan(graph, "1MB", activation_bits=bits, batch=4) for bits in (1, 2))
    assert one.nonvolatile_bytes == two.nonvolatile_bytes
    assert build(graph, two).manifest.activation_bits == 2


def test_kernels_do_not_have_them_yet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--activation-bits 2: is of binary activations, and --binarize weights has none"):
        artifact_of(tmp_path, activation_bits=2, binarize="weights")
    with pytest.raises(UnsupportedError, match="--activation-bits 2: is not there yet for the library of kernels"):
        artifact_of(tmp_path, activation_bits=2, target="ort-kernels", nonvolatile="unlimited")
