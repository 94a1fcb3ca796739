"""Measure what onnxruntime allocates in a training step, against what the plan says.

    python tools/bench/ort_memory.py

Compiles a counting allocator, runs itself with it preloaded, and runs emitted steps of mlp-784-256-256-10, onnxruntime's memory
arena off. "measured" is the most that a run holds beyond its inputs and outputs, which the caller has bound; "planned" is
the same by the program that the plan is made from. Needs a C compiler and Linux.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from tinyfoa_rt import load
from tinyfoa_rt.emit import emit_step
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.program import Program
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.options import PlanOptions
from tinyfoa_rt.pipeline.job import PlanJob, resolve
from tinyfoa_rt.planner.layout import peak_live_nbytes
from tinyfoa_rt.steps import StepChoice, assemble_step, to_program
from tinyfoa_rt.zoo import write_model

_LIBRARY = "TINYFOA_COUNT_ALIGNED"
_CASES = [(0, (2, 4), 8), (1, (1, 4), 8), (2, (2, 1), 8), (0, (2, 2), 1), (1, (2, 2), 1), (0, (2, 2), 100), (1, (2, 2), 100)]


def main() -> None:
    """Compile, start again under the counting allocator, and print the table."""
    if _LIBRARY not in os.environ:
        sys.exit(_run_preloaded())
    counter = ctypes.CDLL(os.environ[_LIBRARY])
    counter.counted_live_bytes.restype = counter.counted_peak_bytes.restype = ctypes.c_long
    print(f"{'optimizer':10}{'block':12}{'slices':>7}{'batch':>6}{'planned':>10}{'measured':>10}{'difference':>12}")
    for optimizer in ("sgd", "momentum", "adam"):
        job = _job(optimizer)
        for index, grid, batch in _CASES:
            step = assemble_step(job.settings[index], StepChoice(Slices(*grid), batch, holds_slice=True))
            planned = _planned_transient(step, to_program(step, job.target))
            measured = _measure(step, counter)
            shape = f"{grid[0]}x{grid[1]}"
            print(f"{optimizer:10}{step.name:12}{shape:>7}{batch:6}{planned:10,}{measured:10,}{measured - planned:+12,}")


def _run_preloaded() -> int:
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "count_aligned.so"
        source = Path(__file__).with_name("count_aligned.c")
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        environment = {**os.environ, "LD_PRELOAD": str(library), _LIBRARY: str(library)}
        return subprocess.run([sys.executable, __file__], env=environment, check=False).returncode


def _job(optimizer: str) -> PlanJob:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_model("mlp-784-256-256-10", path)
        return resolve(load(path), PlanOptions(budget="256KB", optimizer=optimizer))


def _planned_transient(step: StepGraph, program: Program) -> int:
    """The most bytes that are live beyond what the caller holds."""
    buffers = [b.buffer for b in program.buffers if not b.is_persistent and b.tensors[0] not in (*step.inputs, *step.outputs)]
    return peak_live_nbytes(buffers)


def _measure(step: StepGraph, counter: Any) -> int:
    model = emit_step(step)
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_prepacking", "1")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    binding = session.io_binding()
    held = {each.name: _value(each, step) for each in model.graph.input}
    for name, value in held.items():
        if name.endswith(".origin"):  # the first slice
            part = held[name.replace(".origin", ".w_slice")].shape()
            value.update_inplace(np.array((0, 0, *part), dtype=np.int32))
    for name, value in held.items():
        binding.bind_ortvalue_input(name, value)
    for each in model.graph.output:
        source = each.name.removesuffix(".next")
        held[each.name] = held[source] if source in held else _value(each, step)
        binding.bind_ortvalue_output(each.name, held[each.name])
    for _ in range(2):  # the first runs allocate what later ones reuse
        session.run_with_iobinding(binding)
    before = counter.counted_live_bytes()
    counter.counted_reset_peak()
    session.run_with_iobinding(binding)
    return int(counter.counted_peak_bytes() - before)


def _value(info: onnx.ValueInfoProto, step: StepGraph) -> Any:
    """Zeros of the declared type: any values do, and class 0 and slice 0 are valid."""
    tensor, shape = info.type.tensor_type, step.tensors[info.name].type.shape
    zeros: NDArray[Any] = np.zeros(shape, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    return onnxruntime.OrtValue.ortvalue_from_numpy(zeros)


if __name__ == "__main__":
    main()
