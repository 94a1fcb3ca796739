"""The batch as a symbol: shapes at any batch, files of a fixed batch, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tests.model.onnx_files import floats, ints, make_model, node, save
from tests.pipeline.batch_models import BatchModel
from tinyfoa_rt import Trainer, build, load, plan
from tinyfoa_rt.errors import UnsupportedError

_SAMPLE = (2, 3, 4)
Axes = list[list[int]]  # each axis is a product of factors; 0 stands for the batch


class _Moves:
    """A chain of Reshapes and Transposes with a Tanh after each, that leaves every sample's elements together in the end."""

    def __init__(self, batch: int | str) -> None:
        self.model = BatchModel(batch, _SAMPLE)
        self.axes: Axes = [[0], *([size] for size in _SAMPLE)]
        self.value = "x"

    def transpose(self, order: Sequence[int]) -> None:
        perm = [axis for axis in order if axis < len(self.axes)]
        self.axes = [self.axes[axis] for axis in perm]
        self.value = self.model.add("Tanh", [self.model.add("Transpose", [self.value], perm=perm)])

    def merge(self, at: int) -> None:
        at %= max(1, len(self.axes) - 1)
        if len(self.axes) > 1:
            self._reshape([*self.axes[:at], self.axes[at] + self.axes[at + 1], *self.axes[at + 2 :]])

    def split(self, at: int) -> None:
        at %= len(self.axes)
        self._reshape([*self.axes[:at], *([factor] for factor in self.axes[at]), *self.axes[at + 1 :]])

    def _reshape(self, axes: Axes) -> None:
        self.axes = axes
        parts: list[int | str] = []
        for axis in axes:
            rest = math.prod(factor for factor in axis if factor)
            is_open = 0 in axis and isinstance(self.model.batch, str)
            parts.append(self.model.add("Mul", [self.model.samples(), [rest]]) if is_open else rest)
        target = self.model.sizes(*parts) if any(isinstance(part, str) for part in parts) else np.array(parts)
        self.value = self.model.add("Tanh", [self.model.add("Reshape", [self.value, target])])

    def finish(self) -> bytes:
        self._reshape([[factor] for axis in self.axes for factor in axis])
        at = self.axes.index([0])
        self.transpose([at, *(axis for axis in range(len(self.axes)) if axis != at)])
        self._reshape([[0], [factor for axis in self.axes[1:] for factor in axis]])
        return self.model.finish(self.value, math.prod(_SAMPLE))


def _moved(batch: int | str, moves: Sequence[tuple[str, int, Sequence[int]]]) -> bytes:
    chain = _Moves(batch)
    for kind, at, order in moves:
        if kind == "transpose":
            chain.transpose(order)
        elif kind == "merge":
            chain.merge(at)
        else:
            chain.split(at)
    return chain.finish()


_MOVES = st.lists(
    st.tuples(st.sampled_from(("transpose", "merge", "split")), st.integers(0, 3), st.permutations(range(4))),
    min_size=1,
    max_size=5,
)


def _run(model: bytes | str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(["y"], {"x": x})[0])


def _scores(model: bytes, folder: Path, x: NDArray[np.float32], batch: int) -> NDArray[np.float32]:
    """Scores before any training, all but the last layer frozen, in batches."""
    path = folder / "model.onnx"
    path.write_bytes(model)
    graph = load(path)
    trainer = Trainer(build(graph, plan(graph, "1MB", train="last:1", binarize="none")))
    return np.concatenate([trainer.scores(x[start : start + batch]) for start in range(0, len(x), batch)])


@settings(max_examples=15)
@given(moves=_MOVES, batch=st.integers(1, 6))
def test_moves_of_any_batch(tmp_path: Path, moves: list[tuple[str, int, list[int]]], batch: int) -> None:
    """Whatever axis the batch is moved to or merged into, the frozen part computes what the file does."""
    model, x = _moved("N", moves), floats(6, *_SAMPLE)
    # Sums of 24 products in another order.
    np.testing.assert_allclose(_scores(model, tmp_path, x, batch), _run(model, x), atol=1e-5)


@settings(max_examples=15)
@given(moves=_MOVES, batch=st.integers(1, 6))
def test_moves_of_a_fixed_batch(tmp_path: Path, moves: list[tuple[str, int, list[int]]], batch: int) -> None:
    """A file of batch 1 does for each sample what it did for one, or is refused."""
    model, x = _moved(1, moves), floats(6, *_SAMPLE)
    try:
        found = _scores(model, tmp_path, x, batch)
    except UnsupportedError as error:
        assert "batch" in str(error)
        return
    np.testing.assert_allclose(found, np.concatenate([_run(model, each[None]) for each in x]), atol=1e-5)


def test_most_moves_of_a_fixed_batch_are_followed(tmp_path: Path) -> None:
    """Positions merged and apart again, before and behind the batch."""
    moves = [
        ("merge", 0, ()),
        ("split", 0, ()),
        ("transpose", 0, (1, 0, 2, 3)),
        ("merge", 0, ()),
        ("split", 0, ()),
        ("merge", 2, ()),
    ]
    x = floats(4, *_SAMPLE)
    model = _moved(1, moves)
    np.testing.assert_allclose(_scores(model, tmp_path, x, 4), np.concatenate([_run(model, each[None]) for each in x]), atol=1e-5)


def test_every_dimension_is_a_line(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[1, 0]),
        node("Reshape", ["x", "s"], ["m"]),
        node("Concat", ["x", "c"], ["j"], axis=0),
        node("ReduceMax", ["x"], ["top"], keepdims=0),
        *(node("Identity", [name], [f"{name}_out"]) for name in ("t", "m", "j", "top")),
    ]
    tensors: dict[str, NDArray[Any]] = {"s": ints(-1, 4), "c": floats(3, 8)}
    outputs = ("t_out", "m_out", "j_out", "top_out")
    values = load(save(make_model(nodes, tensors, outputs=outputs), tmp_path)).values
    assert [values[name].shape_at(5) for name in ("x", "t", "m", "j", "top")] == [(5, 8), (8, 5), (10, 4), (8, 8), ()]
    assert [values[name].growth for name in ("x", "t", "m", "j", "top")] == [(1, 0), (0, 1), (2, 0), (1, 0), ()]
    assert [values[name].is_row for name in ("x", "t", "m", "j", "top")] == [True, False, False, False, False]


_SLICE = [node("Slice", ["x", "zero", "one", "zero"], ["q"], name="first"), node("Relu", ["q"], ["y"])]
_SLICED = {"zero": ints(0), "one": ints(1)}
_SQUEEZE = [node("Squeeze", ["x"], ["q"], name="all"), node("Relu", ["q"], ["y"])]
_SQUEEZED = [_SQUEEZE[0], node("Unsqueeze", ["q", "zero"], ["u"]), node("Gemm", ["u", "w"], ["y"])]
_HALF = [
    node("Shape", ["x"], ["s"], start=0, end=1),
    node("Div", ["s", "two"], ["h"]),
    node("Concat", ["h", "rest"], ["target"], axis=0),
    node("Reshape", ["x", "target"], ["y"], name="pairs"),
]
_BRANCHES = [
    helper.make_graph([node(op, ["x"], ["b"])], "branch", [], [helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N", 8])])
    for op in ("Neg", "Abs")
]
_ASKING = [
    node("Size", ["x"], ["s"]),
    node("Equal", ["s", "eight"], ["c"]),
    node("If", ["c"], ["y"], name="asks", then_branch=_BRANCHES[0], else_branch=_BRANCHES[1]),
]
_LSTM = {"w": floats(1, 32, 8), "r": floats(1, 32, 8)}

_REFUSED: dict[str, tuple[onnx.ModelProto, str]] = {
    "slice of an open batch": (make_model(_SLICE, _SLICED), "node 'first' .*keeps nothing of each sample: 'q' has the shape 1x8"),
    "slice of one sample": (make_model(_SLICE, _SLICED, inputs={"x": [1, 8]}), "node 'first' .*fixes the batch at 1"),
    "the batch is squeezed": (
        make_model(_SQUEEZE),
        "node 'all' .*does not follow the batch: 'q' is 8 at batch 1, 2x8 at batch 2",
    ),
    "one sample is squeezed": (
        make_model(_SQUEEZED, {"zero": ints(0), "w": floats(8, 8)}, inputs={"x": [1, 8]}),
        "node 'all' .*'q' is 8 and 2x8 at 1 and 2 samples",
    ),
    "pairs of samples": (make_model(_HALF, {"two": ints(2), "rest": ints(-1)}), "node 'pairs' .*batch"),
    "a branch for one sample": (make_model(_ASKING, {"eight": np.array(8)}), "node '.*' .*behind an If that asks for the batch"),
    "softmax over samples": (make_model([node("Softmax", ["x"], ["y"], axis=0)], inputs={"x": [1, 8]}), "'y' .*the samples"),
    "recurrent along the samples": (
        make_model([node("LSTM", ["x", "w", "r"], ["y"], name="l", hidden_size=8)], _LSTM, inputs={"x": [4, 1, 8]}),
        r"node 'l' \(LSTM\): .*combines what lies along dimension 0 of 'x', the samples",
    ),
    "an input of one sample": (make_model([node("Relu", ["x"], ["y"])], inputs={"x": [8]}), "input 'x': is 8: it has no batch"),
    "a scalar input": (make_model([node("Relu", ["x"], ["y"])], inputs={"x": []}), "input 'x': is a scalar: it has no batch"),
    "a mask for all samples": (
        make_model([node("Add", ["x", "m"], ["y"])], inputs={"x": ["N", 8], "m": [2, 8]}),
        "input 'm': is 2x8, without the batch, where 'x' is Nx8",
    ),
    "a number of samples": (
        make_model([node("Shape", ["x"], ["n"]), node("Relu", ["x"], ["y"])], outputs=("y", "n")),
        "output 'n': depends on the number of samples",
    ),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_what_is_refused_by_name(tmp_path: Path, name: str) -> None:
    model, message = _REFUSED[name]
    with pytest.raises(UnsupportedError, match=message):
        load(save(model, tmp_path))
