"""Samples that are held back, what blocks predict by themselves, and models that end at the best of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.run.trained_models import arrays_of, artifact_of, assert_equal_weights, blobs, check_inference_model
from tests.small_models import ModelBuilder, conv_net, load_model, mlp
from tinyfoa_rt.artifact.checkpoint import save_checkpoint
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.errors import InputError, UnsupportedError, UsageError
from tinyfoa_rt.pipeline import build, export, plan
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.block_validation import best_exit
from tinyfoa_rt.run.data import load_data
from tinyfoa_rt.run.data.normalization import measure
from tinyfoa_rt.run.held_back import rows_of_split
from tinyfoa_rt.run.progress import Progress
from tinyfoa_rt.run.recorded import RecordedTraining


def with_exits(folder: Path, **options: Any) -> Artifact:
    graph = load_model(mlp((12, 16, 16, 4)), folder)
    return build(graph, plan(graph, "1MB", **{"batch": 6, **options}), exits=True)


def test_a_split_is_drawn_by_the_seed_and_loses_no_sample() -> None:
    trained, held = rows_of_split(200, 0.25, seed=3)
    assert len(held) == 50 and sorted([*trained, *held]) == list(range(200))
    np.testing.assert_array_equal(rows_of_split(200, 0.25, seed=3)[1], held)
    assert set(rows_of_split(200, 0.25, seed=4)[1]) != set(held)
    for share in (0.001, 0.999):
        with pytest.raises(InputError, match="leaves samples on both sides"):
            rows_of_split(200, share, seed=0)


@pytest.mark.parametrize("order", ["layerwise", pytest.param("interleaved", marks=pytest.mark.slow)])
def test_what_is_held_back_changes_no_weight_no_scale_and_no_rate(tmp_path: Path, order: str) -> None:
    """Both runs end at the same bits: one holds a share back, the other never had these samples, and is measured on them."""
    (x, y), artifact = blobs(40), with_exits(tmp_path, order=order)
    trained, held = rows_of_split(len(y), 0.25, seed=5)
    share, apart, without = (Trainer(artifact) for _ in range(3))
    share.fit(x, y, normalization=None, epochs=2, seed=5, validation=0.25)
    apart.fit(x[trained], y[trained], normalization=None, epochs=2, seed=5, validation=(x[held], y[held]))
    without.fit(x[trained], y[trained], normalization=None, epochs=2, seed=5)
    for other in (apart, without):
        assert_equal_weights(arrays_of(share), arrays_of(other))
        assert other.progress.rates == share.progress.rates
    assert share.progress.validated == apart.progress.validated
    assert list(share.progress.validated) == [block.name for block in artifact.blocks]
    last = artifact.blocks[-1].name
    assert share.progress.validated[last] == share.evaluate(x[held], y[held]).accuracy


def relu(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(values, 0)


@pytest.mark.parametrize("kernels", ["none", pytest.param("auto", marks=pytest.mark.slow)])
@pytest.mark.parametrize("head", [pytest.param("rademacher", marks=pytest.mark.slow), "learned"])
def test_a_dense_block_predicts_as_its_head_says(tmp_path: Path, head: str, kernels: str) -> None:
    """logits = sqrt(2 / units) B relu(x W + b), in float64; float32 sums of 16 products differ in the last digits."""
    x, y = blobs()
    trainer = Trainer(with_exits(tmp_path, binarize="none", head=head), kernels=kernels).fit(
        x, y, normalization=None, epochs=1, validation=0.25
    )
    state = {name: array.astype(np.float64) for name, array in arrays_of(trainer).items()}
    hidden = relu(x.astype(np.float64) @ state["fc1#weight"] + state["fc1#bias"])
    for index, name in enumerate(("fc1", "fc2")):
        if index:
            hidden = relu(hidden @ state["fc2#weight"] + state["fc2#bias"])
        trainer.progress.exit = name
        expected = np.sqrt(2 / 16) * hidden @ state[f"{name}#head"].T
        np.testing.assert_allclose(trainer.scores(x), expected, rtol=1e-5, atol=1e-5)
        _, held = rows_of_split(len(y), 0.25, seed=0)
        if name == "fc2":  # what fc1 was worth was measured before fc2 was trained, and is the same behind it
            assert trainer.progress.validated["fc2"] == (expected.argmax(1) == y)[held].mean()
        trainer.save(tmp_path / name)
        check_inference_model(tmp_path / name / "inference.onnx", trainer, x)


def test_a_head_of_whole_numbers_is_real_in_the_trained_model(tmp_path: Path) -> None:
    """The block predicts by q times the quantum here, and the file that ends at it has no whole numbers."""
    x, y = blobs()
    artifact = with_exits(tmp_path, binarize="none", head="learned", latent="int8")
    trainer = Trainer(artifact, kernels="none").fit(x, y, normalization=None, epochs=1, validation=0.25)
    state = {name: array.astype(np.float64) for name, array in arrays_of(trainer).items()}
    hidden = relu(x.astype(np.float64) @ (state["fc1#weight"] * state["fc1#weight#quantum"]) + state["fc1#bias"])
    trainer.progress.exit = "fc1"
    expected = np.sqrt(2 / 16) * hidden @ (state["fc1#head"] * state["fc1#head#quantum"])
    np.testing.assert_allclose(trainer.scores(x), expected, rtol=1e-5, atol=1e-5)  # float32 sums of 16 products
    trainer.save(tmp_path / "run")
    check_inference_model(tmp_path / "run" / "inference.onnx", trainer, x)


def test_a_grid_of_means_is_part_of_the_prediction(tmp_path: Path) -> None:
    """conv - Relu, 4 x 4 means of 2 x 2 positions, and the head, in float64."""
    builder = ModelBuilder((1, 8, 8))
    x = builder.node("Relu", (builder.conv("input", (1, 3), name="conv"),))
    x = builder.node("Relu", (builder.conv(x, (3, 2), name="behind"),))
    model = builder.model(builder.dense(builder.node("Flatten", (x,)), 2 * 64, 4, "fc"))
    graph = load_model(model, tmp_path)
    options: dict[str, Any] = {"binarize": "none", "head": "learned", "head_pool": "grid", "batch": 4}
    trainer = Trainer(build(graph, plan(graph, "1MB", **options), exits=True))
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 40)
    images = (rng.normal(size=(40, 1, 8, 8)) + y[:, None, None, None]).astype(np.float32)
    trainer.fit(images, y, normalization=None, epochs=1)
    state = arrays_of(trainer)
    padded = np.pad(images[:, 0].astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2)).reshape(40, 64, 9)
    hidden = relu(windows @ state["conv#weight"][:, 0].astype(np.float64) + state["conv#bias"])
    cells = hidden.reshape(40, 4, 2, 4, 2, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2).reshape(40, 48)
    trainer.progress.exit = "conv"
    np.testing.assert_allclose(trainer.scores(images), np.sqrt(2 / 48) * cells @ state["conv#head"].T, rtol=1e-5, atol=1e-5)
    trainer.save(tmp_path / "trained")
    check_inference_model(tmp_path / "trained" / "inference.onnx", trainer, images)


@pytest.mark.parametrize("kernels", [pytest.param("none", marks=pytest.mark.slow), "auto"])
@pytest.mark.parametrize(
    ("model", "options"),
    [
        (mlp, {}),
        pytest.param(conv_net, {}, marks=pytest.mark.slow),
        pytest.param(mlp, {"head": "learned", "latent": "int8", "binarize": "none"}, marks=pytest.mark.slow),
        pytest.param(conv_net, {"head": "learned", "latent": "int12"}, marks=pytest.mark.slow),
    ],
)
def test_blocks_of_bits_and_of_whole_numbers_end_models_too(
    tmp_path: Path, model: Any, options: dict[str, Any], kernels: str
) -> None:
    """What the trainer says, the written model says; and a folder that is read again says the same to the bit."""
    graph = load_model(model(), tmp_path)
    artifact = build(graph, plan(graph, "1MB", batch=4, **options), exits=True)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, *artifact.manifest.input_shape[1:])).astype(np.float32)
    trainer = Trainer(artifact, kernels=kernels).fit(x, rng.integers(0, 4, 24), normalization=None, epochs=1)
    for block in artifact.blocks[:-1]:
        trainer.progress.exit = block.name
        trainer.save(tmp_path / block.name)
        check_inference_model(tmp_path / block.name / "inference.onnx", trainer, x)
        again = Trainer.load(tmp_path / block.name, kernels=kernels)
        assert again.progress.exit == block.name
        np.testing.assert_array_equal(again.scores(x), trainer.scores(x))
        again.restart()  # the whole model predicts again, and is what a later save writes
        again.save(tmp_path / block.name)
        check_inference_model(tmp_path / block.name / "inference.onnx", again, x)


def test_a_training_that_goes_on_ends_where_the_other_does(tmp_path: Path) -> None:
    (x, y), artifact = blobs(60), with_exits(tmp_path, head="learned", slices="2x2")
    settings: dict[str, Any] = {"epochs": 2, "validation": 0.2, "stop": "best"}
    whole = Trainer(artifact).fit(x, y, normalization=None, **settings)
    cut = Trainer(artifact)
    steps = cut.iterate(x, y, normalization=None, **settings)
    for _ in range(18):  # into the first epoch of the second block
        next(steps)
    cut.save(tmp_path / "cut")
    resumed = Trainer.load(tmp_path / "cut")
    with pytest.raises(UsageError, match=r"^validation 0.3: is not what the training was begun with \(0.2\)"):
        resumed.fit(x, y, normalization=None, **{**settings, "validation": 0.3})
    resumed.fit(x, y, normalization=None)
    assert_equal_weights(arrays_of(resumed), arrays_of(whole))
    assert resumed.progress == whole.progress and whole.progress.exit in (None, "fc1", "fc2")


def test_a_block_ends_in_the_state_of_its_best_epoch(tmp_path: Path) -> None:
    """Steps far too long: the block is best early, and ends soon after, as it was then."""
    (x, y), artifact = blobs(60), with_exits(tmp_path, head="learned", slices="2x2", optimizer="momentum")
    trainer, worth, states = Trainer(artifact), [], []
    settings: dict[str, Any] = {"epochs": 12, "rate": 8.0, "rate_schedule": "constant", "blocks": ["fc1"]}
    for report in trainer.iterate(x, y, normalization=None, validation=0.3, patience=3, **settings):
        if report.validation is not None:
            worth.append(report.validation.accuracy or 0.0)
            states.append({name: array for name, array in arrays_of(trainer).items() if not name.endswith("#best")})
    best = worth.index(max(worth))  # the first of them
    assert len(worth) == best + 4 < 12
    assert_equal_weights(arrays_of(trainer), states[best])
    assert trainer.progress.validated == {"fc1": worth[best]} and trainer.progress.best is None


@pytest.mark.parametrize("num_steps", [10, 21])
def test_a_patient_training_goes_on_as_it_was(tmp_path: Path, num_steps: int) -> None:
    """It is cut within an epoch, and between two."""
    (x, y), artifact = blobs(60), with_exits(tmp_path, head="learned", slices="2x2")
    settings: dict[str, Any] = {"epochs": 4, "validation": 0.3, "rate": 8.0, "rate_schedule": "constant", "patience": 1}
    whole, cut = Trainer(artifact).fit(x, y, normalization=None, **settings), Trainer(artifact)
    steps = cut.iterate(x, y, normalization=None, **settings)
    for _ in range(num_steps):  # 42 samples in steps of 6: seven an epoch
        next(steps)
    cut.save(tmp_path / "cut")
    resumed = Trainer.load(tmp_path / "cut")
    assert resumed.progress.best == cut.progress.best is not None
    resumed.fit(x, y, normalization=None)
    assert_equal_weights(arrays_of(resumed), arrays_of(whole))
    assert resumed.progress == whole.progress


def test_a_stream_trains_the_block_that_predicts(tmp_path: Path) -> None:
    (x, y), trainer = blobs(60), Trainer(with_exits(tmp_path))
    trainer.fit(x, y, normalization=None, epochs=1, validation=0.2)
    trainer.progress.exit = "fc1"
    before = {name: array.copy() for name, array in arrays_of(trainer).items()}
    trainer.partial_fit(x, y)
    moved = {name.split("#")[0] for name, array in arrays_of(trainer).items() if not np.array_equal(array, before[name])}
    assert "fc1" in moved and not moved & {"fc2", "fc3"}


def test_a_checkpoint_that_ends_elsewhere_is_refused(tmp_path: Path) -> None:
    """Nothing there predicts: one artifact has no exits, the other no such block."""
    for artifact, name in ((artifact_of(tmp_path), "fc1"), (with_exits(tmp_path), "fc9")):
        trainer, folder = Trainer(artifact), tmp_path / name
        trainer.save(folder)
        trainer.progress.exit = name
        save_checkpoint(folder / "checkpoint", trainer.state.arrays(), trainer.progress.to_json(), artifact.id)
        with pytest.raises(InputError, match=r"^checkpoint, progress: ends where no block of this artifact predicts"):
            Trainer.load(folder)


def test_other_validation_samples_are_refused_when_training_goes_on(tmp_path: Path) -> None:
    (x, y), trainer = blobs(), Trainer(with_exits(tmp_path))
    steps = trainer.iterate(x[20:], y[20:], normalization=None, epochs=1, validation=(x[:20], y[:20]))
    next(steps)
    for other in (None, (x[:19], y[:19])):
        with pytest.raises(InputError, match=r"^data: are not those that the training was begun with"):
            trainer.fit(x[20:], y[20:], normalization=None, validation=other)


def test_the_first_of_the_best_ends_the_model(tmp_path: Path) -> None:
    artifact = with_exits(tmp_path)
    assert best_exit(artifact, {"fc1": 0.7, "fc2": 0.8, "fc3": 0.8}) == "fc2"
    assert best_exit(artifact, {"fc1": 0.7, "fc2": 0.8, "fc3": 0.9}) is None
    graph = load_model(mlp(), tmp_path)
    regression = build(graph, plan(graph, "1MB", loss="mean-squared-error"), exits=True)
    assert best_exit(regression, {"fc1": 0.7, "fc2": 0.8, "fc3": 0.9}) == "fc1"  # of losses the lowest


def test_stop_best_wants_a_prediction_of_each_block(tmp_path: Path) -> None:
    x, y = blobs()
    with pytest.raises(UsageError, match=r"^--stop best: compares what is found on samples that are held back"):
        Trainer(with_exits(tmp_path)).fit(x, y, normalization=None, stop="best")
    with pytest.raises(UsageError, match=r"^--stop best: wants a prediction of each block, and fc1 has none"):
        Trainer(artifact_of(tmp_path)).fit(x, y, normalization=None, stop="best", validation=0.1)
    with pytest.raises(UsageError, match=r"^--patience 2: compares what is found on samples that are held back"):
        Trainer(with_exits(tmp_path)).fit(x, y, normalization=None, patience=2)
    with pytest.raises(UsageError, match=r"^--patience 2: ends one block, and --order interleaved"):
        Trainer(with_exits(tmp_path, order="interleaved")).fit(x, y, normalization=None, patience=2, validation=0.1)
    with pytest.raises(UsageError, match=r"^--patience 0: is below 1"):
        Trainer(with_exits(tmp_path)).fit(x, y, normalization=None, patience=0)
    with pytest.raises(UsageError, match=r"^--validation 1: is no share"):
        Trainer(artifact_of(tmp_path)).fit(x, y, normalization=None, validation=1.0)
    with pytest.raises(UsageError, match=r"^--stop first: is not known"):
        Trainer(artifact_of(tmp_path)).fit(x, y, normalization=None, stop="first")


def test_without_exits_the_classifier_alone_is_measured(tmp_path: Path) -> None:
    x, y = blobs()
    assert list(Trainer(artifact_of(tmp_path)).fit(x, y, normalization=None, epochs=1, validation=0.1).progress.validated) == [
        "fc3"
    ]


def test_the_log_has_what_was_measured_and_the_normalization_is_of_what_is_trained(tmp_path: Path) -> None:
    (x, y), (x_test, y_test) = blobs(), blobs(60, seed=1)
    np.savez(tmp_path / "data.npz", x_train=x + 3, y_train=y, x_test=x_test + 3, y_test=y_test)
    data, trainer = load_data(str(tmp_path / "data.npz")), Trainer(with_exits(tmp_path))
    training = RecordedTraining(trainer, data, tmp_path / "out")
    training.run(training.begin(epochs=2, validation=0.25, seed=1))
    assert trainer.progress.normalization == measure((x + 3)[rows_of_split(len(y), 0.25, seed=1)[0]], 1)
    rows = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    measured = [(row["block"], row["epoch"]) for row in rows if "validation_accuracy" in row]
    assert measured == [(block.name, epoch) for block in trainer.artifact.blocks for epoch in range(2)]
    last = {row["block"]: row["validation_accuracy"] for row in rows if "validation_accuracy" in row}
    assert last == trainer.progress.validated


def test_progress_without_validation_is_as_it_was(tmp_path: Path) -> None:
    """Other runtimes know nothing of it, and go on with such a checkpoint."""
    x, y = blobs()
    written = Trainer(artifact_of(tmp_path)).fit(x, y, normalization=None, epochs=1).progress.to_json()
    assert not {"validated", "exit"} & written.keys() and not {"validation", "stop"} & written["settings"].keys()
    assert Progress.from_json(written).settings.stop == "last"


@pytest.mark.slow
def test_exports_refuse_a_model_that_ends_at_a_block(tmp_path: Path) -> None:
    x, y = blobs()
    for target, format, place in (("c99", "c99", "which C99 cannot"), ("ort-cpu", "ort", "which C\\+\\+ cannot")):
        folder = tmp_path / format
        nonvolatile = {"nonvolatile": "unlimited"} if target == "c99" else {}
        trainer = Trainer(with_exits(tmp_path, target=target, **nonvolatile)).fit(
            x, y, normalization=None, epochs=1, validation=0.2
        )
        trainer.save(folder)
        export(folder, tmp_path / f"{format}-whole", format=format)
        trainer.progress.exit = "fc1"
        trainer.save(folder)
        with pytest.raises(UnsupportedError, match=place):
            export(folder, tmp_path / f"{format}-cut", format=format)
