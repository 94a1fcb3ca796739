"""What a plan is for, on the command line its ``--target``: a board or a runtime, and how tensors are stored there.

Read from targets/profiles/*.toml.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Profile"]


@dataclass(frozen=True)
class Profile:
    """One profile.

    Attributes:
        name: as given to ``--target``.
        title: for people.
        runtime: ``ort`` (function bodies on stock onnxruntime) or ``c99``.
        ram_bytes: RAM of the board, the default budget; ``None`` where the host decides.
        reserved_bytes: RAM kept free for stack and application, subtracted from ``ram_bytes``.
        nonvolatile_bytes: flash, or 0 for none; ``None`` is as much as asked for (files, external flash).
        code_bytes: of flash, kept free for code: the library, the generated calls and the application.
        page_bytes: of flash, erased at once: the storage takes whole pages and two spare ones; 0 where any word can be written.
        packs_bits: binary tensors take one bit an element; else one byte.
        streams_gradients: a slice's gradient is used as it is computed and never stored.
        computes_head: a hashed head is computed in the loop and never stored.
        placement: ``arena`` (offsets in one block of memory) or ``allocator`` (the runtime allocates and frees).
        alignment: bytes, of every buffer in the arena.
        provider: of onnxruntime, for which function bodies are said in words that it takes; empty for the CPU's.
    """

    name: str
    title: str
    runtime: Literal["ort", "c99"]
    ram_bytes: int | None
    reserved_bytes: int
    nonvolatile_bytes: int | None
    packs_bits: bool
    streams_gradients: bool
    computes_head: bool
    placement: Literal["arena", "allocator"]
    alignment: int
    provider: str = ""
    code_bytes: int = 0
    page_bytes: int = 0

    @property
    def has_kernels(self) -> bool:
        """Whether onnxruntime has the library of kernels there, which packs bits; else function bodies run."""
        return self.runtime == "ort" and self.packs_bits

    @property
    def default_budget_bytes(self) -> int | None:
        """RAM left for the arena, or ``None`` where the profile has no RAM of its own."""
        return None if self.ram_bytes is None else self.ram_bytes - self.reserved_bytes
