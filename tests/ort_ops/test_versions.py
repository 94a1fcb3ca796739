"""One binary of the library runs on onnxruntime 1.19.2 and on the newest, and asks for nothing that one of them lacks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.emit.run_models import run_models
from tests.emit.test_ort_1_19 import check_equal, find_old_python, read_outputs, run_on_old
from tests.ops.one_node import EVALUATORS, one_node_model
from tests.ops.references import REFERENCES
from tests.ops.twin_models import packed_inputs, twin_cases, twin_model

__all__ = ["find_old_python"]


def test_the_same_binary_gives_the_same_numbers(library: Path, old_python: Path, tmp_path: Path) -> None:
    names = []
    for number, case in enumerate(twin_cases()):
        expected = REFERENCES[case.op_type](*case.inputs, **case.attributes)
        model = twin_model(case, EVALUATORS["onnxruntime"](case, one_node_model(case, expected)))
        del model.functions[:]  # what runs without a body is a kernel
        names.append(f"{number}.onnx")
        (tmp_path / names[-1]).write_bytes(model.SerializeToString())
        np.savez(
            tmp_path / f"{number}.onnx.feeds.npz", **dict(zip([each.name for each in model.graph.input], packed_inputs(case)))
        )
    (tmp_path / "jobs.json").write_text(json.dumps(names), encoding="utf-8")
    run_models(tmp_path, str(library))
    new = read_outputs(tmp_path, names)
    run_on_old(old_python, tmp_path, str(library))
    old = read_outputs(tmp_path, names)
    check_equal(old, new)
    for name, value in new.items():
        np.testing.assert_array_equal(old[name], value)  # the kernels are the same


def test_the_library_links_against_no_onnxruntime(library: Path) -> None:
    content = library.read_bytes()
    assert b"libonnxruntime" not in content
    assert b"OrtGetApiBase" not in content
