"""A plan holds all that a build needs: its file builds to the bytes that planning and building in one go give."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from tests.optional_tools import required_tool
from tests.planner.plans import arena_plan
from tests.run.trained_models import artifact_of, blobs
from tests.small_models import conv_net, load_model, mlp
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.artifact.plan_file import dumps, parse_plan, read_plan
from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, export, plan
from tinyfoa_rt.run import Trainer

OTHER: dict[str, Any] = {
    "budget": "200KB",
    "target": "c99",
    "batch": 3,
    "slices": "3x2",
    "slices_at": "one",
    "optimizer": "momentum",
    "block_layers": "all",
    "recompute": "always",
    "method": "own-loss",
    "head": "kaiming",
    "head_pool": "average",
    "schedule": "freeze-diagonal",
    "train": "last:1",
    "binarize": "none",
    "loss_at": "fc_out",
    "loss": "mean-squared-error",
    "nonvolatile": "1MB",
    "weight_scale": "tensor",
    "scale": "batch",
    "ste_window": "relu",
    "activation_bits": 2,
    "block_output": "scaled",
    "class_weights": "1,2,3,0.5,4",
    "classifier": "binary",
    "first_layer": "real",
    "latent": "int8",
    "classes": 7,
    "order": "interleaved",
    "seed": 5,
    "samples": 1000,
    "rotate_every": 4,
    "slices_per_step": 2,
    "writes_per_day": "1MB",
    "samples_per_day": 100,
}


def test_every_option_is_tried() -> None:
    defaults = PlanOptions()
    assert set(OTHER) == {each.name for each in dataclasses.fields(PlanOptions)}
    assert all(getattr(defaults, name) != value for name, value in OTHER.items())


def content_of(artifact: Artifact, folder: Path) -> dict[str, bytes]:
    artifact.save(folder)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("option", OTHER)
def test_a_plan_file_builds_to_the_bytes_of_one_go(tmp_path: Path, option: str) -> None:
    graph = load_model(conv_net(), tmp_path)
    options = {"budget": "1MB", "batch": 6, option: OTHER[option]}
    if option == "nonvolatile":  # a target whose own is another
        options["target"] = "stm32f746"
    if option == "writes_per_day":  # a day has samples
        options["samples_per_day"] = OTHER["samples_per_day"]
    if option == "method":  # the model's own loss is of its last block
        options["train"] = "last:1"
    planned = plan(graph, **options)
    (tmp_path / "plan.json").write_text(dumps(planned))
    one_go = content_of(build(graph, planned), tmp_path / "one")
    read = content_of(build(tmp_path / "small.onnx", read_plan(tmp_path / "plan.json")), tmp_path / "other")
    assert one_go == read
    assert json.loads(one_go["plan.json"]) == json.loads(dumps(planned))


def test_the_option_reaches_the_artifact(tmp_path: Path) -> None:
    kept: dict[str, Any] = {"binarize": "none", "block_output": "scaled", "order": "interleaved"}
    manifest = artifact_of(tmp_path, optimizer="adam", **kept).manifest
    assert {name: getattr(manifest, name) for name in kept} == kept and manifest.optimizer.name == "adam"


def test_a_plan_for_a_profile_of_ones_own_builds_without_the_profile(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text(Path("targets/profiles/c99.toml").read_text().replace("alignment = 4", "alignment = 16"))
    planned = plan(load_model(mlp(), tmp_path), "64KB", target=str(profile))
    profile.unlink()
    assert planned.profile.name == "mine"
    assert "source/model.onnx" in build(tmp_path / "small.onnx", parse_plan("plan", dumps(planned).encode())).models


def test_another_model_of_the_same_shapes_is_refused(tmp_path: Path) -> None:
    planned = plan(load_model(mlp(), tmp_path), "64KB")
    model = mlp()
    weight = numpy_helper.to_array(model.graph.initializer[0]).copy()
    weight[0, 0] += np.float32(1e-3)
    model.graph.initializer[0].raw_data = weight.tobytes()
    with pytest.raises(InputError, match=r"is of another model .* plan this model again"):
        build(load_model(model, tmp_path), planned)


def test_external_data_belong_to_the_model(tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    onnx.save(mlp(), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    planned = plan(path, "64KB")
    build(path, planned)
    content = bytearray((tmp_path / "w.bin").read_bytes())
    content[-1] ^= 1
    (tmp_path / "w.bin").write_bytes(content)
    with pytest.raises(InputError, match="is of another model"):
        build(path, planned)


def test_an_artifact_with_external_data_exports_wherever_it_is_moved_to(tmp_path: Path) -> None:
    model, folder = tmp_path / "small.onnx", tmp_path / "elsewhere"
    onnx.save(mlp((12, 16, 4)), model, save_as_external_data=True, location="w.bin", size_threshold=0)
    build(model, plan(model, "64KB", target="c99", batch=6)).save(tmp_path / "artifact")
    (tmp_path / "artifact").rename(folder)
    for path in (model, tmp_path / "w.bin"):
        path.unlink()
    x, y = blobs(60)
    Trainer(folder).fit(x, y, normalization=None, epochs=1).save(folder)
    export(folder, tmp_path / "project")
    (source,) = (tmp_path / "project").glob("*_model.c")
    includes = [f"-I{each}" for each in (tmp_path / "project").rglob("*") if each.is_dir()]
    command = [required_tool("gcc"), "-std=c99", "-fsyntax-only", f"-I{tmp_path / 'project'}", *includes, str(source)]
    subprocess.run(command, check=True)


def test_a_model_that_changes_before_it_is_built_is_refused(tmp_path: Path) -> None:
    graph = load_model(mlp(), tmp_path)
    planned = plan(graph, "64KB", target="c99")
    onnx.save(mlp((8, 16, 16, 4)), tmp_path / "small.onnx")
    with pytest.raises(InputError, match="has changed since it was loaded"):
        build(graph, planned)


def test_a_model_of_other_input_shapes_is_refused(tmp_path: Path) -> None:
    model = conv_net()
    for axis, name in ((2, "height"), (3, "width")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    onnx.save(model, tmp_path / "open.onnx")
    shape = tuple(each.dim_value for each in conv_net().graph.input[0].type.tensor_type.shape.dim[1:])
    planned = plan(load(tmp_path / "open.onnx", shapes={"input": (1, *shape)}), "1MB")
    assert planned.shapes == {"input": (1, *shape)}
    assert build(tmp_path / "open.onnx", planned).manifest.input_shape == (1, *shape)
    with pytest.raises(InputError, match="is for inputs of the shapes"):
        build(load(tmp_path / "open.onnx", shapes={"input": (1, shape[0], 2 * shape[1], shape[2])}), planned)


names = st.text(min_size=1, max_size=12) | st.sampled_from(["a,b", "a/b/../c", "层", "last:1", "all", " x", 'q"\\', "\n"])


@given(st.lists(names, min_size=3, max_size=3, unique=True), names, st.integers(1, 2**40), st.none() | st.integers(0, 2**40))
def test_json_keeps_the_whole_plan(blocks: list[str], model: str, budget: int, written: int | None) -> None:
    made = arena_plan()
    options = dataclasses.replace(made.options, budget=budget, train=tuple(blocks))
    planned: Plan = dataclasses.replace(
        made,
        model=model,
        shapes={model: (1, 3)},
        options=options,
        written_bytes_per_epoch=written,
        blocks=tuple(dataclasses.replace(block, name=name, layers=(name,)) for block, name in zip(made.blocks, blocks)),
    )
    assert parse_plan("plan", dumps(planned).encode()) == planned


def test_json_that_was_changed_is_refused_in_one_line() -> None:
    content = json.loads(dumps(arena_plan()))
    wrong: dict[str, Any] = {
        "batch": None,
        "train": ["x"],
        "binarize": "all",
        "blocks": [],
        "profile": {},
        "seed": -1,
        "weight_scale": 1,
    }
    for key, value in {**wrong, "target": None, "classes": 1, "shapes": {"x": [-1]}, "model_sha256": 7, "new": 1}.items():
        with pytest.raises(InputError) as caught:
            parse_plan("plan.json", json.dumps({**content, key: value}).encode())
        assert str(caught.value).startswith("plan.json") and "plan again" in str(caught.value)


@pytest.mark.parametrize(("old", "new"), [("alpha", "weight_scale"), ("window", "ste_window"), ("handover", "block_output")])
def test_a_keyword_with_another_name_now_is_refused_by_it(old: str, new: str, tmp_path: Path) -> None:
    graph, renamed = load_model(mlp(), tmp_path), cast(dict[str, Any], {old: "tensor"})
    with pytest.raises(UsageError, match=new):
        plan(graph, "1MB", **renamed)
    with pytest.raises(UsageError, match=new):
        build(graph, plan(graph, "1MB"), **renamed)


def test_a_plan_of_an_older_format_is_refused(tmp_path: Path) -> None:
    content = {**json.loads(dumps(arena_plan())), "format": "tinyfoa-plan/2"}
    with pytest.raises(InputError, match=r"tinyfoa-plan/2.*plan again"):
        parse_plan("plan.json", json.dumps(content).encode())
