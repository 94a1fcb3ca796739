"""A plan as JSON, format ``tinyfoa-plan/7`` (docs/plan-format.md, plan.schema.json), and back from a file of any origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path

from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.files import read_whole
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.ir.plan import PLAN_FORMAT, Plan
from tinyfoa_rt.strict_json import parse_object, read_record

__all__ = ["dumps", "parse_plan", "read_plan", "to_json"]

_LARGEST = 2**26
_MEND = "plan again: tinyfoa-rt plan MODEL -o plan.json"
# The options but for these have their own names in a plan: these are `budget_bytes` and the name of the profile.
_RENAMED = ("budget", "target")
_SUM = "nonvolatile_bytes"


def to_json(plan: Plan) -> Mapping[str, object]:
    """Return the plan as values that :mod:`json` writes; nothing is lost."""
    content = asdict(plan)
    options, profile, blocks = (content.pop(name) for name in ("options", "profile", "blocks"))
    head = {name: content.pop(name) for name in ("model", "model_sha256", "shapes", "pool_input")}
    memory = {name: content.pop(name) for name in ("feasible", "peak_bytes", "floor_bytes")}
    return {
        "format": PLAN_FORMAT,
        **head,
        "target": profile.pop("name"),
        "profile": profile,
        "budget_bytes": options["budget"],
        **{name: value for name, value in options.items() if name not in _RENAMED},
        **memory,
        _SUM: plan.nonvolatile_bytes,
        **content,
        "blocks": blocks,
    }


def dumps(plan: Plan) -> str:
    """Return the plan as JSON text in ASCII: any output can take it."""
    return json.dumps(to_json(plan), indent=1)


def read_plan(path: Path) -> Plan:
    """Return the plan in a file.

    Raises:
        InputError: it cannot be read, is no plan, or of another version of the format.
    """
    return parse_plan(str(path), read_whole(path, _MEND, largest=_LARGEST))


def parse_plan(place: str, text: bytes) -> Plan:
    """Return the plan that :func:`dumps` gave; ``place`` is what messages begin with.

    Raises:
        InputError: it is no plan, or of another version of the format.
    """
    try:
        content = parse_object(text)
    except ValueError as error:
        raise InputError(place, f"is not JSON ({error})", _MEND) from error
    found = content.get("format")
    if found != PLAN_FORMAT:
        raise InputError(f"{place}, format", f"is {found!r:.40}, not '{PLAN_FORMAT}'", _MEND)
    names = {each.name: "budget_bytes" if each.name == "budget" else each.name for each in fields(PlanOptions)}
    record = {key: value for key, value in content.items() if key not in ("format", "profile", _SUM, *names.values())}
    record["options"] = {name: content[key] for name, key in names.items() if key in content}
    profile = content.get("profile")
    record["profile"] = {**profile, "name": content.get("target")} if isinstance(profile, dict) else profile
    try:
        plan: Plan = read_record(place, record, Plan, _MEND)
    except UsageError as error:
        raise InputError(f"{place}, {error.place}", error.problem, _MEND) from error
    if content.get(_SUM) != plan.nonvolatile_bytes:
        raise InputError(f"{place}, {_SUM}", "is not the sum of the parts", _MEND)
    _check(place, plan)
    return plan


def _check(place: str, plan: Plan) -> None:
    """Refuse what a plan never says, though it has the form of one."""
    options = plan.options
    if not isinstance(options.budget, int) or options.batch is None or isinstance(options.train, str) or not plan.blocks:
        raise InputError(place, "has no budget, no batch or no blocks", _MEND)
    if not all(block.name in options.train or plan.shares_of(block) for block in plan.blocks):
        raise InputError(f"{place}, train", "does not name the blocks", _MEND)
    if plan.profile.alignment not in (1, 2, 4, 8, 16, 32, 64):
        raise InputError(f"{place}, profile, alignment", f"is {plan.profile.alignment}", _MEND)
    if not 1 <= plan.pool_input <= 64:
        raise InputError(f"{place}, pool_input", f"is {plan.pool_input}", _MEND)
    if any(not 1 <= parts < 2**20 for block in plan.blocks for parts in block.slices):
        raise InputError(f"{place}, blocks", "have slices that are not between 1 and 2^20", _MEND)
    if any(list(block.segments) != sorted({*block.segments}) for block in plan.blocks):
        raise InputError(f"{place}, blocks", "have segments that are not in ascending order", _MEND)
