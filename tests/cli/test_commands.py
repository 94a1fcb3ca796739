"""The command line as a user runs it: output, files and exit status."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import onnx
import pytest

from tests.cli.run_cli import run
from tests.small_models import ModelBuilder, conv_net, mlp


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "small.onnx"
    onnx.save(conv_net(), path)
    return str(path)


def test_plan_prints_a_table_and_writes_json_and_chart(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    json_path, chart_path = tmp_path / "plan.json", tmp_path / "plan.svg"
    arguments = ["plan", "--budget", "64KB", "--target", "c99", model, "-o", str(json_path), "--chart", str(chart_path)]
    assert run(arguments) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "conv1" in printed.out
    assert max(map(len, printed.out.splitlines())) <= 100
    written = json.loads(json_path.read_text())
    assert written["format"] == "tinyfoa-plan/7"
    assert written["feasible"] is True
    assert ElementTree.parse(chart_path).getroot().tag.endswith("svg")


def test_json_on_stdout_is_nothing_but_json(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--budget", "128KB", "--json", model]) == 0
    assert json.loads(capsys.readouterr().out)["budget_bytes"] == 131_072


def test_a_budget_that_cannot_be_met_ends_with_status_3(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--budget", "100", "--json", model]) == 3
    printed = capsys.readouterr()
    floor = json.loads(printed.out)["floor_bytes"]
    assert json.loads(printed.out)["feasible"] is False
    assert f"{floor:,} bytes" in printed.err
    assert run(["plan", "--budget", "100", model]) == 3
    assert f"{floor:,}" in capsys.readouterr().out
    assert run(["plan", "--budget", str(floor), model]) == 0
    assert run(["plan", "--budget", str(floor - 1), model]) == 3


def test_means_in_front_go_from_the_command_line_to_the_artifact(model: str, tmp_path: Path) -> None:
    plan_path, artifact = tmp_path / "plan.json", tmp_path / "artifact"
    assert run(["plan", "--budget", "1MB", model, "--pool-input", "2", "-o", str(plan_path)]) == 0
    assert json.loads(plan_path.read_text())["pool_input"] == 2
    assert run(["build", model, "--plan", str(plan_path), "-o", str(artifact)]) == 0
    manifest = json.loads((artifact / "manifest.json").read_text())
    assert manifest["stages"][0] == "forward/0.onnx"  # the means, which the model does not have by itself
    assert manifest["inputs"][0]["shape"] == [1, 3, 8, 8]
    assert run(["zoo", "cnn-1x28x28-10", "--pool-input", "2", "-o", str(tmp_path / "zoo.onnx")]) == 0
    assert b"input_pooled" in (tmp_path / "zoo.onnx").read_bytes()


WRONG_USE = [
    ["plan", "--budget", "0"],
    ["plan", "--budget", "-1"],
    ["plan", "--budget", "12XB"],
    ["plan", "--budget", "1e400GB"],
    ["plan"],
    ["plan", "--budget", "1MB", "--target", "toaster"],
    ["plan", "--budget", "1MB", "--optimizer", "lamb"],
    ["plan", "--budget", "1MB", "--train", "last:99"],
    ["plan", "--budget", "1MB", "--train", "nothing"],
    ["plan", "--budget", "1MB", "--shape", "input"],
    ["plan", "--budget", "1MB", "--shape", "other=1x2"],
    ["plan", "--budget", "1MB", "--batch", "0"],
    ["plan", "--budget", "1MB", "--nonvolatile", "some"],
    ["plan", "--budget", "1MB", "--bogus"],
]


@pytest.mark.parametrize("arguments", WRONG_USE, ids=" ".join)
def test_wrong_use_ends_with_status_2(arguments: list[str], model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*arguments, model]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    if not error.startswith("Usage:"):  # click's own refusals show the usage too
        assert error.count("\n") == 1
        assert error.startswith("tinyfoa-rt: ")


def test_bad_input_ends_with_status_4_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in (
        ("empty.onnx", b""),
        ("text.onnx", b"this is no model\n" * 40),
        ("cut.onnx", mlp().SerializeToString()[:300]),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        assert run(["plan", "--budget", "256KB", str(path)]) == 4
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert name in error
    assert run(["plan", "--budget", "256KB", str(tmp_path / "missing.onnx")]) == 4


def test_a_chart_cannot_be_written_where_there_is_no_folder(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--budget", "1MB", model, "--chart", "no/such/folder.svg"]) == 4
    assert "folder" in capsys.readouterr().err


def test_inspect_says_what_cannot_be_trained_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    builder = ModelBuilder((8,))
    odd = builder.node("Erf", (builder.dense("input", 8, 8, "fc1"),), "odd")
    path = tmp_path / "odd.onnx"
    onnx.save(builder.model(builder.dense(odd, 8, 3, "fc2")), path)
    assert run(["inspect", str(path)]) == 0
    printed = capsys.readouterr().out
    table = [line for line in printed.splitlines() if line.startswith("fc")]
    assert [line.split()[0] for line in table] == ["fc1", "fc2"]
    assert [line.split()[-1] for line in table] == ["no", "yes"]
    assert "node 'odd': Erf has no gradient rule" in printed
    assert "--train last:1 trains what is behind" in printed
    assert max(len(line) for line in table) <= 100


def test_inspect_shows_a_model_without_layers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal of ``plan`` sends its reader here."""
    builder = ModelBuilder((4, 6, 6, 6))
    output = builder.node("Conv", ("input", builder.weight(3, 4, 3, 3, 3)), "volume")
    path = tmp_path / "volume.onnx"
    onnx.save(builder.model(output), path)
    assert run(["plan", "--budget", "1MB", str(path)]) == 4
    assert "see 'tinyfoa-rt inspect'" in capsys.readouterr().err
    assert run(["inspect", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "no layer can be trained" in printed
    assert "volume: it is a 3-D convolution" in printed


def test_a_wrong_name_does_not_fill_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    builder = ModelBuilder((8,))
    x = "input"
    for index in range(12):
        x = builder.dense(x, 8, 8, f"{'merged/' * 40}{index}")
    path = tmp_path / "long.onnx"
    onnx.save(builder.model(x), path)
    assert run(["plan", "--budget", "1MB", "--train", "nothing", str(path)]) == 2
    assert len(capsys.readouterr().err) < 400


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "tinyfoa_rt", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("tinyfoa-rt 0.")


def test_zoo_lists_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["zoo"]) == 0
    assert "mlp-784-256-256-10" in capsys.readouterr().out
    path = tmp_path / "m.onnx"
    assert run(["zoo", "mlp-784-256-256-10", "-o", str(path)]) == 0
    onnx.checker.check_model(path, full_check=True)
    assert run(["zoo", "mlp-1"]) == 2
    assert run(["zoo", "-o", str(path)]) == 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tinyfoa-rt 0.")


@pytest.mark.parametrize(
    ("old", "new"), [("--alpha", "--weight-scale"), ("--window", "--ste-window"), ("--handover", "--block-output")], ids=str
)
@pytest.mark.parametrize("command", ["plan", "train", "build"])
def test_an_option_with_another_name_now_is_refused_by_it(
    command: str, old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    others = {"plan": [], "train": ["--data", "digits", "-o", "out"], "build": ["--plan", "plan.json", "-o", "out"]}
    assert run([command, "model.onnx", old, "tensor", *others[command]]) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1 and err[0].startswith(f"tinyfoa-rt: {old}: ") and new in err[0]


def test_the_target_of_an_export_is_called_its_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "artifact", "--target", "ort", "-o", "out"]) == 2
    assert (
        capsys.readouterr().err
        == "tinyfoa-rt: --target: is called --format now; write --format: a target is what a plan is for\n"
    )
