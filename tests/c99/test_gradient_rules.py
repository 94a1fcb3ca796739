"""Steps whose gradient passes each operator that has a rule, generated as C99, against onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.exported import Device
from tests.c99.trained_pair import Pair, exported
from tests.small_models import ModelBuilder
from tests.steps.vjp_models import CASES, Insert, batch_normalization, model_through

STEPS = 8
# Of sums of up to 576 products and 36 positions, over 8 steps; rates of 1 % more are further off.
TOLERANCE = 2e-5
# Of channels that positions were flattened into, with a number of its own for each; of all elements; and of what is repeated.
MORE: dict[str, Insert] = {
    "flattened-Relu": lambda b, x: b.node("Relu", (flat(b, x),), "tested"),
    "flattened-Mul": lambda b, x: b.node("Mul", (flat(b, x), b.weight(288)), "tested"),
    "flattened-BatchNormalization": lambda b, x: batch_normalization(b, flat(b, x), 288),
    "Mul-whole": lambda b, x: b.node("Mul", (x, b.weight(8, 6, 6)), "tested"),
    "Div-position": lambda b, x: b.node("Div", (x, b.vector(*range(1, 37), shape=(6, 6))), "tested"),
    "Stacked": lambda b, x: b.node("Transpose", (b.node("Add", (flat(b, x), b.weight(4, 1, 288))),), "tested", perm=[1, 0, 2]),
    "Add-repeated": lambda b, x: b.node("Add", ("input", b.node("ReduceMean", (x, b.ints(2, 3)), keepdims=1)), "tested"),
}


def flat(b: ModelBuilder, x: str) -> str:
    return b.node("Flatten", (x,))


def pair_through(case: str, folder: Path, **options: Any) -> Pair:
    artifact, state, model = exported(model_through(case, folder, MORE), folder, **{"batch": 2, "binarize": "none", **options})
    return Pair(artifact, state, Device(model).start(2), 2)


def train(pair: Pair, rates: tuple[float, float] = (0.1, 0.1)) -> None:
    rng = np.random.default_rng(0)
    program = pair.device.model.program
    x = rng.normal(0, 1, (STEPS, program.batch, program.input_size)).astype(np.float32)
    y = rng.integers(0, program.output_size, (STEPS, program.batch))
    losses = pair.train_block(0, x, y, rates)
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=TOLERANCE, atol=TOLERANCE)
    for layer in pair.artifact.blocks[0].layers:
        ours, expected = pair.device.weights(layer.name), pair.state.layers[layer.name].weight
        np.testing.assert_allclose(ours, expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("slices", ["1x1", "1x3"])
@pytest.mark.parametrize("case", [*CASES, *MORE])
def test_equals_onnxruntime(case: str, slices: str, tmp_path: Path) -> None:
    train(pair_through(case, tmp_path, slices=slices))


def test_a_one_percent_error_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        train(pair_through("Relu", tmp_path, slices="1x1"), (0.1, 0.101))
