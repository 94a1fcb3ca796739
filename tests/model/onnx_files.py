"""ONNX files for the tests of ``tinyfoa_rt.model``, written node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

LIGHT_MODELS = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
REAL_MODELS = Path(__file__).parents[2].parent / "shared" / "models"

node = helper.make_node

Dims = Sequence[int | str | None]


def floats(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def make_model(
    nodes: Sequence[onnx.NodeProto],
    tensors: Mapping[str, NDArray[Any]] | None = None,
    *,
    inputs: Mapping[str, Dims | None] | None = None,
    outputs: Sequence[str] = ("y",),
    opsets: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """Return an unchecked model; the default is one float input ``x`` of Nx8, one output ``y``, opset 18."""
    given: Mapping[str, Dims | None] = {"x": ["N", 8]} if inputs is None else inputs
    graph = helper.make_graph(
        list(nodes),
        "net",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in given.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in (tensors or {}).items()],
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in (opsets or {"": 18}).items()]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def save(model: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def dense_model() -> onnx.ModelProto:
    """x (Nx8) -> Gemm -> Relu -> y (Nx4)."""
    nodes = [node("Gemm", ["x", "w", "b"], ["z"], name="fc"), node("Relu", ["z"], ["y"], name="act")]
    return make_model(nodes, {"w": floats(8, 4), "b": floats(4)})
