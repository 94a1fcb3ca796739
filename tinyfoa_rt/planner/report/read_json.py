"""Reads back what a build needs of a plan's JSON; the file may come from anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.ir.plan import PLAN_FORMAT, BlockPlan, Plan

__all__ = ["read_plan"]

_LARGEST = 2**26
_MEND = "write it again with 'tinyfoa-rt plan -o'"
_PLAN: Mapping[str, type] = {
    **dict.fromkeys(("model", "target", "optimizer", "schedule", "head"), str),
    **dict.fromkeys(("budget_bytes", "peak_bytes", "floor_bytes", "nonvolatile_bytes", "batch"), int),
    "feasible": bool,
}
_BLOCK: Mapping[str, type] = {
    "name": str,
    "update_fraction": float,
    **dict.fromkeys(("parameters", "forward_bytes", "gradient_bytes", "update_bytes", "peak_bytes"), int),
}


def read_plan(path: Path) -> Plan:
    """Return the plan in ``path``, without its baselines and the buffers of its blocks.

    Raises:
        InputError: it cannot be read, is no plan, or of another format version.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(str(path), "is too large for a plan", _MEND)
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "check the path") from error
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), f"is not JSON ({error})", _MEND) from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != PLAN_FORMAT:
        raise InputError(f"{path}, format", f"is {found!r}, not '{PLAN_FORMAT}'", _MEND)
    blocks = content.get("blocks")
    if not isinstance(blocks, list) or not blocks:
        raise InputError(f"{path}, blocks", "is not a list of blocks", _MEND)
    parts = tuple(_block(f"{path}, block {number}", block) for number, block in enumerate(blocks, 1))
    fields = _fields(str(path), content, _PLAN)
    return Plan(**fields, written_bytes_per_epoch=None, baselines={}, blocks=parts, reason="")


def _block(place: str, content: Any) -> BlockPlan:
    if not isinstance(content, dict):
        raise InputError(place, "is not an object", _MEND)
    fields = _fields(place, content, _BLOCK)
    slices = content.get("slices")
    if not isinstance(slices, list) or len(slices) != 2 or not all(type(m) is int and 1 <= m < 2**20 for m in slices):
        raise InputError(f"{place}, slices", f"is {slices!r:.40}, expected two numbers", _MEND)
    layers = content.get("layers")
    if not isinstance(layers, list) or not all(isinstance(name, str) for name in layers):
        raise InputError(f"{place}, layers", "is not a list of names", _MEND)
    grid = (slices[0], slices[1])
    return BlockPlan(**fields, slices=grid, layers=tuple(layers), written_bytes_per_epoch=None, buffers=(), steps=())


def _fields(place: str, content: Mapping[str, Any], expected: Mapping[str, type]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, kind in expected.items():
        value = content.get(name)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise InputError(f"{place}, {name}", f"is {value!r:.40}, expected {kind.__name__}", _MEND)
        found[name] = value
    return found
