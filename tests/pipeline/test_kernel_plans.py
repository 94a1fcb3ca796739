"""Plans that count on the library of kernels: packed bits and no bodies; who trains without it is told so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_models import conv_net, load_model, mlp
from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer


def test_the_same_budget_holds_larger_slices(tmp_path: Path) -> None:
    graph = load_model(mlp((64, 256, 256, 10)), tmp_path)
    bodies, kernels = (plan(graph, "150KB", target=target, batch=8) for target in ("ort-cpu", "ort-kernels"))
    assert kernels.feasible and bodies.feasible
    assert kernels.floor_bytes < bodies.floor_bytes
    assert sum(block.update_fraction for block in kernels.blocks) > sum(block.update_fraction for block in bodies.blocks)


def test_without_the_library_it_is_not_trained(tmp_path: Path) -> None:
    graph = load_model(mlp(), tmp_path)
    artifact = build(graph, plan(graph, "1MB", target="ort-kernels"))
    with pytest.raises(UsageError, match="kernels none: the plan counts on the library of kernels"):
        Trainer(artifact, kernels="none")
    Trainer(build(graph, plan(graph, "1MB")), kernels="none")


def test_bits_with_positions_have_no_kernels(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="target ort-kernels: has kernels for dense layers behind dense layers"):
        plan(load_model(conv_net(), tmp_path), "1MB", target="ort-kernels")
