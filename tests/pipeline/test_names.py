"""What a model calls its values, layers and weights changes no bit of plan, training or export."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.small_models import ModelBuilder, mlp
from tinyfoa_rt import Trainer, build, load, plan
from tinyfoa_rt.export.c99 import lower
from tinyfoa_rt.export.c99.render import render
from tinyfoa_rt.export.to_c99 import c_source
from tinyfoa_rt.ir.plan import Plan

# Names that a step, a function body, C, a file system or a list of names could take for something else.
WORDS = [
    *("rate", "target", "loss", "logits", "head", "one", "everything", "origin", "no_bias_16", "batch", "grad.fc1.w", "w.next"),
    *("#rate", "#loss", "fc1#w", "fc1#w#next", "x#scale", "#", "fc1.weight", "y.scale", "fc1.head", "relu1_out.preactivation"),
    *(
        "int",
        "while",
        "tinyfoa",
        "main",
        "a/b/c.onnx",
        "../../etc/passwd",
        "/tmp/x",
        "C:\\x",
        "steps/1.onnx",
        "a,b",
        "last:1",
        "all",
    ),
    *("名前", "é\u0301", "a b", "name" * 75, "-o", "%s", "{}", "'", '"'),
]


def drawn_net() -> onnx.ModelProto:
    """A convolution with a normalization, a residual connection and a classifier."""
    b = ModelBuilder((2, 6, 6))
    x = b.node("Relu", (b.conv("input", (2, 8), name="fc1"),), "relu1")
    z = b.conv(x, (8, 8), name="fc2")
    statistics = (b.vector(*[1.0] * 8), b.weight(8), b.weight(8), b.vector(*[1.0] * 8))
    x = b.node("Relu", (b.node("Add", (b.node("BatchNormalization", (z, *statistics), "norm"), x), "sum"),), "relu2")
    x = b.node("Flatten", (b.node("GlobalAveragePool", (x,), "pool"),), "flat")
    return b.model(b.dense(x, 8, 4, "fc3"))


MODELS = {"dense": mlp(), "conv": drawn_net()}
OPTIONS: dict[str, dict[str, Any]] = {
    "dense": {"batch": 4, "slices": "2x2", "optimizer": "momentum"},
    "conv": {"batch": 4, "slices": "1x2", "head": "kaiming"},
}


def names_of(graph: onnx.GraphProto) -> list[str]:
    """All names that a model gives: nodes, values, weights."""
    values = [name for node in graph.node for name in (node.name, *node.input, *node.output)]
    return list(dict.fromkeys(name for name in values if name))


def renamed(model: onnx.ModelProto, names: dict[str, str]) -> onnx.ModelProto:
    found = onnx.ModelProto()
    found.CopyFrom(model)
    graph = found.graph
    for node in graph.node:
        node.name = names[node.name]
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for each in (*graph.input, *graph.output, *graph.initializer):
        each.name = names[each.name]
    return found


@st.composite
def renamings(draw: st.DrawFn, kind: str) -> dict[str, str]:
    """Another name for each, all different; a node and a value may share one."""
    known = names_of(MODELS[kind].graph)
    words = draw(st.permutations(WORDS))
    return {name: words[i] if i < len(words) else f"{words[i % len(words)]}{i}" for i, name in enumerate(known)}


class Run(NamedTuple):
    """All that may not depend on names."""

    plan: list[Any]
    losses: list[float]
    state: list[bytes]
    outputs: NDArray[Any]
    c_code: str


def run(model: onnx.ModelProto, kind: str) -> Run:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        graph = load(path)
        shape = graph.shape(graph.inputs[0])[1:]
        rng = np.random.default_rng(3)
        x, y = rng.normal(size=(12, *shape)).astype(np.float32), np.arange(12) % 4
        trained = plan(graph, "1MB", **OPTIONS[kind])
        trainer = Trainer(build(graph, trained), threads=1, kernels=None)
        losses = [report.loss for report in trainer.iterate(x, y, normalization=None, epochs=2)]
        trainer.save(Path(folder) / "trained")
        session = onnxruntime.InferenceSession(str(Path(folder) / "trained" / "inference.onnx"))
        assert [each.name for each in session.get_inputs()] == [model.graph.input[0].name]
        assert [each.name for each in session.get_outputs()] == [each.name for each in model.graph.output]
        (outputs,) = session.run(None, {model.graph.input[0].name: x})
        planned = plan(graph, "1MB", target="c99", **OPTIONS[kind])
        artifact = build(graph, planned)
        files = render(lower(c_source(artifact, artifact.initial)))
        layers = [layer.name for block in artifact.blocks for layer in block.layers]
        weights = trainer.state.arrays()
        state = [weights[f"{name}#{role}"].tobytes() for name in layers for role in ("weight", "bias")]
        code = re.sub(r"/\*.*?\*/", "", "".join(files.values()), flags=re.S)  # comments may hold names
        return Run([*sizes(trained), *sizes(planned)], losses, state, outputs, code)


def sizes(planned: Plan) -> list[Any]:
    """The plan without names."""
    buffers = [(b.bytes, b.place, b.offset, b.first_step, b.last_step, b.category) for p in planned.blocks for b in p.buffers]
    return [planned.peak_bytes, planned.nonvolatile_bytes, planned.floor_bytes, *buffers]


@cache
def expected_of(kind: str) -> Run:
    return run(MODELS[kind], kind)


def check(kind: str, names: dict[str, str]) -> None:
    expected, found = expected_of(kind), run(renamed(MODELS[kind], names), kind)
    assert found.plan == expected.plan
    assert found.losses == expected.losses
    assert found.state == expected.state
    assert found.outputs.tobytes() == expected.outputs.tobytes()
    assert found.c_code == expected.c_code


@settings(max_examples=8)
@given(renamings("dense"))
def test_of_a_perceptron(names: dict[str, str]) -> None:
    check("dense", names)


@settings(max_examples=8)
@given(renamings("conv"))
def test_of_a_convolutional_net(names: dict[str, str]) -> None:
    check("conv", names)
