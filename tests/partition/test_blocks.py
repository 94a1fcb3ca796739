"""Blocks: which layers and nodes belong together, what enters and what leaves."""

from pathlib import Path

import pytest

from tests.small_models import ModelBuilder, conv_net, load_model, mlp, residual_net
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.partition import partition
from tinyfoa_rt.partition.layers import find_layers, untrainable_products


def test_a_chain_gives_one_block_a_layer(tmp_path: Path) -> None:
    blocks = partition(load_model(mlp(), tmp_path)).blocks
    assert [block.name for block in blocks] == ["fc1", "fc2", "fc3"]
    assert [block.depth for block in blocks] == [1, 2, 3]
    assert [block.parameters for block in blocks] == [8 * 16 + 16, 16 * 12 + 12, 12 * 4 + 4]
    assert [block.is_classifier for block in blocks] == [False, False, True]


def test_a_node_belongs_to_the_layer_before_it(tmp_path: Path) -> None:
    blocks = partition(load_model(conv_net(), tmp_path)).blocks
    assert [[node.op_type for node in block.nodes] for block in blocks] == [
        ["Conv", "Relu", "MaxPool"],
        ["Conv", "Relu", "GlobalAveragePool", "Flatten"],
        ["Gemm"],
    ]
    assert blocks[1].inputs == (blocks[0].output,)


def test_layers_that_share_a_node_are_one_block(tmp_path: Path) -> None:
    blocks = partition(load_model(residual_net(), tmp_path)).blocks
    assert [{layer.name for layer in block.layers} for block in blocks] == [{"left", "right"}, {"inner"}, {"fc"}]
    assert blocks[0].nodes[-1].op_type == "Relu"


def test_a_skip_tensor_enters_the_block_that_adds_it(tmp_path: Path) -> None:
    graph = load_model(residual_net(), tmp_path)
    first, second, _ = partition(graph).blocks
    assert second.inputs == (first.output,)
    assert [node.op_type for node in second.nodes] == ["Conv", "Add", "Relu", "GlobalAveragePool", "Flatten"]


def test_a_branch_that_stays_shallow_is_a_skip_input_of_the_deeper_block(tmp_path: Path) -> None:
    builder = ModelBuilder((4, 6, 6))
    short = builder.conv("input", (4, 8), 1, name="short")
    deep = builder.conv(builder.node("Relu", (builder.conv("input", (4, 8), name="deep1"),)), (8, 8), name="deep2")
    joined = builder.node("Concat", (short, deep), axis=1)
    graph = builder.load(tmp_path, builder.node("GlobalAveragePool", (joined,)))
    blocks = {block.name: block for block in partition(graph).blocks}
    assert set(blocks) == {"short", "deep1", "deep2"}
    assert short in blocks["deep2"].inputs
    assert [node.op_type for node in blocks["deep2"].nodes] == ["Conv", "Concat", "GlobalAveragePool"]


def test_nodes_before_any_layer_are_the_stem(tmp_path: Path) -> None:
    builder = ModelBuilder((6, 6, 4))
    x = builder.node("Transpose", ("input",), perm=[0, 3, 1, 2])
    parts = partition(builder.load(tmp_path, builder.conv(x, (4, 8), name="conv")))
    assert [node.op_type for node in parts.stem] == ["Transpose"]
    assert parts.blocks[0].inputs == (x,)


def test_the_loss_attaches_before_softmax(tmp_path: Path) -> None:
    builder = ModelBuilder((8,))
    logits = builder.dense("input", 8, 4, "fc")
    probabilities = builder.node("Softmax", (logits,))
    (block,) = partition(builder.load(tmp_path, probabilities)).blocks
    assert block.output == logits


def test_a_softmax_that_is_read_by_a_product_is_not_the_end(tmp_path: Path) -> None:
    builder = ModelBuilder((8,))
    gate = builder.node("Softmax", (builder.dense("input", 8, 8, "gate"),))
    product = builder.node("Mul", (gate, "input"))
    (block,) = partition(builder.load(tmp_path, product)).blocks
    assert block.output == product


@pytest.mark.parametrize("as_matmul", [True, False])
def test_the_bias_add_belongs_to_a_matmul(tmp_path: Path, as_matmul: bool) -> None:
    builder = ModelBuilder((8,))
    product = builder.node("MatMul", ("input", builder.weight(8, 4)), "product")
    bias = builder.weight(4) if as_matmul else builder.weight(1)
    (layer,) = find_layers(builder.load(tmp_path, builder.node("Add", (bias, product), "bias")))
    assert layer.bias == (bias if as_matmul else None)
    assert (layer.in_features, layer.out_features) == (8, 4)


def test_an_add_of_a_shared_product_is_no_bias(tmp_path: Path) -> None:
    builder = ModelBuilder((8,))
    product = builder.node("MatMul", ("input", builder.weight(8, 8)), "product")
    both = builder.node("Mul", (builder.node("Add", (product, builder.weight(8))), product))
    (layer,) = find_layers(builder.load(tmp_path, both))
    assert layer.bias is None


def test_products_that_cannot_be_trained_say_why(tmp_path: Path) -> None:
    builder = ModelBuilder((8, 8))
    product = builder.node("MatMul", ("input", "input"), "square")
    with pytest.raises(UnsupportedError, match="no trainable layer"):
        partition(builder.load(tmp_path, product))
    graph = builder.load(tmp_path, product)
    assert untrainable_products(graph) == {"square": "its weight is computed, not constant"}


def test_layers_that_share_a_weight_are_not_trained(tmp_path: Path) -> None:
    builder = ModelBuilder((8,))
    tied = builder.weight(8, 8)
    x = builder.node("MatMul", (builder.node("MatMul", ("input", tied), "first"), tied), "second")
    graph = builder.load(tmp_path, builder.dense(x, 8, 3, "fc"))
    assert [layer.name for layer in find_layers(graph)] == ["fc"]
    assert untrainable_products(graph)["first"] == f"its weight '{tied}' is shared with another layer"


def test_a_depthwise_convolution_has_one_input_a_group(tmp_path: Path) -> None:
    layer = find_layers(load_model(conv_net(), tmp_path))[1]
    assert (layer.in_features, layer.out_features, layer.taps, layer.groups, layer.positions) == (1, 8, 9, 8, 16)
    assert layer.weight_size == 8 * 1 * 9
