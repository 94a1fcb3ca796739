"""Function bodies, read from graphs/ops: ONNX's text form, standard operators only."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import onnx
import onnx.parser

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.operators import DOMAIN, OPERATORS
from tinyfoa_rt.operators.signature import snake_case
from tinyfoa_rt.resources import resource_path

__all__ = ["has_body", "load_functions"]

_FOLDER = "graphs/ops"
# A body with a variant in its name stands for the plain one where that variant is asked for.
VARIANTS = ("forward", "sliced", "tensor_alpha", "centered", "pooled", "grouped")


def has_body(op_type: str) -> bool:
    """Whether an operator of the domain can run on stock onnxruntime."""
    return (resource_path(_FOLDER) / f"{snake_case(op_type)}.onnxtxt").exists()


def load_functions(op_types: Iterable[str], *, variants: frozenset[str] = frozenset()) -> list[onnx.FunctionProto]:
    """Return the bodies of operators and of all that they call, callees first.

    Args:
        op_types: operators of the domain ``tinyfoa``.
        variants: bodies to take where an operator has them: ``forward`` ones compute no state, ``sliced`` ones read the active
            slice apart, ``tensor_alpha`` ones scale by the mean of the whole tensor, ``centered`` ones take
            the center off an input of bits, ``pooled`` ones are of a head that sees the mean of each channel, ``grouped``
            ones are of convolutions of more than one group.

    Raises:
        UnsupportedError: an operator has no body.
    """
    found: dict[str, onnx.FunctionProto] = {}
    for op_type in op_types:
        _collect(op_type, variants, found)
    return list(found.values())


def _collect(op_type: str, variants: frozenset[str], found: dict[str, onnx.FunctionProto]) -> None:
    if op_type in found:
        return
    function = _read(op_type, variants)
    for node in function.node:
        if node.domain == DOMAIN:
            _collect(node.op_type, variants, found)
    found[op_type] = function


@cache
def _read(op_type: str, variants: frozenset[str]) -> onnx.FunctionProto:
    folder, stem = resource_path(_FOLDER), snake_case(op_type)
    named = [folder / f"{stem}.{variant}.onnxtxt" for variant in VARIANTS if variant in variants]
    path = next((path for path in named if path.exists()), folder / f"{stem}.onnxtxt")
    if not path.exists():
        raise UnsupportedError(f"operator {op_type}", "cannot run on onnxruntime yet", "plan it for c99, or train other blocks")
    function = onnx.parser.parse_function(path.read_text(encoding="utf-8"))
    for node in function.node:
        if node.op_type in OPERATORS or has_body(node.op_type):
            node.domain = DOMAIN
    return function
