"""A training on a data set, as Python runs it: what the folder then holds, and how samples are normalized."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.data import DataSet, load_data
from tinyfoa_rt.run.recorded import RecordedTraining, check_output, open_trainer
from tinyfoa_rt.run.step_report import Report


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    (x, y), (x_test, y_test) = blobs(), blobs(60, seed=1)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    return load_data(str(tmp_path / "data.npz"))


def test_the_folder_holds_the_training_and_the_watcher_sees_every_step(tmp_path: Path, data: DataSet) -> None:
    trainer = Trainer(artifact_of(tmp_path))
    training = RecordedTraining(trainer, data, tmp_path / "out")
    seen: list[tuple[Report, dict[str, Any] | None]] = []
    outcome = training.run(training.begin(epochs=2), lambda report, row: seen.append((report, row)))
    assert outcome.evaluation == trainer.evaluate(data.x_test, data.y_test) and not outcome.interrupted_by
    assert [report.total_steps for report, _ in seen] == list(range(1, len(seen) + 1))
    rows = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert rows == [row for _, row in seen if row is not None]
    by_block = [[report.loss for report, _ in seen if report.block == name] for name in dict.fromkeys(r.block for r, _ in seen)]
    assert rows[-1]["loss"] == pytest.approx(np.mean(by_block[-1][-1:]))  # 200 rows a block: here one a step
    with pytest.raises(InputError, match="holds a training already"):
        check_output(tmp_path / "out", resumes=False)
    assert not list(RecordedTraining(Trainer.load(tmp_path / "out"), data, tmp_path / "out").resume())


@pytest.mark.parametrize(("asked", "normalizes"), [("auto", True), ("data", True), ("none", False)])
def test_samples_are_normalized_as_asked(asked: str, normalizes: bool, tmp_path: Path, data: DataSet) -> None:
    trainer = Trainer(artifact_of(tmp_path))
    training = RecordedTraining(trainer, data, tmp_path / "out")
    training.run(training.begin(asked, epochs=1))
    assert trainer.progress.normalization == (data.normalization if normalizes else None)
    again = open_trainer(tmp_path / "out")
    RecordedTraining(again, data, tmp_path / "other").begin(epochs=1)  # auto: as the model began to learn
    assert again.progress.normalization == trainer.progress.normalization
    assert not open_trainer(tmp_path / "out", from_scratch=True).progress.rates


def test_what_is_not_known_is_refused(tmp_path: Path, data: DataSet) -> None:
    with pytest.raises(UsageError, match="use auto, data or none"):
        RecordedTraining(Trainer(artifact_of(tmp_path)), data, tmp_path / "out").begin("minmax")
    with pytest.raises(InputError, match="holds no checkpoint"):
        check_output(tmp_path / "out", resumes=True)
