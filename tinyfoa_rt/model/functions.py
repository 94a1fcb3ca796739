"""Model-local functions: all are inlined but those that stand for one operator: of domain ``tinyfoa``, and registered ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
import onnx.inliner

from tinyfoa_rt.errors import ModelError
from tinyfoa_rt.model.nodes import subgraphs
from tinyfoa_rt.operators import standard_operator

__all__ = ["KEPT_DOMAIN", "inline_functions"]

KEPT_DOMAIN = "tinyfoa"
_MOST_NODES = 200_000

FunctionKey = tuple[str, str]


def inline_functions(
    model: onnx.ModelProto, opsets: Mapping[str, int], place: str
) -> tuple[Sequence[onnx.NodeProto], tuple[onnx.FunctionProto, ...]]:
    """Return the nodes of the top graph, calls inlined, and the functions of domain ``tinyfoa``.

    Raises:
        ModelError: functions that call themselves, unfold to more than 200,000 nodes, or are called with too many inputs.
    """
    functions = {(function.domain, function.name): function for function in model.functions}
    if len(functions) != len(model.functions):
        raise ModelError(place, "has two functions of one name", "export it again with its functions inlined")
    _check_calls(model, functions, place)
    kept = tuple(function for function in model.functions if function.domain == KEPT_DOMAIN)
    names = [key for key in functions if key[0] == KEPT_DOMAIN or _is_registered(*key)]
    if len(names) == len(functions):
        return model.graph.node, kept
    for function in model.functions:
        _check_opsets(function, opsets, place)
    bare = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    bare.graph.name = "bare"
    bare.graph.node.extend(model.graph.node)
    try:
        inlined = onnx.inliner.inline_selected_functions(bare, names, exclude=True)
    except Exception as error:  # the bindings raise RuntimeError with the place in their source
        cause = str(error).rpartition("failed: ")[2].partition("\n")[0][:200]
        raise ModelError(
            place, f"has a function that cannot be inlined ({cause})", "export it with its functions inlined"
        ) from error
    return inlined.graph.node, kept


def _is_registered(domain: str, name: str) -> bool:
    """Whether an operator is known by its row, which holds all that the function says."""
    row = standard_operator(name, domain)
    return row is not None and row.body is not None and row.shape_rule is not None


def _check_opsets(function: onnx.FunctionProto, opsets: Mapping[str, int], place: str) -> None:
    for entry in function.opset_import:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        if opsets.get(domain, entry.version) != entry.version:
            problem = f"has the function '{function.name}' in opset {entry.version}, itself in opset {opsets[domain]}"
            raise ModelError(place, problem, "export it again with its functions inlined")


def _check_calls(model: onnx.ModelProto, functions: Mapping[FunctionKey, onnx.FunctionProto], place: str) -> None:
    """Refuse recursion and exponential unfolding before a library follows the calls."""
    called = {key: _calls(function.node) for key, function in functions.items()}
    sizes: dict[FunctionKey, int] = {}
    for key in functions:
        _measure(key, called, sizes, place)
    total = sum(1 + sizes.get(call, 0) for call in _calls(model.graph.node))
    if total > _MOST_NODES:
        raise ModelError(place, f"unfolds to {total} nodes, at most {_MOST_NODES} are read", "give a smaller model")


def _measure(
    start: FunctionKey, called: Mapping[FunctionKey, Sequence[FunctionKey]], sizes: dict[FunctionKey, int], place: str
) -> None:
    """Add the unfolded size of ``start`` and of all that it calls to ``sizes``."""
    pending, opened = [start], set[FunctionKey]()
    while pending:
        key = pending[-1]
        missing = [call for call in called[key] if call in called and call not in sizes]
        if key in sizes:
            pending.pop()
        elif not missing:
            sizes[key] = sum(1 + sizes.get(call, 0) for call in called[key])
        elif key in opened:
            raise ModelError(place, f"has the function '{key[1]}', which calls itself", "export it with its functions inlined")
        else:
            opened.add(key)
            pending.extend(dict.fromkeys(missing))


def _calls(nodes: Sequence[onnx.NodeProto]) -> list[FunctionKey]:
    """Every node as (domain, operator), those in subgraphs included."""
    found: list[FunctionKey] = []
    for node in nodes:
        found.append((node.domain, node.op_type))
        for graph in subgraphs(node):
            found.extend(_calls(graph.node))
    return found
