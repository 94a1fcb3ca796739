"""Data of all formats, profiles, plans and logs: read or refused."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.campaign import command_line
from tests.fuzz.mutations import mutate_bytes
from tests.run.data.data_files import IDX_NAMES, arrays, cifar_rows, idx_bytes
from tinyfoa_rt.artifact.plan_file import read_plan
from tinyfoa_rt.artifact.tensor_file import read_tensors, write_tensors
from tinyfoa_rt.profiles import load_profile
from tinyfoa_rt.resources import resource_path
from tinyfoa_rt.run.data import load_data
from tinyfoa_rt.run.metrics import MetricsLog

__all__ = ["case"]

_FIELDS = (
    "",
    "nan",
    "inf",
    "-1",
    "1e400",
    "1e38",
    "0x10",
    "a",
    '"',
    '"a"',
    "1_0",
    "\u0661",
    "65536",
    "0.5",
    " 1 ",
    "\x00",
    "9" * 400,
)
_HEADERS = ("O", "|O", "<f4", ">f8", "<i9", "<U4", "|V2", "<M8", "?", "<c8")


def _npz(rng: random.Random) -> bytes:
    """An .npz whose arrays are changed inside a sound archive."""
    stored = dict(arrays())
    if rng.random() < 0.3:
        stored["y_train"] = stored["y_train"].astype(np.float32)[:, None]
        stored["y_test"] = stored["y_test"].astype(np.float32)[:, None]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, array in stored.items():
            each = io.BytesIO()
            np.save(each, np.asfortranarray(array) if rng.random() < 0.2 else array)
            content = each.getvalue()
            if rng.random() < 0.4:
                content = _changed_header(content, rng)
            if rng.random() < 0.1:
                content = mutate_bytes(content, rng)
            archive.writestr(f"{name}.npy", content)
    return out.getvalue()


def _changed_header(content: bytes, rng: random.Random) -> bytes:
    length = int.from_bytes(content[8:10], "little")
    header = content[10 : 10 + length].decode("latin-1")
    kind = rng.randrange(4)
    if kind == 0:
        header = header.replace("|u1", rng.choice(_HEADERS))
    elif kind == 1:
        header = header.replace("(12,", rng.choice(("(0,", "(13,", "(999999999999999999,", "(-1,", "(12, 0,", "(4, 3,")))
    elif kind == 2:
        header = header.replace("False", rng.choice(("True", "None", "0")))
    else:
        header = mutate_bytes(header.encode("latin-1"), rng).decode("latin-1")
    raw = header.encode("latin-1")
    return content[:8] + len(raw).to_bytes(2, "little") + raw + content[10 + length :]


def _csv(rng: random.Random) -> bytes:
    rows = [[str(rng.randrange(9)), f"{rng.random():.3f}", str(row % 3)] for row in range(12)]
    for _ in range(rng.randint(0, 3)):
        row = rng.choice(rows)
        kind = rng.randrange(3)
        if kind == 0:
            row[rng.randrange(len(row))] = rng.choice(_FIELDS)
        elif kind == 1:
            row.append(rng.choice(_FIELDS))
        elif len(row) > 1:
            row.pop()
    ends = rng.choice(("\n", "\r\n", "\r"))
    return ends.join(",".join(row) for row in rows).encode(rng.choice(("utf-8", "utf-8", "utf-16", "utf-8-sig")), "surrogatepass")


def _write_idx(folder: Path, rng: random.Random) -> str:
    values = list(arrays().values())
    (folder / "idx").mkdir()
    for name, array in zip(IDX_NAMES, values):
        content = idx_bytes(array.astype(rng.choice(("u1", "i4", "f4")) if rng.random() < 0.1 else "u1"))
        if rng.random() < 0.3:
            at = rng.randrange(16)
            content = content[:at] + bytes([rng.choice((0, 1, 2, 9, 255))]) + content[at + 1 :]
        is_packed = rng.random() < 0.5
        content = gzip.compress(content, 1, mtime=0) if is_packed else content
        if rng.random() < 0.1:
            content = mutate_bytes(content, rng)
        (folder / "idx" / (f"{name}.gz" if is_packed else name)).write_bytes(content)
    return str(folder / "idx")


def _write_cifar(folder: Path, rng: random.Random) -> str:
    (folder / "cifar").mkdir()
    num_labels = rng.choice((1, 2))
    names = ("data_batch_1.bin", "test_batch.bin") if num_labels == 1 else ("train.bin", "test.bin")
    for name in names:
        content = cifar_rows(4, num_labels, 3).tobytes()
        (folder / "cifar" / name).write_bytes(mutate_bytes(content, rng) if rng.random() < 0.5 else content)
    return str(folder / "cifar")


def _write(folder: Path, name: str, content: bytes, rng: random.Random) -> str:
    path = folder / name
    path.write_bytes(mutate_bytes(content, rng) if rng.random() < 0.3 else content)
    return str(path)


@cache
def _profile() -> bytes:
    return (resource_path("targets/profiles") / "c99.toml").read_bytes()


def _tensors(folder: Path, rng: random.Random) -> None:
    path = folder / "tensors"
    write_tensors(path, {"w": np.ones((2, 3), np.float32), "b": np.zeros(4, np.int8)}, {"k": "v"})
    path.write_bytes(mutate_bytes(path.read_bytes(), rng))
    read_tensors(path, mapped=rng.random() < 0.5)


def _metrics(folder: Path, rng: random.Random) -> None:
    log = MetricsLog(folder / "metrics.jsonl")
    log.append({"step": 1, "loss": 0.5})
    log.path.write_bytes(mutate_bytes(log.path.read_bytes() * 3, rng))
    log.truncate_after(1)
    log.append({"step": 2})
    log.read()


_READERS: Mapping[str, Callable[[Path, random.Random], Any]] = {
    "idx": lambda folder, rng: load_data(_write_idx(folder, rng)),
    "cifar": lambda folder, rng: load_data(_write_cifar(folder, rng)),
    "npz": lambda folder, rng: load_data(_write(folder, "data.npz", _npz(rng), rng)),
    "csv": lambda folder, rng: load_data(_write(folder, "data.csv", _csv(rng), rng)),
    "profile": lambda folder, rng: load_profile(_write(folder, "own.toml", mutate_bytes(_profile(), rng), rng)),
    "plan": lambda folder, rng: read_plan(Path(_write(folder, "plan.json", b'{"format": "tinyfoa-plan/7"}', rng))),
    "tensors": _tensors,
    "metrics": _metrics,
}


def case(rng: random.Random, folder: Path) -> str:
    """Write a file of some format with changes, and read it."""
    kind = rng.choice(("idx", "cifar", "npz", "npz", "csv", "csv", "profile", "plan", "tensors", "metrics"))
    _READERS[kind](folder, rng)
    return f"{kind} read"


if __name__ == "__main__":
    command_line("tests.fuzz.data_files", case)
