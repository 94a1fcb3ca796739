"""Every kind of emitted model loads and runs on onnxruntime 1.19.2, which some vendors still ship, as it does on the newest.

``make .venv-ort119/ready`` makes the environment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.emit.artifact_feeds import artifact_of, drawn, step_tensors
from tests.emit.old_onnxruntime import read_outputs, run_on_old
from tests.emit.run_models import run_models
from tests.ops.conv_cases import conv_cases
from tests.ops.input_gradient_cases import dense_input_gradient_cases
from tests.ops.local_cases import local_cases
from tests.ops.one_node import feeds_of, one_node_model
from tests.ops.references import REFERENCES
from tests.ops.vjp_cases import vjp_cases
from tinyfoa_rt.run.trainer import Trainer

Array = NDArray[Any]
# Products of a few dozen float32 numbers, added up in another order: 40 * 6e-8.
RELATIVE, ABSOLUTE = 1e-5, 2e-6


def combinations(*rows: str) -> list[dict[str, str]]:
    """Options from rows of what is binarized, the optimizer and the slices."""
    return [dict(zip(("binarize", "optimizer", "slices"), row.split())) for row in rows]


PAPER = {
    "weight_scale": "tensor",
    "scale": "batch",
    "ste_window": "relu",
    "block_output": "scaled",
    "classifier": "binary",
    "slices": "3x2",
}
BOTH = combinations("both sgd 1x1", "both momentum 1x1", "both adam 1x1", "both sgd 2x2", "both momentum 2x2", "both adam 2x2")
DENSE = [*BOTH, *combinations("weights sgd 2x2", "weights adam 1x1", "none sgd 1x1", "none momentum 2x2"), PAPER]
DENSE += combinations("both normalized 2x2", "none normalized 1x1")
DENSE += [{"head": "kaiming", "order": "interleaved"}, {"loss": "mean-squared-error", "slices": "2x2"}]
DENSE += [{"head": "learned", "optimizer": each, "slices": "2x2"} for each in ("adam", "normalized")]
LOCAL = [*BOTH, *combinations("weights sgd 2x2", "none adam 1x1"), PAPER, {"head_pool": "average", "slices": "2x2"}]
CONV = [*BOTH[::2], *combinations("weights sgd 2x2", "none adam 1x1"), PAPER, {"head_pool": "average", "slices": "2x2"}]
CONV += [{"head": "learned", "head_pool": pool, "binarize": "none"} for pool in ("average", "grid")]
# In one block of all layers errors go back through each of them.
BLOCKS = [{**each, "block_layers": "all"} for each in combinations("both sgd 2x2", "weights momentum 1x1", "none normalized 2x2")]
# Layers that are updated in blocks of rows.
WIDE = [{**each, "block_layers": "all"} for each in combinations("none adam 1x1", "none momentum 1x1")]
KINDS = {"dense": DENSE, "local": LOCAL, "conv": CONV}
CASES = [(kind, options) for kind, each in KINDS.items() for options in (*each, *BLOCKS)]
CASES += [("wide", options) for options in WIDE]


@pytest.mark.parametrize(
    ("kind", "options"), CASES, ids=lambda value: value if isinstance(value, str) else "-".join(value.values())
)
def test_old_and_new_agree(tmp_path: Path, old_python: Path, kind: str, options: Mapping[str, str]) -> None:
    names = write_models(tmp_path, kind, options)
    run_models(tmp_path)
    new = read_outputs(tmp_path, names)
    run_on_old(old_python, tmp_path)
    check_equal(read_outputs(tmp_path, names), new)


def test_bodies_alone_agree(tmp_path: Path, old_python: Path) -> None:
    """One call of each body of a gradient rule, and of layers with positions, in each of its variants."""
    alone = (*dense_input_gradient_cases(), *conv_cases(), *local_cases(), *vjp_cases())
    cases = {(case.op_type, case.variants): case for case in alone}
    names = []
    for number, case in enumerate(cases.values()):
        model = one_node_model(case, REFERENCES[case.op_type](*case.inputs, **case.attributes))
        names.append(f"{number}.onnx")
        onnx.save(model, tmp_path / names[-1])
        feeds: dict[str, Any] = feeds_of(case, model)
        np.savez(f"{tmp_path / names[-1]}.feeds.npz", **feeds)
    (tmp_path / "jobs.json").write_text(json.dumps(names), encoding="utf-8")
    run_models(tmp_path)
    new = read_outputs(tmp_path, names)
    run_on_old(old_python, tmp_path)
    check_equal(read_outputs(tmp_path, names), new)


def test_a_one_percent_error_is_noticed(tmp_path: Path) -> None:
    names = write_models(tmp_path, "dense", {"slices": "2x2", "optimizer": "adam"})
    run_models(tmp_path)
    right = read_outputs(tmp_path, names)
    for name, value in right.items():
        if value.dtype != np.float32 or np.abs(value).max() > 100 * ABSOLUTE:
            wrong = value * np.float32(1.01) if value.dtype == np.float32 else value + value.dtype.type(1)
            with pytest.raises(AssertionError):
                check_equal({**right, name: wrong}, right)


def write_models(folder: Path, kind: str, options: Mapping[str, str]) -> list[str]:
    """Write all models of an artifact with inputs for each; return their names."""
    artifact = artifact_of(folder, kind, options)
    rng = np.random.default_rng(0)
    trainer = Trainer(artifact, kernels=None)
    for name, array in trainer.state.others.items():
        array[...] = 0.5 if name.endswith("#scale") else array
    trainer.save(folder)
    forward, steps = trainer.state.forward_tensors(), step_tensors(rng, artifact, trainer.state)
    known = {path: forward for path in artifact.manifest.stages if path} | {"inference.onnx": {}} | steps
    for name, tensors in known.items():
        graph = onnx.load(folder / name, load_external_data=False).graph
        feeds: dict[str, Any] = {
            each.name: tensors[each.name] if each.name in tensors else drawn(rng, each) for each in graph.input
        }
        np.savez(f"{folder / name}.feeds.npz", **feeds)
    (folder / "jobs.json").write_text(json.dumps(list(known)), encoding="utf-8")
    return list(known)


def check_equal(ours: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    """Integers are the same, real numbers nearly."""
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        assert ours[name].dtype == value.dtype and ours[name].shape == value.shape, name
        is_real = value.dtype == np.float32
        np.testing.assert_allclose(ours[name], value, RELATIVE * is_real, ABSOLUTE * is_real, err_msg=name)
