"""Shares of layers: what a list selects, how far a layer is trained, and what is refused."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emit.conv_models import conv_model
from tests.small_models import ModelBuilder, load_model, mlp
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.partition import partition, select_blocks, select_shares
from tinyfoa_rt.pipeline import plan


@pytest.mark.parametrize(
    ("train", "blocks", "shares"),
    [
        ("fc2[:1/4]", {"fc2"}, {"fc2": Fraction(1, 4)}),
        ("fc1, fc2[:2/8] ,fc3", {"fc1", "fc2", "fc3"}, {"fc2": Fraction(1, 4)}),
        ("last:2[:1/2]", {"fc2", "fc3"}, {"fc2": Fraction(1, 2), "fc3": Fraction(1, 2)}),
        ("all[:1/3]", {"fc1", "fc2", "fc3"}, dict.fromkeys(("fc1", "fc2", "fc3"), Fraction(1, 3))),
        (("fc1", "fc3[:1/2]"), {"fc1", "fc3"}, {"fc3": Fraction(1, 2)}),
    ],
)
def test_a_share_stands_behind_what_it_is_of(tmp_path: Path, train: str, blocks: set[str], shares: dict[str, Fraction]) -> None:
    found = partition(load_model(mlp((8, 7, 6, 5)), tmp_path)).blocks
    assert select_blocks(found, train) == blocks
    assert select_shares(found, train) == shares


def test_a_name_may_end_in_brackets(tmp_path: Path) -> None:
    builder = ModelBuilder((8,))
    hidden = builder.node("Relu", (builder.dense("input", 8, 6, "a[:1/2]"),))
    found = partition(load_model(builder.model(builder.dense(hidden, 6, 3, "b,c[0]")), tmp_path)).blocks
    assert select_shares(found, "a[:1/2]") == {}
    assert select_shares(found, "b,c[0][:1/3],a[:1/2]") == {"b,c[0]": Fraction(1, 3)}
    assert select_blocks(found, "b,c[0][:1/3],a[:1/2]") == {"a[:1/2]", "b,c[0]"}


@given(st.integers(2, 300), st.data())
def test_the_first_slice_is_the_share_and_no_other_is_larger(inputs: int, data: st.DataObject) -> None:
    trained = data.draw(st.integers(1, inputs - 1))
    layer = Layer("fc", "dense", (), "w", None, "x", "z", inputs, 9, trained_inputs=trained)
    grid = SliceGrid.of(layer, Slices(1, 1))
    assert grid.part(0).ins == slice(0, trained) and grid.part(0).outs == slice(0, 9)
    assert grid.turns == 1 and grid.largest == (trained, 9)
    assert [part.ins.start for part in grid] + [inputs] == [0, *(part.ins.stop for part in grid)]


def test_a_plan_says_what_is_trained(tmp_path: Path) -> None:
    planned = plan(load_model(mlp((80, 64, 40, 4)), tmp_path), "1MB", train="fc2[:2/8],fc3", samples=600, batch=6)
    assert planned.options.train == ("fc2[:1/4]", "fc3")
    assert [block.update_fraction for block in planned.blocks] == [0.25, 1]
    whole = plan(load_model(mlp((80, 64, 40, 4)), tmp_path), "1MB", train="fc2,fc3", samples=600, batch=6)
    assert planned.blocks[0].peak_bytes < whole.blocks[0].peak_bytes
    assert planned.blocks[0].written_bytes_per_epoch is not None and whole.blocks[0].written_bytes_per_epoch is not None
    # Latent weights of 16 of 64 inputs; biases, sums and a byte for each sign are few beside them.
    assert planned.blocks[0].written_bytes_per_epoch < 0.3 * whole.blocks[0].written_bytes_per_epoch


REFUSED = {
    "fc2[1/4]": "--train fc2[1/4]: what stands in brackets is no share; write fc2[:1/4] for the first quarter of its inputs",
    "fc2[:0/4]": "--train fc2[:0/4]: a share is between 0 and 1",
    "fc2[:4/4]": "--train fc2[:4/4]: a share is between 0 and 1",
    "fc2[:1/0]": "--train fc2[:1/0]: a share is between 0 and 1",
    "fc9[:1/4]": "--train fc9: no block or layer has this name",
    "last:9[:1/4]": "--train last:9: the model has 3 blocks",
    "fc2[:1/9]": "--train fc2[:1/9]: the layer has 7 inputs: the share has none",
}


@pytest.mark.parametrize("train", REFUSED)
def test_what_is_no_share_is_refused(tmp_path: Path, train: str) -> None:
    with pytest.raises(UsageError, match=re.escape(REFUSED[train])):
        plan(load_model(mlp((8, 7, 6, 5)), tmp_path), "1MB", train=train)


def test_a_depthwise_layer_has_no_share(tmp_path: Path) -> None:
    words = "--train depthwise[:1/2]: the layer has 1 input a group: the share has none; train all of it"
    with pytest.raises(UsageError, match=re.escape(words)):
        plan(load_model(conv_model(), tmp_path), "1MB", train="depthwise[:1/2]")


@pytest.mark.parametrize(
    ("option", "words"), [({"slices": "2x2"}, "--slices 2x2"), ({"schedule": "freeze-diagonal"}, "--schedule")]
)
def test_a_share_is_not_cut_further(tmp_path: Path, option: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=rf"^{words}.*, layer 'fc2': trains a share of its inputs.*leave one of the two out"):
        plan(load_model(mlp((8, 7, 6, 5)), tmp_path), "1MB", train="fc1,fc2[:1/2]", **option)
