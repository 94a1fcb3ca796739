"""What steps change of a method's own tensors, whatever method it is, is stored when turns end; other types are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.c99.exported import Device
from tests.c99.trained_pair import SIZES, export_small, pair_of
from tests.c99.training_checks import check_block
from tests.small_models import load_model, mlp
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.ir.names import LOGITS, RATE, gradient, successor
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.pipeline import plan
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.block_pass import BlockPass
from tinyfoa_rt.steps.methods import METHODS, KeptTensor, Signal
from tinyfoa_rt.steps.methods.local_head import LocalHead

DRIFT, COUNT = "#drift", "#count"


class Drifting(LocalHead):
    """Local heads; beside them the block keeps the sum of its logits' errors, which is nothing that an optimizer moves."""

    name = "drifting"

    def kept(self, context: BlockContext) -> tuple[KeptTensor, ...]:
        drift = TensorType("float32", (context.recipe.num_outputs,))
        return (*super().kept(context), KeptTensor(DRIFT, drift, "state"))

    def initial(self, context: BlockContext, last: Block) -> Mapping[str, NDArray[Any]]:
        return {**super().initial(context, last), DRIFT: np.ones(context.recipe.num_outputs, np.float32)}

    def add(self, context: BlockContext, forward: BlockPass, backward: BackwardPass) -> Signal:
        signal = super().add(context, forward, backward)
        forward.builder.phase = "update"
        forward.builder.call("ShiftSgdStep", (DRIFT, gradient(LOGITS), RATE), (successor(DRIFT),), {"share": 1.0})
        return signal


class Counting(LocalHead):
    """Local heads, and a whole number."""

    name = "counting"

    def kept(self, context: BlockContext) -> tuple[KeptTensor, ...]:
        return (*super().kept(context), KeptTensor(COUNT, TensorType("int32", ()), "state"))


@pytest.fixture(autouse=True)
def methods() -> Iterator[None]:
    with METHODS.registered(Drifting()), METHODS.registered(Counting()):
        yield


@pytest.mark.parametrize("head", ["rademacher", "learned"])
def test_a_tensor_that_no_optimizer_moves(head: str, tmp_path: Path) -> None:
    pair = pair_of(tmp_path, method="drifting", batch=2, slices="2x2", head=head, optimizer="adam")
    stored = [layer.name for layer in pair.device.model.source.stored.layers]
    assert stored[:3] == (["fc1", "fc1#head", "fc1#drift"] if head == "learned" else ["fc1", "fc1#drift", "fc2"])
    for index in range(2):
        rate = pair.device.model.source.blocks[index].starting_rate
        check_block(pair, index, (rate, rate))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_arena_that_a_step_takes_is_the_planned_one(optimizer: str, tmp_path: Path) -> None:
    """A learned head has its place there, and its gradient none: the last word that is written is the plan's last."""
    device = Device(export_small(tmp_path, head="learned", optimizer=optimizer, binarize="none")).start()
    rng, paint = np.random.default_rng(0), 0xA5A5A5A5
    for block in device.model.source.blocks:
        device.arena[:] = paint
        device.step(rng.normal(0, 1, (2, SIZES[0])), np.array([0, 3]), 0.1)
        device.predict(rng.normal(0, 1, (2, SIZES[0])))
        assert np.flatnonzero(device.arena != paint)[-1] == block.peak_nbytes // 4 - 1
        device.next_block()


def test_what_is_not_float32_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="block 'fc1': changes '#count', int32, and generated C stores float32"):
        plan(load_model(mlp(), tmp_path), "1MB", method="counting", target="c99")
