"""Run the bodies of gradients with respect to inputs under the counting allocator, and print planned and measured bytes.

    LD_PRELOAD=count_aligned.so python -m tests.allocation.count_bodies COUNT_ALIGNED.so

One JSON object a case: its label, the bytes that a run was planned to take beside inputs and outputs, and those it took.
tests/allocation/test_counted_bodies.py starts it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from tests.ops.body_cases import BodyCase
from tests.ops.conv_cases import conv_cases
from tests.ops.input_gradient_cases import dense_input_gradient_cases
from tests.ops.local_cases import local_cases
from tests.ops.one_node import feeds_of, one_node_model
from tests.ops.references import REFERENCES
from tests.ops.vjp_cases import vjp_cases
from tinyfoa_rt.allocation.run import allocations
from tinyfoa_rt.allocation.shapes import Value
from tinyfoa_rt.emit.inlining import inline_functions
from tinyfoa_rt.run.counted_memory import Counter
from tinyfoa_rt.run.session import Runtime


def measure(case: BodyCase, counter: Counter) -> dict[str, Any]:
    """What a run of a case takes beside its inputs and outputs, in bytes, as it was planned and as it was."""
    expected = REFERENCES[case.op_type](*case.inputs, **case.attributes)
    model = one_node_model(case, expected)
    feeds = {name: np.ascontiguousarray(array) for name, array in feeds_of(case, model).items()}
    graph = inline_functions(model)
    tensors = {**feeds, **{name: np.zeros(each.shape, np.float32) for name, each in zip(graph.outputs, expected)}}
    known = {name: Value(array.shape, array.itemsize) for name, array in tensors.items()}
    known |= {name: Value.of(array) for name, array in feeds.items() if name == "origin"}  # which sizes and places follow from
    taken = allocations(graph, known, graph.outputs)
    session = Runtime(threads=1).open(case.label, model.SerializeToString(), {})
    session.bind(tensors)
    session.run()
    _, measured = counter.count(session.run)
    planned = max(sum(each.nbytes for each in taken if each.start <= place < each.end) for place in range(len(graph.nodes)))
    return {"case": case.label, "planned": planned, "measured": measured}


def main() -> None:
    """Print a line for each case."""
    counter = Counter(sys.argv[1])
    for case in (*dense_input_gradient_cases(), *conv_cases(), *local_cases(), *vjp_cases()):
        if case.op_type.endswith(("InputGrad", "AveragePoolGrad", "LRNGrad")):
            print(json.dumps(measure(case, counter)), flush=True)


if __name__ == "__main__":
    main()
