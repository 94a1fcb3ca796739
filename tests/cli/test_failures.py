"""Whatever is raised ends as one line and an exit status."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import onnx
import pytest

import tinyfoa_rt.zoo
from tests.attacks import put_file
from tests.cli.run_cli import run
from tests.run.trained_models import artifact_of, blobs


@pytest.mark.parametrize(
    ("raised", "status", "words"),
    [
        (KeyError("a\nb"), 70, ("test_failures.py, line", "KeyError: 'a\\nb'", "please report it with this line and the model")),
        (AssertionError(), 70, ("AssertionError", "this is a bug of tinyfoa-rt")),
        (RecursionError("maximum recursion depth exceeded"), 70, ("RecursionError",)),
        (ValueError("x" * 5000), 70, ("ValueError: xxx",)),
        (MemoryError("Unable to allocate 8.00 TiB"), 4, ("memory: has run out (Unable to allocate 8.00 TiB)",)),
        (KeyboardInterrupt(), 130, ("interrupted",)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_is_raised_is_one_line(
    raised: BaseException,
    status: int,
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(name: str) -> str:
        raise raised

    monkeypatch.delenv("TINYFOA_DEBUG", raising=False)
    monkeypatch.setattr(tinyfoa_rt.zoo, "describe", fail)
    assert run(["zoo"]) == status
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1 and len(err[0]) < 500
    assert err[0].startswith("tinyfoa-rt: ")
    assert all(word in err[0] for word in words)


def test_where_it_comes_from_is_shown_on_demand(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TINYFOA_DEBUG", "1")
    monkeypatch.setattr(tinyfoa_rt.zoo, "describe", lambda name: name[99])
    assert run(["zoo"]) == 70
    err = capsys.readouterr().err
    assert "Traceback" in err and "test_failures.py" in err
    assert err.splitlines()[-1].startswith("tinyfoa-rt: ")


def test_a_reader_that_goes_away_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def gone(name: str) -> str:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(tinyfoa_rt.zoo, "describe", gone)
    assert run(["zoo"]) == 1
    assert not capsys.readouterr().err


def test_help_names_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "70 a bug" in text and "130 Ctrl-C" in text and "TINYFOA_DEBUG=1" in text


def without_an_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "NoSuchOperator"


def with_another_output(model: onnx.ModelProto) -> None:
    model.graph.output.add().CopyFrom(model.graph.input[0])
    model.graph.output[-1].name = "elsewhere"
    model.graph.node.append(onnx.helper.make_node("Identity", [model.graph.input[0].name], ["elsewhere"]))


def with_another_size(model: onnx.ModelProto) -> None:
    for value in model.graph.input:
        for dim in value.type.tensor_type.shape.dim[:1]:
            dim.dim_value = 5


def with_a_type_of_no_step(model: onnx.ModelProto) -> None:
    model.graph.input.append(onnx.helper.make_tensor_value_info("text", onnx.TensorProto.STRING, [1]))


@pytest.mark.parametrize("change", [without_an_operator, with_another_output, with_another_size, with_a_type_of_no_step])
def test_what_onnxruntime_refuses_is_one_line_with_the_file(
    change: object, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    path = tmp_path / "artifact" / "steps" / "1.onnx"
    model = onnx.load(path)
    assert callable(change)
    change(model)
    put_file(tmp_path / "artifact", "steps/1.onnx", model.SerializeToString())
    x, y = blobs(24)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    arguments = ["train", str(tmp_path / "artifact"), "--data", str(tmp_path / "data.npz"), "-o", str(tmp_path / "out")]
    assert run([*arguments, "--kernels", "none"]) == 4
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("tinyfoa-rt: ")]
    assert len(lines) == 1 and "steps/1.onnx" in lines[0]


def test_what_no_provider_can_read_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    put_file(tmp_path / "artifact", "steps/1.onnx", b"")
    for arguments in (["inspect", "--providers"], ["export", "--format", "ort", "-o", str(tmp_path / "project")]):
        assert run([*arguments, str(tmp_path / "artifact")]) == 4
        assert len(capfd.readouterr().err.splitlines()) == 1
