"""Twenty steps on onnxruntime-web's WebAssembly, in Node: the losses and the state are those of onnxruntime here.

``tools/fetch_ort_web.sh`` brings it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.emit.artifact_feeds import artifact_of, drawn, step_tensors, targets
from tests.optional_tools import required_tool, skip_without
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.run.model_state import ModelState

Array = NDArray[Any]
LIBRARY = Path(__file__).resolve().parents[2] / "build" / "ort-web" / "node_modules" / "onnxruntime-web"
STEPS = 20
# Twenty steps of float32, each added up in another order.
RELATIVE, ABSOLUTE = 1e-4, 2e-5
CASES: list[tuple[str, dict[str, str]]] = [
    ("dense", {"slices": "2x2"}),
    ("dense", {"slices": "2x2", "optimizer": "momentum"}),
    ("dense", {"slices": "1x1", "optimizer": "adam"}),
    ("dense", {"binarize": "none", "slices": "3x2"}),
    ("local", {"slices": "2x2"}),
]


@pytest.mark.parametrize(
    ("kind", "options"), CASES, ids=lambda value: value if isinstance(value, str) else "-".join(value.values())
)
def test_web_assembly_takes_the_same_steps(kind: str, options: Mapping[str, str], tmp_path: Path) -> None:
    if not LIBRARY.is_dir():
        skip_without("onnxruntime-web", "tools/fetch_ort_web.sh")
    artifact = artifact_of(tmp_path, kind, options)
    for number, block in enumerate(artifact.blocks):
        tensors, batches = inputs_of(artifact, number)
        losses, after = steps_here(artifact.models[block.step], tensors, batches)
        web_losses, web_after = steps_on_web(tmp_path / block.name, artifact.models[block.step], tensors, batches)
        check_equal(web_losses, web_after, losses, after)
        changed = [name for name, array in after.items() if not np.array_equal(array, tensors[name])]
        assert any(name.endswith(("#w_slice", "#w")) for name in changed), "nothing was trained"


def test_a_one_percent_error_is_noticed(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, "dense", {"slices": "2x2"})
    tensors, batches = inputs_of(artifact, 0)
    losses, after = steps_here(artifact.models[artifact.blocks[0].step], tensors, batches)
    with pytest.raises(AssertionError):
        check_equal(losses * 1.01, after, losses, after)
    weight = next(name for name in after if name.endswith("#w_slice"))
    with pytest.raises(AssertionError):
        check_equal(losses, {**after, weight: after[weight] * np.float32(1.01)}, losses, after)


def inputs_of(artifact: Artifact, number: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """What a step reads: tensors that it keeps, and what changes from step to step (steps, ...)."""
    rng = np.random.default_rng(number)
    block = artifact.blocks[number]
    state = ModelState(artifact.manifest, artifact.initial)
    for name, array in state.others.items():
        array[...] = 0.5 if name.endswith("#scale") else array
    session = onnxruntime.InferenceSession(artifact.models[block.step], providers=["CPUExecutionProvider"])
    tensors = step_tensors(rng, artifact, state)[block.step]
    declared = {each.name: each for each in onnx.load_model_from_string(artifact.models[block.step]).graph.input}
    batches = {"#target": np.stack([targets(rng, artifact, 6) for _ in range(STEPS)])}
    for name in (each.name for each in session.get_inputs() if each.name not in tensors):
        batches[name] = np.stack([drawn(rng, declared[name]) for _ in range(STEPS)])
    needed = {each.name for each in session.get_inputs()} - set(batches)
    return {name: np.array(tensors[name]) for name in needed}, batches


def steps_here(model: bytes, tensors: Mapping[str, Array], batches: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names, known = [each.name for each in session.get_outputs()], dict(tensors)
    losses = []
    for step in range(STEPS):
        found = dict(zip(names, session.run(names, {**known, **{name: array[step] for name, array in batches.items()}})))
        losses.append(float(found["#loss"]))
        known |= {name.removesuffix("#next"): array for name, array in found.items() if name.endswith("#next")}
    return np.array(losses), known


def steps_on_web(
    folder: Path, model: bytes, tensors: Mapping[str, Array], batches: Mapping[str, Array]
) -> tuple[Array, dict[str, Array]]:
    folder.mkdir()
    (folder / "step.onnx").write_bytes(model)
    for name, array in {**tensors, **batches}.items():
        (folder / f"{name}.bin").write_bytes(np.ascontiguousarray(array).tobytes())
    job = {
        "steps": STEPS,
        "tensors": {name: {"type": str(array.dtype), "shape": array.shape} for name, array in tensors.items()},
        "batches": {name: {"type": str(array.dtype), "shape": array.shape[1:]} for name, array in batches.items()},
    }
    (folder / "job.json").write_text(json.dumps(job))
    command = [required_tool("node"), str(Path(__file__).with_name("run_steps.mjs")), str(LIBRARY), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    losses = np.array(json.loads((folder / "losses.json").read_text()))
    read = {name: np.frombuffer((folder / f"{name}.after.bin").read_bytes(), array.dtype) for name, array in tensors.items()}
    return losses, {name: read[name].reshape(array.shape) for name, array in tensors.items()}


def check_equal(losses: Array, after: Mapping[str, Array], expected_losses: Array, expected: Mapping[str, Array]) -> None:
    np.testing.assert_allclose(losses, expected_losses, rtol=RELATIVE)
    assert after.keys() == expected.keys()
    for name, value in expected.items():
        is_real = value.dtype == np.float32
        np.testing.assert_allclose(after[name], value, RELATIVE * is_real, ABSOLUTE * is_real, err_msg=name)
