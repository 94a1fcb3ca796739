"""A method from outside of the product: registered, planned, built, trained and compared with NumPy; it needs no product file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.small_models import conv_net, load_model, mlp
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.ir.names import LOSS, RATE, gradient, own, successor
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.forward import ForwardPass
from tinyfoa_rt.steps.methods import METHODS, KeptTensor, Method, Signal, register_method

ANCHOR, SHARE, VELOCITY = "#anchor", "#share", "#anchor#velocity"


class MeanSquare(Method):
    """The loss is how far the output is from a drawn one: sum over the batch of the mean over the units. There are no labels."""

    name = "mean-square"
    reads_labels = False

    def kept(self, context: BlockContext) -> tuple[KeptTensor, ...]:
        anchor = TensorType("float32", context.graph.shape(context.block.output)[1:])
        return (
            KeptTensor(ANCHOR, anchor, "state", is_fixed=True),
            KeptTensor(SHARE, TensorType("float32", ()), "state", is_fixed=True),
        )

    def initial(self, context: BlockContext, last: Block) -> Mapping[str, NDArray[Any]]:
        shape = context.graph.shape(context.block.output)[1:]
        drawn = np.random.default_rng(context.recipe.seed).normal(size=shape).astype(np.float32)
        return {ANCHOR: drawn, SHARE: np.array(1 / drawn.size, np.float32)}

    def add(self, context: BlockContext, forward: ForwardPass, backward: BackwardPass) -> Signal:
        builder, output = forward.builder, context.block.output
        like, scalar = builder.value_type(output), TensorType("float32", ())

        def compute(op_type: str, inputs: tuple[str, ...], name: str, result: TensorType) -> str:
            return builder.standard(op_type, inputs, (name, result))

        apart = compute("Sub", (forward.real_output(output), ANCHOR), own(output, "apart"), like)
        square = compute("Mul", (apart, apart), own(output, "square"), like)
        total = builder.standard("ReduceSum", (square,), (own(output, "total"), scalar), {"keepdims": 0})
        compute("Mul", (total, SHARE), LOSS, scalar)
        builder.phase = "gradient"
        twice = compute("Add", (apart, apart), own(output, "twice"), like)
        return Signal({output: compute("Mul", (twice, SHARE), gradient(output), like)})


class MovingAnchor(MeanSquare):
    """As its base, but the drawn output learns too: it takes steps with momentum towards what the block computes."""

    name = "moving-anchor"

    def kept(self, context: BlockContext) -> tuple[KeptTensor, ...]:
        anchor, share = super().kept(context)
        return replace(anchor, is_fixed=False), share, KeptTensor(VELOCITY, anchor.type, "state")

    def initial(self, context: BlockContext, last: Block) -> Mapping[str, NDArray[Any]]:
        found = super().initial(context, last)
        return {**found, VELOCITY: np.zeros_like(found[ANCHOR])}

    def add(self, context: BlockContext, forward: ForwardPass, backward: BackwardPass) -> Signal:
        signal, builder = super().add(context, forward, backward), forward.builder
        (grad,) = signal.gradients.values()
        opposite = builder.standard("Neg", (grad,), (own(grad, "opposite"), builder.type_of(grad)))
        sizes = {"bias_size": builder.type_of(ANCHOR).size, "has_all_rows": 1}
        total = builder.call("BiasSliceGrad", (opposite,), (gradient(ANCHOR),), sizes)[0]
        moved = (successor(ANCHOR), successor(VELOCITY))
        builder.call("MomentumUpdate", (ANCHOR, total, RATE, VELOCITY), moved, {"limit": 1e30})
        return signal


@pytest.fixture(autouse=True)
def methods() -> Iterator[None]:
    with METHODS.registered(MeanSquare()), METHODS.registered(MovingAnchor()):
        yield


def artifact_of(folder: Path, model: Any = None, **options: Any) -> Artifact:
    graph = load_model(model or mlp(), folder)
    return build(graph, plan(graph, "1MB", **{"method": "mean-square", "batch": 5, "binarize": "none", **options}))


@pytest.mark.parametrize("slices", ["1x1", "2x2"])
def test_a_step_is_that_of_numpy(tmp_path: Path, slices: str) -> None:
    artifact = artifact_of(tmp_path, slices=slices, optimizer="sgd")
    state = ModelState(artifact.manifest, artifact.initial)
    training = BlockTraining(artifact, 0, state, Runtime())
    x = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
    training.inputs["input"][...] = x
    begun = {name: array.astype(np.float64) for name, array in state.arrays().items()}
    training.begin_turn(training.num_turns - 1)
    result = training.step(0.25)
    training.end_turn()
    z = x @ begun["fc1#weight"] + begun["fc1#bias"]
    apart = np.maximum(z, 0) - begun["fc1#anchor"]
    grad_z = 2 * apart / apart.shape[1] * (z > 0)
    expected = begun["fc1#weight"] - 0.25 * x.T.astype(np.float64) @ grad_z
    part = np.s_[:, :] if slices == "1x1" else np.s_[4:, 8:]  # the last slice
    after = state.arrays()["fc1#weight"]
    # Products and sums of float32 over 5 samples and 8 inputs.
    np.testing.assert_allclose(after[part], expected[part], rtol=1e-5, atol=1e-6)
    assert np.abs(after - begun["fc1#weight"])[part].max() > 1e-2
    rest = np.ones_like(after, dtype=bool)
    rest[part] = False
    np.testing.assert_array_equal(after[rest], begun["fc1#weight"].astype(np.float32)[rest])
    assert result.loss == pytest.approx((apart**2).mean(axis=1).sum(), rel=1e-5)
    assert result.accuracy == 0


def test_what_it_keeps_may_learn(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, method="moving-anchor", slices="1x1")
    state = ModelState(artifact.manifest, artifact.initial)
    training = BlockTraining(artifact, 0, state, Runtime())
    x = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
    training.inputs["input"][...] = x
    begun = artifact.initial
    h = np.maximum(x.astype(np.float64) @ begun["fc1#weight"] + begun["fc1#bias"], 0)
    training.begin_turn(0)
    training.step(0.5)
    grad = -2 * (h - begun["fc1#anchor"]).sum(axis=0) / h.shape[1]
    # Sums of float32 over 5 samples, of products over 8 inputs.
    np.testing.assert_allclose(state.arrays()["fc1#anchor"], begun["fc1#anchor"] - 0.5 * grad, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state.arrays()["fc1#anchor#velocity"], grad, rtol=1e-5, atol=1e-6)
    moved = state.arrays()["fc1#anchor"].copy()
    training.reset_optimizer()
    np.testing.assert_array_equal(state.arrays()["fc1#anchor"], moved)
    assert not state.arrays()["fc1#anchor#velocity"].any()


@pytest.mark.parametrize("order", ["layerwise", "interleaved"])
@pytest.mark.parametrize(("make", "shape"), [(mlp, (8,)), (conv_net, (3, 8, 8))], ids=["dense", "conv"])
@pytest.mark.parametrize("binarize", ["none", "both"])
def test_blocks_come_closer_and_the_classifier_has_its_own_loss(
    tmp_path: Path, order: str, make: Any, shape: tuple[int, ...], binarize: str
) -> None:
    artifact = artifact_of(tmp_path, make(), order=order, binarize=binarize)
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(40, *shape)).astype(np.float32), rng.integers(0, 4, 40)
    trainer = Trainer(artifact)
    losses: dict[str, list[float]] = {}
    for report in trainer.iterate(x, y, normalization=None, epochs=12):
        losses.setdefault(report.block, []).append(report.loss)
    assert len(losses) == (3 if order == "layerwise" else 1)  # where blocks take turns, the last one is reported
    for name, of_block in losses.items():
        assert np.mean(of_block[-8:]) < np.mean(of_block[:8]), name
    first = f"{artifact.blocks[0].layers[0].name}#weight"
    assert not np.array_equal(trainer.state.arrays()[first], artifact.initial[first])
    assert [(block.scores != "", len(block.kept)) for block in artifact.blocks] == [(False, 2), (False, 2), (True, 0)]


def test_what_it_keeps_is_in_a_saved_artifact(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path)
    artifact.save(tmp_path / "saved")
    trainer = Trainer(Artifact.load(tmp_path / "saved"))
    np.testing.assert_array_equal(trainer.state.arrays()["fc2#anchor"], artifact.initial["fc2#anchor"])
    assert artifact.initial["fc2#anchor"].shape == (12,)


def test_its_memory_is_planned(tmp_path: Path) -> None:
    """What it keeps is counted where parameters are: with all layers in RAM, 4 bytes a unit and 4 for the share."""
    graph = load_model(mlp(), tmp_path)
    options: dict[str, Any] = {"method": "mean-square", "binarize": "none", "batch": 5, "nonvolatile": "none"}
    (block, *_) = plan(graph, "1MB", **options).blocks
    assert {buffer.name: buffer.bytes for buffer in block.buffers}[ANCHOR] == 64


def test_c99_refuses_what_it_cannot_train(tmp_path: Path) -> None:
    graph = load_model(mlp(), tmp_path)
    with pytest.raises(UnsupportedError, match=r"block 'fc1': is trained without labels|has no C99 kernel"):
        plan(graph, "1MB", method="mean-square", target="c99", binarize="none")


def test_a_name_must_be_known_and_is_taken_once(tmp_path: Path) -> None:
    known = "use tinyfoa, .*, auto, local-head, own-loss, .*mean-square, moving-anchor"
    with pytest.raises(UsageError, match=f"--method other: is not known; {known}"):
        plan(load_model(mlp(), tmp_path), "1MB", method="other")
    with pytest.raises(UsageError, match="method mean-square: is there already"):
        register_method(MeanSquare())


def test_the_loss_of_the_model_cannot_train_a_block_that_is_not_its_output(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="node 'fc1': does not compute what the model's loss is of"):
        plan(load_model(mlp(), tmp_path), "1MB", method="own-loss")
