"""Latent weights of few bits in generated C99: the numbers of the trainer on onnxruntime, in the bytes that the plan says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.exported import Device
from tests.c99.trained_pair import SIZES, Pair, export_small, pair_of, pair_of_graph
from tests.c99.training_checks import TOLERANCE, data_of
from tests.small_models import conv_net, load_model, mlp, residual_net
from tinyfoa_rt.ir.names import kept_by, own, quantum_of
from tinyfoa_rt.pipeline import plan

STEPS = 15
# Of a step whose gradient is rounded otherwise the draw goes another way in so many of 10^7 weights as it moves quanta: rates are
# those of real trainings, at which these are some tens at most.
RATES = {"sgd": 0.05, "momentum": 0.01, "normalized": 0.002, "adam": 0.002}
CASES: dict[str, dict[str, Any]] = {
    "end-to-end": {"latent": "int8", "binarize": "none", "block_layers": "all", "optimizer": "sgd", "slices": "1x1"},
    "normalized": {"latent": "int16", "binarize": "none", "block_layers": "all", "optimizer": "normalized", "slices": "2x2"},
    "binary": {"latent": "int8", "slices": "2x3"},
    "weights": {"latent": "int16", "binarize": "weights", "optimizer": "adam", "slices": "1x2", "head": "kaiming"},
    "twelve": {"latent": "int12", "binarize": "none", "block_layers": "all", "optimizer": "normalized", "slices": "2x2"},
    "in turn": {"latent": "int12", "block_layers": "all", "slices_at": "one", "optimizer": "normalized", "slices": "2x2"},
    "momentum": {"latent": "int8", "binarize": "none", "optimizer": "momentum", "slices": "3x1", "batch": 1},
    "heads": {"latent": "int8", "binarize": "none", "optimizer": "normalized", "slices": "2x2", "head": "learned"},
    "heads of bits": {"latent": "int12", "optimizer": "adam", "slices": "2x2", "head": "learned", "head_pool": "average"},
    "heads of means": {"latent": "int8", "optimizer": "sgd", "slices": "2x2", "head": "learned", "head_pool": "none"},
}


def check_steps(pair: Pair, shape: tuple[int, ...] = (-1,)) -> None:
    """Each block takes steps on both; rounding of the gradients moves apart one weight in a thousand, by one unit.

    There are few steps: once a unit has gone the other way, gradients differ, and more follow.
    """
    rate = RATES[pair.artifact.manifest.optimizer.name]
    for index, block in enumerate(pair.artifact.blocks):
        x, y = data_of(pair, steps=STEPS, seed=index)
        losses = pair.train_block(index, x.reshape(*x.shape[:2], *shape), y, (rate, rate))
        are_same = True
        trained = [(layer.name, pair.state.layers[layer.name].weight, own(layer.name, "weight")) for layer in block.layers]
        head = kept_by(block.name, "#head")
        trained += [(head, pair.state.others[head], head)] if quantum_of(head) in pair.state.others else []
        for name, expected, first in trained:
            ours, initial = pair.device.weights(name), pair.artifact.initial[first]
            assert ours.dtype == expected.dtype == initial.dtype
            assert (expected != initial).any()
            assert np.abs(ours.astype(int) - expected).max() <= 1
            assert np.count_nonzero(ours != expected) <= expected.size / 1000 + 1
            are_same = are_same and bool((ours == expected).all())
        if are_same:
            np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=TOLERANCE, atol=TOLERANCE)
        pair.device.next_block()


def _cases(*quick: str) -> list[Any]:
    return [pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in CASES]


@pytest.mark.parametrize("case", _cases("end-to-end", "heads"))
def test_equals_onnxruntime(case: str, tmp_path: Path) -> None:
    check_steps(pair_of(tmp_path, **{"batch": 2, **CASES[case]}))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("model", [conv_net, residual_net])
def test_convolutions_equal_onnxruntime(model: Any, case: str, tmp_path: Path) -> None:
    graph = load_model(model(), tmp_path)
    options = {**CASES[case], "slices": "1x1" if case == "end-to-end" else "2x2", "batch": 2}
    check_steps(pair_of_graph(graph, tmp_path, **options), graph.shape(graph.inputs[0])[1:])


@pytest.mark.slow
def test_products_that_are_exact_give_the_same_bits(tmp_path: Path) -> None:
    """Samples of -1, 0 and 1, and quanta and rates of powers of two: no sum of the first layer rounds, on either side."""
    pair = pair_of(tmp_path, latent="int8", binarize="none", batch=2, slices="2x2")
    rng = np.random.default_rng(1)
    x = rng.integers(-1, 2, (STEPS, 2, SIZES[0])).astype(np.float32)
    pair.train_block(0, x, rng.integers(0, 4, (STEPS, 2)), (0.0625, 0.0625))
    np.testing.assert_array_equal(pair.device.weights("fc1"), pair.state.layers["fc1"].weight)


@pytest.mark.parametrize("latent", ["int12", *(pytest.param(name, marks=pytest.mark.slow) for name in ("int8", "int16"))])
def test_storage_that_is_read_through_a_callback_gives_the_same_weights(tmp_path: Path, latent: str) -> None:
    """Rows begin within words, and pieces of them; and a device that begins again goes on to the same bits."""
    sizes = (37, 23, 19, 4)  # odd: slices of uneven rows
    model = export_small(tmp_path, sizes, latent=latent, binarize="none", block_layers="all", slices="2x3")
    mapped, read = Device(model).start(3), Device(model, mapped_nbytes=0).start(3)
    for step in range(8):
        x, y = _batch(model.program.input_size, step)
        if step == 4:  # on other memory, from what the storage has
            read.save()
            mapped.save()
            read.arena[:] = 0xA5A5A5A5
            read.check(read.init())
            read.rotate(3)
        assert mapped.step(x, y, 0.05) == read.step(x, y, 0.05)
    for device in (mapped, read):
        device.save()
    np.testing.assert_array_equal(mapped.words, read.words)


def _batch(inputs: int, step: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(step)
    return rng.normal(0, 1, (2, inputs)).astype(np.float32), rng.integers(0, 4, 2)


@pytest.mark.parametrize("latent", ["int12", *(pytest.param(name, marks=pytest.mark.slow) for name in ("int8", "int16"))])
def test_the_plan_counts_what_is_stored(tmp_path: Path, latent: str) -> None:
    """The storage is as long as the plan says; latent values are the only thing that has become shorter."""
    graph, sizes = load_model(mlp(SIZES), tmp_path), list(zip(SIZES, SIZES[1:]))
    options: dict[str, Any] = {"target": "c99", "batch": 2, "slices": "1x1", "binarize": "none"}
    real, whole = (plan(graph, "1MB", latent=name, **options) for name in ("float32", latent))
    program = export_small(tmp_path, latent=latent, **{key: options[key] for key in ("slices", "binarize")}).program
    assert program.storage_nbytes == whole.nonvolatile_parts.storage_bytes
    group, group_words = {"int8": (4, 1), "int12": (8, 3), "int16": (2, 1)}[latent]
    words = [-(-ins * outs // group) * group_words for ins, outs in sizes]
    saved = 4 * (sum(ins * outs for ins, outs in sizes) - sum(words))
    assert real.nonvolatile_parts.storage_bytes - whole.nonvolatile_parts.storage_bytes == 2 * saved  # two slots a layer
    (first,) = (4 * (ins * outs - n) for (ins, outs), n in list(zip(sizes, words))[:1])
    assert real.blocks[0].peak_bytes - whole.blocks[0].peak_bytes == first  # in RAM it lies once
