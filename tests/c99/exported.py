"""Exported models, compiled into shared libraries and trained from Python, on a storage that is a NumPy array."""

from __future__ import annotations

import atexit
import ctypes
import shutil
import subprocess
import tempfile
from ctypes import c_float, c_int, c_int32, c_uint32, c_void_p
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.c99.kernel_library import FLAGS, KERNELS, as_c, build_library
from tests.optional_tools import required_tool
from tinyfoa_rt.export.c99 import ModelSource, lower, render
from tinyfoa_rt.export.c99.project import added_files
from tinyfoa_rt.ir.c_program import CProgram
from tinyfoa_rt.ir.latents import latent_of
from tinyfoa_rt.ir.names import own

__all__ = ["LIBRARY", "Device", "ExportedModel", "PowerCut", "library_sources", "write_sources"]

Array = NDArray[Any]
LIBRARY = KERNELS.parent
OK, STATE, NOT_FINITE, DAMAGED = 0, -4, -6, -7
_CALLBACK = ctypes.CFUNCTYPE(c_int, c_void_p, c_uint32, c_void_p, c_uint32)


class _Storage(ctypes.Structure):
    _fields_ = [
        ("device", c_void_p),
        ("read", _CALLBACK),
        ("write", _CALLBACK),
        ("mapped", c_void_p),
        ("mapped_nbytes", c_uint32),
    ]


class _Result(ctypes.Structure):
    _fields_ = [("loss", c_float), ("correct", c_int32)]


class Progress(ctypes.Structure):
    _fields_ = [(name, c_uint32) for name in ("block", "num_blocks", "slice", "num_slices", "step", "total_steps")]


class PowerCut(Exception):
    """The storage stopped taking writes."""


def library_sources(variant: str = "plain") -> list[Path]:
    """The runtime, and the kernels with the variant's in place of plain ones."""
    kernels = [KERNELS / variant / path.name for path in sorted((KERNELS / "plain").glob("*.c"))]
    chosen = [path if path.exists() else KERNELS / "plain" / path.name for path in kernels]
    return [*sorted((LIBRARY / "runtime").glob("*.c")), *chosen]


@cache
def _objects(compiler: str, variant: str) -> tuple[Path, ...]:
    """The library, compiled once: all models share it."""
    folder = Path(tempfile.mkdtemp(prefix="tinyfoa-objects-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sources = map(str, library_sources(variant))
    subprocess.run([required_tool(compiler), *FLAGS, "-fPIC", "-c", *sources], check=True, cwd=folder, timeout=300)
    return tuple(sorted(folder.glob("*.o")))


def write_sources(program: CProgram, folder: Path, *, carries_state: bool = True) -> Path:
    """Write the generated files; return the C file."""
    for name, text in {**render(program, carries_state=carries_state), **added_files(program)}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder / f"{program.prefix}_model.c"


@dataclass
class ExportedModel:
    """A lowered model and its library."""

    source: ModelSource
    program: CProgram
    library: ctypes.CDLL

    @classmethod
    def build(cls, source: ModelSource, folder: Path, compiler: str = "gcc", variant: str = "plain") -> ExportedModel:
        program = lower(source)
        generated = write_sources(program, folder)
        added = [folder / name for name in added_files(program) if name.endswith(".c")]
        flags = ["-I", str(LIBRARY), "-I", str(folder), *map(str, _objects(compiler, variant)), "-lm"]
        return cls(source, program, build_library(folder, compiler, [generated, *added], flags=flags))


@dataclass
class Device:
    """A context of an exported model.

    Attributes:
        model: what runs.
        words: the storage.
        mapped_nbytes: how much of the storage is read like memory, and not through the callback; ``None`` for all.
        writes_left: writes until the power goes; ``None`` for never.
        written_nbytes: bytes written so far.
        failing_write: the write, counted from 1, that fails once and leaves nothing; 0 for none.
    """

    model: ExportedModel
    words: Array = field(init=False)
    mapped_nbytes: int | None = None
    writes_left: int | None = None
    failing_write: int = 0
    written_nbytes: int = 0

    def __post_init__(self) -> None:
        program = self.model.program
        self.words = np.full(program.storage_nbytes // 4, 0xFFFFFFFF, dtype="<u4")  # as flash comes
        self.arena = np.full(program.arena_nbytes // 4 + 1, 0xA5A5A5A5, dtype=np.uint32)
        self._context = ctypes.create_string_buffer(256)
        self._callbacks = (_CALLBACK(self._read), _CALLBACK(self._write))
        self._model = c_void_p(ctypes.addressof(ctypes.c_char.in_dll(self.model.library, f"{program.prefix}_model")))

    def format(self) -> int:
        return int(self.model.library.tfoa_format(self._model, ctypes.byref(self._storage())))

    def init(self) -> int:
        place, size = c_void_p(self.arena.ctypes.data), ctypes.c_size_t(self.model.program.arena_nbytes)
        return int(self.model.library.tfoa_init(self._context, self._model, place, size, ctypes.byref(self._storage())))

    def start(self, rotate_every: int = 10) -> Device:
        """Format and begin."""
        self.check(self.format())
        self.check(self.init())
        self.rotate(rotate_every)
        return self

    def rotate(self, steps: int) -> None:
        self.check(self.model.library.tfoa_set_rotation(self._context, c_uint32(steps)))

    def step(self, x: Array, target: Array, rate: float) -> tuple[float, int]:
        """Loss, and how many of the batch are classified right."""
        result = _Result()
        is_vector = self.model.program.takes_vectors
        name = "tfoa_train_step_to" if is_vector else "tfoa_train_step"
        given = np.ascontiguousarray(x, dtype=np.float32), np.ascontiguousarray(target, np.float32 if is_vector else np.int32)
        places = [c_void_p(array.ctypes.data) for array in given]
        self.check(getattr(self.model.library, name)(self._context, *places, c_float(rate), ctypes.byref(result)))
        return float(result.loss), int(result.correct)

    def calibrate(self, x: Array) -> None:
        samples = np.ascontiguousarray(x, dtype=np.float32)
        self.check(self.model.library.tfoa_calibrate(self._context, c_void_p(samples.ctypes.data)))

    def predict(self, x: Array) -> Array:
        """Scores of samples, one call for each batch of the plan and one for the rest."""
        samples = np.ascontiguousarray(x, dtype=np.float32).reshape(len(x), -1)
        scores = np.zeros((len(x), self.model.program.output_size), dtype=np.float32)
        batch = self.model.program.batch
        for first in range(0, len(x), batch):
            part = samples[first : first + batch]
            into = c_void_p(scores[first:].ctypes.data)
            self.check(self.model.library.tfoa_predict(self._context, c_void_p(part.ctypes.data), c_int32(len(part)), into))
        return scores

    def save(self) -> None:
        self.check(self.model.library.tfoa_save(self._context))

    def next_block(self) -> None:
        self.check(self.model.library.tfoa_next_block(self._context))

    def train_block(self, block: int) -> None:
        """Begin the training of a block anew."""
        self.check(self.model.library.tfoa_train_block(self._context, c_uint32(block)))

    def operate(self, name: str, layer: c_void_p, *arguments: Any) -> None:
        """Call an operator of the runtime on a layer of the model, as a step does."""
        self.check(getattr(self.model.library, name)(self._context, layer, *map(as_c, arguments)))

    def progress(self) -> Progress:
        function = self.model.library.tfoa_get_progress
        function.restype = Progress
        found: Progress = function(self._context)
        return found

    def record(self, name: str, index: int = 0) -> Array:
        """The words of the record of a slice, as the newest header says where they lie."""
        layout, stored = self.model.source.layout, self.model.source.stored
        layer = next(each for each in stored.layers if each.name == name)
        kept = layout.layers[name]
        sequences = [int(self.words[number * layout.header_words + 3]) for number in (0, 1)]
        slots = self.words[int(np.argmax(sequences)) * layout.header_words + kept.map :]
        start = (kept.slots + int(slots[index]) * kept.slot_nbytes) // 4
        return self.words[start : start + stored.record_words(layer, index)]

    def weights(self, name: str) -> Array:
        """Latent weights of a layer, ([taps], inputs, outputs), or a tensor that a block keeps for its method."""
        state = self.model.source.state
        layer = next(each for each in self.model.source.stored.layers if each.name == name)
        weight = np.zeros((layer.grid.outs[-1], layer.grid.ins[-1], layer.taps), dtype=latent_of(layer.latent).dtype)
        for index, (_, ins, outs) in enumerate(layer.grid):
            part = weight[outs, ins]
            part[...] = _numbers(self.record(name, index), part.size, layer.latent).reshape(part.shape)
        if name in state:  # whole numbers lie as those of a layer do
            lies_turned = latent_of(layer.latent).is_integer
            return (weight[:, :, 0].T if lies_turned else weight).reshape(state[name].shape)
        return np.ascontiguousarray(weight.transpose(2, 1, 0)).reshape(state[own(name, "weight")].shape)

    def statistic(self, name: str) -> Array:
        """Running mean or variance of a batch normalization, as the newest header has it."""
        layout = self.model.source.layout
        length = next(block.statistics[name] for block in self.model.source.blocks if name in block.statistics)
        headers = self.words[: 2 * layout.header_words].reshape(2, -1)
        start = layout.statistics[name]
        newest: Array = headers[int(np.argmax(headers[:, 3]))]
        return newest[start : start + length].view("<f4")

    def check(self, status: int) -> None:
        if status == OK:
            return
        if self.writes_left is not None and self.writes_left <= 0:
            raise PowerCut
        raise AssertionError(f"status {status}")

    def _storage(self) -> _Storage:
        nbytes = self.words.nbytes if self.mapped_nbytes is None else self.mapped_nbytes
        return _Storage(None, *self._callbacks, self.words.ctypes.data if nbytes else None, nbytes)

    def _read(self, device: int, offset: int, to: int, nbytes: int) -> int:
        assert offset % 4 == nbytes % 4 == 0 and offset + nbytes <= self.words.nbytes
        ctypes.memmove(to, self.words.ctypes.data + offset, nbytes)
        return 0

    def _write(self, device: int, offset: int, source: int, nbytes: int) -> int:
        assert offset % 4 == nbytes % 4 == 0 and offset + nbytes <= self.words.nbytes
        self.written_nbytes += nbytes
        self.failing_write -= 1
        if self.failing_write == 0:
            return 1
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left <= 0:
                if self.writes_left == 0:  # it was writing when the power went: what it wrote over is lost
                    ctypes.memset(self.words.ctypes.data + offset, 0x5A, nbytes)
                return 1
        ctypes.memmove(self.words.ctypes.data + offset, source, nbytes)
        return 0


def _numbers(words: Array, count: int, latent: str) -> Array:
    """The first numbers of a record: float32, or whole ones of so many bits, the first in the lowest bits."""
    bits = latent_of(latent).bits
    if bits == 32:
        return words.view("<f4")[:count]
    places = np.unpackbits(words.view(np.uint8), bitorder="little")[: count * bits].reshape(count, bits)
    unsigned = places @ (1 << np.arange(bits))
    return np.where(unsigned >> (bits - 1), unsigned - (1 << bits), unsigned)
