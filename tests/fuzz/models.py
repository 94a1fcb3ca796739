"""Models through plan, build, one step and export."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.fuzz.campaign import command_line
from tests.fuzz.mutations import mutate_message
from tests.small_models import ModelBuilder, conv_net, mlp, residual_net
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, export, plan
from tinyfoa_rt.run import Trainer

__all__ = ["case"]

_MOST_INPUTS = 2**16


@cache
def originals() -> tuple[bytes, ...]:
    """Models of all kinds, small enough to be trained in every case."""
    models = (mlp((6, 8, 3)), mlp((5, 4, 4, 2)), conv_net(), residual_net(), _with_a_branch(), _with_an_operator_of_its_own())
    return tuple(model.SerializeToString() for model in models)


def _with_a_branch() -> onnx.ModelProto:
    """An If, shapes that are computed, a Softmax at the end."""
    builder = ModelBuilder((4, 6))
    sizes = builder.node("Concat", (builder.ints(-1), builder.ints(24)), axis=0)
    x = builder.node("Reshape", ("input", sizes))
    x = builder.node("Relu", (builder.dense(x, 24, 8, "fc1"),))
    branches = [helper.make_graph([helper.make_node(op, [x], ["z"])], op, [], [_unknown("z")]) for op in ("Abs", "Neg")]
    condition = builder.node("Greater", (builder.scalar(1.0), builder.scalar(0.0)))
    x = builder.node("If", (condition,), then_branch=branches[0], else_branch=branches[1])
    return builder.model(builder.node("Softmax", (builder.dense(x, 8, 3, "fc2"),), axis=-1))


def _with_an_operator_of_its_own() -> onnx.ModelProto:
    """A function of the model, a batch normalization, a convolution in groups."""
    builder = ModelBuilder((2, 6))
    x = builder.node("Conv", ("input", builder.weight(4, 1, 3), builder.weight(4)), "conv", group=2, pads=[1, 1])
    ones = [builder.vector(1, 1, 1, 1) for _ in range(4)]
    x = builder.node("BatchNormalization", (x, *ones), "norm", epsilon=1e-3)
    x = builder.node("Twice", (builder.node("Relu", (x,)),), domain="own")
    model = builder.model(builder.dense(builder.node("Flatten", (x,)), 24, 3, "fc"))
    body = helper.make_node("Add", ["a", "a"], ["b"])
    model.functions.append(helper.make_function("own", "Twice", ["a"], ["b"], [body], [helper.make_opsetid("", 18)]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


def _unknown(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def case(rng: random.Random, folder: Path) -> str:
    """Change a model in one to three places and go with it as far as it goes."""
    model = onnx.load_model_from_string(rng.choice(originals()))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        mutate_message(model, rng)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    graph = load(path)
    is_c99 = rng.random() < 0.4
    target = {"target": "c99", "nonvolatile": "unlimited"} if is_c99 else {"target": "ort-cpu"}
    options = {
        "batch": rng.choice((1, 2, 3)),
        "slices": rng.choice(("auto", "2x1", "1x1")),
        "optimizer": rng.choice(("sgd", "momentum", "adam")),
        "binarize": rng.choice(("both", "weights", "none")),
        "train": rng.choice(("all", "last:1", "last:2")),
    }
    planned = plan(graph, rng.choice(("64KB", "1MB", "64MB")), **target, **options)
    if not planned.feasible:
        return "does not fit"
    artifact = build(graph, planned)
    trainer = Trainer(artifact, threads=1, kernels=None)
    manifest = artifact.manifest
    count = 2 * manifest.batch
    if count * int(np.prod(manifest.input_shape)) > _MOST_INPUTS:
        return "built, too large to train here"
    draws = np.random.default_rng(rng.getrandbits(32))
    x = draws.normal(0, 1, (count, *manifest.input_shape[1:])).astype(np.float32)
    is_classification = manifest.loss.labels == "class"
    y = draws.integers(0, manifest.num_outputs, count) if is_classification else draws.normal(0, 1, (count, manifest.num_outputs))
    trainer.partial_fit(x, y)
    trainer.save(folder / "run")
    if is_c99:
        export(folder / "run", folder / "project")
        return "trained and exported"
    return "trained"


if __name__ == "__main__":
    command_line("tests.fuzz.models", case)
