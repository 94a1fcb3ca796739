"""Power cuts: at every write of a short run the device dies in the middle of it; training then goes on from what is left."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.c99.exported import Run, build_artifact, project_sources, state_of
from tests.c99.kernel_library import FLAGS, required_tool
from tests.run.trained_models import blobs
from tinyfoa_rt.export.c99 import ModelSource
from tinyfoa_rt.export.c99.storage import lay_out
from tinyfoa_rt.pipeline.exporting import c_source

OK, ERROR_STORAGE, ERROR_STATE = 0, -3, -4
SIZES = (12, 10, 8, 4)
STEPS, TURN = 6, 1
READ = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)


class Storage(ctypes.Structure):
    """``tfoa_storage``."""

    _fields_ = [("device", ctypes.c_void_p), ("read", READ), ("write", READ), ("mapped", ctypes.c_void_p)]


class Device:
    """A storage in memory that dies in the middle of write number ``dies_at``, and can be switched on again."""

    def __init__(self, nbytes: int) -> None:
        self.content = bytearray(nbytes)
        self.writes = 0
        self.dies_at = -1
        self.is_dead = False
        self.struct = Storage(None, READ(self._read), READ(self._write), None)

    def switch_on(self) -> None:
        self.is_dead, self.dies_at = False, -1

    def _read(self, _: Any, offset: int, to: int, nbytes: int) -> int:
        if self.is_dead:
            return 1
        ctypes.memmove(to, bytes(self.content[offset : offset + nbytes]), nbytes)
        return 0

    def _write(self, _: Any, offset: int, source: int, nbytes: int) -> int:
        if self.is_dead:
            return 1
        given = ctypes.string_at(source, nbytes)
        self.is_dead = self.writes == self.dies_at
        self.writes += 1
        if self.is_dead:  # half of it is there, then there is rubbish
            given = given[: nbytes // 2] + bytes(byte ^ 0x5A for byte in given[nbytes // 2 : nbytes // 2 + 4])
        self.content[offset : offset + len(given)] = given
        return int(self.is_dead)


class Board:
    """A compiled model on a device."""

    def __init__(self, library: ctypes.CDLL, source: ModelSource, run: Run) -> None:
        self.library, self.source, self.run = library, source, run
        self.model = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.in_dll(library, "net_model")))
        library.tfoa_arena_nbytes.restype = ctypes.c_size_t
        self.arena = ctypes.create_string_buffer(library.tfoa_arena_nbytes(self.model) + 4)
        self.context = ctypes.create_string_buffer(512)
        self.device = Device(library.tfoa_storage_nbytes(self.model))

    def call(self, name: str, *arguments: Any) -> int:
        return int(getattr(self.library, name)(self.context, *arguments))

    def format(self) -> int:
        return int(self.library.tfoa_format(self.model, ctypes.byref(self.device.struct)))

    def start(self) -> int:
        size = ctypes.c_size_t(len(self.arena))
        status = self.call("tfoa_init", self.model, self.arena, size, ctypes.byref(self.device.struct))
        return status or self.call("tfoa_set_rotation", ctypes.c_uint32(TURN))

    def progress(self) -> tuple[int, int]:
        """Block and step, by the context's own words."""

        class Progress(ctypes.Structure):
            _fields_ = [(name, ctypes.c_uint32) for name in ("block", "num_blocks", "slice", "num_slices", "step", "total")]

        self.library.tfoa_get_progress.restype = Progress
        found = self.library.tfoa_get_progress(self.context)
        return int(found.block), int(found.step)

    def train_to_the_end(self) -> int:
        """Go on from where training stands; the first status that is not OK."""
        while (place := self.progress())[0] < len(self.source.blocks):
            block, step = place
            if step == STEPS:
                status = self.call("tfoa_next_block")
            else:
                row = step % len(self.run.x)
                x = np.ascontiguousarray(self.run.x[row], dtype=np.float32)
                label = np.array([self.run.y[row]], dtype=np.int32)
                rate = ctypes.c_float(self.run.rates[block])
                status = self.call(
                    "tfoa_train_step", x.ctypes.data_as(ctypes.c_void_p), label.ctypes.data_as(ctypes.c_void_p), rate, None
                )
            if status != OK:
                return status
        return self.call("tfoa_save")


@pytest.fixture(scope="module")
def make_board(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Board]:
    folder = tmp_path_factory.mktemp("power")
    artifact = build_artifact(folder, SIZES, slices="2x2", batch=1)
    library = folder / "net.so"
    includes = ["-I", str(folder / "project"), "-I", str(folder / "project" / "tinyfoa")]
    sources = map(str, project_sources(folder / "project"))
    subprocess.run([required_tool("gcc"), *FLAGS, *includes, "-shared", "-fPIC", *sources, "-o", str(library), "-lm"], check=True)
    x, y = blobs(20, seed=3)
    run = Run(x, y, 0, STEPS, TURN, (0.3, 0.3, 0.1))
    loaded, source = ctypes.CDLL(str(library)), c_source(artifact, artifact.initial, {})
    return lambda: Board(loaded, source, run)


def check_whole(board: Board) -> None:
    """Bits and sums in the storage are those of the latent weights."""
    words = np.frombuffer(bytes(board.device.content), dtype="<u4")
    layout = lay_out(board.source)
    state = state_of(words, layout, board.source)
    for layer in (layer for block in board.source.blocks for layer in block.layers if layer.is_binary):
        place, weight = layout.layers[layer.layer.name], state[f"{layer.layer.name}.weight"]
        assert place.bits is not None and place.sums is not None
        at, outs = place.bits // 4, layer.outs[-1]
        for band, (first, stop) in enumerate(zip(layer.ins, layer.ins[1:])):
            row_words = -(-(stop - first) // 32)
            rows = words[at : at + outs * row_words].reshape(outs, row_words)
            bits = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little")[:, : stop - first]
            np.testing.assert_array_equal(bits, weight[first:stop].T >= 0)
            at += outs * row_words
            sums = words[place.sums // 4 + band * outs :][:outs].view("<f4")
            # float32 sums of at most 6 numbers
            np.testing.assert_allclose(sums, np.abs(weight[first:stop]).sum(axis=0), rtol=1e-6)


def test_a_run_without_cuts(make_board: Callable[[], Board]) -> None:
    board = make_board()
    assert board.format() == OK and board.start() == OK and board.train_to_the_end() == OK
    check_whole(board)
    assert board.device.writes > 100


def test_a_cut_at_every_write(make_board: Callable[[], Board]) -> None:
    straight = make_board()
    assert straight.format() == OK
    formatting = straight.device.writes
    assert straight.start() == OK and straight.train_to_the_end() == OK
    for cut in range(straight.device.writes):
        board = make_board()
        board.device.dies_at = cut
        status = board.format()
        if cut < formatting:
            assert status == ERROR_STORAGE
            board.device.switch_on()
            assert board.start() in (OK, ERROR_STATE), cut
            assert board.format() == OK
        else:
            assert status == OK and board.start() == OK
            assert board.train_to_the_end() == ERROR_STORAGE, cut
            board.device.switch_on()
        assert board.start() == OK, cut
        assert board.train_to_the_end() == OK, cut
        check_whole(board)
