"""Writes the folder of an exported model: generated files, the sources they call, and how to build them."""

from __future__ import annotations

from pathlib import Path

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.export.c99.c_names import one_line
from tinyfoa_rt.export.c99.render import render, state_image
from tinyfoa_rt.ir.c_program import CProgram
from tinyfoa_rt.ir.plan import Nonvolatile
from tinyfoa_rt.resources import resource_path

__all__ = ["added_files", "project_files", "write_project"]

_SOURCES = "targets/c99"
_PARTS = ("runtime", "kernels", "samples")
_TEMPLATES = ("CMakeLists.txt", "README.md", "main.c")


def write_project(program: CProgram, flash: Nonvolatile, output: Path) -> None:
    """Write the project to a new or empty folder.

    Args:
        program: what lowering has decided.
        flash: what it takes; where no byte of that is the first state, this becomes a file for the storage.
        output: the folder.

    Raises:
        InputError: the folder cannot be written.
    """
    texts = project_files(program, flash)
    contents = {name: text.encode() for name, text in texts.items()}
    if not flash.first_state_bytes:
        contents[f"{program.prefix}_state.bin"] = state_image(program)
    for name, content in contents.items():
        path = output / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise InputError(str(path), f"cannot be written ({error.strerror})", "name a folder that can be written") from error


def project_files(program: CProgram, flash: Nonvolatile) -> dict[str, str]:
    """Return the text of every file by its path in the project; the same program gives the same files."""
    root = resource_path(_SOURCES)
    files = dict(render(program, carries_state=flash.first_state_bytes > 0))
    for name in _TEMPLATES:
        files[name] = _filled((root / "project" / f"{name}.in").read_text(encoding="utf-8"), program, flash)
    sources = [*root.glob("*.h"), *(path for part in _PARTS for path in (root / part).rglob("*"))]
    for path in sorted(path for path in sources if path.suffix in (".c", ".h")):
        files[f"tinyfoa/{path.relative_to(root).as_posix()}"] = path.read_text(encoding="utf-8")
    return {**files, **added_files(program)}


def added_files(program: CProgram) -> dict[str, str]:
    """Return the text of the kernels that are not in targets/c99 by their paths in the project.

    Raises:
        InputError: a file cannot be read, or two have the same name.
    """
    files: dict[str, str] = {}
    for path in (path for kernel in program.kernels for path in kernel.paths):
        name = f"added/{path.name}"
        if name in files:
            raise InputError(str(path), "has the name of another kernel's file", "rename one of them")
        try:
            files[name] = path.read_text(encoding="utf-8")
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
            raise InputError(str(path), problem, "register the operator with its kernel's files") from error
    return files


def _filled(template: str, program: CProgram, flash: Nonvolatile) -> str:
    values = {
        "NAME": one_line(program.name),
        "PREFIX": program.prefix,
        "UPPER": program.prefix.upper(),
        "ARENA": f"{program.arena_nbytes:,}",
        "STORAGE": f"{program.storage_nbytes:,}",
        "STEP": f"{program.step_nbytes:,}",
        "FLASH": f"{flash.total_bytes:,}",
        "STORAGE_FLASH": f"{flash.storage_bytes:,}",
        "CONSTANTS": f"{flash.constants_bytes:,}",
        "FIRST_STATE": f"{flash.first_state_bytes:,}",
        "CODE": f"{flash.code_bytes:,}",
        "BATCH": str(program.batch),
        "INPUTS": str(program.input_size),
        "OUTPUTS": str(program.output_size),
        "BLOCKS": "\n".join(f"| {one_line(block.name)} | {block.num_slices} | {block.end:,} |" for block in program.blocks),
    }
    for key, value in values.items():
        template = template.replace(f"@{key}@", value)
    return template
