"""One way to train a small network: planned for c99, exported, and run on this computer or on an emulated Cortex-M0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tests.c99.firmware_runs import CORTEX_M0, Board, Firmware, Run, fastest_computer
from tests.c99.platforms import Platform
from tinyfoa_rt.export.c99 import ModelSource
from tinyfoa_rt.export.to_c99 import c_source
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, plan
from tools.frontier.network import build_network
from tools.frontier.samples import Samples, write_epochs

__all__ = ["Outcome", "Recipe", "measure_ram", "plan_c99", "train"]

# The same results as -O2 for any processor, in less time: the project's flags forbid what would change a sum.
_HOST = Board("computer", variant="avx2", platform=Platform("computer", "avx2", "gcc", ("-O3", "-march=native")))
_NO_TURNS = 1 << 30  # steps that a slice stays: no layer has more than one
_BUDGET = 1 << 24  # more than any plan here takes: the network decides
_FEW = 8  # steps and test samples on a board
_TIMEOUT = 4 * 3600.0


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: its line (see ``network``), options of the plan, epochs, and a factor of the recipe's rates."""

    network: str
    options: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = 10
    rate: float = 1.0
    flips: bool = False


@dataclass(frozen=True)
class Outcome:
    """Accuracies in percent: of all test samples, and the mean over the classes."""

    accuracy: float
    balanced: float


def plan_c99(recipe: Recipe, samples: Samples, seed: int, folder: Path) -> tuple[Plan, ModelSource]:
    """Write the network to ``folder``, plan it at one sample a step, and return the plan and what is exported."""
    path = folder / "network.onnx"
    onnx.save(build_network(recipe.network, samples.x_train.shape[1:], samples.num_classes, seed), path)
    graph = load(path)
    options = {"block_layers": "all", "binarize": "none", "slices": "1x1", **recipe.options}
    found = plan(graph, _BUDGET, target="c99", batch=1, **options)
    artifact = build(graph, found)
    source = c_source(artifact, artifact.initial)
    blocks = tuple(replace(block, starting_rate=recipe.rate * block.starting_rate) for block in source.blocks)
    return found, replace(source, blocks=blocks)


def train(recipe: Recipe, samples: Samples, seed: int, folder: Path) -> Outcome:
    """Train on this computer, every block for all epochs, and measure on the test samples."""
    _, source = plan_c99(recipe, samples, seed, folder)
    write_epochs(samples, recipe.epochs, seed, folder, flips=recipe.flips)
    steps = (recipe.epochs * len(samples.y_train),) * len(source.blocks)
    run = _run(steps, samples, len(samples.y_test))
    host = _HOST if "avx2" in fastest_computer().variant else fastest_computer()
    report = Firmware.build(source, run, host, folder).run(timeout=_TIMEOUT)
    counts = np.bincount(samples.y_test, minlength=samples.num_classes)
    shares = [right / count for right, count in zip(report.class_correct, counts) if count]
    return Outcome(100 * report.test_correct / run.tests, 100 * float(np.mean(shares)))


def measure_ram(recipe: Recipe, samples: Samples, seed: int, folder: Path) -> tuple[int, int]:
    """Planned bytes, and all that the program takes of a Cortex-M0's RAM in a few steps: all data, and the stack by paint.

    Its state must be that of this computer, bit for bit.
    """
    planned, source = plan_c99(recipe, samples, seed, folder)
    write_epochs(samples, 1, seed, folder)
    run = _run((_FEW,) * len(source.blocks), samples, _FEW)
    here = Firmware.build(source, run, fastest_computer(), folder).run()
    firmware = Firmware.build(source, run, CORTEX_M0, folder)
    there = firmware.run()
    assert here.digests == there.digests, "the states differ"
    _, initialized, zeroed = firmware.sizes()
    return planned.peak_bytes, initialized + zeroed + there.stack_nbytes


def _run(steps: tuple[int, ...], samples: Samples, tests: int) -> Run:
    return Run(steps, _NO_TURNS, 1, tests, samples.mean, samples.deviation)
