"""The documentation is held to the code: tables, links, and the commands that it shows."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from tinyfoa_rt.artifact.records import Manifest
from tinyfoa_rt.artifact.settings import TrainSettings
from tinyfoa_rt.cli import main
from tinyfoa_rt.ir.learners import LEARNERS
from tinyfoa_rt.run.progress import Progress
from tools.operator_table import operator_page

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_operator_page_is_what_the_code_says() -> None:
    assert (ROOT / "docs" / "operators.md").read_text(encoding="utf-8") == operator_page()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def fields_in(page: str, section: str) -> set[str]:
    """The fields that the first table behind a heading lists."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(f"## {section}\n")[2]
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert table is not None
    return {name for row in table[0].splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_pages_of_formats_have_every_field() -> None:
    assert fields_in("artifact-format.md", "manifest.json") == {*(each.name for each in fields(Manifest)), "files"}
    assert fields_in("checkpoint-format.md", "Progress") == set(Progress(TrainSettings()).to_json())


def test_the_page_on_comparisons_has_every_learner() -> None:
    text = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", text, re.MULTILINE))
    assert list(rows) == list(LEARNERS)
    for name, options in LEARNERS.items():
        assert all(f"`{option}={value}`" in rows[name] for option, value in options.items()), name


def commands_in(page: Path) -> list[list[str]]:
    """The ``tinyfoa-rt`` commands in indented and fenced blocks that a reader can run as they stand."""
    lines = re.findall(r"^(?:    |\$ )?tinyfoa-rt (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line.split("  #")[0]) for line in lines]


def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["zoo", "mlp-64-128-128-10", "-o", "digits.onnx"])
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    capsys.readouterr()
    exec(compile(code, "README.md", "exec"), {})
    peak, accuracy = capsys.readouterr().out.split()
    assert int(peak) <= 65_536
    assert float(accuracy) > 0.5  # a tenth is chance


@pytest.mark.parametrize(("page", "fewest"), [("README.md", 3), ("docs/compare.md", 2)])
def test_the_commands_of_a_page_run(page: str, fewest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = commands_in(ROOT / page)
    assert len(commands) >= fewest
    for command in commands:
        with pytest.raises(SystemExit) as end:
            main(command)
        assert not end.value.code, command


def test_the_readme_shows_the_table_that_the_demo_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "mlp-784-256-256-10.onnx"
    for arguments in (["zoo", "mlp-784-256-256-10", "-o", str(model)], ["plan", "--budget", "256KB", str(model)]):
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main(arguments)
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    shown = [line.rstrip().removeprefix("    ") for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()]
    missing = [line for line in printed if line and line not in shown]
    assert not missing


def test_the_picture_of_the_readme_is_what_the_demo_draws(tmp_path: Path) -> None:
    model, chart = tmp_path / "mlp-784-256-256-10.onnx", tmp_path / "plan.svg"
    for arguments in (
        ["zoo", "mlp-784-256-256-10", "-o", str(model)],
        ["plan", "--budget", "256KB", str(model), "--chart", str(chart)],
    ):
        with pytest.raises(SystemExit):
            main(arguments)
    assert chart.read_text(encoding="utf-8") == (ROOT / "docs" / "plan.svg").read_text(encoding="utf-8")


def excerpts_in(text: str) -> list[str]:
    """The fenced blocks of a page."""
    return re.findall(r"```\w+\n(.*?)```", text, re.DOTALL)


def test_the_code_of_the_page_on_extending_is_what_the_tests_run() -> None:
    sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests" / "extending").rglob("*.py"))]
    sources.append((ROOT / "tests" / "steps" / "test_methods.py").read_text(encoding="utf-8"))
    excerpts = excerpts_in((ROOT / "docs" / "extending.md").read_text(encoding="utf-8"))
    assert len(excerpts) >= 10
    for excerpt in excerpts:
        assert any(excerpt in source for source in sources), excerpt
