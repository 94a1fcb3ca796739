from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.model.onnx_files import dense_model, save
from tinyfoa_rt.ir.graph import Constant, Graph, Node, Value
from tinyfoa_rt.model import load
from tinyfoa_rt.model.verify import verify_graph

_BREAKS: dict[str, Callable[[Graph], Graph]] = {
    "reversed nodes": lambda g: replace(g, nodes=g.nodes[::-1]),
    "node that reaches no output": lambda g: replace(g, nodes=(*g.nodes, Node("extra", "Relu", "", ("x",), ("dead",)))),
    "value written twice": lambda g: replace(g, nodes=(*g.nodes, Node("again", "Relu", "", ("x",), ("y",)))),
    "two nodes of one name": lambda g: replace(g, nodes=tuple(replace(n, name="same") for n in g.nodes)),
    "node without a name": lambda g: replace(g, nodes=(replace(g.nodes[0], name=""), *g.nodes[1:])),
    "value without a type": lambda g: replace(g, values={k: v for k, v in g.values.items() if k != "z"}),
    "output that is not produced": lambda g: replace(g, outputs=("nothing",)),
    "old opset": lambda g: replace(g, opset=17),
    "no inputs": lambda g: replace(g, inputs=(), nodes=(), outputs=("w",)),
    "no outputs": lambda g: replace(g, outputs=(), nodes=()),
    "constant of another shape": lambda g: replace(g, constants={**g.constants, "w": Constant("w", "float32", (1,), np.zeros)}),  # type: ignore[arg-type]
    "batched constant": lambda g: replace(g, values={**g.values, "w": replace(g.values["w"], growth=(1, 0))}),
    "input that is not batched": lambda g: replace(g, values={**g.values, "x": Value("x", "float32", (1, 8))}),
    "node that writes a constant": lambda g: replace(g, nodes=(Node("n", "Relu", "", ("x",), ("w",)), *g.nodes)),
}


@pytest.mark.parametrize("broken", _BREAKS)
def test_every_broken_promise_is_found(tmp_path: Path, broken: str) -> None:
    graph = load(save(dense_model(), tmp_path))
    verify_graph(graph)
    with pytest.raises(AssertionError):
        verify_graph(_BREAKS[broken](graph))
