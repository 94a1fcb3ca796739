"""What planning, building, exporting and a few steps of training give, as hashes: `python -m tests.recorded.record` writes them.

Moves and renamings inside of the product must leave them as they are. A change that is meant records them anew, and its commit
says why.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tests.small_models import conv_net, load_model, mlp, residual_net
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.export.c99 import lower
from tinyfoa_rt.export.c99.render import render
from tinyfoa_rt.export.to_c99 import c_source
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer

__all__ = ["CASES", "RECORDED", "record"]

RECORDED = Path(__file__).with_name("recorded.json")
_STORED: dict[str, Any] = {"target": "c99", "nonvolatile": "unlimited"}

Model = Callable[[], onnx.ModelProto]
CASES: Mapping[str, tuple[Model, dict[str, Any]]] = {
    "mlp": (mlp, {}),
    "mlp-adam-2x2": (mlp, {"optimizer": "adam", "slices": "2x2", "batch": 3}),
    "mlp-momentum-real": (mlp, {"optimizer": "momentum", "binarize": "none", "slices": "1x2", "batch": 4}),
    "mlp-kaiming-weights": (mlp, {"head": "kaiming", "binarize": "weights", "slices": "3x2", "batch": 4}),
    "mlp-paper": (
        mlp,
        {"weight_scale": "tensor", "scale": "batch", "ste_window": "relu", "block_output": "scaled", "classifier": "binary"},
    ),
    "mlp-regression": (mlp, {"loss": "mean-squared-error", "binarize": "none", "batch": 4}),
    "mlp-binary-targets": (mlp, {"loss": "binary-cross-entropy", "batch": 4, "slices": "2x1"}),
    "mlp-interleaved": (mlp, {"order": "interleaved", "batch": 4}),
    "mlp-diagonal": (mlp, {"schedule": "freeze-diagonal", "batch": 4}),
    "mlp-last": (mlp, {"train": "last:1", "batch": 4}),
    "conv": (conv_net, {"batch": 4}),
    "conv-adam-2x2": (conv_net, {"optimizer": "adam", "slices": "2x2", "batch": 2}),
    "conv-real-average": (conv_net, {"binarize": "none", "head_pool": "average", "slices": "1x2", "batch": 2}),
    "residual": (residual_net, {"batch": 2}),
    "residual-weights": (residual_net, {"binarize": "weights", "optimizer": "momentum", "slices": "1x2", "batch": 2}),
    "mlp-backpropagation": (mlp, {"block_layers": "all", "binarize": "none", "optimizer": "sgd", "batch": 4}),
    "conv-both-all": (conv_net, {"block_layers": "all", "optimizer": "normalized", "slices": "2x2", "batch": 2}),
    "residual-last2": (residual_net, {"block_layers": "all", "train": "last:2", "optimizer": "momentum", "batch": 2}),
    "c99-mlp": (mlp, {**_STORED, "batch": 2, "slices": "2x2"}),
    "c99-mlp-adam": (mlp, {**_STORED, "optimizer": "adam", "batch": 1, "slices": "2x2", "head": "kaiming"}),
    "c99-mlp-momentum": (mlp, {**_STORED, "optimizer": "momentum", "binarize": "weights", "batch": 2, "slices": "1x3"}),
    "c99-mlp-regression": (mlp, {**_STORED, "loss": "mean-squared-error", "binarize": "none", "batch": 2}),
    "c99-mlp-binary-targets": (mlp, {**_STORED, "loss": "binary-cross-entropy", "weight_scale": "tensor", "batch": 2}),
    "c99-conv": (conv_net, {**_STORED, "batch": 2, "slices": "1x2"}),
    "c99-conv-adam": (conv_net, {**_STORED, "optimizer": "adam", "binarize": "none", "batch": 1}),
    "c99-residual": (residual_net, {**_STORED, "batch": 1, "head_pool": "average"}),
}


def record(name: str, folder: Path) -> dict[str, Any]:
    """Return hashes of the case ``name``, its losses, and ``trained``: the weights behind them, to the bit on one processor."""
    make, options = CASES[name]
    graph = load_model(make(), folder)
    planned = plan(graph, "1MB", **options)
    artifact = build(graph, planned)
    models = {path: onnx.load_from_string(content) for path, content in artifact.models.items() if path.endswith(".onnx")}
    found: dict[str, Any] = {
        "plan": _hash(_plan(planned)),
        "steps": _hash(_model(models[path]) for path in artifact.manifest.model_paths),
        "inference": _hash([_model(models["inference.onnx"])]),
        "initial": _hash(_tensors(artifact.initial)),
    }
    if planned.profile.runtime == "c99":
        program = lower(c_source(artifact, artifact.initial))
        found["c"] = _hash(sorted(render(program).items()))
    losses, trained = _train(graph, artifact)
    return {**found, "losses": losses, "trained": trained}


def _train(graph: Graph, artifact: Artifact) -> tuple[list[float], str]:
    rng = np.random.default_rng(5)
    manifest = artifact.manifest
    count = 6 * manifest.batch
    x = rng.normal(0, 1, (count, *graph.shape(graph.inputs[0])[1:])).astype(np.float32)
    y: Any = rng.integers(0, manifest.num_outputs, count)
    if manifest.loss.labels != "class":
        y = rng.integers(0, 2, (count, manifest.num_outputs)).astype(np.float32)
    trainer = Trainer(artifact, threads=1, kernels=None)
    losses = [report.loss for report in trainer.iterate(x, y, normalization=None, epochs=2)]
    return losses, _hash(_tensors(trainer.state.arrays()))


def _plan(planned: Plan) -> Iterable[Any]:
    yield planned.peak_bytes, planned.floor_bytes, planned.batch, planned.nonvolatile_parts, planned.baselines
    for block in planned.blocks:
        yield block.name, block.layers, block.parameters, block.slices, block.update_fraction, block.peak_bytes
        yield block.forward_bytes, block.gradient_bytes, block.update_bytes, block.steps
        yield from block.buffers


def _tensors(tensors: Mapping[str, Any]) -> Iterable[Any]:
    for name, array in sorted(tensors.items()):
        yield name, array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes()


def _model(model: onnx.ModelProto) -> list[Any]:
    """A model without what its file says beside: versions, descriptions, the order of functions and of imports."""
    functions = [(f.domain, f.name, [*f.input], [*f.output], [*f.attribute], _nodes(f.node)) for f in model.functions]
    return [sorted(functions, key=lambda each: each[:2]), _graph(model.graph)]


def _graph(graph: onnx.GraphProto) -> list[Any]:
    ports = [[(v.name, _type(v)) for v in values] for values in (graph.input, graph.output)]
    constants = [(i.name, _array(i)) for i in graph.initializer]
    return [ports, constants, _nodes(graph.node)]


def _type(value: onnx.ValueInfoProto) -> list[Any]:
    tensor = value.type.tensor_type
    return [tensor.elem_type, [d.dim_param or d.dim_value for d in tensor.shape.dim]]


def _nodes(nodes: Iterable[onnx.NodeProto]) -> list[Any]:
    return [(n.op_type, n.domain, [*n.input], [*n.output], [_attribute(a) for a in n.attribute]) for n in nodes]


def _attribute(attribute: onnx.AttributeProto) -> list[Any]:
    if attribute.ref_attr_name:
        return [attribute.name, "refers to", attribute.ref_attr_name]
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return [attribute.name, _array(value)]
    return [attribute.name, _graph(value) if isinstance(value, onnx.GraphProto) else value]


def _array(tensor: onnx.TensorProto) -> list[Any]:
    array = onnx.numpy_helper.to_array(tensor)
    return [array.dtype.str, array.shape, array.tobytes()]


def _hash(parts: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode())
    return digest.hexdigest()[:16]


def main() -> None:
    """Record all cases anew; the weights' bits are of this processor alone, and are printed instead."""
    found = {}
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = record(name, Path(folder))
        print(name, found[name].pop("trained"))
    RECORDED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
