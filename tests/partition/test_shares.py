"""Shares of layers: what a list selects, how far a layer is trained, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emit.conv_models import conv_model
from tests.small_models import ModelBuilder, conv_net, load_model, mlp
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.block import Block, Layer, Slices
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.partition import partition, resolved_names, select_blocks, select_shares
from tinyfoa_rt.pipeline import plan


def _dense(name: str) -> Layer:
    return Layer(name, "dense", (), "w", None, "x", "z", 8, 9)


@pytest.mark.parametrize(
    ("train", "blocks", "shares"),
    [
        ("fc2[:1/4]", {"fc2"}, {"fc2": Fraction(1, 4)}),
        ("fc1, fc2[:2/8] ,fc3", {"fc1", "fc2", "fc3"}, {"fc2": Fraction(1, 4)}),
        ("last:2[:1/2]", {"fc2", "fc3"}, {"fc2": Fraction(1, 2), "fc3": Fraction(1, 2)}),
        ("all[:1/3]", {"fc1", "fc2", "fc3"}, dict.fromkeys(("fc1", "fc2", "fc3"), Fraction(1, 3))),
        (("fc1", "fc3[:1/2]"), {"fc1", "fc3"}, {"fc3": Fraction(1, 2)}),
        ("fc1[bias],fc2[:1/4],fc3", {"fc1", "fc2", "fc3"}, {"fc1": Fraction(0), "fc2": Fraction(1, 4)}),
        ("all[bias],last:1", {"fc1", "fc2", "fc3"}, {"fc1": Fraction(0), "fc2": Fraction(0)}),
        ("last:2[:1/2],fc3[bias]", {"fc2", "fc3"}, {"fc2": Fraction(1, 2), "fc3": Fraction(0)}),
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


@given(st.integers(2, 300), st.sampled_from(["1x1", "2x1", "2x2", "3x2"]), st.data())
def test_the_first_slices_are_the_share_and_no_other_is_larger(inputs: int, grid: str, data: st.DataObject) -> None:
    trained = data.draw(st.integers(1, inputs - 1))
    m_in, m_out = map(int, grid.split("x"))
    found = SliceGrid.of(replace(_dense("fc"), in_features=inputs, trained_inputs=trained), Slices(m_in, m_out))
    parts = list(found)
    assert found.turns == min(m_in * m_out, trained)
    assert parts[0].ins.start == 0 and parts[found.turns - 1].ins.stop == trained
    assert all(part.outs == slice(0, 9) for part in parts)
    assert [part.ins.start for part in parts] + [inputs] == [0, *(part.ins.stop for part in parts)]
    assert found.largest[0] == max(part.num_ins for part in parts[: found.turns]) <= -(-trained // found.turns) + 31
    assert found.is_even == (len({part.num_ins for part in parts[: found.turns]}) == 1)


def test_a_plan_says_what_is_trained(tmp_path: Path) -> None:
    planned = plan(load_model(mlp((80, 64, 40, 4)), tmp_path), "1MB", train="fc2[:2/8],fc3", samples=600, batch=6)
    assert planned.options.train == ("fc2[:1/4]", "fc3")
    assert planned.reason.startswith("All that is trained (--train) is updated in every step: whole layers fit;")
    assert [block.update_fraction for block in planned.blocks] == [0.25, 1]
    whole = plan(load_model(mlp((80, 64, 40, 4)), tmp_path), "1MB", train="fc2,fc3", samples=600, batch=6)
    assert planned.blocks[0].peak_bytes < whole.blocks[0].peak_bytes
    assert planned.blocks[0].written_bytes_per_epoch is not None and whole.blocks[0].written_bytes_per_epoch is not None
    # Latent weights of 16 of 64 inputs; biases, sums and a byte for each sign are few beside them.
    assert planned.blocks[0].written_bytes_per_epoch < 0.3 * whole.blocks[0].written_bytes_per_epoch


_SHARES = {"": Fraction(1), "[bias]": Fraction(0), "[:1/2]": Fraction(1, 2), "[:2/6]": Fraction(1, 3)}
_MEANS = {"all": ("fc1", "fc2", "fc3"), "last:2": ("fc2", "fc3"), "fc1": ("fc1",), "fc2": ("fc2",), "fc3": ("fc3",)}


@given(st.lists(st.tuples(st.sampled_from(sorted(_MEANS)), st.sampled_from(sorted(_SHARES))), min_size=1, max_size=5))
def test_a_plan_names_what_a_list_selects(entries: list[tuple[str, str]]) -> None:
    """Each layer as the last entry says that means it; and what the plan says selects the same again."""
    blocks = [Block(name, 1, (_dense(name),), (), (), name, ()) for name in _MEANS["all"]]
    expected = {name: _SHARES[suffix] for entry, suffix in entries for name in _MEANS[entry]}
    train = [entry + suffix for entry, suffix in entries]
    for asked in (tuple(train), ",".join(train)):
        shares = select_shares(blocks, asked)
        assert select_blocks(blocks, asked) == expected.keys()
        assert shares == {name: share for name, share in expected.items() if share != 1}
        resolved = tuple(name for block in blocks if block.name in expected for name in resolved_names(block, shares))
        assert select_blocks(blocks, resolved) == expected.keys()
        assert select_shares(blocks, resolved) == shares


def test_biases_alone_keep_nothing_that_was_multiplied(tmp_path: Path) -> None:
    """An error passes a convolution by its weights, and a Relu by a bit: whole activations end before the loss."""
    graph = load_model(conv_net(), tmp_path)
    options: dict[str, Any] = {"target": "c99", "batch": 2, "block_layers": "all", "binarize": "none", "slices": "1x1"}
    kept, peaks, flash = {}, {}, {}
    for train in ("all", "all[bias],last:1"):
        planned = plan(graph, "1MB", train=train, **options)
        (block,) = planned.blocks
        loss = next(number for number, step in enumerate(block.steps) if step.startswith("#"))
        spanning = (each for each in block.buffers if each.place == "ram" and each.first_step < loss < each.last_step)
        kept[train] = sum(each.bytes for each in spanning if each.category == "activation")
        peaks[train], flash[train] = planned.peak_bytes, planned.nonvolatile_parts
    whole, ours = kept
    assert kept[ours] < kept[whole] / 4
    assert peaks[ours] < 0.7 * peaks[whole]
    # Weights are constant data: no slots of the storage, and none of their state.
    assert flash[ours].storage_bytes < flash[whole].storage_bytes / 4
    assert flash[ours].constants_bytes > flash[whole].constants_bytes


REFUSED = {
    "fc2[1/4]": "--train fc2[1/4]: what stands in brackets is no share; write fc2[:1/4] for the first quarter of its inputs",
    "fc2[:0/4]": "--train fc2[:0/4]: a share is between 0 and 1",
    "fc2[:4/4]": "--train fc2[:4/4]: a share is between 0 and 1",
    "fc2[:1/0]": "--train fc2[:1/0]: a share is between 0 and 1",
    "fc9[:1/4]": "--train fc9: no block or layer has this name",
    "last:9[:1/4]": "--train last:9: the model has 3 blocks",
    "fc2[biases]": "is no share; write fc2[:1/4] for the first quarter of its inputs, fc2[bias] for its biases",
    "fc9[bias]": "--train fc9: no block or layer has this name",
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


@pytest.mark.parametrize("train", ["last:2[bias]", "fc2[bias],fc3"])
def test_a_layer_without_biases_is_refused(tmp_path: Path, train: str) -> None:
    builder = ModelBuilder((8,))
    hidden = builder.node("Relu", (builder.node("MatMul", ("input", builder.weight(8, 6)), "fc2"),))
    words = "--train fc2[bias]: the layer has no biases; train all of it, or leave it out"
    with pytest.raises(UsageError, match=re.escape(words)):
        plan(load_model(builder.model(builder.dense(hidden, 6, 3, "fc3")), tmp_path), "1MB", train=train)


def test_a_share_of_too_few_inputs_is_not_cut(tmp_path: Path) -> None:
    words = "--slices 2x2, layer 'fc2': trains 3 inputs (--train), and a share is cut along its inputs, into 4; use another grid"
    with pytest.raises(UsageError, match=re.escape(words)):
        plan(load_model(mlp((8, 7, 6, 5)), tmp_path), "1MB", train="fc1,fc2[:1/2]", slices="2x2")


def test_a_share_is_cut_where_the_whole_of_it_does_not_fit(tmp_path: Path) -> None:
    graph = load_model(mlp((80, 64, 40, 4)), tmp_path)
    whole, cut = (plan(graph, "1MB", train="fc2[:1/2]", batch=2, slices=slices) for slices in ("1x1", "2x2"))
    planned = plan(graph, cut.peak_bytes, train="fc2[:1/2]", batch=2)
    assert cut.peak_bytes < 0.6 * whole.peak_bytes and planned.blocks[0].slices == (2, 2)
    assert planned.reason.startswith("Block fc2 updates 1/4 of what is trained of it a step (2 x 2 slices)")
    assert planned.blocks[0].update_fraction == whole.blocks[0].update_fraction / 4 == 0.125


@pytest.mark.parametrize("suffix", ["[:1/2]", "[bias]"])
def test_what_is_trained_in_part_has_no_diagonal(tmp_path: Path, suffix: str) -> None:
    words = "--schedule freeze-diagonal, layer 'fc2': is trained in part (--train) and has no diagonal to freeze"
    with pytest.raises(UsageError, match=re.escape(words)):
        plan(load_model(mlp((8, 7, 6, 5)), tmp_path), "1MB", train=f"fc1,fc2{suffix}", schedule="freeze-diagonal")
