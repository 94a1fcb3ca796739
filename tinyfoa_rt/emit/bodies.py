"""Function bodies, read from graphs/ops or as they were registered: ONNX's text form, standard operators only."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import onnx
import onnx.parser

from tinyfoa_rt.emit.integer_updates import on_integers
from tinyfoa_rt.errors import InputError, UnsupportedError
from tinyfoa_rt.operators import DOMAIN, OPERATORS, find_operator, standard_operator
from tinyfoa_rt.operators.signature import snake_case
from tinyfoa_rt.operators.updates import ON_INTEGERS
from tinyfoa_rt.resources import resource_path

__all__ = ["UNBIASED", "WHOLE", "has_body", "has_function", "load_functions"]

_FOLDER = "graphs/ops"
# A body with a variant in its name stands for the plain one where that variant is asked for.
VARIANTS = ("forward", "sliced", "tensor_alpha", "centered", "pooled", "grouped")
# Behind the name of a product whose layer is trained whole, in a step that reads other layers in slices.
WHOLE = "Whole"
# Behind the name of the gradient of a layer that has no bias. In the body what nothing reads would be computed nevertheless, and
# onnxruntime goes first for what nothing reads, with all that it needs: the errors of all layers above their updates.
UNBIASED = "Unbiased"


def has_body(op_type: str) -> bool:
    """Whether an operator of the domain can run on stock onnxruntime."""
    return (resource_path(_FOLDER) / f"{snake_case(op_type)}.onnxtxt").exists()


def has_function(op_type: str, domain: str) -> bool:
    """Whether an operator is a function to onnxruntime: each of our domain is, and others that were registered with a body."""
    row = standard_operator(op_type, domain)
    return domain == DOMAIN or (row is not None and row.body is not None)


def load_functions(
    op_types: Iterable[str], *, variants: frozenset[str] = frozenset(), domain: str = DOMAIN
) -> list[onnx.FunctionProto]:
    """Return the bodies of operators and of all that they call, callees first.

    Args:
        op_types: operators of the domain, also with :data:`WHOLE` behind the name.
        variants: bodies to take where an operator has them: ``forward`` ones compute no state, ``sliced`` ones read the active
            slice apart, ``tensor_alpha`` ones scale by the mean of the whole tensor, ``centered`` ones take
            the center off an input of bits, ``pooled`` ones are of a head that sees the mean of each channel, ``grouped``
            ones are of convolutions of more than one group; with ``unclipped``, for limits that clip nothing, updates
            leave what they would clip.
        domain: ``tinyfoa``, or that of operators that were registered with a body.

    Raises:
        UnsupportedError: an operator has no body.
        InputError: a body that was registered cannot be read, or is that of another operator.
    """
    found: dict[tuple[str, str], onnx.FunctionProto] = {}
    for op_type in op_types:
        _collect((domain, op_type), variants, found)
    return list(found.values())


def _collect(key: tuple[str, str], variants: frozenset[str], found: dict[tuple[str, str], onnx.FunctionProto]) -> None:
    if key in found:
        return
    domain, op_type = key
    if op_type.endswith(ON_INTEGERS) and not has_body(op_type):
        function = on_integers(_of(domain, op_type.removesuffix(ON_INTEGERS), variants))
    else:
        function = _of(domain, op_type, variants)
    if "unclipped" in variants:
        function = _without_clip(function)
    for node in function.node:
        if node.domain == DOMAIN:
            _collect((DOMAIN, node.op_type), variants, found)
    found[key] = function


def _of(domain: str, op_type: str, variants: frozenset[str]) -> onnx.FunctionProto:
    row = find_operator(op_type, domain)
    registered = row.body if row is not None else None
    return _read(op_type, variants) if registered is None else _read_registered(domain, op_type, registered)


@cache
def _read(op_type: str, variants: frozenset[str]) -> onnx.FunctionProto:
    if op_type.endswith(UNBIASED):
        return _unbiased(_read(op_type.removesuffix(UNBIASED), variants))
    if op_type.endswith(WHOLE):
        return _whole(_read(op_type.removesuffix(WHOLE), variants - {"sliced"}))
    folder, stem = resource_path(_FOLDER), snake_case(op_type)
    named = [folder / f"{stem}.{variant}.onnxtxt" for variant in VARIANTS if variant in variants]
    path = next((path for path in named if path.exists()), folder / f"{stem}.onnxtxt")
    if not path.exists():
        raise UnsupportedError(f"operator {op_type}", "cannot run on onnxruntime yet", "plan it for c99, or train other blocks")
    return _parsed(path.read_text(encoding="utf-8"))


def _whole(function: onnx.FunctionProto) -> onnx.FunctionProto:
    """A body that reads no slice, under a name of its own; so are those that it calls."""
    whole = onnx.FunctionProto()
    whole.CopyFrom(function)
    whole.name += WHOLE
    for node in whole.node:
        if (resource_path(_FOLDER) / f"{snake_case(node.op_type)}.sliced.onnxtxt").exists():
            node.op_type += WHOLE
    return whole


def _unbiased(function: onnx.FunctionProto) -> onnx.FunctionProto:
    """A gradient's body without its last output, that of the bias, and what computes it alone."""
    found = onnx.FunctionProto()
    found.CopyFrom(function)
    found.name += UNBIASED
    del found.output[-1:], found.node[:]
    needed = set(found.output)
    kept = []
    for node in reversed(function.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    found.node.extend(reversed(kept))
    return found


@cache
def _read_registered(domain: str, op_type: str, body: Path | str) -> onnx.FunctionProto:
    place = f"body of {op_type}"
    try:
        function = _parsed(body if isinstance(body, str) else body.read_text(encoding="utf-8"))
    except (OSError, onnx.parser.ParseError) as error:
        raise InputError(place, f"cannot be read ({error})", "write it as those in graphs/ops are") from error
    if (function.domain, function.name) != (domain, op_type):
        problem = f"is that of {function.name} in the domain '{function.domain}', not in '{domain}'"
        raise InputError(place, problem, "register the operator by the name and domain of its body")
    return function


def _without_clip(function: onnx.FunctionProto) -> onnx.FunctionProto:
    """A body without ClipTo, so that what it would clip is the result and no copy is made of it."""
    clipped = {node.input[0]: node.output[0] for node in function.node if node.op_type == "ClipTo"}
    if not clipped:
        return function
    found = onnx.FunctionProto()
    found.CopyFrom(function)
    del found.node[:]
    for node in function.node:
        if node.op_type != "ClipTo":
            found.node.add().CopyFrom(node)
            found.node[-1].output[:] = [clipped.get(name, name) for name in node.output]
    return found


def _parsed(text: str) -> onnx.FunctionProto:
    function = onnx.parser.parse_function(text)
    for node in function.node:
        if node.op_type in OPERATORS or has_body(node.op_type):
            node.domain = DOMAIN
    return function
