"""The architecture, held by reading imports: stages import nouns, never each other."""

from pathlib import Path

import pytest

from tests.imports import PACKAGE, imports_of

NOUNS = {"errors", "units", "names", "terminal", "resources", "files", "strict_json", "drawing", "ir"}
MAY_IMPORT = {
    "ir": {"errors", "ir"},
    "errors": set(),
    "units": {"errors"},
    "names": set(),
    "files": {"errors", "units"},
    "strict_json": {"errors"},
    "drawing": {"names", "drawing"},
    "terminal": set(),
    "resources": set(),
    "targets": NOUNS,
    "providers": NOUNS,
    "model": NOUNS | {"model"},
    "zoo": NOUNS | {"zoo"},
    "partition": NOUNS | {"partition"},
    "operators": NOUNS | {"operators"},
    "steps": NOUNS | {"steps", "operators", "partition"},  # partition.slices: how an axis is split
    "planner": NOUNS | {"planner"},
    "allocation": NOUNS | {"allocation"},
    "emit": NOUNS | {"emit", "operators"},
    "artifact": NOUNS | {"artifact"},
    "run": NOUNS | {"run", "artifact"},
    "export": NOUNS | {"export", "operators", "artifact"},
}
ONNX_PACKAGES = {"onnx", "onnx_ir", "onnxscript", "google"}


def files_of(part: str) -> list[Path]:
    single = PACKAGE / f"{part}.py"
    return [single] if single.exists() else sorted((PACKAGE / part).rglob("*.py"))


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_stage_imports_nouns_and_itself(part: str) -> None:
    files = files_of(part)
    assert files
    for path in files:
        ours = {name.split(".")[1] for name in imports_of(path) if name.startswith("tinyfoa_rt.")}
        assert ours <= MAY_IMPORT[part], f"{path.name} imports {ours - MAY_IMPORT[part]}"


def test_only_loader_zoo_and_emission_know_onnx() -> None:
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0]
        if part not in ("model", "zoo", "emit"):
            assert not {name.split(".")[0] for name in imports_of(path)} & ONNX_PACKAGES, path


def test_the_planner_knows_no_graph_and_no_operator() -> None:
    for path in files_of("planner"):
        assert not imports_of(path) & {"tinyfoa_rt.ir.graph", "tinyfoa_rt.ir.step"}, path


def test_the_verifier_shares_no_code_with_the_planner() -> None:
    assert imports_of(PACKAGE / "ir" / "verify.py") <= {
        "__future__",
        "bisect",
        "collections.abc",
        "dataclasses",
        "tinyfoa_rt.ir.buffer",
        "tinyfoa_rt.ir.plan",
    }


def test_there_is_a_place_for_every_module() -> None:
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert parts == {*MAY_IMPORT, "__init__", "__main__", "cli", "pipeline"}


def test_the_imports_are_really_read(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text("import onnx.helper\nfrom tinyfoa_rt.plan import x\ndef f():\n    from tinyfoa_rt.operators import y\n")
    assert imports_of(sample) == {"onnx.helper", "tinyfoa_rt.plan", "tinyfoa_rt.operators"}
