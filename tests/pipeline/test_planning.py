"""Plans of known models: the paper's arithmetic, known floors, frozen prefixes, targets."""

import re
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from tests.small_models import ModelBuilder, conv_net, load_model, mlp, residual_net
from tinyfoa_rt import plan
from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.ir.verify import verify_plan
from tinyfoa_rt.model import load
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.planner.task import resolve_options
from tinyfoa_rt.zoo import write_model

KIB = 1024


@pytest.fixture(scope="module")
def fc_3072(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    path = tmp_path_factory.mktemp("zoo") / "fc-3072-10.onnx"
    write_model("fc-3072-10", path)
    return load(path)


def test_the_arithmetic_of_the_paper(fc_3072: Graph) -> None:
    """3072-2000-2000-2000-2000, batch 1, 2 x 2 slices, computed here by hand (docs/accounts.md)."""
    weights = 3072 * 2000 + 3 * 2000 * 2000
    result = plan(fc_3072, "64MB", batch=1, slices="2x2", target="c99")
    ours, backpropagation = result.baselines["layerwise_sliced"], result.baselines["bp_float"]
    assert backpropagation.forward_bytes == backpropagation.update_bytes == backpropagation.gradient_bytes == 4 * weights
    assert ours.forward_bytes == 3072 * 2000 // 8
    assert ours.update_bytes == ours.gradient_bytes == 4 * (3072 // 2) * (2000 // 2)
    assert round(backpropagation.forward_bytes / ours.forward_bytes, 1) == 94.5
    assert round(backpropagation.update_bytes / ours.update_bytes, 1) == 11.8
    assert round(backpropagation.gradient_bytes / ours.gradient_bytes, 1) == 11.8


def test_the_comparison_counts_weights_and_state(tmp_path: Path) -> None:
    """8-16-12-4 with Adam at batch 2: hidden weights 8 x 16 + 16 x 12."""
    result = plan(load_model(mlp(), tmp_path), "1MB", batch=2, optimizer="adam", slices="2x2", target="c99")
    hidden, largest = 8 * 16 + 16 * 12, 16 * 12
    bp_float, bp_binary = result.baselines["bp_float"], result.baselines["bp_binary"]
    assert (bp_float.forward_bytes, bp_float.gradient_bytes, bp_float.update_bytes) == (4 * hidden, 4 * hidden, 12 * hidden)
    assert bp_binary.forward_bytes == hidden // 8
    assert result.baselines["layerwise"].forward_bytes == largest // 8
    assert result.baselines["layerwise"].update_bytes == 12 * largest
    assert result.baselines["layerwise_sliced"].peak_bytes == result.peak_bytes


def test_a_packed_2000_layer_is_488_kib_and_fits_only_in_nonvolatile_memory(fc_3072: Graph) -> None:
    with_flash = plan(fc_3072, "256KB", target="c99")
    assert with_flash.feasible
    assert "read from nonvolatile memory" in with_flash.reason
    without = plan(fc_3072, "256KB", target="c99", nonvolatile="none")
    assert not without.feasible
    assert without.floor_bytes > 2000 * 2000 / 8 == 500_000
    assert "no nonvolatile memory" in without.reason
    assert f"{without.floor_bytes:,} bytes" in without.reason
    assert without.nonvolatile_bytes == 0


def test_bits_in_ram_cost_what_a_layer_packs_to(tmp_path: Path) -> None:
    """With the whole layer in RAM its bits are a buffer: 2000 rows of 63 words."""
    builder = ModelBuilder((2000,))
    hidden = builder.node("Relu", (builder.dense("input", 2000, 2000, "fc1"),))
    graph = builder.load(tmp_path, builder.dense(hidden, 2000, 10, "fc2"))
    result = plan(graph, "64MB", batch=1, target="c99")
    bits = {b.name: b.bytes for b in result.blocks[0].buffers}["fc1#w#bits"]
    assert bits == 2000 * 63 * 4
    assert bits // KIB == 492  # 488 KiB, and the padding of rows to whole words


def test_the_demo_model_fits(tmp_path: Path) -> None:
    path = tmp_path / "mlp.onnx"
    write_model("mlp-784-256-256-10", path)
    for target in ("ort-cpu", "c99"):
        result = plan(load(path), "256KB", target=target)
        assert result.feasible
        assert result.peak_bytes <= 262_144
        verify_plan(result)


def test_a_frozen_prefix_counts_its_forward_peak(tmp_path: Path) -> None:
    graph = load_model(conv_net(), tmp_path)
    result = plan(graph, "64KB", target="c99", train="last:1", batch=1)
    (block,) = result.blocks
    assert block.name == "fc"
    forward = next(b for b in block.buffers if b.category == "forward")
    # conv1's result, 8x8x8 floats; its input beside it, 3x8x8 floats
    assert forward.bytes == 4 * (8 * 8 * 8 + 3 * 8 * 8)
    assert (forward.first_step, forward.last_step) == (0, 0)


@pytest.mark.parametrize("make", [conv_net, residual_net, mlp])
def test_a_block_reads_its_inputs_where_the_forward_pass_left_them(tmp_path: Path, make: Callable[[], onnx.ModelProto]) -> None:
    """Nothing moves them in between: no step of the program copies."""
    task = resolve_options(load_model(make(), tmp_path), PlanOptions(budget="64KB", target="c99"))
    costs = BlockCosts(task)
    pinned = 0
    for index, context in enumerate(task.contexts[1:], start=1):
        before = costs.before(index, 2)
        buffers = {b.name: b for b in costs.footprint(index, Candidate(Slices(1, 1), 2)).buffers}
        base = buffers["forward through the blocks before"].offset
        assert base is not None
        for name in context.block.inputs:
            if name in buffers:  # a view lies in the buffer of what it views
                assert buffers[name].offset == base + before.offsets[name]
                pinned += 1
    assert pinned >= 2


@pytest.mark.parametrize("target", ["ort-cpu", "c99"])
def test_blocks_that_are_alike_differ_by_what_is_before_them(tmp_path: Path, target: str) -> None:
    """fc2 and fc5 are alike, but before fc5 there are activations of 2,048: what was measured for one is not the other's."""
    graph = load_model(mlp((16, 64, 64, 2048, 64, 64, 4)), tmp_path)
    costs = BlockCosts(resolve_options(graph, PlanOptions(budget="1MB", target=target)))
    peaks = [costs.peak(index, Candidate(Slices(4, 4), 1)) for index in range(6)]
    assert peaks == [costs.footprint(index, Candidate(Slices(4, 4), 1)).peak_nbytes for index in range(6)]
    # A prediction through all blocks must fit between two steps of any block, so the two need the same.
    assert peaks[4] == peaks[1]


def test_an_arena_has_room_for_a_prediction_between_two_steps(tmp_path: Path) -> None:
    """fc1 of 16-8-2048-8-4 needs little itself, but a prediction holds 2,048 real numbers and the bits they become."""
    graph = load_model(mlp((16, 8, 2048, 8, 4)), tmp_path)
    result = plan(graph, "1MB", target="c99", batch=1, slices="2x2")
    named = {buffer.name: buffer for buffer in result.blocks[0].buffers}
    assert named["forward to the output, between two steps"].bytes >= 2048 * 4 + 2048 // 8


def test_an_operator_without_gradient_is_fine_in_the_frozen_prefix(tmp_path: Path) -> None:
    builder = ModelBuilder((8,))
    odd = builder.node("Erf", (builder.dense("input", 8, 8, "fc1"),), "odd")
    graph = builder.load(tmp_path, builder.dense(odd, 8, 3, "fc2"))
    with pytest.raises(UnsupportedError, match=r"node 'odd'.*Erf has no gradient rule.*--train last:1"):
        plan(graph, "64KB")
    assert plan(graph, "64KB", train="last:1").feasible


def test_a_refusal_says_how_much_can_be_trained(tmp_path: Path) -> None:
    """Two refused operators: only what is behind the second can be trained; behind the last layer is nothing."""
    builder = ModelBuilder((8,))
    x = "input"
    for index, operator in enumerate(["Relu", "Erf", "Relu", "Erf", "Relu", "Relu"]):
        x = builder.node(operator, (builder.dense(x, 8, 8, f"fc{index}"),), f"act{index}")
    graph = builder.load(tmp_path, x)
    with pytest.raises(UnsupportedError, match=r"node 'act1'.*: --train last:2 "):
        plan(graph, "64KB")
    assert plan(graph, "64KB", train="last:2").feasible
    with pytest.raises(UnsupportedError, match=r"node 'act3'"):
        plan(graph, "64KB", train="last:3")
    builder = ModelBuilder((8,))
    odd = builder.node("Erf", (builder.dense("input", 8, 8, "fc"),), "odd")
    with pytest.raises(UnsupportedError, match="no layer is behind it") as refusal:
        plan(builder.load(tmp_path, odd), "64KB")
    assert "--train" not in str(refusal.value)


def test_named_layers_are_trained(tmp_path: Path) -> None:
    graph = load_model(mlp(), tmp_path)
    assert [block.name for block in plan(graph, "64KB", train="fc1, fc3").blocks] == ["fc1", "fc3"]
    with pytest.raises(UsageError, match="no block or layer has this name; use all, last:K or names such as fc1, fc2, fc3"):
        plan(graph, "64KB", train="fc9")
    with pytest.raises(UsageError, match="the model has 3 blocks"):
        plan(graph, "64KB", train="last:4")


def test_a_board_has_a_budget_of_its_own(tmp_path: Path) -> None:
    graph = load_model(mlp(), tmp_path)
    assert plan(graph, target="stm32f746").budget_bytes == (320 - 32) * KIB
    with pytest.raises(UsageError, match="give a budget"):
        plan(graph, target="c99")


def test_flash_that_is_too_small_is_the_reason(fc_3072: Graph) -> None:
    result = plan(fc_3072, target="stm32f746")
    assert not result.feasible
    assert result.peak_bytes <= result.budget_bytes
    assert "1.00 MiB of nonvolatile memory" in result.reason
    assert result.nonvolatile_bytes > 4 * 18_164_000


@pytest.mark.parametrize("available", [5_000, 60_000])
def test_fewer_blocks_are_advised_only_where_they_fit_into_flash(tmp_path: Path, available: int) -> None:
    """8-96-96-96-96-4: 29,000 weights of 4 bytes, and bits for those of trained blocks alone."""
    graph = load_model(mlp((8, 96, 96, 96, 96, 4)), tmp_path)
    reasons = [plan(graph, "1MB", target="c99", nonvolatile="1", train=train).reason for train in ("all", "last:1")]
    kept, frozen = (int(re.findall(r"\(([\d,]+) bytes\)", reason)[0].replace(",", "")) for reason in reasons)
    available = frozen + (kept - frozen) // 2 if available > 5_000 else available
    result = plan(graph, "1MB", target="c99", nonvolatile=str(available))
    assert not result.feasible
    advised = re.search(r"--train last:(\d)", result.reason)
    assert (advised is not None) == (frozen <= available)
    if advised is not None:
        assert plan(graph, "1MB", target="c99", nonvolatile=str(available), train=f"last:{advised[1]}").feasible
        more = plan(graph, "1MB", target="c99", nonvolatile=str(available), train=f"last:{int(advised[1]) + 1}")
        assert not more.feasible
    size = re.search(r"--nonvolatile (\w+)\)", result.reason)
    assert size is not None
    assert plan(graph, "1MB", target="c99", nonvolatile=size[1]).feasible


def test_nonvolatile_memory_is_named_as_in_a_profile(fc_3072: Graph) -> None:
    assert plan(fc_3072, target="stm32f746", nonvolatile="unlimited").feasible
    assert plan(fc_3072, target="stm32f746", nonvolatile="none").nonvolatile_bytes == 0


def test_where_ram_and_flash_are_too_small_both_are_named(tmp_path: Path) -> None:
    """Else who raises the budget as told meets the next refusal."""
    reason = plan(load_model(mlp((8, 96, 96, 4)), tmp_path), "100", target="c99", nonvolatile="4KB").reason
    assert "The smallest budget that would do" in reason
    assert "has 4.00 KiB of nonvolatile memory" in reason


def test_the_buffer_that_stands_in_the_way_is_in_ram(fc_3072: Graph) -> None:
    """The 24 MB of fc1's weights lie in nonvolatile memory; it is the active slice that fills a small RAM."""
    result = plan(fc_3072, "50KB", target="c99")
    assert not result.feasible
    name = re.search(r"largest buffer is (\S+) \(", result.reason)
    assert name is not None
    worst = max(result.blocks, key=lambda block: block.peak_bytes)
    named = next(buffer for buffer in worst.buffers if buffer.name == name[1])
    assert named.place == "ram"
    assert named.bytes <= worst.peak_bytes


@pytest.mark.parametrize("head", ["rademacher", "kaiming"])
def test_pooled_heads_are_advised_where_a_head_fills_the_memory(tmp_path: Path, head: str) -> None:
    builder = ModelBuilder((3, 24, 24))
    x = builder.node("Relu", (builder.conv("input", (3, 8), name="conv"),))
    x = builder.node("GlobalAveragePool", (builder.node("Relu", (builder.conv(x, (8, 8), name="inner"),)),))
    graph = builder.load(tmp_path, builder.dense(builder.node("Flatten", (x,)), 8, 5, "fc"))
    result = plan(graph, "1", head=head, head_pool="none")
    assert "--head-pool average" in result.reason
    for head_pool in ("grid", "average"):
        pooled = plan(graph, "1", head=head, head_pool=head_pool)
        assert pooled.floor_bytes < result.floor_bytes
        assert "--head-pool" not in pooled.reason
    assert "--head-pool" not in plan(load_model(mlp(), tmp_path), "1", head=head).reason


def test_an_autoencoder_reconstructs_its_input(shared_models: Path) -> None:
    result = plan(load(shared_models / "ad01.onnx"), "256KB", target="c99")
    targets = {b.name: b.bytes for b in result.blocks[0].buffers}
    assert targets["#target"] == 4 * 640 * result.batch


def test_written_bytes_by_hand(tmp_path: Path) -> None:
    """8-16-12-4 in 2 x 2 slices: an epoch writes each layer once, latent values, bits, sums and biases, these twice; of the
    classifier, whose weights are real, latent values and biases. Each of twelve turns writes a header."""
    graph = load_model(mlp(), tmp_path)
    result = plan(graph, "64KB", target="c99", slices="2x2", samples=100, batch=1)

    def layer(n_in: int, n_out: int) -> int:
        words = 4 * 2 * n_out  # two slices a row, each padded to a word
        return 4 * n_in * n_out + words + 2 * (4 * n_out + 2 * 4 * n_out)

    # Progress, two scales, the slots of four slices and the free one, their checksums and those of two parts' biases, its own.
    header = 4 * (8 + 2 + 3 * (5 + 4 + 2) + 1)
    assert result.written_bytes_per_epoch == layer(8, 16) + layer(16, 12) + 4 * 12 * 4 + 2 * 2 * 4 * 4 + 12 * header
    assert plan(graph, "64KB", target="c99").written_bytes_per_epoch is None
    rotating = plan(graph, "64KB", target="c99", slices="2x2", samples=100, batch=1, rotate_every=5)
    assert rotating.written_bytes_per_epoch == 5 * result.written_bytes_per_epoch
    every_step, asked = (plan(graph, "64KB", slices="2x2", samples=100, batch=1, rotate_every=r) for r in (None, 1))
    assert every_step.written_bytes_per_epoch == asked.written_bytes_per_epoch


@pytest.mark.parametrize(
    "options", [{"optimizer": "sgdd"}, {"batch": 0}, {"slices": "0x2"}, {"slices": "2"}, {"schedule": "full", "slices": "2x2"}]
)
def test_options_that_make_no_sense(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(UsageError) as refusal:
        plan(load_model(mlp(), tmp_path), "64KB", **options)
    assert "\n" not in str(refusal.value)


def test_freeze_diagonal_saves_no_memory(tmp_path: Path) -> None:
    graph = load_model(mlp((64, 64, 10)), tmp_path)
    full = plan(graph, "1MB", schedule="full", batch=1)
    diagonal = plan(graph, "1MB", schedule="freeze-diagonal", batch=1)
    assert diagonal.blocks[0].update_fraction == 0.75
    assert diagonal.peak_bytes == full.peak_bytes
