"""What a run says of tests that it could not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.c99.platforms import PLATFORMS, compile_objects
from tests.optional_tools import ALL_TOOLS, required_tool, summary

NEEDED = "arm-none-eabi-gcc is not here; tools/install_toolchains.sh brings it"
TORCH = "torch is not here; make .venv-torch/ready brings it"


def test_one_line_names_what_is_missing_and_where_it_comes_from() -> None:
    line = summary([f"Skipped: {TORCH}", "Skipped: this system makes no links", *[f"Skipped: {NEEDED}"] * 2])
    assert line == (
        "3 tests were skipped for want of arm-none-eabi-gcc (2), torch (1). "
        "To get these: tools/install_toolchains.sh, make .venv-torch/ready"
    )
    assert summary(["Skipped: this system makes no links"]) == ""


def test_a_missing_tool_is_a_failure_where_all_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALL_TOOLS, raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.skip.Exception, match=NEEDED):
        required_tool("arm-none-eabi-gcc")
    monkeypatch.setenv(ALL_TOOLS, "1")
    with pytest.raises(pytest.fail.Exception, match=NEEDED):
        required_tool("arm-none-eabi-gcc")


def test_without_a_compiler_no_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALL_TOOLS, raising=False)
    monkeypatch.setenv("PATH", "")
    for _ in range(2):  # the second of two tests that share a folder found it there, and failed
        with pytest.raises(pytest.skip.Exception):
            compile_objects(PLATFORMS[0], [], tmp_path / "objects")
    assert not (tmp_path / "objects").exists()
