"""Export an artifact for applications in C and C++ that link onnxruntime."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tinyfoa_rt.artifact.checkpoint import has_checkpoint
from tinyfoa_rt.artifact.folder import Artifact, packed_path
from tinyfoa_rt.artifact.paths import is_exit_path
from tinyfoa_rt.emit.open_sizes import open_sizes
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.export.ort import OrtModels, ProjectFacts, to_ort_format, write_project
from tinyfoa_rt.files import write_whole
from tinyfoa_rt.planner.placement import place_steps, placement_record
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.kernels import KERNELS
from tinyfoa_rt.run.progress import Progress
from tinyfoa_rt.run.session import failing_as

__all__ = ["export_ort"]

_FORMAT = "tinyfoa-export/1"


def export_ort(folder: Path, output: Path) -> Artifact:
    """Write the artifact in ``folder`` to ``output``, in ONNX and in ORT format, with a CMake project around it.

    A checkpoint goes along: training continues on the device.

    Returns:
        The artifact.

    Raises:
        InputError: the artifact is damaged, or the output cannot be written.
        UnsupportedError: the model has several inputs, or one of whole numbers.
    """
    trainer = Trainer.load(folder) if has_checkpoint(folder) else None
    with failing_as(str(folder)):
        artifact = _for_the_c_api(_checked(trainer.artifact if trainer is not None else Artifact.load(folder)))
    paths = artifact.manifest.model_paths
    packed = {packed_path(path): artifact.models[packed_path(path)] for path in paths if artifact.has_packed_form}
    with failing_as(str(folder)):
        converted = to_ort_format({path: artifact.models[path] for path in paths}, packed, KERNELS if KERNELS.is_file() else None)
    for each, name in ((artifact, "artifact"), (_in_ort_format(artifact, converted), "artifact-ort")):
        if trainer is None:
            each.save(output / name)
        else:
            _with_state(each, trainer).save(output / name)
    manifest = artifact.manifest
    providers = placement_record(place_steps(artifact))
    record = {"format": _FORMAT, "model": manifest.model, "batch": manifest.batch, "peak_bytes": manifest.peak_bytes}
    write_whole(output / "export.json", (json.dumps({**record, "providers": providers}, indent=1) + "\n").encode())
    facts = ProjectFacts(manifest.model, manifest.peak_bytes, manifest.batch, tuple(block.name for block in manifest.blocks))
    write_project(facts, converted.required_operators, output)
    return artifact


def _checked(artifact: Artifact) -> Artifact:
    """Refuse what the C++ trainer does not take."""
    inputs = artifact.manifest.inputs
    if len(inputs) > 1 or inputs[0].dtype != "float32":
        found = ", ".join(f"'{each.name}' of {each.dtype}" for each in inputs)
        problem = f"has the inputs {found}; the trainer in C++ takes one of float32"
        raise UnsupportedError(f"model '{artifact.manifest.model}'", problem, "train it with tinyfoa-rt train")
    return artifact


def _for_the_c_api(artifact: Artifact) -> Artifact:
    """Steps do without sizes, which would cost memory there; and blocks do not predict by themselves there."""
    opened = {block.step: open_sizes(artifact.models[block.step]) for block in artifact.blocks}
    others = {path: content for path, content in artifact.models.items() if not is_exit_path(path)}
    return replace(artifact, models={**others, **opened})


def _with_state(artifact: Artifact, trainer: Trainer) -> Trainer:
    """A trainer of another form of the same artifact, where ``trainer`` stands."""
    found = Trainer(artifact)
    found.state.restore(trainer.state.arrays())
    found.progress = _without_validation(trainer)
    return found


def _without_validation(trainer: Trainer) -> Progress:
    """Where a training stands, without what was measured on samples that were held back: the trainer in C++ holds none back.

    Raises:
        UnsupportedError: it would train on them, or a block predicts in the model's place.
    """
    progress = trainer.progress
    if progress.exit is not None:
        mend = "use its inference.onnx, or train with --stop last"
        raise UnsupportedError(f"block {progress.exit}", "predicts in the model's place (--stop best), which C++ cannot", mend)
    if not trainer.is_done and (progress.settings.validation or progress.validated):
        problem = "holds samples back for validation, which C++ cannot"
        raise UnsupportedError("the training", problem, "train it to its end here, or without --validation")
    return replace(progress, settings=replace(progress.settings, validation=0.0, stop="last", patience=None), validated={})


def _in_ort_format(artifact: Artifact, converted: OrtModels) -> Artifact:
    manifest = artifact.manifest
    paths = {path: Path(path).with_suffix(".ort").as_posix() for path in converted.models}
    stages = tuple(paths.get(path, path) for path in manifest.stages)
    blocks = tuple(replace(block, step=paths[block.step]) for block in manifest.blocks)
    left = {*paths, *map(packed_path, paths)}  # packed models too where they could not be converted
    others = {path: content for path, content in artifact.models.items() if path not in left}
    models = {**{paths[path]: content for path, content in converted.models.items()}, **others}
    return Artifact(replace(manifest, stages=stages, blocks=blocks), models, artifact.initial)
