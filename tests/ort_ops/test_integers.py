"""Kernels on weights that are whole numbers: those of the bodies, to the last one, where gradients are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper

from tests.ops.body_cases import CENTERED, BodyCase, number, origin_of
from tests.ops.one_node import EVALUATORS, one_node_model
from tests.ops.references.packed import pack_bits
from tests.ort_ops.kernel_cases import run_with, without_body
from tinyfoa_rt.emit.bodies import load_functions
from tinyfoa_rt.emit.packed_functions import packed_function
from tinyfoa_rt.ir.optimizers import OPTIMIZERS
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators import DOMAIN

Array = NDArray[Any]
# More than a run and a piece of the kernels, and rows that end within both.
INS, OUTS = 220, 83
TYPES = {"int8": (np.int8, 127, 3), "int12": (np.int16, 2047, 5), "int16": (np.int16, 32767, 5)}


def _weights(rng: np.random.Generator, latent: str, ins: int = INS) -> tuple[Array, dict[str, Any]]:
    dtype, most, code = TYPES[latent]
    kept = {"key": int(rng.integers(0, 2**32)), "most": most, "dtype": code}
    return rng.integers(-most, most + 1, (ins, OUTS)).astype(dtype), kept


def updates() -> Iterator[BodyCase]:
    """Changes of a part of a quantum, and of many."""
    step = np.array(2**31 - 1, dtype=np.int64)
    for latent in TYPES:
        for name, row in OPTIMIZERS.items():
            rng = np.random.default_rng(len(name))
            q, kept = _weights(rng, latent)
            grad = (rng.normal(0, 1, q.shape) * rng.choice([1e-4, 1, 300], q.shape)).astype(np.float32)
            states: list[Array] = [rng.uniform(0.1, 1, q.shape).astype(np.float32) for _ in row.states]
            states += [number(0.3) for _ in row.scalars] + [np.array(4, dtype=np.int32)] * row.counts_steps
            given = (q, grad, number(0.02), *states, number(0.013), step, None)
            yield BodyCase(f"{name}-{latent}", f"{row.update}OnIntegers", given, kept)


def steps() -> Iterator[BodyCase]:
    """Inputs, errors, quanta and rates whose sums are exact, so that every order gives the same; a slice and its samples."""
    for latent in TYPES:
        for rows, has_bits, has_all in ((1, False, 0), (3, True, 1), (150, False, 1), (150, True, 0)):
            rng = np.random.default_rng(rows)
            q, kept = _weights(rng, latent, ins=180)
            x = rng.integers(0, 2, (rows, 240)).astype(np.uint8) if has_bits else rng.integers(-1, 2, (rows, 240)).astype("f4")
            errors = (rng.integers(-8, 9, (rows, 120 if has_all else OUTS)) / 64).astype(np.float32)
            part, centre = origin_of(slice(37, 217), slice(21, 21 + OUTS)), {"input_center": 0.5} if has_bits else {}
            given = (q, errors, x, number(0.5), number(0.25), number(0.125), np.array(77, dtype=np.int64), part)
            label, attributes = f"{latent}-{rows}-{has_bits}", {**kept, "has_all_rows": has_all, **centre}
            yield BodyCase(label, "DenseSgdStepOnIntegers", given, attributes, CENTERED if has_bits else frozenset())


def readings() -> Iterator[BodyCase]:
    for latent in TYPES:
        q, _ = _weights(np.random.default_rng(3), latent)
        old = np.zeros(q.shape, dtype=np.int8)
        yield BodyCase(f"signs-{latent}", "PackSignsOfIntegers", (q, old, np.zeros(OUTS, dtype=np.float32), number(0.3), None))
        yield BodyCase(f"reals-{latent}", "Dequantize", (q, number(0.3)))


CASES = [*updates(), *steps(), *readings()]


def _results(case: BodyCase) -> list[Array]:
    """What the function body gives; the reference evaluator of a body tells types and ranks alone."""
    count = len(load_functions([case.op_type], variants=case.variants)[-1].output)
    kinds = [np.zeros((1,) * value.ndim, value.dtype) for value in _like_outputs(case)[:count]]
    return EVALUATORS["onnxruntime"](case, one_node_model(case, kinds))


def _like_outputs(case: BodyCase) -> list[Array]:
    if case.op_type == "Dequantize":
        return [np.zeros(case.inputs[0].shape, dtype=np.float32)]  # type: ignore[union-attr]
    if case.op_type == "PackSignsOfIntegers":
        return [each for each in case.inputs[1:3] if each is not None]
    return [each for position, each in enumerate(case.inputs) if each is not None and position not in (1, 2)]


def _packed(case: BodyCase, expected: Sequence[Array]) -> tuple[onnx.ModelProto, list[Array], list[Array]]:
    """The case in the form that has a kernel: bits of inputs and signs are rows of words."""
    plain = one_node_model(case, expected)
    if case.op_type not in ("DenseSgdStepOnIntegers", "PackSignsOfIntegers"):
        return plain, [each for each in case.inputs if each is not None], list(expected)
    (proto,) = plain.graph.node
    feeds = {name: value for name, value in zip(proto.input, case.inputs) if name and value is not None}
    packed = {name for name, value in feeds.items() if value.dtype == np.uint8} | ({"signs"} & set(feeds))
    packed |= {"signs_next"} & set(proto.output)
    node = StepNode(case.label, case.op_type, DOMAIN, tuple(proto.input), tuple(proto.output), phase="update")
    body = packed_function(f"Packed{case.op_type}", node, proto, frozenset(packed), case.variants)
    new = helper.make_node(body.name, list(proto.input), list(proto.output), domain=DOMAIN)
    new.attribute.extend([*proto.attribute, helper.make_attribute("units", 240 if "x" in packed else 0)])
    words = {name: _words(value, name) if name in packed else value for name, value in feeds.items()}
    outputs = [_words(value, name) if name in packed else value for name, value in zip(proto.output, expected)]
    graph = helper.make_graph(
        [new],
        case.label,
        [_info(name, value) for name, value in words.items()],
        [_info(name, value) for name, value in zip(proto.output, outputs)],
    )
    called = dict.fromkeys(each.op_type for each in body.node if each.domain == DOMAIN)
    functions = [*load_functions(called, variants=case.variants), body]
    model = helper.make_model(graph, opset_imports=plain.opset_import, functions=functions, ir_version=9)
    return model, list(words.values()), outputs


def _words(value: Array, name: str) -> Array:
    return pack_bits(value)[0] if name == "x" else pack_bits((value > 0).T)[0]


def _info(name: str, value: Array) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), [None] * value.ndim)


def check_equal(case: BodyCase, found: Sequence[Array], expected: Sequence[Array]) -> None:
    for position, (ours, right) in enumerate(zip(found, expected, strict=True)):
        assert ours.dtype == right.dtype and ours.shape == right.shape
        if right.dtype == np.float32:  # moments, and means of squares: sums in another order
            np.testing.assert_allclose(ours, right, rtol=1e-5)
        elif position == 0 and case.op_type == "AdamUpdateOnIntegers":
            # The body has gathered the factors of a step in another way: of a change of c quanta c / 10^7 weights go another way.
            assert np.count_nonzero(ours != right) <= 2 and np.abs(ours.astype(int) - right).max() <= 1
        else:
            np.testing.assert_array_equal(ours, right)


@pytest.mark.parametrize("kernels", ["", "swar"], ids=["fastest", "swar"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_a_kernel_equals_its_body(case: BodyCase, kernels: str, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYFOA_OPS_KERNELS", kernels)
    model, feeds, expected = _packed(case, _results(case))
    found = run_with(library, without_body(model), feeds)
    check_equal(case, found, expected)
    if case.op_type.endswith("OnIntegers"):
        assert (found[0] != feeds[0]).mean() > 0.02  # many changes are far below a quantum
    for one, two in zip(found, run_with(library, without_body(model), feeds, threads=2)):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("case", [*steps(), *readings()], ids=lambda case: case.label)
def test_the_packed_form_runs_without_the_library(case: BodyCase) -> None:
    model, feeds, expected = _packed(case, _results(case))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    check_equal(case, list(session.run(None, dict(zip([each.name for each in model.graph.input], feeds)))), expected)


def test_another_number_of_the_step_is_noticed(library: Path) -> None:
    case = next(case for case in CASES if case.label == "sgd-int8")
    model, feeds, expected = _packed(case, _results(case))
    with pytest.raises(AssertionError):
        check_equal(case, run_with(library, without_body(model), [*feeds[:-1], np.array(feeds[-1] - 1)]), expected)


def test_weights_of_another_type_are_refused(library: Path) -> None:
    case = next(case for case in CASES if case.label == "sgd-int8")
    model, feeds, _ = _packed(case, _results(case))
    with pytest.raises(Exception, match="axes of w is 1, expected 2; build the artifact again"):
        run_with(library, without_body(_of_one_axis(model)), [feeds[0].reshape(-1), *feeds[1:]])


def _of_one_axis(model: onnx.ModelProto) -> onnx.ModelProto:
    found = onnx.ModelProto()
    found.CopyFrom(model)
    for value in (found.graph.input[0], found.graph.output[0]):
        del value.type.tensor_type.shape.dim[1:]
    return found
