"""Models planned for 256 KB learn on emulated Cortex-M boards: inside its RAM, as here, at a known cost.

`footprint.json` holds bytes of code, of RAM and of stack, and instructions of a step of each block; UPDATE_GOLDEN=1 writes it
anew. The numbers are those of Debian 12's compiler; more than 3 % above them is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.c99.firmware_runs import BOARDS, COMPUTER, RISCV, Board, Firmware, Report, Run, write_samples
from tinyfoa_rt.export.c99 import ModelSource
from tinyfoa_rt.export.to_c99 import c_source
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.zoo import write_model

RAM = 256 * 1024
GROWTH = 1.03
FOOTPRINT = Path(__file__).with_name("footprint.json")
CORTEX_M7 = next(board for board in BOARDS if board.name == "cortex-m7")
RUN = Run(steps=(30, 30, 30), turn=10, calibration=10, tests=20, mean=127.5, deviation=74.0)


def planned(name: str, folder: Path, **options: str) -> ModelSource:
    """A model of the zoo in 256 KB."""
    write_model(name, folder / "model.onnx")
    graph = load(folder / "model.onnx")
    found = plan(graph, "256KB", target="c99", batch=1, **options)
    assert found.peak_bytes <= RAM
    artifact = build(graph, found)
    return c_source(artifact, artifact.initial)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    return planned("mlp-784-256-256-10", tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With samples in it: noise, brighter where the class says."""
    folder = tmp_path_factory.mktemp("firmware")
    rng = np.random.default_rng(0)
    for name, count in (("samples", 100), ("test", 20)):
        y = rng.integers(0, 10, count)
        x = rng.integers(0, 156, (count, 784))
        x[np.arange(784) % 10 == y[:, None]] += 100
        write_samples(folder / f"{name}.bin", x, y)
    return folder


@pytest.fixture(scope="module")
def expected(source: ModelSource, folder: Path) -> Report:
    return Firmware.build(source, RUN, COMPUTER, folder).run()


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_learns_as_on_this_computer_inside_256_kb(board: Board, source: ModelSource, folder: Path, expected: Report) -> None:
    check_board(board.name, source, Firmware.build(source, RUN, board, folder), expected)


@pytest.mark.parametrize(("block_layers", "case"), [("1", "ds-cnn-kws"), ("all", "ds-cnn-kws end to end")])
def test_convolutions_learn_on_a_cortex_m7(block_layers: str, case: str, tmp_path: Path) -> None:
    """A network for spoken keywords, of whose ten layers nine are convolutions: layer by layer, and as one block."""
    source = planned("ds-cnn-kws", tmp_path, block_layers=block_layers)
    rng = np.random.default_rng(0)
    for name, count in (("samples", 20), ("test", 3)):
        write_samples(tmp_path / f"{name}.bin", rng.integers(0, 256, (count, 490)), rng.integers(0, 12, count))
    run = Run(steps=(3,) * len(source.blocks), turn=2, calibration=2, tests=3, mean=127.5, deviation=74.0)
    expected = Firmware.build(source, run, replace(COMPUTER, variant="swar"), tmp_path).run()
    check_board(f"cortex-m7, {case}", source, Firmware.build(source, run, CORTEX_M7, tmp_path), expected)


def check_board(name: str, source: ModelSource, firmware: Firmware, expected: Report) -> None:
    """The computer's state, inside the RAM, at the known cost."""
    report = firmware.run(counts=True)
    assert (report.digests, report.correct, report.test_correct) == (expected.digests, expected.correct, expected.test_correct)
    text, initialized, zeroed = firmware.sizes()
    arena, sample = (
        max(block.peak_nbytes for block in source.blocks),
        source.forward.tensors[source.forward.inputs[0]].type.size,
    )
    assert initialized + zeroed + report.stack_nbytes <= RAM
    # All that the program has beside the arena: a sample and its label, a context, and the padding of sections.
    assert arena <= initialized + zeroed <= arena + sample + 1 + 256
    counts = [round(ticks * firmware.board.instructions_a_tick) for ticks in report.ticks]
    _check(name, {"code": text, "ram": initialized + zeroed, "stack": report.stack_nbytes, "instructions": counts})


def test_learns_on_32_bit_risc_v(source: ModelSource, folder: Path, expected: Report) -> None:
    report = Firmware.build(source, RUN, RISCV, folder).run()
    assert (report.digests, report.correct, report.test_correct) == (expected.digests, expected.correct, expected.test_correct)


def test_the_papers_network_trains_on_a_cortex_m7(tmp_path: Path) -> None:
    """Four layers of 2000, a slice of one in 128 in RAM and the rest in storage: the computer's state, inside 256 KB."""
    source = planned("fc-784-10", tmp_path)
    rng = np.random.default_rng(0)
    for name, count in (("samples", 40), ("test", 4)):
        write_samples(tmp_path / f"{name}.bin", rng.integers(0, 256, (count, 784)), rng.integers(0, 10, count))
    run = Run(steps=(6, 6, 6, 6, 6), turn=2, calibration=4, tests=4, mean=127.5, deviation=74.0)
    firmware = Firmware.build(source, run, CORTEX_M7, tmp_path)
    report = firmware.run()
    expected = Firmware.build(source, run, replace(COMPUTER, variant="swar"), tmp_path).run()
    assert (report.digests, report.test_correct) == (expected.digests, expected.test_correct)
    _, initialized, zeroed = firmware.sizes()
    assert initialized + zeroed + report.stack_nbytes <= RAM


def test_heads_learn_on_a_cortex_m7(folder: Path) -> None:
    """The head is in the arena beside the slice; what lies in the storage behind each block is the computer's, head and all."""
    source = planned("mlp-784-256-256-10", folder, head="learned", optimizer="momentum")
    run = Run(steps=(6, 6, 6), turn=2, calibration=2, tests=4, mean=127.5, deviation=74.0)
    firmware = Firmware.build(source, run, CORTEX_M7, folder / "learned")
    for name in ("samples.bin", "test.bin"):
        shutil.copy(folder / name, folder / "learned" / name)
    report = firmware.run()
    expected = Firmware.build(source, run, replace(COMPUTER, variant="swar"), folder / "learned").run()
    assert (report.digests, report.test_correct) == (expected.digests, expected.test_correct)
    _, initialized, zeroed = firmware.sizes()
    assert initialized + zeroed + report.stack_nbytes <= RAM


def _check(name: str, found: dict[str, int | list[int]]) -> None:
    known = json.loads(FOOTPRINT.read_text()) if FOOTPRINT.exists() else {}
    if os.environ.get("UPDATE_GOLDEN") == "1":
        FOOTPRINT.write_text(json.dumps({**known, name: found}, indent=1) + "\n")
        return
    assert not grown(known[name], found), f"{name} grew by more than 3 %: {grown(known[name], found)}"


def grown(known: dict[str, int | list[int]], found: dict[str, int | list[int]]) -> list[str]:
    """What is more than 3 % above the known figure."""
    return [key for key, limit in known.items() if np.any(np.array(found[key]) > GROWTH * np.array(limit))]


def test_growth_is_noticed() -> None:
    known: dict[str, int | list[int]] = {"code": 1000, "instructions": [10_000, 20_000]}
    assert grown(known, {"code": 1030, "instructions": [10_000, 20_000]}) == []
    assert grown(known, {"code": 1031, "instructions": [10_000, 20_700]}) == ["code", "instructions"]
