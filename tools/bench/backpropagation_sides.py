"""One side of tools/bench/backpropagation_speed.py, a process in the side's own environment: it needs NumPy and that side alone.

    python -m tools.bench.backpropagation_sides SIDE OPTIMIZER BATCH THREADS FOLDER

FOLDER holds ``artifact``, ``model.onnx`` (of that batch) and ``loss.onnx`` (with ``target`` and ``loss``). A line ``N`` on
standard input takes N steps and prints their milliseconds as JSON; an empty line prints how far resident memory rose in steps
above what it was when the libraries had been imported, in bytes, and ends the process.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (784, 2000, 2000, 2000, 10)
_RATE = 1e-4
_SHIFTS = 4096
Step = Callable[[], object]


class _Samples:
    """Other samples and labels for each step, without a pool in memory: what is seen again would be learnt.

    Its errors would vanish, and products with numbers below 1e-38 take up to thirty times as long.
    """

    def __init__(self, batch: int) -> None:
        self._rng = np.random.default_rng(0)
        self._shape = batch, SIZES[0]
        self._numbers = self._rng.normal(size=batch * SIZES[0] + _SHIFTS).astype(np.float32)

    def next(self) -> tuple[Any, Any]:
        first = int(self._rng.integers(_SHIFTS))
        batch, width = self._shape
        x = self._numbers[first : first + batch * width].reshape(self._shape)
        return x, self._rng.integers(0, SIZES[-1], batch)


def _ours(has_kernels: bool) -> Callable[[str, int, int, Path], Step]:
    from tinyfoa_rt.artifact.folder import Artifact
    from tinyfoa_rt.run.kernels import KERNELS
    from tinyfoa_rt.run.session import Runtime
    from tools.bench.kernel_speed import block_training

    def start(optimizer: str, batch: int, threads: int, folder: Path) -> Step:
        runtime = Runtime(threads=threads, kernels=KERNELS if has_kernels else None)
        training = block_training(Artifact.load(folder / "artifact"), 0, runtime)
        (buffer,) = training.inputs.values()
        samples = _Samples(batch)

        def step() -> None:
            buffer[...], training.labels[...] = samples.next()
            training.step(_RATE)

        return step

    return start


def _eager() -> Callable[[str, int, int, Path], Step]:
    torch: Any = importlib.import_module("torch")

    def start(optimizer: str, batch: int, threads: int, folder: Path) -> Step:
        torch.set_num_threads(threads)
        layers = [part for a, b in zip(SIZES, SIZES[1:]) for part in (torch.nn.Linear(a, b), torch.nn.ReLU())][:-1]
        network = torch.nn.Sequential(*layers)
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
        optimizing = kind(network.parameters(), lr=_RATE)
        samples = _Samples(batch)

        def step() -> None:
            x, y = map(torch.from_numpy, samples.next())
            optimizing.zero_grad()
            torch.nn.functional.cross_entropy(network(x), y).backward()
            optimizing.step()

        return step

    return start


def _training() -> Callable[[str, int, int, Path], Step]:
    onnx: Any = importlib.import_module("onnx")
    onnxruntime: Any = importlib.import_module("onnxruntime")
    artifacts: Any = importlib.import_module("onnxruntime.training.artifacts")
    api: Any = importlib.import_module("onnxruntime.training.api")

    onnxruntime.set_default_logger_severity(4)

    def start(optimizer: str, batch: int, threads: int, folder: Path) -> Step:
        model = onnx.load(folder / "model.onnx")
        parameters = [each.name for each in model.graph.initializer]
        kind = {"adam": artifacts.OptimType.AdamW, "sgd": artifacts.OptimType.SGD}[optimizer]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        files = folder / "training"
        files.mkdir(exist_ok=True)
        loss = artifacts.LossType.CrossEntropyLoss
        artifacts.generate_artifacts(model, parameters, loss=loss, optimizer=kind, artifact_directory=str(files))
        del model
        state = api.CheckpointState.load_checkpoint(str(files / "checkpoint"))
        module = api.Module(str(files / "training_model.onnx"), state, session_options=options)
        optimizing = api.Optimizer(str(files / "optimizer_model.onnx"), module)
        optimizing.set_learning_rate(_RATE)
        samples = _Samples(batch)

        def step() -> None:
            module.train()
            module(*samples.next())
            optimizing.step()
            module.lazy_reset_grad()

        return step

    return start


def _onnxsim() -> Callable[[str, int, int, Path], Step]:
    onnx: Any = importlib.import_module("onnx")
    onnxsim: Any = importlib.import_module("onnxsim")

    def start(optimizer: str, batch: int, threads: int, folder: Path) -> Step:
        model = onnx.load(folder / "loss.onnx")
        parameters = [each.name for each in model.graph.initializer if each.name not in ("least", "classes")]
        kind = {"adam": "adam", "sgd": "sgd_momentum"}[optimizer]
        loop = onnxsim.compile_training_loop(model, "loss", parameters, kind)
        samples, ones = _Samples(batch), np.eye(SIZES[-1], dtype=np.float32)

        def step() -> None:
            x, y = samples.next()
            loop({"input": x, "target": ones[y]}, lr=_RATE)

        return step

    return start


SIDES: dict[str, Callable[[], Callable[[str, int, int, Path], Step]]] = {
    "bodies": lambda: _ours(False),
    "kernels": lambda: _ours(True),
    "PyTorch": _eager,
    "ort-training": _training,
    "onnxsim": _onnxsim,
}


def _resident(field: str) -> int:
    """Resident memory now (VmRSS) or at most (VmHWM), in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    """Take steps when told to."""
    side, optimizer, batch, threads, folder = sys.argv[1:]
    start = SIDES[side]()
    before = _resident("VmRSS")
    step = start(optimizer, int(batch), int(threads), Path(folder))
    step()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is of steps, not of building them
    print("ready", flush=True)
    for line in sys.stdin:
        if not line.strip():
            break
        times = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            step()
            times.append(1000 * (time.perf_counter() - begin))
        print(json.dumps(times), flush=True)
    print(_resident("VmHWM") - before, flush=True)


if __name__ == "__main__":
    main()
