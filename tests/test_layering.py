"""The architecture, held by reading imports: arrows only downwards, no circles; stages import nouns, rarely each other."""

from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.imports import PACKAGE, imports_of

NOUNS = {"errors", "units", "names", "terminal", "resources", "files", "strict_json", "drawing", "ir"}
# Each part, and those below it that it may import.
MAY_IMPORT = {
    "ir": {"errors"},
    "errors": set(),
    "units": {"errors"},
    "names": set(),
    "files": {"errors", "units"},
    "strict_json": {"errors"},
    "drawing": {"names"},
    "terminal": set(),
    "resources": set(),
    "profiles": NOUNS,
    "providers": NOUNS,
    "model": NOUNS | {"operators"},  # shapes of operators from outside
    "zoo": NOUNS,
    "partition": NOUNS,
    "operators": {"errors", "ir"},
    "steps": NOUNS | {"operators", "partition"},  # partition.layers: what is no trainable product
    "allocation": NOUNS,
    "emit": NOUNS | {"operators"},
    "artifact": NOUNS,
    "run": NOUNS | {"artifact"},
    "export.c99": NOUNS | {"operators", "artifact"},
    "export.ort": NOUNS | {"operators"},
    # A plan counts what is emitted and lowered; it asks onnxruntime what it takes.
    "planner": NOUNS
    | {"profiles", "providers", "partition", "operators", "steps", "allocation", "emit", "export.c99", "artifact", "run"},
    "report": NOUNS | {"providers", "partition", "steps", "run", "planner"},
    "builder": NOUNS | {"providers", "partition", "operators", "steps", "emit", "artifact", "run", "planner"},
    "export": NOUNS | {"model", "emit", "artifact", "run", "planner", "export.c99", "export.ort"},
    "pipeline": NOUNS | {"profiles", "model", "steps", "artifact", "planner", "report", "builder", "export"},
    "comparison": NOUNS | {"model", "artifact", "run", "pipeline"},
    "design": NOUNS | {"zoo", "artifact", "run", "pipeline"},
    "cli": NOUNS | {"model", "zoo", "artifact", "run", "report", "planner", "pipeline", "comparison", "design"},
}
# What the planner knows bytes by, and no graph.
BYTES_ALONE = ("accounts", "footprint", "layout", "search", "storage_layout")
ONNX_PACKAGES = {"onnx", "onnx_ir", "onnxscript", "google"}


def part_of(module: str) -> str:
    """The part that a module of ours, such as ``export.c99.lower``, belongs to."""
    names = module.split(".")
    return next((joined for n in (2, 1) if (joined := ".".join(names[:n])) in MAY_IMPORT), module)


def modules() -> dict[str, Path]:
    """All modules but the package itself, by name from the package on."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        names = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(names[:-1] if names[-1] == "__init__" else names)] = path
    return {name: path for name, path in found.items() if name not in ("", "__main__")}


def ours(path: Path) -> set[str]:
    return {name.removeprefix("tinyfoa_rt.") for name in imports_of(path) if name.startswith("tinyfoa_rt.")}


MODULES = modules()


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_what_is_below_it(part: str) -> None:
    files = {name: path for name, path in MODULES.items() if part_of(name) == part}
    assert files
    for name, path in files.items():
        others = {part_of(module) for module in ours(path)} - {part}
        assert others <= MAY_IMPORT[part], f"{name} imports {others - MAY_IMPORT[part]}"


def test_there_are_no_circles() -> None:
    assert list(TopologicalSorter(MAY_IMPORT).static_order())  # raises CycleError
    graph = {name: {module for module in ours(path) if module in MODULES} - {name} for name, path in MODULES.items()}
    assert list(TopologicalSorter(graph).static_order())


def test_only_loader_zoo_and_emission_know_onnx() -> None:
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0]
        if part not in ("model", "zoo", "emit"):
            assert not {name.split(".")[0] for name in imports_of(path)} & ONNX_PACKAGES, path


@pytest.mark.parametrize("name", BYTES_ALONE)
def test_what_counts_bytes_knows_no_graph_and_no_operator(name: str) -> None:
    known = {f"planner.{each}" for each in BYTES_ALONE} | {"ir.block", "ir.buffer", "ir.plan", "ir.program", "ir.storage"}
    assert ours(PACKAGE / "planner" / f"{name}.py") <= known


def test_the_verifier_shares_no_code_with_the_planner() -> None:
    assert imports_of(PACKAGE / "ir" / "verify.py") <= {
        "__future__",
        "bisect",
        "collections.abc",
        "dataclasses",
        "tinyfoa_rt.ir.buffer",
        "tinyfoa_rt.ir.plan",
    }


def test_what_the_families_of_operators_share_knows_no_family() -> None:
    shared = {"channels", "geometry", "lowering", "products", "registry", "signature", "strides", "vjp", "windows"}
    families = {path.stem for path in (PACKAGE / "operators").iterdir()} - shared - {"__init__", "__pycache__"}
    assert {"activations", "dense", "losses"} <= families
    for name in shared:
        imported = {each.split(".")[2] for each in imports_of(PACKAGE / "operators" / f"{name}.py") if each.count(".") > 1}
        assert not imported & families, name


def test_there_is_a_place_for_every_module() -> None:
    assert {part_of(name) for name in MODULES} == set(MAY_IMPORT)


def test_the_imports_are_really_read(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text("import onnx.helper\nfrom tinyfoa_rt.plan import x\ndef f():\n    from tinyfoa_rt.operators import y\n")
    assert imports_of(sample) == {"onnx.helper", "tinyfoa_rt.plan", "tinyfoa_rt.operators"}
