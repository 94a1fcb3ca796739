"""What trajectories of all kinds of blocks share: an emitted step on onnxruntime beside the oracle, slices taking turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from tests.oracle.dense import DenseBlock, size_of
from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.run.layer_state import LayerState

__all__ = [
    "BATCH",
    "CLEARANCE",
    "RATES",
    "RELATIVE",
    "STEPS",
    "TURN",
    "Losses",
    "Onnxruntime",
    "Trajectory",
    "balanced_head",
    "length_of",
]

Losses = list[tuple[float, float]]

STEPS, BATCH, TURN = 20, 6, 3
RATES = {"sgd": 0.5, "momentum": 0.2, "adam": 0.01, "normalized": 0.1}
CLEARANCE = 3e-4  # ten times the quantization of real inputs

# float32 against float64: 1e-7 a product, a few dozen products deep, over 20 steps. Real inputs of binary layers are quantized to
# 16 bits (3e-5 of the largest). A wrong factor of 1 % anywhere gives 1e-3 and more.
RELATIVE = 2e-4


def length_of(graph: Graph, layer: Layer, optimizer: str) -> float:
    """What steps of a layer are in units of: the size of the model's own weights, where they are normalized."""
    return size_of(np.asarray(graph.constants[layer.weight].read())) if optimizer == "normalized" else 1.0


class Onnxruntime:
    """Runs one emitted step again and again on the state of a layer."""

    def __init__(self, model: onnx.ModelProto, state: LayerState) -> None:
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        self.names = [each.name for each in self.session.get_inputs()]
        self.state = state
        self.others: dict[str, NDArray[Any]] = {"#rate": np.array(RATES[state.optimizer.name], dtype=np.float32)}

    def step(self, feeds: Mapping[str, NDArray[Any]], tensors: Mapping[str, NDArray[Any]]) -> float:
        given = {**tensors, **self.others, **feeds}
        outputs = [each.name for each in self.session.get_outputs()]
        results = dict(zip(outputs, self.session.run(outputs, {name: given[name] for name in self.names})))
        for name, value in results.items():
            if name.endswith("#next"):
                given[name.removesuffix("#next")][...] = value
        return float(results["#loss"])


def balanced_head(rng: np.random.Generator, units: int) -> NDArray[np.int8]:
    """Two +1 and two -1 a unit: the errors of all classes add up to zero, so a unit of equal signs would get rounding alone."""
    return rng.permuted(np.repeat(np.array([[1], [1], [-1], [-1]], dtype=np.int8), units, axis=1), axis=0)


class Trajectory:
    """One block under both: the same weights, the same batches. Each kind of block sets what is declared here."""

    layer: Layer
    slices: Slices
    state: LayerState
    oracle: DenseBlock
    runtime: Onnxruntime
    clearance: float = CLEARANCE

    def batch(self) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        """The oracle's real input, and the feeds of the step."""
        raise NotImplementedError

    @property
    def weight(self) -> NDArray[Any]:
        """Our latent weights as the oracle has them."""
        raise NotImplementedError

    @property
    def rate(self) -> float:
        """Of a head that learns, one at which its steps are shorter than the head."""
        return RATES[self.state.optimizer.name] / (self.oracle.head_length if self.oracle.head_learns else 1)

    def learn_head(self) -> None:
        """Let the head of both learn, from the same head on."""
        assert self.oracle.head is not None
        self.oracle.head_learns, self.oracle.head = True, self.oracle.head.astype(float)
        head, optimizer = self.oracle.head.astype(np.float32), self.state.optimizer
        self.runtime.others |= {"#head": head, "#rate": np.array(self.rate, dtype=np.float32)}
        self.runtime.others |= {f"#head#{kept}": np.zeros_like(head) for kept in optimizer.states}
        self.runtime.others |= {f"#head#{kept}": np.zeros((), dtype=np.float32) for kept in optimizer.scalars}
        self.runtime.others["#head#step_count"] = np.zeros((), dtype=np.int32)

    def clear_batch(self) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        """A batch of which no z is so near to a step of the activation or its window that rounding would decide it."""
        while True:
            x, feeds = self.batch()
            z = self.oracle.forward(x)
            if min(np.abs(z - edge).min() for edge in (-1, 0, 1)) > self.clearance:
                return x, feeds

    def run(self) -> Losses:
        """Losses of both, step by step."""
        losses = []
        for step in range(STEPS):
            if step % TURN == 0:
                turn = step // TURN % self.slices.count
                _, ins, outs = SliceGrid.of(self.layer, self.slices).part(turn)
                place = (ins.start, ins.stop, outs.start, outs.stop)
                tensors = self.state.begin_turn(turn)
            x, feeds = self.clear_batch()
            ours = self.runtime.step(feeds, tensors)
            losses.append((ours, self.oracle.step(x, feeds["#target"], self.rate, place)))
        self.state.end_turn()
        return losses

    def spoil(self, wrong: str) -> None:
        """Make the rate, the head, the bias or the weight of one side a percent too large."""
        assert self.state.bias is not None and self.oracle.head is not None
        if wrong == "rate":
            self.runtime.others["#rate"] = np.array(self.rate * 1.01, dtype=np.float32)
        elif wrong == "bias":
            self.state.bias *= 1.01
        elif wrong == "weight":
            self.oracle.weight *= 1.01
        else:
            assert wrong == "head"
            self.oracle.head = self.oracle.head * 1.01

    def check_equal(self, losses: Losses) -> None:
        """Losses, weights, biases and a head that learns are those of the oracle."""
        ours, expected = np.array(losses).T
        np.testing.assert_allclose(ours, expected, rtol=RELATIVE)
        # Adam divides by the root of tiny variances: where a gradient is near zero, rounding decides its direction.
        slack = 1e-3 if self.oracle.optimizer == "adam" else RELATIVE
        np.testing.assert_allclose(self.weight, self.oracle.weight, rtol=slack, atol=slack)
        assert self.state.bias is not None
        np.testing.assert_allclose(self.state.bias, self.oracle.bias, rtol=slack, atol=slack)
        if self.oracle.head_learns:
            assert self.oracle.head is not None
            np.testing.assert_allclose(self.runtime.others["#head"], self.oracle.head, rtol=slack, atol=slack)
