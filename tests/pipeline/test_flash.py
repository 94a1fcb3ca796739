"""Flash is a budget like RAM: what a plan counts is what its export holds, to the byte, for every board."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.c99.exported import LIBRARY, Device, ExportedModel
from tests.c99.kernel_library import FLAGS
from tests.optional_tools import required_tool
from tests.small_models import conv_net, load_model, mlp, residual_net
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.export.c99 import lower
from tinyfoa_rt.export.to_c99 import c_source
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.plan import Nonvolatile, Plan
from tinyfoa_rt.pipeline import build, export, plan
from tinyfoa_rt.profiles import load_profile, profile_names

BOARDS = [name for name in profile_names() if load_profile(name).runtime == "c99"]
MODELS: dict[str, tuple[Callable[[], onnx.ModelProto], dict[str, Any]]] = {
    "mlp": (lambda: mlp((70, 45, 40, 4)), {}),
    "mlp-whole": (lambda: mlp((70, 45, 40, 4)), {"schedule": "full", "batch": 2}),
    "mlp-momentum": (lambda: mlp((70, 45, 40, 4)), {"optimizer": "momentum", "slices": "3x2"}),
    "mlp-adam": (lambda: mlp((70, 45, 40, 4)), {"optimizer": "adam", "slices": "2x3", "binarize": "none", "head": "kaiming"}),
    "mlp-learned": (lambda: mlp((70, 45, 40, 4)), {"optimizer": "adam", "slices": "2x2", "head": "learned"}),
    "mlp-frozen": (lambda: mlp((70, 45, 40, 4)), {"train": "last:1", "binarize": "none"}),
    "cnn": (conv_net, {"slices": "2x2", "optimizer": "momentum"}),
    "cnn-frozen": (conv_net, {"train": "last:1", "binarize": "none"}),
    "residual": (residual_net, {"slices": "1x2", "head_pool": "average"}),
}


def exported_parts(graph: Graph, planned: Plan, folder: Path) -> tuple[Nonvolatile, str]:
    """What the exported project holds, counted in its object file and the text of its header; and its README."""
    build(graph, planned).save(folder / "artifact")
    export(folder / "artifact", folder / "project")
    (source,) = (folder / "project").glob("*_model.c")
    include = ["-I", str(folder / "project"), "-I", str(LIBRARY)]
    subprocess.run(
        [required_tool("gcc"), *FLAGS, *include, "-c", str(source), "-o", str(folder / "model.o")], check=True, timeout=60
    )
    listed = subprocess.run(
        [required_tool("nm"), "-S", str(folder / "model.o")], check=True, capture_output=True, text=True
    ).stdout
    sizes = {name: int(size, 16) for size, name in re.findall(r"^\w+ (\w+) [rR] (\w+)$", listed, re.MULTILINE)}
    states = sum(size for name, size in sizes.items() if name.startswith("piece_"))
    constants = sum(size for name, size in sizes.items() if name.startswith(("constant_", "head_")))
    header = source.with_suffix(".h").read_text()
    storage = int(re.findall(r"_STORAGE_NBYTES (\d+)", header)[0])
    page = planned.profile.page_bytes
    pages = (-(-storage // page) + 2) * page if page else storage
    readme = (folder / "project" / "README.md").read_text()
    return Nonvolatile(pages, constants, states, planned.profile.code_bytes), readme


# Every model for c99; on every board four that differ in what they take.
ON_BOARDS = ("mlp", "mlp-adam", "mlp-learned", "cnn-frozen")
CASES = [(name, board) for name in MODELS for board in BOARDS if board == "c99" or name in ON_BOARDS]


@pytest.mark.parametrize(("name", "board"), CASES)
def test_a_plan_counts_what_its_export_holds(name: str, board: str, tmp_path: Path) -> None:
    make, options = MODELS[name]
    graph = load_model(make(), tmp_path)
    planned = plan(graph, "60KB", target=board, **options)
    assert planned.feasible
    parts, readme = exported_parts(graph, planned, tmp_path)
    assert planned.nonvolatile_parts == parts
    assert planned.nonvolatile_bytes == parts.total_bytes
    assert f"flash, all in all | {parts.total_bytes:,} bytes" in readme


def test_the_first_state_is_a_file_where_flash_has_no_room_for_both(tmp_path: Path) -> None:
    graph = load_model(mlp((70, 45, 40, 4)), tmp_path)
    whole = plan(graph, "60KB", target="c99", slices="2x2").nonvolatile_parts
    short = str(whole.total_bytes - 1)
    planned = plan(graph, "60KB", target="c99", slices="2x2", nonvolatile=short)
    assert planned.feasible and planned.nonvolatile_parts == replace(whole, first_state_bytes=0)
    parts, _ = exported_parts(graph, planned, tmp_path)
    assert parts == planned.nonvolatile_parts
    (state,) = (tmp_path / "project").glob("*_state.bin")
    assert state.stat().st_size == whole.storage_bytes
    with pytest.raises(InputError, match="no room for the first state"):
        export(tmp_path / "artifact", tmp_path / "other", state_as_file=False)


@pytest.mark.slow
def test_slices_become_smaller_until_the_free_slots_fit(tmp_path: Path) -> None:
    """The block that saves most is cut first; what there is more of flash is never worse."""
    graph = load_model(mlp((96, 64, 64, 4)), tmp_path)
    least = plan(graph, "1MB", target="c99", nonvolatile="1")
    assert not least.feasible and "of nonvolatile memory, but the model takes at least" in least.reason
    unlimited = plan(graph, "1MB", target="c99")
    assert {block.slices for block in unlimited.blocks} == {(1, 1)}
    fractions = []
    for available in range(40_000, unlimited.nonvolatile_bytes, 1500):
        found = plan(graph, "1MB", target="c99", nonvolatile=str(available))
        if found.feasible:
            assert found.nonvolatile_bytes <= available
            fractions.append([block.update_fraction for block in found.blocks])
    assert len({tuple(each) for each in fractions}) >= 3
    for smaller, larger in zip(fractions, fractions[1:]):
        assert all(a <= b for a, b in zip(smaller, larger))


def test_a_network_that_one_mb_of_flash_cannot_hold_does_not_fit_there(tmp_path: Path) -> None:
    """268,800 weights: 1.03 MB without a free slot, a checksum or a byte of code."""
    graph = load_model(mlp((784, 256, 256, 10)), tmp_path)
    planned = plan(graph, target="nrf52840", batch=1)
    assert not planned.feasible
    assert "64.0 KiB of them for code" in planned.reason
    assert plan(graph, target="nrf52840", batch=1, nonvolatile="4MB").feasible


@pytest.mark.parametrize("head", ["rademacher", "learned"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_bytes_that_an_epoch_writes_are_those_that_the_device_writes(optimizer: str, head: str, tmp_path: Path) -> None:
    graph = load_model(mlp((70, 45, 4)), tmp_path)
    options = {"batch": 2, "slices": "2x3", "optimizer": optimizer, "head": head, "rotate_every": 4, "samples": 32}
    planned = plan(graph, "60KB", target="c99", **options)
    artifact = build(graph, planned)
    source = c_source(artifact, artifact.initial)
    assert lower(source).storage_nbytes == planned.nonvolatile_parts.storage_bytes
    device = Device(ExportedModel.build(source, tmp_path)).start(rotate_every=4)
    device.written_nbytes = 0
    rng = np.random.default_rng(0)
    for _ in planned.blocks:
        for _ in range(16):
            device.step(rng.normal(0, 1, (2, 70)), rng.integers(0, 4, 2), 0.1)
        device.save()
        device.next_block()
    headers = len(planned.blocks) * 4 * source.layout.header_words  # next_block says that a block has ended
    assert device.written_nbytes - headers == planned.written_bytes_per_epoch
