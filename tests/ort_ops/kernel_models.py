"""Models of single kernels, with their inputs, for an onnxruntime that runs elsewhere (tests/emit/run_models.py)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.ops.one_node import EVALUATORS, one_node_model
from tests.ops.packed_models import kernel_cases, packed_inputs, packed_model
from tests.ops.references import REFERENCES

__all__ = ["write_kernel_models"]


def write_kernel_models(folder: Path) -> list[str]:
    """Write a model for each case of a kernel, without its body, so that what computes is the kernel; return their names."""
    names = []
    for number, case in enumerate(kernel_cases()):
        expected = REFERENCES[case.op_type](*case.inputs, **case.attributes)
        model = packed_model(case, EVALUATORS["onnxruntime"](case, one_node_model(case, expected)))
        del model.functions[:]
        names.append(f"{number}.onnx")
        (folder / names[-1]).write_bytes(model.SerializeToString())
        feeds = dict(zip([each.name for each in model.graph.input], packed_inputs(case)))
        np.savez(folder / f"{number}.onnx.feeds.npz", **feeds)
    (folder / "jobs.json").write_text(json.dumps(names), encoding="utf-8")
    return names
