"""Several slices a step in generated C: each comes into RAM in the place of the one before, while input and error stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.exported import OK, Device, ExportedModel, PowerCut
from tests.c99.trained_pair import SIZES, export_small, pair_of, pair_of_graph
from tests.c99.training_checks import check_block
from tests.small_models import conv_net, load_model, mlp
from tinyfoa_rt.export.c99.verify import ProgramFault, verify_c_program
from tinyfoa_rt.pipeline import plan

BATCH, MOVED, RATE = 2, 3, 0.02
OPTIONS: dict[str, Any] = {"batch": BATCH, "slices": "2x2", "slices_per_step": MOVED}
CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "float-momentum": {"binarize": "none", "optimizer": "momentum", "slices": "3x2"},
    "int8": {"latent": "int8"},
    "deep": {"block_layers": "all", "optimizer": "normalized", "block_output": "scaled"},
    "learned-adam": {"head": "learned", "optimizer": "adam"},
    "weights-int12": {"binarize": "weights", "latent": "int12", "slices": "1x5"},
}


@pytest.mark.parametrize("case", [pytest.param(name, marks=() if name == "default" else pytest.mark.slow) for name in CASES])
def test_equals_onnxruntime(case: str, tmp_path: Path) -> None:
    pair = pair_of(tmp_path, 1, **{**OPTIONS, **CASES[case]})
    for index, block in enumerate(pair.device.model.source.blocks):
        check_block(pair, index, (block.starting_rate, block.starting_rate))


DEEP: dict[str, Any] = {"block_layers": "all", "binarize": "none", "recompute": "always"}


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, DEEP], ids=["blocks", "deep"])
def test_convolutions_equal_onnxruntime(options: dict[str, Any], tmp_path: Path) -> None:
    graph = load_model(conv_net(), tmp_path)
    pair = pair_of_graph(graph, tmp_path, 1, **OPTIONS, **options)
    for index in range(len(pair.artifact.blocks)):
        check_block(pair, index, (RATE, RATE), graph.shape(graph.inputs[0])[1:])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return export_small(tmp_path_factory.mktemp("slices"), **OPTIONS)


def train(device: Device, steps: int, first: int = 0) -> None:
    for step in range(first, first + steps):
        rng = np.random.default_rng(step)
        device.step(rng.normal(size=(BATCH, SIZES[0])), rng.integers(0, SIZES[-1], BATCH), RATE)


def test_it_takes_what_is_planned(model: ExportedModel, tmp_path: Path) -> None:
    """RAM to the byte, and what an epoch writes: every slice that a step moves, with a header behind each."""
    steps = 7
    planned = plan(load_model(mlp(SIZES), tmp_path), "1MB", target="c99", samples=steps * BATCH, **OPTIONS)
    assert model.program.arena_nbytes == planned.peak_bytes
    device = Device(model).start(1)
    before = device.written_nbytes
    train(device, steps)
    device.save()
    assert device.written_nbytes - before == planned.blocks[0].written_bytes_per_epoch
    assert device.arena[-1] == 0xA5A5A5A5  # the word behind the arena
    assert device.progress().slice == steps * MOVED % 4


def test_saved_and_begun_anew_after_every_step(model: ExportedModel) -> None:
    whole, device = Device(model).start(1), Device(model).start(1)
    train(whole, 10)
    whole.save()
    for step in range(10):
        train(device, 1, step)
        device.save()
        device.arena[:] = 0xFFFFFFFF
        device.check(device.init())
        device.rotate(1)
    derived = slice(2 * model.source.layout.header_words, model.program.step_nbytes // 4)  # of headers a save writes one
    for layer in ("fc1", "fc2"):
        np.testing.assert_array_equal(device.weights(layer), whole.weights(layer))
    np.testing.assert_array_equal(device.words[derived], whole.words[derived])


def test_a_power_cut_inside_a_step_leaves_a_whole_state(model: ExportedModel) -> None:
    """Slices that were written stay as they are; the step counts when it is taken again."""
    counted = Device(model, writes_left=10**9).start(1)
    start = 10**9 - (counted.writes_left or 0)
    train(counted, 3)
    counted.save()
    for cut in range(start + 1, 10**9 - (counted.writes_left or 0) + 1):
        device = Device(model).start(1)
        device.writes_left = cut - start
        with pytest.raises(PowerCut):
            train(device, 3)
            device.save()
        device.writes_left = None
        assert device.init() == OK
        device.rotate(1)
        done = device.progress().step
        train(device, 3 - done, done)
        device.save()
        assert device.progress().step == 3
        assert device.init() == OK


def test_what_a_slice_reads_is_replayed_for_the_next(model: ExportedModel) -> None:
    """The input put over the latent values: the first slice reads it before they are loaded, the second one does not."""
    block = model.source.blocks[0]
    step = block.step
    behind = step.nodes[step.first_update :]
    error = next(name for name in behind[0].inputs if name.endswith("#grad"))
    moved = replace(block, offsets={**block.offsets, error: block.offsets["fc1#w_slice"]})
    verify_c_program(model.program, model.source)
    with pytest.raises(ProgramFault, match="is not where"):
        verify_c_program(model.program, replace(model.source, blocks=(moved, *model.source.blocks[1:])))
