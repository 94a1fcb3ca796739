"""A plan as JSON, format ``tinyfoa-plan/1`` (docs/plan-format.md, plan.schema.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tinyfoa_rt.ir.plan import PLAN_FORMAT, BlockPlan, Plan

__all__ = ["dumps", "to_json"]

_PLAN_FIELDS = (
    *("model", "target", "budget_bytes", "feasible", "peak_bytes", "floor_bytes", "nonvolatile_bytes"),
    *("written_bytes_per_epoch", "batch", "optimizer", "schedule", "head"),
)
_ACCOUNT_FIELDS = ("forward_bytes", "gradient_bytes", "update_bytes", "peak_bytes")
_BUFFER_FIELDS = ("name", "bytes", "place", "offset", "first_step", "last_step")


def to_json(plan: Plan) -> Mapping[str, object]:
    """Return the plan as values that :mod:`json` writes."""
    return {
        "format": PLAN_FORMAT,
        **_fields(plan, _PLAN_FIELDS),
        "baselines": {name: _fields(account, _ACCOUNT_FIELDS) for name, account in plan.baselines.items()},
        "blocks": [_block(block) for block in plan.blocks],
    }


def dumps(plan: Plan) -> str:
    """Return the plan as JSON text in ASCII: any output can take it."""
    return json.dumps(to_json(plan), indent=1)


def _block(block: BlockPlan) -> Mapping[str, object]:
    return {
        "name": block.name,
        "layers": list(block.layers),
        "parameters": block.parameters,
        "slices": list(block.slices),
        "update_fraction": block.update_fraction,
        **_fields(block, _ACCOUNT_FIELDS),
        "buffers": [_fields(buffer, _BUFFER_FIELDS) for buffer in block.buffers],
    }


def _fields(noun: object, names: tuple[str, ...]) -> dict[str, object]:
    return {name: getattr(noun, name) for name in names}
