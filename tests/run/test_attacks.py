"""Artifacts and runs from somebody else: no file outside the folder is read, written or removed because of them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from tests import attacks
from tests.cli.run_cli import run
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.artifact.external_data import refuse_external_data
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.artifact.tensor_file import read_tensors, write_tensors
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.metrics import MetricsLog

X, Y = blobs(24)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run: an artifact for c99, which carries its source too, and a checkpoint."""
    folder = tmp_path_factory.mktemp("run")
    trainer = Trainer(artifact_of(folder, target="c99", nonvolatile="unlimited"))
    trainer.partial_fit(X, Y)
    trainer.save(folder / "run")
    MetricsLog(folder / "run" / "metrics.jsonl").append({"step": 1})
    return folder / "run"


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    np.savez(tmp_path / "data.npz", x_train=X, y_train=Y, x_test=X, y_test=Y)
    (tmp_path / "out.onnx").write_bytes((original / "steps" / "1.onnx").read_bytes())
    shutil.copytree(original, tmp_path / "run")
    return tmp_path / "run"


def refused(folder: Path, *arguments: str) -> str:
    """The line with which a command ends; nothing else may have changed."""
    before = attacks.snapshot(folder.parent)
    assert run(list(arguments)) == 4
    assert attacks.snapshot(folder.parent) == before
    return " ".join(arguments)


ENTRIES: dict[str, Callable[[Path], object]] = {
    "load": Artifact.load,
    "train": lambda f: refused(f, "train", str(f), "--data", str(f.parent / "data.npz"), "-o", str(f.parent / "new")),
    "resume": lambda f: refused(f, "train", str(f), "--data", str(f.parent / "data.npz"), "-o", str(f), "--resume"),
    "eval": lambda f: refused(f, "eval", str(f), "--data", str(f.parent / "data.npz")),
    "export c99": lambda f: refused(f, "export", str(f), "-o", str(f.parent / "project")),
    "export ort": lambda f: refused(f, "export", str(f), "-o", str(f.parent / "project"), "--format", "ort"),
}


def check_refused(entry: str, folder: Path) -> None:
    if entry == "load":
        with pytest.raises(InputError):
            ENTRIES[entry](folder)
    else:
        ENTRIES[entry](folder)


@pytest.mark.parametrize("attack", [lambda f, path: attacks.list_file(f, path, b""), attacks.rename_model], ids=["file", "step"])
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_manifest_names_no_other_path(entry: str, attack: Callable[[Path, str], None], folder: Path) -> None:
    manifest = (folder / "manifest.json").read_bytes()
    for path in attacks.PATHS:
        attack(folder, path)
        check_refused(entry, folder)
        (folder / "manifest.json").write_bytes(manifest)


def test_nor_is_one_written(folder: Path) -> None:
    artifact = Artifact.load(folder)
    before = attacks.snapshot(folder.parent)
    for path in attacks.PATHS:
        with pytest.raises(InputError, match="is no path of a file in an artifact"):
            replace(artifact, models={**artifact.models, path: b"written"}).save(folder.parent / "new")
    assert attacks.snapshot(folder.parent) == before


@pytest.mark.parametrize("entry", ENTRIES)
def test_links_in_an_artifact_are_not_followed(entry: str, folder: Path) -> None:
    for part in attacks.LINKS:
        outside = attacks.make_link(folder, part)
        check_refused(entry, folder)
        (folder / part).unlink()
        outside.rename(folder / part)


@pytest.mark.parametrize("part", ["checkpoint", "checkpoint/checkpoint.json", "checkpoint/state-000001.safetensors"])
def test_nor_those_in_a_checkpoint(part: str, folder: Path) -> None:
    attacks.make_link(folder, part)
    check_refused("resume", folder)


@pytest.mark.parametrize("part", ["steps", "packed", "packed/steps", "source", "checkpoint", "metrics.jsonl", "inference.onnx"])
def test_a_link_in_the_output_leads_nowhere(part: str, folder: Path) -> None:
    """An output folder prepared by somebody else: training, its log and its checkpoints stay inside."""
    new, outside = folder.parent / "new", folder.parent / "outside"
    target = outside if part.endswith(("jsonl", "onnx")) else outside / "of others"
    (new / part).parent.mkdir(parents=True)
    if target == outside:
        outside.write_bytes(b"theirs")
    else:
        target.mkdir(parents=True)
    (new / part).symlink_to(target)
    assert run(["train", str(folder), "--data", str(folder.parent / "data.npz"), "-o", str(new), "--epochs", "1"]) == 4
    assert outside.read_bytes() == b"theirs" if target == outside else not list(target.iterdir())


@pytest.mark.parametrize("part", ["manifest.json", "steps/1.onnx", "initial.safetensors", "checkpoint/checkpoint.json"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_only_regular_files_are_opened(kind: str, part: str, folder: Path) -> None:
    (folder / part).unlink()
    if kind == "pipe":
        os.mkfifo(folder / part)
    elif kind == "folder":
        (folder / part).mkdir()
    else:
        try:
            os.mknod(folder / part, 0o20666, os.makedev(1, 5))  # /dev/zero, which has no end
        except PermissionError:
            pytest.skip("only root makes a device")
    with pytest.raises(InputError, match="no regular file"):
        Trainer.load(folder)


def test_every_file_has_its_hash(folder: Path) -> None:
    """A changed bit of any file that a run reads is seen."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "metrics.jsonl"]
    assert len(files) > 10
    for path in files:
        content = path.read_bytes()
        # In the middle of the trained model are parameters, which it is there to change.
        middle = () if path.name == "inference.onnx" else (len(content) // 2,)
        for position in (0, *middle, len(content) - 2):
            path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
            with pytest.raises(InputError):
                Trainer.load(folder)
        path.write_bytes(content)
    Trainer.load(folder)


@pytest.mark.parametrize("where", ["initializer", "sparse", "attribute", "subgraph", "function", "training", "operator"])
@pytest.mark.parametrize("path", ["steps/1.onnx", "forward/3.onnx", "packed/steps/2.onnx", "inference.onnx"])
def test_graphs_hold_their_data(path: str, where: str, folder: Path) -> None:
    if not (folder / path).exists():
        path = next(each.relative_to(folder).as_posix() for each in (folder / "forward").iterdir())
    attacks.put_file(folder, path, attacks.with_external_data((folder / path).read_bytes(), where, "secret.bin"))
    with pytest.raises(InputError, match="another file"):
        Artifact.load(folder)


def test_else_onnxruntime_would_open_a_file_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the check is for: a model of bytes has no folder, so its tensors are looked for where the process runs."""
    node = helper.make_node("Add", ["x", "w"], ["y"])
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value="secret.bin")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    graph = helper.make_graph([node], "g", [x], [y], initializer=[weight])
    content = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString()
    np.arange(4, dtype=np.float32).tofile(tmp_path / "secret.bin")
    monkeypatch.chdir(tmp_path)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # some optimizers fail there
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.zeros(4, np.float32)})[0].tolist() == [0, 1, 2, 3]
    with pytest.raises(InputError, match="another file"):
        refuse_external_data(content, "model")


@pytest.mark.parametrize("content", [b"\x3a", b"\x3a\xff\x01", b"\x3b\x00", b"\x38\x01", b"\x02\x00", b"\xff" * 11, b"\x3d\x00"])
def test_what_is_no_protobuf_is_no_model(content: bytes) -> None:
    with pytest.raises(InputError, match="is no ONNX model"):
        refuse_external_data(b"\x12\x08location" + content, "model")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"block": 4}, "beyond the last block"),
        ({"step": -1}, "count that is not from 0"),
        ({"total_steps": 2**40}, "count that is not from 0"),
        ({"step": "1"}, "'step' is of another type"),
        ({"block": True}, "'block' is of another type"),
        ({"rates": {"fc1": "1"}}, "'fc1' is of another type"),
        ({"settings": {}}, "is not complete ('epochs')"),
        ({"settings": {"epochs": 0}}, "--epochs 0"),
        ({"settings": {"seed": -1}}, "--seed -1"),
        (
            {"settings": {"epochs": 1.5, "rate": 1.0, "rate_schedule": "cosine", "rotate_every": None, "seed": 0}},
            "'epochs' is of",
        ),
        ({"normalization": {"mean": 0, "std": 0, "axis": 1}}, "std is not greater than 0"),
    ],
    ids=str,
)
def test_progress_with_the_right_hash_is_checked_still(change: dict[str, Any], expected: str, folder: Path) -> None:
    state = folder / "checkpoint" / "state-000001.safetensors"
    stored = read_tensors(state)
    progress = json.loads(stored.metadata["progress"])
    if isinstance(change.get("settings"), dict) and change["settings"]:
        change = {"settings": progress["settings"] | change["settings"]}
    progress |= change
    digest = write_tensors(state, stored.tensors, {"progress": json.dumps(progress)})
    path = folder / "checkpoint" / "checkpoint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "bytes": digest.nbytes, "sha256": digest.sha256}))
    with pytest.raises(InputError) as caught:
        Trainer.load(folder)
    assert expected in str(caught.value)
