"""Labels that are no class numbers: the same training as with class numbers, and the labels come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.cli.run_cli import run
from tests.small_models import mlp
from tinyfoa_rt import build, load, plan
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.run.data import load_data
from tinyfoa_rt.run.data.label_map import LabelMap
from tinyfoa_rt.run.recorded import RecordedTraining
from tinyfoa_rt.run.trainer import Trainer

SEED = 0
X = np.random.default_rng(SEED).normal(size=(60, 12)).astype(np.float32)
CLASSES = np.arange(60) % 3
NAMES = np.array(["run", "sit", "stand"])


def artifact(folder: Path, outputs: int = 3, **options: Any) -> Artifact:
    onnx.save(mlp((12, 16, outputs)), folder / "model.onnx")
    graph = load(folder / "model.onnx")
    return build(graph, plan(graph, "64KB", batch=10, **options))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return artifact(tmp_path_factory.mktemp("three"))


FORMS = {
    "names": NAMES[CLASSES],
    "objects": NAMES[CLASSES].astype(object),
    "list": NAMES[CLASSES].tolist(),
    "column of names": NAMES[CLASSES][:, None],
    "gaps": np.array([-5, 7, 1000])[CLASSES],
    "column": CLASSES[:, None],
    "whole floats": CLASSES.astype(np.float64),
    "one-hot": np.eye(3)[CLASSES],
    "one-hot bool": np.eye(3, dtype=bool)[CLASSES],
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_trains_as_class_numbers_do(form: str, three: Artifact) -> None:
    """To the same bits; predictions are labels as they were given, of one-hot rows and columns class numbers."""
    expected, found = (Trainer(three, kernels=None).fit(X, y, epochs=2) for y in (CLASSES, FORMS[form]))
    for name, array in expected.state.arrays().items():
        np.testing.assert_array_equal(found.state.arrays()[name], array, err_msg=name)
    is_mapped = form in ("names", "objects", "list", "column of names", "gaps")
    labels: NDArray[Any] = np.unique([str(label) if form == "objects" else label for label in np.ravel(FORMS[form])])
    labels = labels if is_mapped else np.arange(3)
    np.testing.assert_array_equal(found.predict(X), labels[expected.predict(X)])
    assert found.evaluate(X, FORMS[form]) == expected.evaluate(X, CLASSES)
    assert found.labels == [str(label) for label in labels]


def test_the_map_is_kept_with_the_model(three: Artifact, tmp_path: Path) -> None:
    trainer = Trainer(three, kernels=None).fit(X, NAMES[CLASSES], epochs=1)
    trainer.save(tmp_path / "run")
    again = Trainer.load(tmp_path / "run", kernels=None)
    assert again.progress.label_map == LabelMap(("run", "sit", "stand"))
    np.testing.assert_array_equal(again.predict(X), trainer.predict(X))
    again.fit(X, NAMES[CLASSES % 2], epochs=1)  # a round on fewer of the classes keeps all of them
    assert again.labels == ["run", "sit", "stand"]
    with pytest.raises(InputError, match="data, row 3: label 'jump' is none of run, sit, stand"):
        again.fit(X, np.where(np.arange(60) == 3, "jump", "run"), epochs=1)
    with pytest.raises(InputError, match="labels are numbers, those that the model has learnt names"):
        again.evaluate(X, CLASSES)


def test_names_after_class_numbers_are_refused(three: Artifact) -> None:
    trainer = Trainer(three, kernels=None).fit(X, CLASSES, epochs=1)
    with pytest.raises(InputError, match="labels are names, and the model has learnt class numbers"):
        trainer.fit(X, NAMES[CLASSES], epochs=1)


def test_more_labels_than_classes(three: Artifact, tmp_path: Path) -> None:
    y = np.array(["a", "b", "c", "d"])[np.arange(60) % 4]
    with pytest.raises(InputError, match=r"4 different labels \(a, b, c, d\), and the model 3 classes; plan with --classes 4"):
        Trainer(three, kernels=None).fit(X, y, epochs=1)
    onnx.save(mlp((12, 16, 3)), tmp_path / "model.onnx")
    with pytest.raises(InputError, match="plan with --classes 4"):
        plan(load(tmp_path / "model.onnx"), "64KB", labels=y)


def test_an_output_without_a_label_is_never_predicted(three: Artifact) -> None:
    """Of a model with more outputs than labels; each output has a name of its own."""
    trainer = Trainer(three, kernels=None)
    trainer.partial_fit(X[:10], NAMES[CLASSES % 2][:10])
    assert trainer.labels == ["run", "sit", "2"] and (trainer.scores(X).argmax(axis=1) == 2).any()
    np.testing.assert_array_equal(trainer.predict(X), NAMES[:2][trainer.scores(X)[:, :2].argmax(axis=1)])


@pytest.mark.parametrize("y", [np.array([-1, 1])[np.arange(60) % 2], np.array(["no", "yes"])[np.arange(60) % 2]])
def test_two_classes_of_one_output(y: NDArray[Any], tmp_path: Path) -> None:
    """They ask for a binary loss; the second label is the one that the output is the probability of."""
    trainer = Trainer(artifact(tmp_path, outputs=1, labels=y), kernels=None).fit(X, y, epochs=2)
    assert trainer.artifact.manifest.loss.name == "binary-cross-entropy"
    found = trainer.predict(X)
    assert set(found) <= set(y)
    np.testing.assert_array_equal(found == np.unique(y)[1], trainer.probabilities(X)[:, 0] > 0.5)


def test_probabilities_are_those_of_the_scores(three: Artifact, tmp_path: Path) -> None:
    trainer = Trainer(three, kernels=None).fit(X, CLASSES, epochs=1)
    shares = np.exp(trainer.scores(X).astype(np.float64))
    # Both compute in float64 and round to float32 once.
    np.testing.assert_allclose(trainer.probabilities(X), shares / shares.sum(axis=1, keepdims=True), rtol=1e-6)
    numbers = artifact(tmp_path, loss="mean-squared-error")
    with pytest.raises(UsageError, match="probabilities: are of classes, and the model learns numbers"):
        Trainer(numbers, kernels=None).probabilities(X)


def test_a_table_with_names_from_training_to_prediction(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the command line: names in, names out; evaluation of all rows; a file without labels."""

    def told(*words: str) -> str:
        assert run([*words, "--kernels", "none"]) == 0
        return capsys.readouterr().out

    onnx.save(mlp((12, 16, 3)), tmp_path / "model.onnx")
    rows = [[*map(repr, map(float, row)), NAMES[label]] for row, label in zip(X, CLASSES)]
    header = ",".join([*(f"f{i}" for i in range(12)), "activity"])
    (tmp_path / "data.csv").write_text("\n".join([header, *map(",".join, rows)]) + "\n")
    (tmp_path / "new.csv").write_text("\n".join(",".join(row[:-1]) for row in rows[:7]) + "\n")
    words = ["--data", str(tmp_path / "data.csv"), "--label", "activity", "--budget", "64KB", "--epochs", "2"]
    trained = told("train", str(tmp_path / "model.onnx"), *words, "-o", str(tmp_path / "run"))
    assert "data: 48 samples to train, 12 to test, 3 classes: run, sit, stand" in trained
    assert "normalization: mean and deviation of each of 12 on axis 1 become 0 and 1" in trained
    trainer = Trainer.load(tmp_path / "run", kernels=None)
    assert "test, 60 samples" in told("eval", str(tmp_path / "run"), str(tmp_path / "data.csv"))
    lines = told("predict", str(tmp_path / "run"), str(tmp_path / "new.csv"), "--proba").splitlines()
    assert lines[0] == "prediction,p(run),p(sit),p(stand)"
    table = [line.split(",") for line in lines[1:]]
    assert [row[0] for row in table] == trainer.predict(X[:7]).tolist()
    # Six digits are printed.
    np.testing.assert_allclose(np.array([row[1:] for row in table], float), trainer.probabilities(X[:7]), rtol=1e-5)


def test_a_table_an_archive_and_arrays_give_the_same_weights(three: Artifact, tmp_path: Path) -> None:
    """To the bit: one rule says how samples are normalized, whatever form they have."""
    x = (X * np.arange(1, 13, dtype=np.float32) + 40).astype(np.float32)  # features of different sizes
    rows = ["\t".join([*map(repr, map(float, row)), name]) for row, name in zip(x, NAMES[CLASSES])]
    (tmp_path / "data.tsv").write_text("\n".join(rows) + "\n")
    np.savez(tmp_path / "data.npz", x=x, y=NAMES[CLASSES])
    found = []
    for name in ("data.tsv", "data.npz"):
        data = load_data(tmp_path / name)
        training = RecordedTraining(Trainer(three, kernels=None), data, tmp_path / name.replace(".", "-"))
        training.run(training.begin(epochs=2))
        found.append(Trainer.load(tmp_path / name.replace(".", "-"), kernels=None))
    found.append(Trainer(three, kernels=None).fit(data.x_train, data.labels(data.y_train), epochs=2))
    assert len({str(trainer.progress.normalization) for trainer in found}) == 1
    for trainer in found[1:]:
        for name, array in found[0].state.arrays().items():
            np.testing.assert_array_equal(trainer.state.arrays()[name], array, err_msg=name)
