"""What tests share stands in modules of its own: a module of tests is imported by nobody."""

from pathlib import Path

import pytest

from tests.imports import imported_tests

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("tests", "tools", "tinyfoa_rt")


def test_nobody_imports_a_module_of_tests() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 300
    found = {str(path.relative_to(ROOT)): names for path in files if (names := imported_tests(path))}
    assert not found, "move what is shared to a module that is named for what it holds"


@pytest.mark.parametrize(
    ("line", "imported"),
    [
        ("from tests.run.test_trainer import X", {"tests.run.test_trainer"}),
        ("from tests.run import test_trainer as trainer", {"tests.run.test_trainer"}),
        ("import tests.run.test_trainer", {"tests.run.test_trainer"}),
        ("def f():\n    from tests.test_layering import PACKAGE", {"tests.test_layering"}),
        ("from tests.run.trained_models import artifact_of", set()),
        ("import latest_results", set()),
    ],
)
def test_imports_of_tests_are_noticed(line: str, imported: set[str], tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text(line + "\n")
    assert imported_tests(sample) == imported
