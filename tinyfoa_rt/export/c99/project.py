"""The files around a generated model: the runtime and its kernels, samples of storages, a README, a build and an example."""

from __future__ import annotations

from tinyfoa_rt.export.c99.program import CProgram
from tinyfoa_rt.resources import resource_path

__all__ = ["project_files"]

_TEMPLATES = "targets/c99/project"
_LIBRARY = "targets/c99"
_PARTS = ("runtime", "kernels", "samples")


def project_files(program: CProgram) -> dict[str, str]:
    """Return texts by path: the library under ``tinyfoa``, and what is made for this model."""
    root = resource_path(_LIBRARY)
    sources = [*sorted(root.glob("*.h")), *(path for part in _PARTS for path in sorted((root / part).rglob("*.[ch]")))]
    files = {f"tinyfoa/{path.relative_to(root).as_posix()}": path.read_text(encoding="utf-8") for path in sources}
    for template in sorted(resource_path(_TEMPLATES).iterdir()):
        files[template.name] = _filled(template.read_text(encoding="utf-8"), program)
    return files


def _filled(text: str, program: CProgram) -> str:
    values = {
        "NAME": program.name,
        "PREFIX": program.prefix,
        "UPPER": program.prefix.upper(),
        "ARENA": f"{program.arena_nbytes:,}",
        "STORAGE": f"{program.storage_nbytes:,}",
        "STEP": f"{program.step_nbytes:,}",
        "BATCH": str(program.batch),
        "INPUTS": str(program.input_size),
        "OUTPUTS": str(program.output_size),
        "BLOCKS": "\n".join(f"| {b.name} | {b.num_slices} | {b.end:,} |" for b in program.blocks),
    }
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
