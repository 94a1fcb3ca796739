"""Inputs on which gradients of a layer's input are compared with their references; those of dense layers among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tests.ops.body_cases import BATCHES, Array, BodyCase, number, origin_of, real, signs

__all__ = ["dense_input_gradient_cases", "input_gradients"]

# Weights and sums of magnitudes, and the same with a slice apart: of real numbers, which have no sums, and of signs.
Whole = Sequence[tuple[Array, Array | None]]
Apart = Sequence[tuple[Array, Array, Array | None, Array | None]]


def dense_input_gradient_cases() -> Iterator[BodyCase]:
    """Of a layer of 24 x 11, whose slice leaves something on each side."""
    ins, outs = slice(5, 16), slice(3, 7)
    for batch in BATCHES:
        rng = np.random.default_rng(batch)
        w = rng.uniform(-1, 1, (24, 11)).astype(np.float32)
        part, rest, sign_rest = w[ins, outs].copy(), w.copy(), signs(w)
        rest[ins, outs], sign_rest[ins, outs] = 0, 0
        sums, part_sums, rest_sums = (np.abs(each).sum(axis=0) for each in (w, part, rest))
        whole = ((w, None), (signs(w), sums))
        apart = ((rest, part, None, None), (sign_rest, signs(part), rest_sums, part_sums))
        attributes = {"input_shape": (batch, 24)}
        yield BodyCase(f"RateAfter-{batch}", "RateAfter", (number(0.3), real(rng, batch, 24)))
        for rows in (1, 2, 5, 8):  # fewer than are multiplied one after the other, and more
            yield BodyCase(f"MultiplySigns-{rows}-{batch}", "MultiplySigns", (real(rng, batch, 11), signs(real(rng, rows, 11))))
        yield from input_gradients("Dense", real(rng, batch, 11), whole, apart, origin_of(ins, outs), attributes)


def input_gradients(
    family: str, grad_z: Array, whole: Whole, apart: Apart, origin: Array, attributes: Mapping[str, Any]
) -> Iterator[BodyCase]:
    """Gradients of the input of a layer, of real and of sign weights, and of those with each ``alpha``.

    Args:
        family: the operators' name without the precision.
        grad_z: the error at all outputs.
        whole: weights, and sums of magnitudes.
        apart: the same with the slice at ``origin`` apart: weights, slice, sums and those of the slice.
        origin: of the slice.
        attributes: but for alpha.
    """
    for precision, (w, sums), (rest, part, rest_sums, part_sums) in zip(("Real", "Sign"), whole, apart):
        for alpha in ("row", "tensor") if precision == "Sign" else ("row",):
            op, label = f"{precision}{family}InputGrad", "-".join((alpha, *map(str, w.shape), *map(str, grad_z.shape)))
            variants, given = frozenset({"tensor_alpha"} if alpha == "tensor" else ()), {**attributes, "alpha": alpha}
            yield BodyCase(f"{op}-{label}", op, (grad_z, w, None, None, sums, None), given, variants)
            held = (grad_z, rest, part, origin, rest_sums, part_sums)
            yield BodyCase(f"{op}-sliced-{label}", op, held, given, variants | {"sliced"})
            if sums is not None:
                yield BodyCase(f"ScaleErrors-{op}-{label}", "ScaleErrors", (grad_z, w, sums), {"alpha": alpha}, variants)
