"""What a folder from outside may try: the same table for the Python and the C++ trainer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from tinyfoa_rt.artifact.digest import Digest

__all__ = ["LINKS", "PATHS", "edit", "list_file", "make_link", "put_file", "rename_model", "snapshot", "with_external_data"]

# Names of files that no artifact has; most lead out of its folder, on some system.
PATHS = (
    "../out.onnx",
    "steps/../../out.onnx",
    "steps/..",
    "/etc/passwd",
    "//etc/passwd",
    "C:\\out.onnx",
    "C:/out.onnx",
    "..\\out.onnx",
    "steps\\1.onnx",
    "steps/1.onnx\0x",
    "steps/1.onnx/",
    "./steps/1.onnx",
    "steps//1.onnx",
    "steps/1.onnx:stream",
    "STEPS/1.ONNX",
    "steps/01.onnx",
    "steps/1.onnx\n",
    "steps/\uff11.onnx",
    "steps",
    "",
    ".",
    "packed/../steps/1.onnx",
    "packed/packed/steps/1.onnx",
    "manifest.json",
    "inference.safetensors",
    "metrics.jsonl",
    "checkpoint/checkpoint.json",
    "source/../../out.onnx",
    "~/out.onnx",
)

# Parts of a run that may be a link out of it.
LINKS = ("manifest.json", "initial.safetensors", "inference.onnx", "steps", "steps/1.onnx", "forward", "packed", "packed/steps")


def edit(folder: Path, change: Callable[[dict[str, object]], None]) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def put_file(folder: Path, path: str, content: bytes) -> None:
    """Put a file into an artifact, with the right size and hash in the manifest."""
    (folder / path).write_bytes(content)
    list_file(folder, path, content)


def list_file(folder: Path, path: str, content: bytes) -> None:
    """Let the manifest list a file, wherever it is."""
    digest = Digest.of(content)

    def change(manifest: dict[str, object]) -> None:
        files = manifest["files"]
        assert isinstance(files, dict)
        files[path] = {"bytes": digest.nbytes, "sha256": digest.sha256}
        if path == "inference.onnx":  # all of it counts
            manifest["parameters"] = []

    edit(folder, change)


def rename_model(folder: Path, name: str) -> None:
    """Let the first block's step have another path, listed with its size and hash."""
    list_file(folder, name, (folder / "steps" / "1.onnx").read_bytes())

    def change(manifest: dict[str, object]) -> None:
        blocks = manifest["blocks"]
        assert isinstance(blocks, list)
        blocks[0]["step"] = name

    edit(folder, change)


def make_link(folder: Path, part: str) -> Path:
    """Move a part of the folder out of it, and put a link in its place; returns where the part is now."""
    outside = folder.parent / f"outside-{part.replace('/', '-')}"
    shutil.move(folder / part, outside)
    (folder / part).symlink_to(outside, target_is_directory=outside.is_dir())
    return outside


def snapshot(folder: Path) -> Mapping[str, bytes | str]:
    """All files below a folder with their content, links with their target."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[name] = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else "folder"
    return found


def with_external_data(content: bytes, where: str, location: str) -> bytes:
    """Return a model with a tensor that lies in another file, at a place where onnxruntime would look for it."""
    model = onnx.load_model_from_string(content)
    tensor = TensorProto(name="external", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    inner = helper.make_graph([], "inner", [], [], initializer=[tensor])
    if where == "initializer":
        model.graph.initializer.append(tensor)
    elif where == "sparse":
        model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=tensor, dims=[4]))
    elif where == "attribute":
        model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))
    elif where == "subgraph":
        model.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner))
    elif where == "function":
        node = helper.make_node("Constant", [], ["c"], value=tensor)
        model.functions.append(helper.make_function("d", "f", [], ["c"], [node], [helper.make_opsetid("", 18)]))
    elif where == "training":
        model.training_info.add().algorithm.CopyFrom(inner)
    else:
        model.graph.node.append(helper.make_node("EPContext", [], ["c"], domain="com.microsoft", ep_cache_context=location))
    return bytes(model.SerializeToString())
