"""Export an artifact for a device without Python."""

from __future__ import annotations

from pathlib import Path

from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.pipeline.exporting_c99 import export_c99
from tinyfoa_rt.pipeline.exporting_ort import export_ort

__all__ = ["TARGETS", "export"]

TARGETS = ("c99", "ort")


def export(folder: str | Path, output: str | Path, *, target: str = "c99", state_as_file: bool | None = None) -> str:
    """Write a project that trains the artifact in ``folder``, from its checkpoint if it has one, to ``output``.

    Args:
        folder: what ``build`` or ``train`` has written.
        output: a new or empty folder.
        target: ``c99``: generated C for microcontrollers, of a plan for c99 or a board; ``ort``: C++ and C with onnxruntime.
        state_as_file: with ``c99``, the first state becomes a file for the storage, not constant data of the C file; by default
            where the target has no room for both.

    Returns:
        What was written, in one line.

    Raises:
        UsageError: the target is not known, or the option is not for it.
        InputError: the artifact is of another target, or damaged, or the output cannot be written.
        UnsupportedError: an operator has no C99 kernel.
    """
    folder, output = Path(folder), Path(output)
    if target not in TARGETS:
        raise UsageError(f"--target {target}", "is not known", f"use {', '.join(TARGETS)}")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(str(output), "is not an empty folder", "name a new folder")
    if target == "c99":
        program, flash = export_c99(folder, output, state_as_file=state_as_file)
        sizes = f"{program.arena_nbytes:,} bytes of RAM, {program.storage_nbytes:,} of storage, {flash.total_bytes:,} of flash"
        return f"{program.prefix}_model.c, {len(program.blocks)} blocks, {sizes}"
    if state_as_file:
        raise UsageError("--weights bin", "is for --target c99", "leave it out: an artifact's state is a file anyway")
    artifact = export_ort(folder, output)
    return f"artifact, artifact-ort, {len(artifact.blocks)} blocks, {artifact.manifest.peak_bytes:,} bytes of RAM by the plan"
