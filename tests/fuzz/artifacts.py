"""Runs with changed manifests, plans, graphs, tensors and progress, their hashes right, through load, a step, save and export."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tests.fuzz.campaign import command_line
from tests.fuzz.mutations import mutate_bytes, mutate_json, mutate_message, mutate_text
from tests.small_models import conv_net, load_model, mlp
from tinyfoa_rt.artifact.digest import Digest
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.artifact.tensor_file import read_tensors, write_tensors
from tinyfoa_rt.errors import TinyfoaError
from tinyfoa_rt.pipeline import build, export, plan
from tinyfoa_rt.run import Trainer

__all__ = ["case"]

Files = dict[str, bytes]
_STATE = "checkpoint/state-000001.safetensors"
_TYPES = ("float32", "float64", "int8", "uint8", "int32", "int64")


@cache
def originals() -> tuple[Mapping[str, bytes], ...]:
    """Runs with a checkpoint, by paths: dense and convolutional, for onnxruntime and for C99."""
    jobs = (
        (mlp((6, 8, 3)), {"target": "c99", "nonvolatile": "unlimited", "slices": "2x1"}),
        (mlp((6, 8, 8, 3)), {"optimizer": "adam", "order": "interleaved", "binarize": "none"}),
        (conv_net(), {"optimizer": "momentum", "target": "c99", "nonvolatile": "unlimited", "train": "last:2"}),
        (mlp((6, 8, 3)), {"schedule": "freeze-diagonal", "block_output": "scaled", "binarize": "weights"}),
    )
    found = []
    for model, options in jobs:
        with tempfile.TemporaryDirectory() as name:
            graph = load_model(model, Path(name))
            trainer = Trainer(build(graph, plan(graph, "1MB", **{"batch": 2, **options})), threads=1, kernels=None)
            trainer.partial_fit(*_data(trainer.artifact, random.Random(0)))
            trainer.save(Path(name) / "run")
            paths = [path for path in (Path(name) / "run").rglob("*") if path.is_file()]
            found.append({path.relative_to(Path(name) / "run").as_posix(): path.read_bytes() for path in paths})
    return tuple(found)


def _data(artifact: Artifact, rng: random.Random) -> tuple[Any, Any]:
    manifest = artifact.manifest
    draws = np.random.default_rng(rng.getrandbits(32))
    x = draws.normal(0, 1, (min(manifest.batch, 8), *manifest.input_shape[1:])).astype(np.float32)
    if manifest.loss.labels == "class":
        return x, draws.integers(0, min(manifest.num_outputs, 3), len(x))
    return x, draws.normal(0, 1, (len(x), manifest.num_outputs)).astype(np.float32)


def case(rng: random.Random, folder: Path) -> str:
    """Change one or two files of a run, mend all hashes, and use it."""
    files = dict(rng.choice(originals()))
    for _ in range(rng.choice((1, 1, 2))):
        _change(files, rng, folder)
    run = folder / "run"
    for path, content in files.items():
        (run / path).parent.mkdir(parents=True, exist_ok=True)
        (run / path).write_bytes(content)
    _mend(run, files)
    trainer = Trainer.load(run, threads=1, kernels=None)
    if trainer.artifact.manifest.batch * int(np.prod(trainer.artifact.manifest.input_shape, dtype=float)) > 2**20:
        return "loaded, too large to train here"
    x, y = _data(trainer.artifact, rng)
    if trainer.is_done:
        trainer.evaluate(x, y)
    else:
        trainer.partial_fit(x, y)
        trainer.scores(x)
    trainer.save(folder / "copy")
    if "source/model.onnx" in files:
        export(folder / "copy", folder / "project")
        return "trained and exported"
    if rng.random() < 0.02:  # the converter takes a second
        export(folder / "copy", folder / "project", format="ort")
    return "trained"


def _change(files: Files, rng: random.Random, folder: Path) -> None:
    path = rng.choice(sorted(files)) if rng.random() < 0.6 else rng.choice(("manifest.json", _STATE, "initial.safetensors"))
    try:
        files[path] = _changed(path, files[path], rng, folder)
    except Exception:  # an earlier change has broken its form, and each format has an error of its own
        files[path] = mutate_bytes(files[path], rng)
    if rng.random() < 0.03:
        files[path] = mutate_bytes(files[path], rng)


def _changed(path: str, content: bytes, rng: random.Random, folder: Path) -> bytes:
    if path.endswith(".safetensors"):
        return _changed_tensors(content, rng, folder)
    if path.endswith(".json"):
        return json.dumps(mutate_json(json.loads(content), rng)).encode()
    model = onnx.load_model_from_string(content)
    for _ in range(rng.randint(1, 3)):
        mutate_message(model, rng)
    return bytes(model.SerializeToString())


def _changed_tensors(content: bytes, rng: random.Random, folder: Path) -> bytes:
    path = folder / "tensors"
    path.write_bytes(content)
    stored = read_tensors(path)
    tensors: dict[str, Any] = dict(stored.tensors)
    metadata = dict(stored.metadata)
    if "progress" in metadata and rng.random() < 0.5:
        metadata["progress"] = json.dumps(mutate_json(json.loads(metadata["progress"]), rng))
    elif tensors:
        name = rng.choice(sorted(tensors))
        array = tensors.pop(name)
        kind = rng.randrange(5)
        if kind == 0:
            tensors[mutate_text(name, rng, tuple(tensors))] = array
        elif kind == 1:
            tensors[name] = np.zeros([max(0, size + rng.choice((-1, 0, 1, 3))) for size in array.shape], array.dtype)
        elif kind == 2:
            tensors[name] = array.astype(rng.choice(_TYPES))
        elif kind == 3:
            tensors[name] = array.reshape(rng.choice(((-1,), (1, *array.shape), (*array.shape, 1))))
        tensors.pop("__metadata__", None)
    write_tensors(path, tensors, metadata)
    return path.read_bytes()


def _parameters(manifest: dict[str, Any]) -> list[tuple[int, int]]:
    """The ranges of the trained model that its digest does not count; none where the manifest gives no rising ones."""
    try:
        ranges = [(each["offset"], each["offset"] + each["nbytes"]) for each in manifest["parameters"]]
        edges = [0, *(edge for each in ranges for edge in each)]
        return ranges if edges == sorted(edges) else []
    except (KeyError, TypeError):
        return []


def _mend(run: Path, files: Files) -> None:
    """Make sizes and hashes right, and the checkpoint one of this artifact."""
    manifest = _object(files["manifest.json"])
    entries = manifest.get("files")
    if isinstance(entries, dict):
        for path in entries:
            if path in files and isinstance(entries[path], dict):
                digest = Digest.of(files[path], _parameters(manifest) if path == "inference.onnx" else ())
                entries[path].update({"bytes": digest.nbytes, "sha256": digest.sha256})
        (run / "manifest.json").write_text(json.dumps(manifest))
    checkpoint = _object(files["checkpoint/checkpoint.json"])
    if checkpoint:
        digest = Digest.of(files[_STATE])
        checkpoint.update({"bytes": digest.nbytes, "sha256": digest.sha256})
        try:
            checkpoint["artifact"] = Artifact.load(run).id
        except TinyfoaError:
            return  # loading it will say so
        (run / "checkpoint" / "checkpoint.json").write_text(json.dumps(checkpoint))


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


if __name__ == "__main__":
    command_line("tests.fuzz.artifacts", case)
