"""The log of a training: whole lines, whatever happens to the last one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.metrics import MetricsLog


def row(step: int) -> dict[str, object]:
    return {"step": step, "block": "hidden", "epoch": step // 10, "loss": 1 / step, "accuracy": 0.5}


@pytest.fixture
def log(tmp_path: Path) -> MetricsLog:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    for step in (1, 2, 3):
        log.append(row(step))
    return log


def test_rows_are_lines_and_are_read_back(log: MetricsLog) -> None:
    assert log.path.read_text().count("\n") == 3
    assert log.read() == [row(1), row(2), row(3)]


def test_no_file_is_no_rows(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "none")
    assert log.read() == []
    log.truncate_after(3)
    assert not log.path.exists()


def test_each_length_of_a_torn_file_gives_its_whole_lines(log: MetricsLog) -> None:
    content = log.path.read_bytes()
    for length in range(len(content)):
        log.path.write_bytes(content[:length])
        again = MetricsLog(log.path)
        whole = content[:length].count(b"\n")
        assert again.read() == [row(1), row(2), row(3)][:whole]
        again.append(row(9))
        assert again.read() == [*[row(1), row(2), row(3)][:whole], row(9)]


@pytest.mark.parametrize("rubbish", [b"\0" * 100, b"\0\0\n", b'{"step": 4', b"\xff\n", b"[]\n"])
def test_rubbish_at_the_end_is_dropped(rubbish: bytes, log: MetricsLog) -> None:
    with log.path.open("ab") as file:
        file.write(rubbish)
    assert log.read() == [row(1), row(2), row(3)]
    log.truncate_after(3)
    assert log.path.read_bytes().endswith(b"}\n")


def test_a_damaged_line_in_the_middle_is_named(log: MetricsLog) -> None:
    lines = log.path.read_bytes().split(b"\n")
    log.path.write_bytes(b"\n".join([lines[0], lines[1][:-3], *lines[2:]]))
    with pytest.raises(InputError, match="line 2: is damaged") as caught:
        MetricsLog(log.path).append(row(4))
    assert "\n" not in str(caught.value)


def test_rows_beyond_a_step_are_dropped_and_the_others_stay_as_they_are(log: MetricsLog) -> None:
    with log.path.open("ab") as file:
        file.write(b'{"note":  "no step"}\n{"step": 7}\n')
    log.truncate_after(2)
    assert log.read() == [row(1), row(2), {"note": "no step"}]
    assert b'"note":  "no step"' in log.path.read_bytes()
    log.append(row(3))
    assert len(log.read()) == 4


def test_a_number_that_json_does_not_have_is_null(log: MetricsLog) -> None:
    log.append({"step": 4, "loss": float("nan"), "rate": float("inf")})
    assert log.read()[-1] == {"step": 4, "loss": None, "rate": None}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        MetricsLog(tmp_path / "none" / "metrics.jsonl").append(row(1))
    with pytest.raises(InputError, match="is a folder"):
        MetricsLog(tmp_path).read()


def test_what_a_full_disk_tears_is_mended_by_the_next_row(log: MetricsLog) -> None:
    with log.path.open("ab") as file:
        file.write(b'{"step": 4, "lo')
    log._is_whole = False
    log.append(row(4))
    assert [found["step"] for found in log.read()] == [1, 2, 3, 4]
