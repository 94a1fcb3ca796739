"""Artifacts in which one field or one tensor is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests import attacks
from tinyfoa_rt.artifact.tensor_file import read_tensors, write_tensors


def change(path: Path, *keys: Any, value: Any = ...) -> None:
    """Set or delete a field of a JSON file."""
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is ...:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    path.write_text(json.dumps(content))


def put_initial(folder: Path, name: str, array: Any) -> None:
    tensors = dict(read_tensors(folder / "initial.safetensors").tensors)
    tensors.pop(name)
    if array is not None:
        tensors[name] = array
    write_tensors(folder / "initial.safetensors", tensors, {})
    attacks.list_file(folder, "initial.safetensors", (folder / "initial.safetensors").read_bytes())
