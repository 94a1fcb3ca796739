"""Measure what onnxruntime allocates in a training step, against what the plan says.

    python tools/bench/ort_memory.py [--reuse] [--open] [MODEL ...]

Compiles a counting allocator, runs itself with it preloaded, and runs emitted steps, onnxruntime's memory arena off. "plan" is
the RAM of the step by its plan; "held" is what of it the caller has bound: inputs, parameters, state, outputs. "planned" is the
most that a run holds beyond that by the plan, "measured" by the counting allocator; "of plan" is their difference as a
share of "plan". The last three columns are the same step with kernels (make kernels), its bits packed: what the caller has bound,
what a run holds beyond that, and the signs alone, whole layer and slice, as a share of those in bytes. --reuse
lets a tensor take over another's memory, as onnxruntime does in C and C++, where that cannot be turned off; --open leaves sizes
open, as exported steps with convolutions do. Needs a C compiler and Linux.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from tinyfoa_rt import load
from tinyfoa_rt.emit import emit_step
from tinyfoa_rt.emit.open_sizes import open_sizes
from tinyfoa_rt.emit.packed import can_pack
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.ir.program import Program
from tinyfoa_rt.ir.step import WORD_BITS, StepGraph, StepTensor
from tinyfoa_rt.pipeline.job import PlanJob, resolve
from tinyfoa_rt.planner.layout import peak_live_nbytes
from tinyfoa_rt.run.kernels import KERNELS, register_kernels
from tinyfoa_rt.steps import StepChoice, assemble_step, to_program
from tinyfoa_rt.zoo import write_model

_LIBRARY = "TINYFOA_COUNT_ALIGNED"
_SMALL = [(0, (2, 4), 8), (1, (1, 4), 8), (2, (2, 1), 8), (0, (2, 2), 1), (1, (2, 2), 1), (0, (2, 2), 100), (1, (2, 2), 100)]
# The paper's network: first block, a block of 2000 x 2000, and the classifier.
_WIDE = [(block, (m, m), batch) for block in (0, 1) for m in (1, 2, 4, 8) for batch in (1, 100)]
_WIDE += [(4, (1, 1), 1), (4, (1, 1), 100)]
_HALVES = [(1, (2, 2), 1), (1, (2, 2), 100)]
_CONV = [(block, (1, m), batch) for block in range(10) for m, batch in ((1, 1), (2, 1), (1, 16), (2, 16))]
_RUNS: list[tuple[str, dict[str, str], list[tuple[int, tuple[int, int], int]]]] = [
    *(("mlp-784-256-256-10", {"optimizer": optimizer}, _SMALL) for optimizer in ("sgd", "momentum", "adam")),
    ("fc-784-10", {"optimizer": "sgd"}, _WIDE),
    *(("fc-784-10", {"optimizer": optimizer}, _HALVES) for optimizer in ("momentum", "adam")),
    *(
        (model, {"head_pool": pool}, _CONV)
        for pool in ("grid", "average", "none")
        for model in ("resnet-8-cifar10", "ds-cnn-kws")
    ),
]


def main() -> None:
    """Compile, start again under the counting allocator, and print the table."""
    if _LIBRARY not in os.environ:
        sys.exit(_run_preloaded())
    counter = ctypes.CDLL(os.environ[_LIBRARY])
    counter.counted_live_bytes.restype = counter.counted_peak_bytes.restype = ctypes.c_long
    chosen = [word for word in sys.argv[1:] if not word.startswith("--")]
    for model, recipe, cases in (run for run in _RUNS if run[0] in chosen or not chosen):
        print(f"\n{model}, {', '.join(recipe.values())}")
        print(f"{'':61}bodies{'':24}kernels")
        print(
            f"{'block':12}{'slices':>7}{'batch':>6}{'plan':>12}{'held':>12}{'planned':>12}{'measured':>12}{'of plan':>9}", end=""
        )
        print(f"{'held':>12}{'measured':>12}{'signs':>8}")
        job = _job(model, recipe)
        for index, grid, batch in cases:
            step = assemble_step(job.settings[index], StepChoice(Slices(*grid), batch, holds_slice=grid != (1, 1)))
            need = _Need(step, to_program(step, job.target))
            measured, _, byte_signs = _measure(step, counter, None)
            shape, share = f"{grid[0]}x{grid[1]}", (measured - need.transient) / need.peak
            sizes = f"{need.peak:12,}{need.held:12,}{need.transient:12,}{measured:12,}"
            print(f"{step.name:12}{shape:>7}{batch:6}{sizes}{share:+9.2%}", end="")
            if not can_pack(step):
                print(flush=True)
                continue
            kernels, held, packed_signs = _measure(step, counter, KERNELS)
            signs = f"{packed_signs / byte_signs:8.3f}" if byte_signs else f"{'-':>8}"
            print(f"{held:12,}{kernels:12,}{signs}", flush=True)


def _run_preloaded() -> int:
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "count_aligned.so"
        source = Path(__file__).with_name("count_aligned.c")
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        environment = {**os.environ, "LD_PRELOAD": str(library), _LIBRARY: str(library)}
        return subprocess.run([sys.executable, __file__, *sys.argv[1:]], env=environment, check=False).returncode


def _job(model: str, recipe: Mapping[str, Any]) -> PlanJob:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_model(model, path)
        return resolve(load(path), PlanOptions("1GB", **recipe))


class _Need:
    """RAM of a step by its program, in bytes: all of it, what the caller holds, and the most that is live beyond that."""

    def __init__(self, step: StepGraph, program: Program) -> None:
        in_ram = [each for each in program.buffers if each.buffer.place == "ram"]
        bound = [each.is_persistent or each.tensors[0] in (*step.inputs, *step.outputs) for each in in_ram]
        self.peak = peak_live_nbytes([each.buffer for each in in_ram])
        self.held = sum(each.buffer.nbytes for each, is_bound in zip(in_ram, bound) if is_bound)
        self.transient = peak_live_nbytes([each.buffer for each, is_bound in zip(in_ram, bound) if not is_bound])


def _measure(step: StepGraph, counter: Any, kernels: Path | None) -> tuple[int, int, int]:
    """Return the most bytes that a run holds beyond what is bound, what is bound, and how much of that are signs."""
    model = emit_step(step, is_packed=kernels is not None)
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.enable_mem_reuse = "--reuse" in sys.argv
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_prepacking", "1")
    if kernels is not None:
        register_kernels(options, kernels)
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(open_sizes(content) if "--open" in sys.argv else content, options)
    binding = session.io_binding()
    held = {each.name: _value(each, step) for each in model.graph.input}
    for name, value in held.items():
        if name.endswith("#origin"):  # the first slice
            part = held[name.replace("#origin", "#w_slice")].shape()
            value.update_inplace(np.array((0, 0, *part), dtype=np.int32))
    bound = [value for name, value in held.items() if step.tensors[name].place == "ram"]
    signs = sum(_nbytes(held[name]) for name, tensor in step.tensors.items() if _is_sign(tensor) and name in held)
    for name, value in held.items():
        binding.bind_ortvalue_input(name, value)
    for each in model.graph.output:
        source = each.name.removesuffix("#next")
        if source not in held:
            bound.append(_value(each, step))
        binding.bind_ortvalue_output(each.name, held[source] if source in held else bound[-1])
    for _ in range(2):  # the first runs allocate what later ones reuse
        session.run_with_iobinding(binding)
    before = counter.counted_live_bytes()
    counter.counted_reset_peak()
    session.run_with_iobinding(binding)
    return int(counter.counted_peak_bytes() - before), sum(map(_nbytes, bound)), signs


def _is_sign(tensor: StepTensor) -> bool:
    return tensor.type.dtype == "bit" and tensor.category == "weight"


def _nbytes(value: Any) -> int:
    return int(value.tensor_size_in_bytes())


def _value(info: onnx.ValueInfoProto, step: StepGraph) -> Any:
    """Zeros of the declared type: any values do, and class 0 and slice 0 are valid."""
    tensor, shape = info.type.tensor_type, step.tensors[info.name].type.shape
    if tensor.elem_type == onnx.TensorProto.UINT32:  # a row an output, sample or class
        rows, units = shape[::-1] if _is_sign(step.tensors[info.name]) else shape
        shape = (rows, -(-units // WORD_BITS))
    zeros: NDArray[Any] = np.zeros(shape, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    return onnxruntime.OrtValue.ortvalue_from_numpy(zeros)


if __name__ == "__main__":
    main()
