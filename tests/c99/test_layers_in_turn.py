"""Layers of a block that take turns in generated C (``--slices-at one``): each has a step, in a layout of its own.

That they learn as on onnxruntime is in test_blocks_of_layers.py, and power cuts are in test_power_cut.py.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_float, c_void_p
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.c99.exported import Device, ExportedModel
from tests.c99.trained_pair import SIZES, export_small
from tests.small_models import load_model, mlp
from tinyfoa_rt.export.c99.source import BlockSource
from tinyfoa_rt.export.c99.verify import ProgramFault, verify_c_program
from tinyfoa_rt.ir.c_program import CBlock
from tinyfoa_rt.pipeline import plan

BATCH, TURN, RATE = 2, 3, 0.01
OPTIONS: dict[str, Any] = {
    "batch": BATCH,
    "slices": "2x2",
    "block_layers": "all",
    "optimizer": "momentum",
    "block_output": "scaled",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    """Of steps that hold different amounts, so that each has another base."""
    one = export_small(tmp_path_factory.mktemp("in_turn"), slices_at="one", **OPTIONS)
    assert len({step.base for step in one.program.blocks[0].steps}) == 3
    return one


def samples(steps: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    rng = np.random.default_rng(3)
    return rng.normal(size=(steps, BATCH, SIZES[0])).astype(np.float32), rng.integers(0, 4, (steps, BATCH)).astype(np.int32)


def test_the_arena_is_that_of_the_largest_step(model: ExportedModel, tmp_path: Path) -> None:
    graph = load_model(mlp(SIZES), tmp_path)
    each, one = (plan(graph, "1MB", target="c99", slices_at=at, samples=400, **OPTIONS) for at in ("each", "one"))
    (block,) = model.program.blocks
    assert model.program.arena_nbytes == one.peak_bytes == max(step.end for step in block.steps)
    assert one.peak_bytes < 0.9 * each.peak_bytes  # two slices of three, with the optimizer's state, and their gradients
    device = Device(model).start(TURN)
    device.arena[-1] = 0xA5A5A5A5
    for x, y in zip(*samples(40)):
        device.step(x, y, RATE)
    assert device.arena[-1] == 0xA5A5A5A5  # the word behind the arena


@pytest.mark.parametrize(("sizes", "layers", "head"), [(SIZES, 3, "auto"), ((70, 45, 40, 20, 4), 2, "learned")])
def test_turns_write_what_the_plan_says(sizes: tuple[int, ...], layers: int, head: str, tmp_path: Path) -> None:
    """An epoch in which each slice of each layer of a block has one turn; a head that learns is written in every one."""
    options = {**OPTIONS, "slices_at": "one", "rotate_every": TURN, "block_layers": str(layers), "head": head}
    model = export_small(tmp_path, sizes, **options)
    turns = model.program.blocks[0].num_slices
    assert turns == layers * 4
    count = turns * TURN
    planned = plan(load_model(mlp(sizes), tmp_path), "1MB", target="c99", samples=count * BATCH, **options)
    device = Device(model).start(TURN)
    before = device.written_nbytes
    for number, _ in enumerate(model.program.blocks):
        for x, y in zip(*samples(count)):
            device.step(x, y, RATE)
        device.save()
        assert device.written_nbytes - before == planned.blocks[number].written_bytes_per_epoch
        device.next_block()
        before = device.written_nbytes


def test_samples_may_be_put_where_the_model_reads_them(model: ExportedModel) -> None:
    """At one place throughout a block, though its steps read them at different ones."""
    copied, placed = Device(model).start(TURN), Device(model).start(TURN)
    library = model.library
    library.tfoa_input.restype = c_void_p
    place = library.tfoa_input(placed._context)
    for x, y in zip(*samples(40)):
        copied.step(x, y, RATE)
        assert library.tfoa_input(placed._context) == place
        ctypes.memmove(place, x.ctypes.data, x.nbytes)
        arguments = c_void_p(place), c_void_p(y.ctypes.data), c_float(RATE), None
        placed.check(library.tfoa_train_step(placed._context, *arguments))
    for device in (copied, placed):
        device.save()
    np.testing.assert_array_equal(placed.words, copied.words)


def test_predictions_leave_every_turn_alone(model: ExportedModel) -> None:
    """Between any two steps, whichever layer has its turn; the scores are those of the stored state."""
    x, y = samples(40)
    alone, asked = Device(model).start(TURN), Device(model).start(TURN)
    for batch, target in zip(x, y):
        alone.step(batch, target, RATE)
        asked.step(batch, target, RATE)
        during = asked.predict(x[0])
        stored = Device(model)
        stored.words[:] = asked.words
        stored.check(stored.init())
        if asked.progress().step % TURN == 1:  # the turn before has just been written, and one step is not
            assert (during != stored.predict(x[0])).any()
    alone.save()
    asked.save()
    np.testing.assert_array_equal(asked.words, alone.words)
    # Sums of |w| are added in another order once the slice is stored.
    np.testing.assert_allclose(asked.predict(x[0]), during, rtol=1e-6, atol=1e-6 * np.abs(during).max())


FAULTS: dict[str, tuple[Callable[[CBlock], CBlock], str]] = {
    "a layer that no step moves": (lambda b: replace(b, steps=b.steps[:-1]), "do not move its layers"),
    "layers in another order": (lambda b: replace(b, steps=(b.steps[1], b.steps[0], b.steps[2])), "do not move its layers"),
    "predictions over a slice": (lambda b: replace(b, base=b.base - 4), "where predictions do"),
    "a step that ends behind the arena": (
        lambda b: replace(b, steps=(replace(b.steps[0], end=b.planned + 4), *b.steps[1:])), "and the plan at"),
    "a rate behind the arena": (
        lambda b: replace(b, steps=(*b.steps[:2], replace(b.steps[2], rate=b.planned))), "the rate of block"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_broken_programs(name: str, model: ExportedModel) -> None:
    change, message = FAULTS[name]
    verify_c_program(model.program, model.source)
    with pytest.raises(ProgramFault, match=message):
        verify_c_program(replace(model.program, blocks=(change(model.program.blocks[0]),)), model.source)


@pytest.mark.parametrize("number", range(3))
def test_each_step_is_replayed(number: int, model: ExportedModel) -> None:
    """Of each step a tensor is put over the layer's latent values, which the next step reads."""

    def moved(step: BlockSource) -> BlockSource:
        latent = next(name for name in step.offsets if name.endswith("#w_slice"))
        return replace(step, offsets={**step.offsets, step.step.nodes[0].outputs[0]: step.offsets[latent]})

    (block,) = model.source.blocks
    steps = tuple(moved(step) if place == number else step for place, step in enumerate(block.steps))
    with pytest.raises(ProgramFault, match="is not where"):
        verify_c_program(model.program, replace(model.source, blocks=(replace(block, steps=steps),)))
