"""What a Python file imports, read from its text."""

import ast
import re
from pathlib import Path

__all__ = ["PACKAGE", "imported_tests", "imports_of"]

PACKAGE = Path(__file__).resolve().parents[1] / "tinyfoa_rt"


def imports_of(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return names | {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}


def imported_tests(path: Path) -> set[str]:
    """Dotted names of the modules ``test_*`` that a file imports, or imports something out of."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    members = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    found = [re.match(r"(?:\w+\.)*?test_\w+", name) for name in imports_of(path) | members]
    return {match[0] for match in found if match}
