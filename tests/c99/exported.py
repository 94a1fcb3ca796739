"""An exported model, trained by a C program and by the trainer on the same batches."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from tests.c99.kernel_library import FLAGS, required_tool
from tests.c99.platforms import PLATFORMS, Platform
from tests.small_models import mlp
from tinyfoa_rt.export.c99 import ModelSource
from tinyfoa_rt.export.c99.storage import StorageLayout, lay_out
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import plan
from tinyfoa_rt.pipeline.building import build
from tinyfoa_rt.pipeline.exporting import c_source, export
from tinyfoa_rt.run.artifact import Artifact
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.forward import ForwardPass
from tinyfoa_rt.run.loop import calibrate
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime
from tinyfoa_rt.run.settings import rate_at

__all__ = [
    "DRIVER",
    "Outcome",
    "Run",
    "build_artifact",
    "compile_driver",
    "project_sources",
    "run_driver",
    "run_trainer",
    "state_of",
]

Array = NDArray[Any]
DRIVER = Path(__file__).with_name("driver.c")


@dataclass(frozen=True)
class Run:
    """What is trained on: samples (N, inputs), labels, steps of a block, a rate a block; and what it is tested on."""

    x: Array
    y: Array
    calibration: int
    steps: int
    turn: int
    rates: tuple[float, ...]
    is_cosine: bool = False
    x_test: Array | None = None
    y_test: Array | None = None

    def rows(self, step: int, batch: int) -> Array:
        return (step * batch + np.arange(batch)) % len(self.x)

    def write(self, path: Path, order: str) -> None:
        """Write it for the driver, as a processor of that byte order has words."""
        num_test = 0 if self.x_test is None else len(self.x_test)
        sizes = (len(self.x), self.calibration, self.steps, self.turn, int(self.is_cosine), num_test)
        with path.open("wb") as file:
            file.write(np.array(sizes, dtype=f"{order}u4").tobytes())
            file.write(np.array(self.rates, dtype=f"{order}f4").tobytes())
            for x, y in ((self.x, self.y), (self.x_test, self.y_test)):
                if x is not None and y is not None:
                    file.write(x.astype(f"{order}f4").tobytes())
                    file.write(y.astype(f"{order}i4").tobytes())


@dataclass(frozen=True)
class Outcome:
    """Losses of all steps, scores of the first batch, and the state by the names that a checkpoint has."""

    losses: Array
    scores: Array
    state: Mapping[str, Array]
    storage: bytes = b""
    num_right: int = 0
    stack_nbytes: int = 0
    ticks: tuple[int, ...] = ()


def build_artifact(folder: Path, model: tuple[int, ...] | onnx.ModelProto, *, name: str = "net", **options: Any) -> Artifact:
    """Build a model, or a perceptron of these sizes, as planned for C, in ``folder``/artifact; export to ``folder``/project."""
    path = folder / f"{name}.onnx"
    onnx.save(mlp(model) if isinstance(model, tuple) else model, path)
    graph = load(path)
    artifact = build(graph, plan(graph, "16MB", target="c99", **options), **_recipe(options))
    artifact.save(folder / "artifact")
    export(folder / "artifact", folder / "project")
    return artifact


def _recipe(options: Mapping[str, Any]) -> dict[str, Any]:
    names = ("binarize", "alpha", "scale", "window", "handover", "classifier", "loss")
    return {name: options[name] for name in names if name in options}


def project_sources(project: Path, variant: str = "plain") -> list[Path]:
    """The C files of a project, with a variant of the kernels."""
    kernels = project / "tinyfoa" / "kernels"
    paths = [kernels / variant / path.name for path in sorted((kernels / "plain").glob("*.c"))]
    chosen = [path if path.exists() else kernels / "plain" / path.name for path in paths]
    return [*project.glob("*_model.c"), *sorted((project / "tinyfoa" / "runtime").glob("*.c")), *chosen]


def run_driver(
    folder: Path,
    artifact: Artifact,
    run: Run,
    platform: Platform = PLATFORMS[0],
    *,
    is_mapped: bool = False,
    timeout: float = 600,
) -> Outcome:
    """Compile the exported project with the driver, train, and read what it writes."""
    binary = compile_driver(folder, platform, is_mapped=is_mapped)
    order = ">" if platform.name.endswith("big-endian") else "<"
    run.write(folder / "input.bin", order)
    emulator = [*platform.emulator]
    if emulator:
        emulator[0] = required_tool(emulator[0])
    if platform.is_bare_metal:
        emulator[-1:-1] = ("-icount", "shift=0")
    command = [*emulator, str(binary)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr}"
    return _read_outcome(folder / "output.bin", c_source(artifact, artifact.initial, {}), run, order)


def compile_driver(folder: Path, platform: Platform, *, is_mapped: bool = False) -> Path:
    """Compile the exported project with the driver for a platform, with its variant of the kernels."""
    project, here = folder / "project", DRIVER.parent
    files = [here / "driver_stdio.c"]
    if platform.is_bare_metal:
        files = [here / "cortex_m" / "startup.c", here / "cortex_m" / "driver_semihosting.c"]
    binary = folder / f"driver-{platform.name}"
    includes = ["-I", str(project), "-I", str(project / "tinyfoa"), "-I", str(here), f"-DSTORAGE_IS_MAPPED={int(is_mapped)}"]
    sources = map(str, [DRIVER, *files, *project_sources(project, platform.variant)])
    command = [required_tool(platform.compiler), *FLAGS, *platform.flags, *includes, *sources, "-o", str(binary), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return binary


def _read_outcome(path: Path, source: ModelSource, run: Run, order: str) -> Outcome:
    raw = path.read_bytes()
    layout = lay_out(source)
    storage = raw[len(raw) - layout.nbytes :]
    words = raw[: len(raw) - layout.nbytes]
    num_blocks, num_losses = len(source.blocks), run.steps * len(source.blocks)
    measures = np.frombuffer(words, dtype=f"{order}u4")[-2 - num_blocks :]
    numbers = np.frombuffer(words, dtype=f"{order}f4")[: -2 - num_blocks]
    state = state_of(np.frombuffer(storage, dtype="<u4"), layout, source)
    right, stack, *ticks = map(int, measures)
    return Outcome(numbers[:num_losses], numbers[num_losses:], state, storage, right, stack, tuple(ticks))


def state_of(words: Array, layout: StorageLayout, source: ModelSource) -> dict[str, Array]:
    """Latent weights and biases, read back from the storage's words."""
    headers = [words[: layout.header_words], words[layout.header_words : 2 * layout.header_words]]
    header = max(headers, key=lambda each: int(each[3]))
    found: dict[str, Array] = {}
    for layer in (layer for block in source.blocks for layer in block.layers):
        place = layout.layers[layer.layer.name]
        weight = np.zeros((layer.ins[-1], layer.outs[-1]), dtype=np.float32)
        num_bands = len(layer.ins) - 1
        for index in range(num_bands * (len(layer.outs) - 1)):
            j, i = divmod(index, num_bands)
            ins, outs = slice(layer.ins[i], layer.ins[i + 1]), slice(layer.outs[j], layer.outs[j + 1])
            start = (place.slots + int(header[place.map + index]) * place.slot_nbytes) // 4
            shape = (outs.stop - outs.start, ins.stop - ins.start)
            weight[ins, outs] = words[start : start + shape[0] * shape[1]].view("<f4").reshape(shape).T
        found[f"{layer.layer.name}.weight"] = weight
        if place.bias is not None:
            found[f"{layer.layer.name}.bias"] = words[place.bias // 4 : place.bias // 4 + layer.outs[-1]].view("<f4").copy()
    return found


def samples_of(artifact: Artifact, x: Array) -> Array:
    """Samples as the model takes them."""
    return x.reshape(len(x), *artifact.manifest.input_shape[1:]).astype(np.float32)


def run_trainer(artifact: Artifact, run: Run) -> Outcome:
    """The same steps on onnxruntime."""
    runtime, batch = Runtime(threads=1), artifact.manifest.batch
    state = ModelState(artifact.manifest, artifact.initial)
    losses = []
    for index, record in enumerate(artifact.blocks):
        training, forward = BlockTraining(artifact, index, state, runtime), ForwardPass(artifact, state, runtime)

        def fill(step: int, training: BlockTraining = training, forward: ForwardPass = forward, index: int = index) -> None:
            training.end_turn()
            rows = run.rows(step, batch)
            values = forward.to_block(index, samples_of(artifact, run.x[rows]))
            for name, array in training.inputs.items():
                array[...] = values[name].reshape(array.shape)
            training.target[...] = run.y[rows]
            training.begin_turn(step // run.turn)

        training.begin_turn(0)
        calibrate(training, state, fill, 500 // run.calibration)
        for step in range(run.steps):
            fill(step)
            rate = rate_at(run.rates[index], "cosine" if run.is_cosine else "constant", step, run.steps)
            losses.append(training.step(rate).loss)
        training.end_turn()
        assert record.name == artifact.blocks[index].name
    forward = ForwardPass(artifact, state, runtime)
    scores = forward.scores(samples_of(artifact, run.x[run.rows(0, batch)]))
    num_right = 0
    if run.x_test is not None:
        num_right = int((forward.scores(samples_of(artifact, run.x_test)).argmax(axis=1) == run.y_test).sum())
    return Outcome(np.array(losses), scores.reshape(-1), state.arrays(), num_right=num_right)
