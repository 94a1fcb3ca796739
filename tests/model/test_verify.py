"""The verifier of graphs refuses what loading could get wrong; each case breaks one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.model.onnx_files import dense_model, save
from tinyfoa_rt.ir.graph import Constant, Graph, Node, Sized, Value
from tinyfoa_rt.model import load
from tinyfoa_rt.model.verify import GraphFault, verify_graph


def with_node(graph: Graph, name: str, reads: str, writes: str, *, is_first: bool = False) -> Graph:
    node = Node(name, "Relu", "", (reads,), (writes,))
    return replace(graph, nodes=(node, *graph.nodes) if is_first else (*graph.nodes, node))


def with_value(graph: Graph, key: str, **fields: object) -> Graph:
    return replace(graph, values={**graph.values, key: replace(graph.values[key], **fields)})  # type: ignore[arg-type]


def with_constant(graph: Graph, key: str, **fields: object) -> Graph:
    return replace(graph, constants={**graph.constants, key: replace(graph.constants[key], **fields)})  # type: ignore[arg-type]


def with_sized(graph: Graph, name: str) -> Graph:
    """The graph with a value that is computed from the number of samples."""
    sized = Sized(Value(name, "int64", (1,)), lambda batch: np.array([batch]), None, None)
    return replace(graph, sized={name: sized})


BREAKS: dict[str, tuple[Callable[[Graph], Graph], str]] = {
    "reversed nodes": (lambda g: replace(g, nodes=g.nodes[::-1]), "act reads z, which comes later"),
    "a node that reads what nobody computes": (lambda g: with_node(g, "n", "lost", "more"), "n reads lost"),
    "a node that reaches no output": (lambda g: with_node(g, "extra", "x", "dead"), "extra reaches no output"),
    "a value written twice": (lambda g: with_node(g, "again", "x", "y"), "again writes y"),
    "a node that writes a constant": (lambda g: with_node(g, "n", "x", "w", is_first=True), "n writes w"),
    "a node that writes an input": (lambda g: with_node(g, "n", "w", "x", is_first=True), "n writes x"),
    "two nodes of one name": (lambda g: replace(g, nodes=tuple(replace(n, name="same") for n in g.nodes)), "of another: 'same'"),
    "a node without a name": (lambda g: replace(g, nodes=(replace(g.nodes[0], name=""), *g.nodes[1:])), "of another: ''"),
    "an output that is not produced": (
        lambda g: replace(g, outputs=("nothing",), nodes=()),
        "nothing computes the output nothing",
    ),
    "an old operator set": (lambda g: replace(g, opset=17), "the operator set is 17"),
    "no inputs": (lambda g: replace(g, inputs=()), "there is no input"),
    "no outputs": (lambda g: replace(g, outputs=()), "there is no output"),
    "an input twice": (lambda g: replace(g, inputs=("x", "x")), "there is no input, or one twice"),
    "an output twice": (lambda g: replace(g, outputs=("y", "y")), "there is no output, or one twice"),
    "an input that is a constant": (lambda g: replace(g, inputs=("x", "w")), "an input is a constant"),
    "a constant that depends on the batch": (lambda g: with_sized(g, "w"), "depends on the batch, and does not"),
    "an input that is computed from the batch": (lambda g: with_sized(g, "x"), "depends on the batch, and does not"),
    "a value without a type": (
        lambda g: replace(g, values={name: value for name, value in g.values.items() if name != "z"}),
        "the value z has no type",
    ),
    "a value of another name": (lambda g: with_value(g, "z", name="other"), "the value z has no type, another name"),
    "a value that grows along an axis that it has not": (
        lambda g: with_value(g, "z", growth=(1, 0, 0)),
        "grows along other axes",
    ),
    "a constant of another shape": (lambda g: with_constant(g, "w", shape=(1,)), "the constant w is not"),
    "a constant of another type": (lambda g: with_constant(g, "w", dtype="float64"), "the constant w is not"),
    "a constant of another name": (lambda g: with_constant(g, "w", name="other"), "the constant w is not"),
    "a constant without a type": (
        lambda g: replace(g, constants={**g.constants, "more": Constant("more", "float32", (1,), lambda: np.zeros(1))}),
        "the value more has no type",
    ),
    "a constant that grows": (lambda g: with_value(g, "w", growth=(1, 0)), "the constant w is not"),
    "an input that does not grow": (lambda g: with_value(g, "x", growth=()), "the input x has not one row a sample"),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_every_broken_promise_is_found(tmp_path: Path, broken: str) -> None:
    graph = load(save(dense_model(), tmp_path))
    verify_graph(graph)
    damage, message = BREAKS[broken]
    with pytest.raises(GraphFault, match=message):
        verify_graph(damage(graph))


def test_an_optional_input_may_be_absent(tmp_path: Path) -> None:
    graph = load(save(dense_model(), tmp_path))
    first = graph.nodes[0]
    verify_graph(replace(graph, nodes=(replace(first, inputs=(*first.inputs, "")), *graph.nodes[1:])))
