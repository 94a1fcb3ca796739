"""Time planning as whole processes, and see how it grows with the depth of a model.

    python tools/bench/planning.py [FOLDER_WITH_RESNET8]

Prints the median wall time and the peak resident memory of ``tinyfoa-rt`` over several runs, and the time of planning chains of
250 to 2,000 layers with the ratio to the one before: linear growth is 2, linearithmic a little more.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_RUNS = 5
_WIDTH = 64


def main() -> None:
    """Run all benchmarks and print them as a table."""
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[3] / "shared" / "models"
    light = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    print(f"{'command':44}{'wall s':>8}{'MB':>7}   bar")
    _report("--help", ["--help"], "0.3 s")
    if (shared / "resnet8.onnx").exists():
        _report("plan resnet8, 256KB", ["plan", "--budget", "256KB", str(shared / "resnet8.onnx")], "1 s")
    else:
        print(f"plan resnet8: skipped, {shared} has no resnet8.onnx")
    _report("plan DenseNet-121, 256KB", ["plan", "--budget", "256KB", str(light / "light_densenet121.onnx")], "10 s, 500 MB")
    _report("plan DenseNet-121, 64MB", ["plan", "--budget", "64MB", str(light / "light_densenet121.onnx"), "--target", "c99"], "")
    _report("plan VGG-19, 256KB", ["plan", "--budget", "256KB", str(light / "light_vgg19.onnx")], "")
    _growth()


def _report(name: str, arguments: list[str], bar: str) -> None:
    runs = [_run(arguments) for _ in range(_RUNS + 1)][1:]  # the first run warms the file cache
    wall = statistics.median(wall for wall, _ in runs)
    memory = max(memory for _, memory in runs)
    print(f"{name:44}{wall:8.2f}{memory / 1e6:7.0f}   {bar}")


def _run(arguments: list[str]) -> tuple[float, int]:
    """Wall time in seconds and peak resident memory in bytes of one process."""
    started = time.perf_counter()
    command = [sys.executable, "-c", "from tinyfoa_rt.cli import main; main()", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 3), f"{arguments} ended with {process.returncode}"
    return time.perf_counter() - started, usage.ru_maxrss * 1024


def _growth() -> None:
    from tinyfoa_rt import load, plan

    print(f"\n{'dense layers of 64 in a chain':44}{'load s':>8}{'plan s':>8}{'ratio':>7}")
    before = 0.0
    for depth in (250, 500, 1000, 2000):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "chain.onnx"
            onnx.save(_chain(depth), path)
            started = time.perf_counter()
            model = load(path)
            loaded = time.perf_counter() - started
        started = time.perf_counter()
        plan(model, "16KB", target="c99")
        seconds = time.perf_counter() - started
        ratio = f"{seconds / before:7.2f}" if before else ""
        print(f"{depth:<44}{loaded:8.2f}{seconds:8.2f}{ratio}")
        before = seconds


def _chain(depth: int) -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    nodes, weights, x = [], [], "input"
    for i in range(depth):
        weights.append(numpy_helper.from_array(rng.normal(size=(_WIDTH, _WIDTH)).astype(np.float32), f"w{i}"))
        nodes.append(helper.make_node("MatMul", [x, f"w{i}"], [f"z{i}"], name=f"fc{i}"))
        nodes.append(helper.make_node("Relu", [f"z{i}"], [f"h{i}"], name=f"relu{i}"))
        x = f"h{i}"
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", _WIDTH])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, None)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


if __name__ == "__main__":
    main()
