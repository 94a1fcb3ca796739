"""Function bodies in other words: the same values as the bodies themselves, and fewer nodes left to the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.ops.body_cases import BodyCase, dense_cases
from tests.ops.conv_cases import conv_cases
from tests.ops.local_cases import local_cases
from tests.ops.one_node import EVALUATORS, check_equal, one_node_model
from tests.ops.references import REFERENCES
from tests.ops.vjp_cases import vjp_cases
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.emit.rewrites import REWRITERS, rewrite_function
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.planner.placement import Placement, place_steps
from tinyfoa_rt.providers import REWRITES, rewrites_for
from tinyfoa_rt.run import Artifact, Trainer

# Sums may be taken in another order; all others are the same to the bit.
ROUNDS = {"Gemm", "ReduceL1", "LogSoftmax"}
# Bodies of the packed form, which no provider but the CPU's runs: they negate whole numbers.
PACKED = {"PackBits", "PackSignRows"}


def model_of(case: BodyCase) -> onnx.ModelProto:
    return one_node_model(case, REFERENCES[case.op_type](*case.inputs, **case.attributes))


def rewritten(model: onnx.ModelProto) -> onnx.ModelProto:
    found = onnx.ModelProto()
    found.CopyFrom(model)
    del found.functions[:]
    found.functions.extend(rewrite_function(function, REWRITES) for function in model.functions)
    return found


def operators_of(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for function in model.functions for node in function.node if node.domain == ""}


# A body that is called with other sizes says the same: one case of each body and its variants is enough.
CASES = list(
    {
        (case.op_type, case.variants, len(operators_of(model_of(case)))): case
        for case in (*dense_cases(), *local_cases(), *conv_cases(), *vjp_cases())
        if operators_of(model_of(case)) & set(REWRITES) and case.op_type not in PACKED
    }.values()
)


def test_every_rewrite_is_known_to_both_sides_and_tried() -> None:
    assert REWRITERS.keys() == REWRITES.keys()
    assert {name for case in CASES for name in operators_of(model_of(case))} >= REWRITES.keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_a_body_in_other_words_gives_the_same_values(case: BodyCase) -> None:
    model = model_of(case)
    said = rewritten(model)
    onnx.checker.check_model(said, full_check=True)
    assert not operators_of(said) & REWRITES.keys()
    assert operators_of(said) <= operators_of(model) | {word for words in REWRITES.values() for word in words} | {"Constant"}
    found, expected = (EVALUATORS["onnxruntime"](case, each) for each in (said, model))
    if operators_of(model) & ROUNDS:
        check_equal(case, found, expected)
    for output, reference in zip(found, expected):
        assert output.dtype == reference.dtype
        if not operators_of(model) & ROUNDS:
            np.testing.assert_array_equal(output, reference)


def test_words_that_are_one_percent_wrong_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in CASES if "Neg" in operators_of(model_of(case)))
    monkeypatch.setitem(REWRITERS, "Neg", lambda words: words.add("Mul", [*words.inputs, words.number(-1.01)], words.last))
    with pytest.raises(AssertionError):
        test_a_body_in_other_words_gives_the_same_values(case)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return artifact_of(tmp_path_factory.mktemp("plain"))


def placed(artifact: Artifact, title: str) -> Placement:
    return next(each for each in place_steps(artifact) if each.provider == title)


@pytest.mark.parametrize(("target", "title"), [("android-nnapi", "NNAPI"), ("ios-coreml", "CoreML"), ("qualcomm-qnn", "QNN")])
def test_a_target_s_provider_gets_words_that_it_takes(target: str, title: str, plain: Artifact, tmp_path: Path) -> None:
    """The report before and after, and the same training."""
    artifact = artifact_of(tmp_path, target=target)
    before, after = placed(plain, title), placed(artifact, title)
    assert before.rewrites and not after.rewrites
    assert sum(after.left.values()) <= sum(before.left.values()) - sum(before.rewrites.values())
    assert after.parts < before.parts
    assert after.taken / after.nodes > before.taken / before.nodes
    x, y = blobs(600)
    losses = [
        [each.loss for each in Trainer(made, kernels=None).iterate(x, y, normalization=None, epochs=1)]
        for made in (plain, artifact)
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)  # roundings of 1e-7 a step, which a sign near zero makes larger


def test_without_a_provider_bodies_are_as_they_are(plain: Artifact) -> None:
    assert not rewrites_for("")
    steps = [onnx.load_model_from_string(plain.models[block.step]) for block in plain.blocks]
    assert any("MatMulInteger" in operators_of(step) for step in steps)


def test_the_packed_form_is_not_rewritten(plain: Artifact, tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, target="android-nnapi")
    assert {path: model for path, model in artifact.models.items() if path.startswith("packed/")} == {
        path: model for path, model in plain.models.items() if path.startswith("packed/")
    }


def test_a_provider_without_a_table_is_refused() -> None:
    with pytest.raises(InputError, match="provider NoProvider: has no table of operators; use CoreML"):
        rewrites_for("NoProvider")


def test_a_placement_says_what_a_rewrite_would_move(plain: Artifact) -> None:
    assert placed(plain, "NNAPI").rewrites == {"And": 2, "LogSoftmax": 3, "MatMulInteger": 6, "Where": 2}
