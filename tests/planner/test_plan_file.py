"""The JSON form, held to its published schema; mutated output must be refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.golden_files import check_golden
from tests.planner.plans import STEPS, allocator_plan, arena_plan, infeasible_plan, long_plan
from tinyfoa_rt.artifact.plan_file import dumps, to_json
from tinyfoa_rt.ir.options import PlanOptions, choices_of
from tinyfoa_rt.ir.plan import Plan

PLANS = {"arena": arena_plan, "allocator": allocator_plan, "infeasible": infeasible_plan, "long": lambda: long_plan(60)}
ROOT = Path(__file__).resolve().parents[2]
SCHEMA: dict[str, Any] = json.loads((ROOT / "tinyfoa_rt/artifact/plan.schema.json").read_text("utf-8"))
OPTIONS = [each for each in fields(PlanOptions) if each.name not in ("budget", "target")]
FIELDS = (
    *("format", "model", "model_sha256", "shapes", "pool_input", "target", "profile", "budget_bytes"),
    *(each.name for each in OPTIONS),
    *("feasible", "peak_bytes", "floor_bytes", "nonvolatile_bytes", "nonvolatile_parts", "written_bytes_per_epoch"),
    *("written_bytes_per_day", "flash_years"),
    *("baselines", "reason", "blocks"),
)


def option_schemas() -> dict[str, Any]:
    """What the schema says of the options, as their fields have it."""
    schemas: dict[str, Any] = {}
    for each in OPTIONS:
        allowed, limits = choices_of(each), each.metadata.get("range")
        may_be_null = "None" in str(each.type) and each.name != "batch"
        if allowed is not None:
            schema: dict[str, Any] = {"enum": list(allowed)}
        elif limits is not None:
            schema = {"type": ["integer", "null"] if may_be_null else "integer", "minimum": limits[0], "maximum": limits[1]}
        elif each.name == "train":
            schema = {"type": "array", "minItems": 1, "items": {"type": "string"}}
        else:
            schema = {"type": ["string", "null"] if may_be_null else "string"}
        schemas[each.name] = {**schema, "description": f"{each.metadata['help']} Unit: none."}
    return schemas


def is_valid(value: object) -> bool:
    return bool(Draft202012Validator(SCHEMA).is_valid(value))


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON value, from the outside in."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from objects_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from objects_in(part)


def test_the_schema_says_of_options_what_their_fields_say() -> None:
    properties = {name: option_schemas().get(name, known) for name, known in SCHEMA["properties"].items()}
    found = {**SCHEMA, "properties": {**properties, **option_schemas()}}
    found["required"] = list(found["properties"])
    check_golden(ROOT / "tinyfoa_rt/artifact/plan.schema.json", json.dumps(found, indent=2) + "\n")


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("make", PLANS.values(), ids=PLANS)
def test_output_matches_the_schema(make: Callable[[], Plan]) -> None:
    Draft202012Validator(SCHEMA).validate(json.loads(dumps(make())))


def test_the_fields_and_their_order() -> None:
    plan = to_json(arena_plan())
    assert tuple(plan) == FIELDS
    assert plan["format"] == "tinyfoa-plan/7"
    baselines: Any = plan["baselines"]
    assert list(baselines) == ["bp_float", "bp_binary", "layerwise", "layerwise_sliced"]
    assert baselines["layerwise"] == {
        "forward_bytes": 768_000,
        "gradient_bytes": 24_576_000,
        "update_bytes": 24_576_000,
        "peak_bytes": 24_700_000,
        "is_planned": True,
    }


def test_a_block_and_its_buffers() -> None:
    blocks: Any = to_json(arena_plan())["blocks"]
    block = blocks[1]
    buffers = block.pop("buffers")
    assert block == {
        "name": "hidden",
        "layers": ("hidden.dense",),
        "parameters": 8192,
        "slices": (2, 2),
        "segments": (),
        "update_fraction": 0.25,
        "forward_bytes": 20_480,
        "gradient_bytes": 22_528,
        "update_bytes": 20_480,
        "peak_bytes": 24_576,
        "written_bytes_per_epoch": None,
        "steps": STEPS,
    }
    place = {"place": "ram", "offset": 10_240, "first_step": 1, "last_step": 4}
    assert buffers[2] == {"name": "hidden.x", "bytes": 4096, **place, "category": "activation"}
    assert buffers[-1]["place"] == "nonvolatile"
    assert buffers[-1]["offset"] is None


def test_names_survive_and_the_text_is_ascii() -> None:
    plan = replace(arena_plan(), model='\u5c42 "a" \x1b')
    assert dumps(plan).isascii()
    assert json.loads(dumps(plan))["model"] == plan.model


def test_bytes_written_are_null_where_unknown() -> None:
    assert json.loads(dumps(arena_plan()))["written_bytes_per_epoch"] is None
    assert json.loads(dumps(allocator_plan()))["written_bytes_per_epoch"] == 123_456


def test_a_field_that_is_missing_or_not_known_is_refused() -> None:
    plan = json.loads(dumps(arena_plan()))
    count = len(list(objects_in(plan)))
    assert count > 30
    for index in range(count):
        for key in list(objects_in(plan))[index]:
            broken = copy.deepcopy(plan)
            del list(objects_in(broken))[index][key]
            assert not is_valid(broken), f"without {key}"
        broken = copy.deepcopy(plan)
        list(objects_in(broken))[index]["unknown"] = "x"
        assert not is_valid(broken)


def test_a_wrong_type_or_a_negative_number_is_refused() -> None:
    plan = json.loads(dumps(arena_plan()))
    for index, item in enumerate(list(objects_in(plan))):
        for key, value in item.items():
            wrong: list[object]
            if isinstance(value, int) and not isinstance(value, bool):
                wrong = [str(value), -1, value + 0.5, True]
            elif isinstance(value, (str, bool)):
                wrong = [7]
            elif isinstance(value, (dict, list)):
                wrong = ["x"]
            else:
                wrong = [{}, -1]
            for replacement in wrong:
                broken = copy.deepcopy(plan)
                list(objects_in(broken))[index][key] = replacement
                assert not is_valid(broken), f"{key} = {replacement}"


@pytest.mark.parametrize("slices", [[2], [2, 2, 2], [0, 1]])
def test_slices_are_two_counts(slices: list[int]) -> None:
    plan = json.loads(dumps(arena_plan()))
    plan["blocks"][0]["slices"] = slices
    assert not is_valid(plan)


def test_every_field_says_what_it_is_and_its_unit() -> None:
    described = [node for node in objects_in(SCHEMA) if "properties" in node]
    fields = [field for node in described for field in node["properties"].values()]
    assert len(described) == 7
    for node in described:
        assert node["additionalProperties"] is False
        assert set(node["required"]) == set(node["properties"])
    for field in fields:
        assert "Unit: " in field["description"] or "Unit: " in field.get("$ref", ""), field


def test_the_document_names_every_field() -> None:
    text = (ROOT / "docs/plan-format.md").read_text("utf-8")
    for node in objects_in(SCHEMA):
        for name in node.get("properties", {}):
            assert f"`{name}`" in text, name
