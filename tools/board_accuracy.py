"""Train a planned model on an emulated board, on samples that it reads one by one, and measure it on the whole test set.

    python -m tools.board_accuracy MODEL.onnx --data MNIST --board cortex-m7 --epochs 3,3,2 [--budget 256KB] [--ort]
    python -m tools.board_accuracy fc-784-10.onnx --data MNIST --steps 300,300,300,300,300 --turn 20 --tests 200

The same program runs on this computer first: its state must be equal to the board's, bit for bit. ``--ort`` trains the same steps
on onnxruntime too, on the same samples in the same order, and prints its accuracy.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.c99.firmware_runs import BOARDS, RISCV, Firmware, Run, fastest_computer, write_samples
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.artifact.settings import rate_at
from tinyfoa_rt.export.c99 import ModelSource
from tinyfoa_rt.export.to_c99 import c_source
from tinyfoa_rt.ir.names import scale_of
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.data import DataSet, load_data
from tinyfoa_rt.run.forward import ForwardPass
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime

__all__ = ["on_machines"]

CALIBRATION = 512
_SECONDS = 6 * 3600.0


def main() -> None:
    arguments = _arguments()
    graph = load(arguments.model)
    data = load_data(arguments.data)
    planned = plan(graph, arguments.budget, target="c99", batch=arguments.batch)
    artifact = build(graph, planned)
    source = c_source(artifact, artifact.initial)
    run = _run(planned, data, arguments)
    print(
        f"peak {planned.peak_bytes:,} bytes, blocks {[block.slices for block in planned.blocks]}, steps {run.steps}", flush=True
    )
    rows = []
    for seed in arguments.seeds.split(","):
        order = np.random.default_rng(int(seed)).permutation(len(data.y_train))
        rows.append(_train(artifact, source, run, arguments, (data, order)))
    if len(rows) > 1:
        print(f"mean of {len(rows)} orders: " + ", ".join(f"{np.mean(column):.2f} %" for column in zip(*rows)))


def _train(
    artifact: Artifact, source: ModelSource, run: Run, arguments: argparse.Namespace, given: tuple[DataSet, NDArray[Any]]
) -> tuple[float, ...]:
    """Accuracies of one order of samples in percent: in C, then on onnxruntime if asked for."""
    data, order = given
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_samples(folder / "samples.bin", data.x_train[order], data.y_train[order])
        write_samples(folder / "test.bin", data.x_test, data.y_test)
        accuracies = [on_machines(source, run, arguments.board, folder)]
    if arguments.ort:
        accuracies.append(_on_onnxruntime(artifact, source, run, given))
        print(f"onnxruntime: {accuracies[-1]:.2f} %", flush=True)
    return tuple(accuracies)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--board", default="cortex-m7", choices=[*(board.name for board in (*BOARDS, RISCV)), "none"])
    parser.add_argument("--budget", default="256KB")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--epochs", default="1,1,1", help="of each block")
    parser.add_argument("--steps", help="of each block, in place of epochs")
    parser.add_argument("--tests", type=int, help="samples of the test set; default: all")
    parser.add_argument("--turn", type=int, default=100, help="steps that a slice stays")
    parser.add_argument("--ort", action="store_true")
    parser.add_argument("--seeds", default="0", help="of orders of the samples")
    return parser.parse_args()


def _run(planned: Plan, data: DataSet, arguments: argparse.Namespace) -> Run:
    if arguments.steps:
        steps = tuple(int(text) for text in arguments.steps.split(","))
    else:
        epochs = [float(text) for text in arguments.epochs.split(",")]
        steps = tuple(int(each * len(data.y_train)) // planned.batch for each in epochs)
    assert len(steps) == len(planned.blocks), "give the epochs or steps of each block"
    mean, deviation = data.normalization.mean, data.normalization.std
    assert isinstance(mean, float) and isinstance(deviation, float)
    return Run(steps, arguments.turn, CALIBRATION, arguments.tests or len(data.y_test), mean, deviation)


def on_machines(source: ModelSource, run: Run, name: str, folder: Path) -> float:
    """Accuracy in percent after a run on this computer and on the board of that name, if any, which must end in one state."""
    boards = [fastest_computer(), *(board for board in (*BOARDS, RISCV) if board.name == name)]
    reports = []
    for board in boards:
        begin = time.monotonic()
        firmware = Firmware.build(source, run, board, folder)
        report = firmware.run(timeout=_SECONDS)
        reports.append(report)
        text, initialized, zeroed = firmware.sizes()
        accuracy = 100 * report.test_correct / run.tests
        print(f"{board.name}: {accuracy:.2f} % of {run.tests}, {time.monotonic() - begin:.0f} s", flush=True)
        if board.machine:
            total = initialized + zeroed + report.stack_nbytes
            print(f"  code {text:,}; RAM {initialized:,} + {zeroed:,} + stack {report.stack_nbytes:,} = {total:,} bytes")
    assert len({report.digests for report in reports}) == 1, "the states differ"
    return 100 * reports[0].test_correct / run.tests


def _on_onnxruntime(artifact: Artifact, source: ModelSource, run: Run, given: tuple[DataSet, NDArray[Any]]) -> float:
    """Accuracy in percent after the same steps on onnxruntime, on the samples in the given order."""
    data, order = given
    state, runtime = ModelState(artifact.manifest, artifact.initial), Runtime(threads=1)
    x = data.normalization.apply(data.x_train[order]).reshape(len(order), *artifact.manifest.input_shape[1:])
    y, batch = data.y_train[order], artifact.manifest.batch
    for index, steps in enumerate(run.steps):
        forward, training = ForwardPass(artifact, state, runtime), BlockTraining(artifact, index, state, runtime)
        inputs = np.concatenate([_entering(forward, training, index, x[i : i + 500]) for i in range(0, len(x), 500)])
        (array,) = training.inputs.values()
        _calibrate(training, state, inputs, batch)
        first = run.calibration // batch * batch
        for step in range(steps):
            rows = (first + step * batch + np.arange(batch)) % len(x)
            array[...] = inputs[rows].reshape(array.shape)
            training.labels[...] = y[rows]
            training.begin_turn(training.turn_of(step, run.turn))
            training.step(rate_at(source.blocks[index].starting_rate, "cosine", step, steps))
        training.end_turn()
    tests = data.normalization.apply(data.x_test).reshape(len(data.y_test), *x.shape[1:])
    scores = ForwardPass(artifact, state, runtime)
    right = [scores.scores(tests[i : i + 500]).argmax(axis=1) == data.y_test[i : i + 500] for i in range(0, len(tests), 500)]
    return 100 * float(np.concatenate(right).mean())


def _entering(forward: ForwardPass, training: BlockTraining, index: int, x: NDArray[Any]) -> NDArray[Any]:
    (name,) = training.inputs
    return forward.to_block(index, x)[name].reshape(len(x), -1)


def _calibrate(training: BlockTraining, state: ModelState, inputs: NDArray[Any], batch: int) -> None:
    """Mean |z| of the first samples, as the board measures it."""
    if not training.record.binary:
        return
    (value,) = training.record.binary  # of a block of one layer
    scale = scale_of(value)
    (array,) = training.inputs.values()
    training.begin_turn(0)
    means = []
    for i in range(0, CALIBRATION // batch * batch, batch):
        array[...] = inputs[i : i + batch].reshape(array.shape)
        state.others[scale][...] = 0
        training.step(0.0)
        means.append(float(state.others[scale]) / (1 - training.record.scale_momentum))
    state.others[scale][...] = np.mean(means)


if __name__ == "__main__":
    main()
