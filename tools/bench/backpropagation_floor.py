"""What a step of tools/bench/backpropagation_speed.py takes at least, batch 100: its products alone, and Adam in one pass.

    python -m tools.bench.backpropagation_floor [THREADS]

The products of the forward and the backward pass are timed one by one on onnxruntime, and beside them a large square one, which
shows what the processor gives. Adam's update of all weights is timed as the kernel of ``make kernels`` does it, which reads
gradients, weights and states once and writes weights and states. Medians of 30 runs, in ms.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tinyfoa_rt.operators import DOMAIN
from tinyfoa_rt.run.kernels import KERNELS, register_kernels
from tools.bench.backpropagation_sides import SIZES

_BATCH, _RUNS = 100, 30
_SQUARE = 2000


def main() -> None:
    """Print products, Adam, and their sum."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    square = _median(_product((_SQUARE, _SQUARE), (_SQUARE, _SQUARE)), threads)
    print(f"threads {threads}; a product of {_SQUARE}^3: {2 * _SQUARE**3 / square / 1e6:.0f} GFLOP/s")
    layers = list(zip(SIZES, SIZES[1:]))
    passes: Mapping[str, list[onnx.GraphProto]] = {
        "forward": [_product((_BATCH, ins), (ins, outs)) for ins, outs in layers],
        "to inputs": [_product((_BATCH, outs), (ins, outs), transB=1) for ins, outs in layers[1:]],
        "to weights": [_product((_BATCH, ins), (_BATCH, outs), transA=1) for ins, outs in layers],
    }
    total = 0.0
    for name, products in passes.items():
        taken = sum(_median(each, threads) for each in products)
        total += taken
        print(f"products {name:10}{taken:8.2f} ms")
    adam = sum(_median(_adam(layer), threads) for layer in layers)
    print(f"Adam in one pass   {adam:8.2f} ms\nall together       {total + adam:8.2f} ms, without Adam {total:.2f} ms")


def _product(a: tuple[int, int], b: tuple[int, int], **transposes: Any) -> onnx.GraphProto:
    return _graph(helper.make_node("Gemm", ["a", "b"], ["y"], **transposes), {"a": a, "b": b}, ["y"])


def _adam(shape: tuple[int, int]) -> onnx.GraphProto:
    given: dict[str, tuple[int, ...]] = {
        "w": shape,
        "grad": shape,
        "rate": (),
        "mean": shape,
        "variance": shape,
        "step_count": (),
    }
    results = ["w_next", "mean_next", "variance_next", "step_count_next"]
    return _graph(helper.make_node("AdamUpdate", list(given), results, domain=DOMAIN, limit=1.0), given, results)


def _graph(node: onnx.NodeProto, given: Mapping[str, tuple[int, ...]], results: list[str]) -> onnx.GraphProto:
    inputs = [helper.make_tensor_value_info(name, _type(name), shape) for name, shape in given.items()]
    return helper.make_graph([node], "one", inputs, [helper.make_tensor_value_info(name, _type(name), None) for name in results])


def _type(name: str) -> int:
    return TensorProto.INT32 if name.startswith("step_count") else TensorProto.FLOAT


def _median(graph: onnx.GraphProto, threads: int) -> float:
    """Of one node, its results bound to memory that is there; where it updates, to that of its inputs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    assert KERNELS is not None, "run make kernels"
    register_kernels(options, KERNELS)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feeds: dict[str, NDArray[Any]] = {}
    for each in session.get_inputs():
        feeds[each.name] = np.asarray(rng.uniform(0, 1e-3, each.shape), np.int32 if each.type == "tensor(int32)" else np.float32)
    binding = session.io_binding()
    for name, array in feeds.items():
        binding.bind_cpu_input(name, array)
    shapes = {name: feeds.get(name.removesuffix("_next")) for name in (each.name for each in session.get_outputs())}
    outputs = {n: a if a is not None else session.run([n], feeds)[0] for n, a in shapes.items()}
    for name, array in outputs.items():
        binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
    times = []
    for _ in range(_RUNS + 3):
        start = time.perf_counter()
        session.run_with_iobinding(binding)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[3:])


if __name__ == "__main__":
    main()
