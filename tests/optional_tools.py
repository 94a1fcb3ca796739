"""What a machine need not have: tests that want it are skipped, and the last line of a run says which and how to get it.

CI installs everything and then sets ``TINYFOA_ALL_TOOLS``: what is missing there is a failure.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = ["ALL_TOOLS", "TOOLCHAINS", "can_fuzz", "required_tool", "skip_without", "summary"]

ALL_TOOLS = "TINYFOA_ALL_TOOLS"
TOOLCHAINS = "tools/install_toolchains.sh"
_REASON = re.compile(r"(?:Skipped: )?(?P<what>.+) is not here; (?P<source>.+) brings it")


def required_tool(name: str) -> str:
    """The tool's path."""
    path = shutil.which(name)
    if path is None:
        skip_without(name, TOOLCHAINS)
    return path


def skip_without(what: str, source: str) -> NoReturn:
    """End a test for want of ``what``, which ``source`` brings: a script, or a target of make."""
    reason = f"{what} is not here; {source} brings it"
    if os.environ.get(ALL_TOOLS):
        pytest.fail(reason)
    pytest.skip(reason)


def summary(reasons: Iterable[str]) -> str:
    """One line about skipped tests, given the reason of each; empty where all that is wanted was there."""
    found = [match for match in map(_REASON.fullmatch, reasons) if match]
    if not found:
        return ""
    tools = ", ".join(f"{what} ({count})" for what, count in Counter(match["what"] for match in found).most_common())
    sources = ", ".join(
        dict.fromkeys(match["source"] for match in sorted(found, key=lambda match: match["source"], reverse=True))
    )
    return f"{len(found)} tests were skipped for want of {tools}. To get these: {sources}"


def can_fuzz(folder: Path) -> bool:
    """Whether clang has its runtime of fuzzing: a package of its own."""
    target = "int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size) { return data == 0 && size > 0; }"
    (folder / "empty.c").write_text(f"{target}\n")
    command = [
        required_tool("clang"),
        "-fsanitize=fuzzer,address,undefined",
        str(folder / "empty.c"),
        "-o",
        str(folder / "empty"),
    ]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
