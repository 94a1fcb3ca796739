"""Fine-tune a pretrained model's last blocks in C inside a budget, as a device would, and measure it before and after.

    python -m tools.finetune_c99 resnet8.onnx --data inverted.npz --train last:2 --budget 256KB --epochs 3

The model is planned for c99 and exported; the generated program runs on this computer: it reads samples of bytes one after the
other, runs them through the frozen blocks, and trains block by block. With ``--board cortex-m7`` the same program runs on an
emulated board too and must end in the same state, bit for bit; give few ``--steps`` and ``--tests`` then. Pixels are 0 to 255.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.c99.firmware_runs import BOARDS, Run, write_samples
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.export.c99 import ModelSource
from tinyfoa_rt.export.to_c99 import c_source
from tinyfoa_rt.ir.latents import FORMATS
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.calibration import calibrate, robust_mean
from tinyfoa_rt.run.data import fit_to_shape, load_data
from tinyfoa_rt.run.forward import ForwardPass
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime
from tools.board_accuracy import on_machines

_RECIPE = {"binarize": "none", "head_pool": "average"}


def main() -> None:
    arguments = _arguments()
    graph, data = load(arguments.model), load_data(arguments.data)
    chosen = {name: getattr(arguments, name) for name in ("train", "block_layers", "latent", "batch")} | _RECIPE
    planned = plan(graph, arguments.budget, target="c99", **chosen)
    artifact = build(graph, planned)
    order = np.random.default_rng(arguments.seed).permutation(len(data.y_train))
    shape = artifact.manifest.input_shape
    x_train, x_test = (fit_to_shape(x, shape) for x in (data.x_train[order], data.x_test))
    source = _with_measured_rates(artifact, c_source(artifact, artifact.initial), x_train.astype(np.float32), arguments.rate)
    tests = arguments.tests or len(data.y_test)
    untrained = Run((0,) * len(planned.blocks), arguments.turn, planned.batch, tests)
    steps = tuple(map(int, arguments.steps.split(","))) if arguments.steps else ()
    trained = replace(untrained, steps=steps or (int(arguments.epochs * len(order)) // planned.batch,) * len(planned.blocks))
    slices, rates = [block.slices for block in planned.blocks], [round(block.starting_rate, 5) for block in source.blocks]
    print(f"peak {planned.peak_bytes:,} bytes of {arguments.budget}, slices {slices}, batch {planned.batch}, "
          f"steps {trained.steps}, rates {rates}", flush=True)  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_samples(folder / "samples.bin", x_train, data.y_train[order])
        write_samples(folder / "test.bin", x_test, data.y_test)
        before = on_machines(source, untrained, "none", folder)
        after = on_machines(source, trained, arguments.board, folder)
    print(f"--train {arguments.train}: {before:.2f} % before, {after:.2f} % after, of {tests:,} test samples")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--train", default="last:2")
    parser.add_argument("--block-layers", default="1", help="all: end to end, by the model's own loss")
    parser.add_argument("--latent", default="float32", choices=FORMATS)
    parser.add_argument("--budget", default="256KB")
    parser.add_argument("--batch", type=int, help="default: the most that fit")
    parser.add_argument("--epochs", type=float, default=1, help="of each block")
    parser.add_argument("--steps", help="of each block, in place of epochs")
    parser.add_argument("--rate", type=float, default=1.0, help="times the recipe's")
    parser.add_argument("--turn", type=int, default=10, help="steps that a slice stays")
    parser.add_argument("--tests", type=int, help="samples of the test set; default: all")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the samples")
    parser.add_argument("--board", default="none", choices=["none", *(board.name for board in BOARDS)])
    return parser.parse_args()


def _with_measured_rates(artifact: Artifact, source: ModelSource, x: NDArray[Any], factor: float) -> ModelSource:
    """Rates follow how large the numbers are that a block reads: measured as the trainer does, before anything has learnt."""
    state, runtime = ModelState(artifact.manifest, artifact.initial), Runtime(threads=1)
    forward, batch, blocks = ForwardPass(artifact, state, runtime), artifact.manifest.batch, []
    for index, block in enumerate(source.blocks):
        training = BlockTraining(artifact, index, state, runtime)

        def fill(number: int, index: int = index, training: BlockTraining = training) -> None:
            values = forward.to_block(index, x[number * batch : (number + 1) * batch])
            for name, array in training.inputs.items():
                array[...] = values[name].reshape(array.shape)

        training.begin_turn(0)
        power = robust_mean(calibrate(training, state, fill, batch))
        rate = factor * training.record.rate.at(power)
        blocks.append(replace(block, starting_rate=rate))
        training.end_turn()
    return replace(source, blocks=tuple(blocks))


if __name__ == "__main__":
    main()
