"""The step graph of a block: which operators run, in which order, on what."""

from pathlib import Path
from typing import Any

import pytest

from tests.profiles_for_tests import ALLOCATOR, ARENA, ARENA_WITHOUT_NONVOLATILE
from tests.small_models import ModelBuilder, conv_net, load_model, mlp, residual_net
from tests.steps.step_graphs import contexts_of, step_of
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.steps import StepChoice, assemble_step

WHOLE = StepChoice(Slices(1, 1), 4, holds_slice=False)
SLICED = StepChoice(Slices(2, 2), 4, holds_slice=True)


def test_first_block_of_an_mlp(tmp_path: Path) -> None:
    step = step_of(load_model(mlp(), tmp_path), 0, ARENA, SLICED)
    assert [node.op_type for node in step.nodes] == [
        "SignDense",
        "BinaryActivation",
        "HeadLogits",
        "SoftmaxCrossEntropy",
        "HeadGrad",
        "StraightThroughGrad",
        "DenseSliceGrad",
        "SgdUpdate",
        "SgdUpdate",
        "PackSigns",
    ]
    assert [node.phase for node in step.nodes] == ["forward"] * 4 + ["gradient"] * 3 + ["update"] * 3


def test_only_the_rows_of_the_active_slice_get_an_error(tmp_path: Path) -> None:
    step = step_of(load_model(mlp(), tmp_path), 0, ARENA, SLICED)
    tensors = step.tensors
    assert tensors["relu1_out#grad"].type.shape == (4, 8)  # 16 units, half of them active
    assert tensors["fc1#w_slice"].type.shape == (8, 4)
    assert tensors["fc1#w"].place == "nonvolatile"


def test_later_blocks_read_bits(tmp_path: Path) -> None:
    step = step_of(load_model(mlp(), tmp_path), 1, ARENA, SLICED)
    assert step.nodes[0].op_type == "BinaryDense"
    assert step.tensors["relu1_out"].type.dtype == "bit"


def test_the_classifier_has_its_true_loss_and_no_head(tmp_path: Path) -> None:
    step = step_of(load_model(mlp(), tmp_path), 2, ARENA, SLICED)
    names = [node.op_type for node in step.nodes]
    assert names[:3] == ["RealDense", "SoftmaxCrossEntropy", "DenseSliceGrad"]
    assert "HeadLogits" not in names
    assert "BinaryActivation" not in names


def test_a_dense_layer_at_several_positions_is_refused(tmp_path: Path) -> None:
    builder = ModelBuilder((3, 8))
    flat = builder.node("Flatten", (builder.node("MatMul", ("input", builder.weight(8, 6)), "fc1"),))
    graph = builder.load(tmp_path, builder.dense(flat, 18, 3, "fc2"))
    with pytest.raises(UnsupportedError, match="node 'fc1': is a dense layer at several positions, which cannot be trained yet"):
        step_of(graph, 0, ALLOCATOR, WHOLE)


def test_the_paper_s_classifier_is_binary(tmp_path: Path) -> None:
    step = step_of(load_model(mlp(), tmp_path), 2, ARENA, SLICED, classifier="binary")
    assert step.nodes[0].op_type == "BinaryDense"


def test_bits_are_centered_in_the_gradient_and_carry_no_scale(tmp_path: Path) -> None:
    graph = load_model(mlp(), tmp_path)
    for block_output, center, scale in (("bits", 0.5, ""), ("scaled", None, "relu1_out#scale")):
        gradient = next(
            n for n in step_of(graph, 1, ARENA, SLICED, block_output=block_output).nodes if n.op_type == "DenseSliceGrad"
        )
        assert gradient.attributes.get("input_center") == center
        assert gradient.inputs[2] == scale


def test_without_nonvolatile_memory_the_whole_layer_is_in_ram(tmp_path: Path) -> None:
    step = step_of(load_model(mlp(), tmp_path), 0, ARENA_WITHOUT_NONVOLATILE, StepChoice(Slices(2, 2), 4, holds_slice=False))
    assert step.tensors["fc1#w"].type.shape == (16, 8)
    assert step.tensors["fc1#w"].place == "ram"
    assert step.tensors["fc1#w#grad"].type.shape == (8, 4)
    update = next(node for node in step.nodes if node.op_type == "SgdUpdate")
    assert update.inputs[-1] == "fc1#origin"


@pytest.mark.parametrize(("binarize", "product"), [("both", "SignDense"), ("weights", "SignDense"), ("none", "RealDense")])
def test_precision_follows_binarization(tmp_path: Path, binarize: str, product: str) -> None:
    step = step_of(load_model(mlp(), tmp_path), 0, ARENA, WHOLE, binarize=binarize)
    names = [node.op_type for node in step.nodes]
    assert names[0] == product
    assert ("BinaryActivation" in names) == (binarize == "both")
    assert ("ReluGrad" in names) == (binarize != "both")
    assert ("PackSigns" in names) == (binarize != "none")


@pytest.mark.parametrize(("optimizer", "states"), [("sgd", 0), ("momentum", 1), ("adam", 3)])
def test_optimizer_state_belongs_to_the_slice(tmp_path: Path, optimizer: str, states: int) -> None:
    step = step_of(load_model(mlp(), tmp_path), 0, ARENA, SLICED, optimizer=optimizer)
    update = next(node for node in step.nodes if node.op_type.endswith("Update"))
    assert len(update.outputs) == 1 + states
    kept = [
        t for t in step.tensors.values() if t.name.startswith("fc1#w_slice#") and t.category == "state" and "#next" not in t.name
    ]
    assert len(kept) == states
    assert all(t.type.shape in ((8, 4), ()) for t in kept)


def test_a_residual_block_updates_both_of_its_layers(tmp_path: Path) -> None:
    step = step_of(load_model(residual_net(), tmp_path), 0, ARENA, SLICED)
    grads = [node for node in step.nodes if node.op_type == "ConvSliceGrad"]
    assert {node.outputs[0] for node in grads} == {"left#w_slice#grad", "right#w_slice#grad"}
    assert {node.inputs[0] for node in grads} == {"relu3_out#preactivation#grad"}


def test_a_skip_tensor_in_bits_is_unpacked_for_the_add(tmp_path: Path) -> None:
    step = step_of(load_model(residual_net(), tmp_path), 1, ARENA, WHOLE)
    assert [node.op_type for node in step.nodes[:3]] == ["BinaryConv", "BinaryToReal", "Add"]


def test_max_pooling_keeps_its_relu_and_has_both_gradients(tmp_path: Path) -> None:
    step = step_of(load_model(conv_net(), tmp_path), 0, ARENA, SLICED)
    names = [node.op_type for node in step.nodes]
    assert names[:4] == ["SignConv", "Relu", "MaxPool", "BinaryActivation"]
    assert names[names.index("StraightThroughGrad") + 1 :][:3] == ["MaxPoolGrad", "ReluGrad", "ConvSliceGrad"]
    grad = next(node for node in step.nodes if node.op_type == "MaxPoolGrad")
    assert step.tensors[grad.outputs[0]].type.shape == (4, 4, 8, 8)  # half of the 8 channels


def test_batch_normalization_keeps_running_statistics(tmp_path: Path) -> None:
    builder = ModelBuilder((3, 6, 6))
    x = builder.conv("input", (3, 8), name="conv")
    x = builder.node("BatchNormalization", (x, *(builder.weight(8) for _ in range(4))))
    x = builder.node("Flatten", (builder.node("Relu", (x,)),))
    graph = builder.load(tmp_path, builder.dense(x, 288, 3, "fc"))
    step = step_of(graph, 0, ARENA, SLICED)
    names = [node.op_type for node in step.nodes]
    assert names[:4] == ["SignConv", "RunningBatchNormalization", "Flatten", "BinaryActivation"]
    assert "BatchNormalizationGrad" in names
    assert names.index("ShiftSgdStep") < names.index("BatchNormalizationGrad")  # which takes the place of what both read
    assert sum(t.name.endswith(("#running_mean", "#running_variance", "#shift")) for t in step.tensors.values()) == 3


UNSUPPORTED = [("Erf", 1), ("Exp", 1), ("MatMul", 2), ("Mul", 2)]


@pytest.mark.parametrize(("op_type", "arity"), UNSUPPORTED)
def test_an_operator_without_a_rule_is_refused_by_name(tmp_path: Path, op_type: str, arity: int) -> None:
    builder = ModelBuilder((8,))
    x = builder.node("Relu", (builder.dense("input", 8, 8, "fc1"),))
    y = builder.node(op_type, (x,) * arity, "culprit") if op_type != "MatMul" else _product_with_itself(builder, x)
    graph = builder.load(tmp_path, builder.dense(builder.node("Relu", (y,)), 8, 3, "fc2"))
    with pytest.raises(UnsupportedError, match=r"node 'culprit'.*--train last:1") as refusal:
        assemble_step(contexts_of(graph, ARENA, Recipe(num_outputs=3))[0], WHOLE)
    assert "\n" not in str(refusal.value)


def _product_with_itself(builder: ModelBuilder, x: str) -> str:
    column = builder.node("Unsqueeze", (x, builder.ints(2)))
    row = builder.node("Unsqueeze", (x, builder.ints(1)))
    square = builder.node("MatMul", (row, column), "culprit")
    return builder.node("Add", (x, builder.node("Flatten", (square,))))


def test_every_call_has_the_signature_of_its_row(tmp_path: Path) -> None:
    for model in (mlp(), conv_net(), residual_net()):
        graph = load_model(model, tmp_path)
        for target in (ARENA, ALLOCATOR):
            for context in contexts_of(graph, target, Recipe(num_outputs=3)):
                step = assemble_step(context, SLICED)
                names = [name for node in step.nodes for name in node.outputs if name]
                assert len(names) == len(set(names)), "a tensor is written twice"
                known = {*step.inputs, *step.constants} | {t.name for t in step.tensors.values() if t.is_persistent}
                for node in step.nodes:
                    assert all(name in known for name in node.inputs if name), f"{node.name} reads what is not there yet"
                    known.update(node.outputs)


@pytest.mark.parametrize(("pool", "binarizes"), [("GlobalAveragePool", False), ("MaxPool", True), ("AveragePool", True)])
def test_a_mean_of_all_positions_of_what_is_never_negative_is_not_binarized(tmp_path: Path, pool: str, binarizes: bool) -> None:
    """Its sign would say nothing; a maximum, or a mean of few positions, is positive where one of them is."""
    builder = ModelBuilder((3, 6, 6))
    x = builder.node("Relu", (builder.conv("input", (3, 8), name="conv"),))
    window: dict[str, Any] = {} if pool == "GlobalAveragePool" else {"kernel_shape": [2, 2], "strides": [2, 2]}
    x = builder.node("Flatten", (builder.node(pool, (x,), **window),))
    graph = builder.load(tmp_path, builder.dense(x, 72 if window else 8, 3, "fc"))
    names = [node.op_type for node in step_of(graph, 0, ARENA, SLICED).nodes]
    assert ("BinaryActivation" in names) == binarizes
    assert ("StraightThroughGrad" in names) == binarizes
