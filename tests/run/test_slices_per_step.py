"""Several slices that the error of one forward pass moves (``--slices-per-step``).

That a step is what the paper says, slice by slice, is in test_trainer_oracle.py; generated C is in tests/c99.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.run.trained_models import arrays_of, artifact_of, assert_equal_weights, blobs
from tests.small_models import load_model, mlp
from tinyfoa_rt.errors import TinyfoaError
from tinyfoa_rt.pipeline import plan
from tinyfoa_rt.run import Trainer

X, Y = blobs()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"optimizer": "adam"}, marks=pytest.mark.slow),
        {"latent": "int8", "binarize": "none"},
        pytest.param({"block_layers": "all", "slices": "3x2"}, marks=pytest.mark.slow),
    ],
    ids=["adam", "int8", "deep"],
)
def test_a_training_goes_on_inside_a_round_of_slices(options: dict[str, Any], tmp_path: Path) -> None:
    """Three of four slices a step: the next one begins with the fourth."""
    artifact = artifact_of(tmp_path, slices_per_step=3, **options)
    whole = Trainer(artifact, threads=1, kernels=None)
    losses = [report.loss for report in whole.iterate(X, Y, normalization=None, epochs=1)]
    begun = Trainer(artifact, threads=1, kernels=None)
    first = [report.loss for report in islice(begun.iterate(X, Y, normalization=None, epochs=1), 7)]
    begun.save(tmp_path / "run")
    resumed = Trainer.load(tmp_path / "run", threads=1, kernels=None)
    assert [*first, *(report.loss for report in resumed.iterate(X, Y, normalization=None, epochs=1))] == losses
    assert_equal_weights(arrays_of(resumed), arrays_of(whole))


def test_all_slices_a_step_are_a_step_of_the_whole_layer(tmp_path: Path) -> None:
    """But for biases, which each slice of an output moves: so of one band they are the same."""
    sliced = Trainer(artifact_of(tmp_path, slices="1x4", slices_per_step=4, binarize="none"), threads=1)
    whole = Trainer(artifact_of(tmp_path, slices="1x1", binarize="none"), threads=1)
    for trainer in (sliced, whole):
        trainer.fit(X, Y, normalization=None, epochs=1)
    assert sliced.progress.rates == whole.progress.rates
    for name, array in arrays_of(whole).items():
        if name.endswith(("#weight", "#bias")):
            # Sums of up to 16 products in another order, over 60 steps; 1 % of a step is ten times as much and more.
            np.testing.assert_allclose(arrays_of(sliced)[name], array, rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_layer_of_fewer_slices_has_each_once(tmp_path: Path) -> None:
    """A layer that is whole takes plain steps."""
    graph = load_model(mlp((24, 40, 4)), tmp_path)
    for grid in ("2x2", "1x1"):
        planned = plan(graph, "1MB", target="c99", batch=2, slices=grid, slices_per_step=7)
        assert [block.update_fraction for block in planned.blocks] == [1.0, 1.0]


def test_the_plan_counts_the_error_of_all_outputs_and_every_write(tmp_path: Path) -> None:
    graph = load_model(mlp((40, 64, 32, 4)), tmp_path)
    options: dict[str, Any] = {"batch": 4, "slices": "2x4", "binarize": "none", "target": "c99", "samples": 400}
    one, three = (plan(graph, "1MB", slices_per_step=count, rotate_every=1, **options) for count in (1, 3))
    assert three.blocks[0].update_fraction == 3 / 8
    assert three.peak_bytes - one.peak_bytes == 4 * 4 * (64 - 64 // 4), "the error at the product is that of 64 outputs"
    assert one.written_bytes_per_epoch is not None and three.written_bytes_per_epoch is not None
    # 100 steps: not a whole number of rounds of eight slices, which are of two sizes.
    assert three.written_bytes_per_epoch == pytest.approx(3 * one.written_bytes_per_epoch, rel=0.01)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"schedule": "full"}, "--slices-per-step 2: the schedule 'full' moves all of a layer; leave one of the two out"),
        ({"block_layers": "all", "slices_at": "one"}, "--slices-per-step 2: a step of --slices-at one moves the slice of one"),
        ({"order": "interleaved"}, "--slices-per-step 2: blocks of --order interleaved take their steps together"),
        ({"rotate_every": 5}, "--slices-per-step 2: a slice that stays"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(TinyfoaError, match=words):
        plan(load_model(mlp((8, 7, 6, 5)), tmp_path), "1MB", **{"slices_per_step": 2, **options})
