"""What training steps hold and take of memory, counted by an allocator (targets/ort/count_aligned.c) in a process of its own.

    LD_PRELOAD=count_aligned.so python -m tinyfoa_rt.run.counted_memory count_aligned.so ARTIFACT KERNELS

prints the most bytes that any block needs. Counted is what a plan counts (docs/memory.md): the tensors that a step is bound to,
but for those that lie in nonvolatile memory, and everything that onnxruntime allocates for tensors while it runs. Values of
samples do not change that, so steps run on zeros at the rate zero.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.folder import PLAN, Artifact
from tinyfoa_rt.artifact.plan_file import parse_plan
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.resources import resource_path
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.forward import ForwardPass
from tinyfoa_rt.run.kernels import CPU, find_kernels
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime

__all__ = ["Counter", "compile_counter", "measure_peak"]

_PACKAGE = Path(__file__).resolve().parents[1]
T = TypeVar("T")


def compile_counter(folder: Path) -> Path | None:
    """Compile the counting allocator into ``folder``; return the library, or ``None`` where that cannot be done.

    It needs Linux, where a library can be loaded before all others, and a C compiler.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not sys.platform.startswith("linux") or compiler is None:
        return None
    library = folder / "count_aligned.so"
    source = resource_path("targets/ort/count_aligned.c")
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    return library if subprocess.run(command, capture_output=True, check=False).returncode == 0 else None


def measure_peak(artifact: Path, kernels: str) -> int | None:
    """Return the most bytes that a block of the artifact in a folder needs; ``None`` where nothing can be counted.

    Args:
        artifact: the folder.
        kernels: the library of kernels, as the trainer takes it; one thread runs.

    Raises:
        InputError: the measuring process failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        library = compile_counter(Path(folder))
        if library is None:
            return None
        command = [sys.executable, "-m", "tinyfoa_rt.run.counted_memory", str(library), str(artifact), kernels]
        path = os.pathsep.join(filter(None, (str(_PACKAGE.parent), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": path}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        cause = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise InputError(str(artifact), f"cannot be measured ({cause})", "build the artifact again")
    return int(done.stdout)


class Counter:
    """The bytes that this process has taken by aligned allocations; the library must have been preloaded."""

    def __init__(self, library: str) -> None:
        self._library = ctypes.CDLL(library)
        self._library.counted_live_bytes.restype = self._library.counted_peak_bytes.restype = ctypes.c_long

    def count(self, run: Callable[[], T]) -> tuple[T, int]:
        """Return what ``run`` returns, and by how many bytes what was live rose at most while it ran."""
        before: int = self._library.counted_live_bytes()
        self._library.counted_reset_peak()
        result = run()
        peak: int = self._library.counted_peak_bytes()
        return result, peak - before


def needed_by_blocks(artifact: Artifact, counter: Counter, kernels: str) -> Iterator[tuple[str, int]]:
    """Yield each block's name and the most bytes of any of its slices' steps, or of a prediction of one sample between two."""
    library = find_kernels(kernels, (CPU,), has_packed_form=artifact.has_packed_form)
    runtime = Runtime((CPU,), 1, library)
    state = ModelState(artifact.manifest, artifact.initial, None, is_packed=library is not None)
    forward = ForwardPass(artifact, state, runtime)
    plan = parse_plan(PLAN, artifact.models[PLAN])
    _most_of_a_prediction(artifact, forward, counter)  # opens sessions, and takes buffers that onnxruntime keeps
    prediction = _most_of_a_prediction(artifact, forward, counter)
    for index, planned in enumerate(plan.blocks):
        elsewhere = {buffer.name for buffer in planned.buffers if buffer.place == "nonvolatile"}
        training = BlockTraining(artifact, index, state, runtime)
        training.begin_turn(0)
        training.step(0.0)
        most = 0
        for turn in range(training.num_turns):
            training.begin_turn(turn)
            _, taken = counter.count(partial(training.step, 0.0))
            held = {array.ctypes.data: (name, array.nbytes) for name, array in training.bound.items()}
            kept = sum(nbytes for name, nbytes in held.values() if name not in elsewhere)
            most = max(most, kept + taken, kept + prediction)
        training.end_turn()
        yield planned.name, most


def _most_of_a_prediction(artifact: Artifact, forward: ForwardPass, counter: Counter) -> int:
    """The most bytes that any stage of a forward pass of one sample reads and takes."""
    values: dict[str, NDArray[Any]] = {each.name: np.zeros((1, *each.shape[1:]), each.dtype) for each in artifact.manifest.inputs}
    most = 0
    for stage in range(len(artifact.manifest.stages)):
        held = sum(array.nbytes for array in values.values())
        values, taken = counter.count(partial(forward.run_stage, stage, values))
        most = max(most, held + taken)
        values = {name: values[name] for name in forward.needed(stage, values)}
    return most


def main() -> None:
    """Print what the block needs that needs most."""
    library, folder, kernels = sys.argv[1:]
    counter = Counter(library)
    print(max(nbytes for _, nbytes in needed_by_blocks(Artifact.load(Path(folder)), counter, kernels)))


if __name__ == "__main__":
    main()
