"""Time backpropagation of 784-2000-2000-2000-10: ours on stock onnxruntime, and PyTorch, onnxruntime-training and onnxsim.

    python -m tools.bench.backpropagation_speed [THREADS] [PyTorch=PYTHON] [ort-training=PYTHON] [onnxsim=PYTHON]

Each side is a process in an environment of its own, whose Python is named: PyTorch needs torch; ort-training
onnxruntime-training-cpu==1.19.2, onnx==1.16.2, protobuf<5, numpy<2 and torch, up to Python 3.11; onnxsim onnxsim==0.8.1 and
onnxruntime. Those that are not named are left out. Sides take three steps in turn, 24 rounds: medians in ms, how many times as
long as our bodies take, and the most resident memory that steps had above what the imported libraries take. onnxsim has no plain
SGD and takes momentum for it; its threads are as many as there are cores. Of our bodies there are also the bytes of the plan and
what the counting allocator counts.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import tinyfoa_rt
from tests.small_models import mlp
from tinyfoa_rt.run.counted_memory import measure_peak
from tools.bench.backpropagation_sides import SIZES

_ROOT = Path(__file__).resolve().parents[2]
_ROUNDS, _STEPS = 24, 3
_MIB = 2**20


def main() -> None:
    """Print a table for each optimizer and batch."""
    words = sys.argv[1:]
    threads = int(words.pop(0)) if words and words[0].isdecimal() else 2
    pythons = {"bodies": sys.executable, "kernels": sys.executable, **dict(word.split("=", 1) for word in words)}
    print(f"threads {threads}, medians of {_ROUNDS * _STEPS} steps, alternating")
    for optimizer in ("adam", "sgd"):
        for batch in (100, 1):
            with tempfile.TemporaryDirectory() as folder:
                planned, counted = _write(Path(folder), optimizer, batch)
                print(f"\n{optimizer}, batch {batch}; plan of bodies {planned:,} bytes, counted {counted:,}")
                _compare(pythons, (optimizer, str(batch), str(threads), folder))


def _write(folder: Path, optimizer: str, batch: int) -> tuple[int, int]:
    """Write the model, also with a loss, and our artifact; return the bytes that are planned and counted."""
    model = mlp(SIZES)
    for weight in (each for each in model.graph.initializer if len(each.dims) == 2):  # as networks begin (He et al., 2015)
        drawn = np.random.default_rng(0).normal(0, (2 / weight.dims[1]) ** 0.5, tuple(weight.dims))
        weight.CopyFrom(numpy_helper.from_array(drawn.astype(np.float32), weight.name))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    for size in (batch, SIZES[-1]):
        model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = size
    onnx.save(model, folder / "model.onnx")
    graph = tinyfoa_rt.load(folder / "model.onnx")
    plan = tinyfoa_rt.plan(
        graph, "4GB", block_layers="all", binarize="none", optimizer=optimizer, batch=batch, slices="1x1"
    )  # fmt: skip
    tinyfoa_rt.build(graph, plan).save(folder / "artifact")
    _add_loss(model.graph, batch)
    onnx.save(model, folder / "loss.onnx")
    return plan.peak_bytes, measure_peak(folder / "artifact", "none") or 0


def _add_loss(graph: onnx.GraphProto, batch: int) -> None:
    """Cross entropy with targets of one 1 a sample, in operators that onnxsim has gradients of."""
    graph.initializer.append(helper.make_tensor("least", TensorProto.FLOAT, [], [1e-30]))
    graph.initializer.append(helper.make_tensor("classes", TensorProto.INT64, [1], [1]))
    graph.node.extend(
        (
            helper.make_node("Softmax", [graph.output[0].name], ["shares"], axis=1),
            helper.make_node("Clip", ["shares", "least"], ["clipped"]),
            helper.make_node("Log", ["clipped"], ["logarithms"]),
            helper.make_node("Mul", ["logarithms", "target"], ["chosen"]),
            helper.make_node("ReduceSum", ["chosen", "classes"], ["of_samples"], keepdims=0),
            helper.make_node("ReduceMean", ["of_samples"], ["negative"], keepdims=0),
            helper.make_node("Neg", ["negative"], ["loss"]),
        )
    )
    graph.input.append(helper.make_tensor_value_info("target", TensorProto.FLOAT, [batch, SIZES[-1]]))
    graph.output[0].CopyFrom(helper.make_tensor_value_info("loss", TensorProto.FLOAT, []))


def _compare(pythons: dict[str, str], arguments: tuple[str, ...]) -> None:
    sides = {side: _Side(side, python, arguments) for side, python in pythons.items()}
    times: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(_ROUNDS):
        for name, side in sides.items():
            times[name] += side.steps(_STEPS)
    ours = statistics.median(times["bodies"])
    for name, side in sides.items():
        median = statistics.median(times[name])
        print(f"{name:14}{median:9.2f} ms{median / ours:7.2f} x{side.end() / _MIB:9.0f} MiB", flush=True)


class _Side:
    """A process that takes steps when it is told to."""

    def __init__(self, side: str, python: str, arguments: tuple[str, ...]) -> None:
        command = [python, "-m", "tools.bench.backpropagation_sides", side, *arguments]
        self._name = side
        environment = {**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": arguments[2]}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=_ROOT, env=environment)
        while self._line() != "ready":
            pass

    def steps(self, count: int) -> list[float]:
        """Milliseconds of each of the next steps."""
        self._tell(str(count))
        return [float(each) for each in json.loads(self._line())]

    def end(self) -> int:
        """The most resident memory of steps, in bytes; the process ends."""
        self._tell("")
        found = int(self._line())
        self._process.wait()
        return found

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._name} ended")
        return line.strip()


if __name__ == "__main__":
    main()
