"""The tool that measures rows of the frontier: networks from one line, samples as a device reads them, the chart of the rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.optional_tools import required_tool
from tinyfoa_rt.model import load
from tinyfoa_rt.profiles import load_profile
from tools.frontier import results
from tools.frontier.network import build_network
from tools.frontier.results import Row, read_rows, record, render_rows, table_of
from tools.frontier.samples import Samples, read_samples, write_epochs
from tools.frontier.training import Recipe, measure_ram, train

NETWORK = "conv3k3,max2,conv4k2,dense6"


def nodes_of(line: str, shape: tuple[int, ...], folder: Path) -> list[str]:
    (folder / "network.onnx").write_bytes(build_network(line, shape, 10, 0).SerializeToString())
    graph = load(folder / "network.onnx")
    return [f"{node.op_type} {'x'.join(map(str, graph.shape(node.outputs[0])[1:]))}" for node in graph.nodes]


def test_a_line_is_a_network(tmp_path: Path) -> None:
    found = nodes_of(NETWORK, (1, 14, 14), tmp_path)
    assert found == [
        *("Conv 3x12x12", "MaxPool 3x6x6", "Relu 3x6x6", "Conv 4x5x5", "Relu 4x5x5"),
        *("Flatten 100", "Gemm 6", "Relu 6", "Gemm 10"),
    ]
    of_signal = nodes_of("conv3k5s2p1,mean2", (2, 1, 21), tmp_path)
    assert of_signal == ["Conv 3x1x10", "Relu 3x1x10", "AveragePool 3x1x5", "Flatten 15", "Gemm 10"]
    with pytest.raises(ValueError, match="'pool2' is no layer"):
        build_network("conv3k3,pool2", (1, 14, 14), 10, 0)


def test_samples_are_bytes_and_none_is_held_back_and_trained_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((50, 20))
    x[:, 0] = np.arange(50) / 255  # tells them apart
    path = tmp_path / "signals.npz"
    np.savez(path, x_train=x, y_train=np.arange(50) % 2, x_test=x[:10], y_test=np.arange(10) % 2)
    samples = read_samples(str(path), first=40, validation=15)
    assert samples.x_train.shape == (25, 1, 1, 20) and samples.x_train.dtype == np.uint8
    numbers = [*samples.x_train[:, 0, 0, 0], *samples.x_test[:, 0, 0, 0]]
    assert sorted(numbers) == list(range(40))
    means = read_samples(str(path), means=4).x_test
    np.testing.assert_array_equal(means, np.rint(np.rint(255 * x[:10]).reshape(10, 1, 1, 5, 4).mean(axis=4)))


def test_each_epoch_has_each_sample_once_mirrored_or_not(tmp_path: Path) -> None:
    x = np.arange(6 * 2 * 3).astype(np.uint8).reshape(6, 1, 2, 3)
    write_epochs(Samples(x, np.arange(6), x, np.arange(6), 6), 4, 0, tmp_path, flips=True)
    rows = np.fromfile(tmp_path / "samples.bin", np.uint8).reshape(4, 6, 7)
    mirrored = 0
    for epoch in rows:
        assert sorted(epoch[:, 6]) == list(range(6))
        for row in epoch:
            image, seen = x[row[6], 0], row[:6].reshape(2, 3)
            mirrored += np.array_equal(seen, image[:, ::-1])
            assert np.array_equal(seen, image) or np.array_equal(seen, image[:, ::-1])
    assert 4 < mirrored < 20


def test_a_row_takes_the_place_of_the_one_before_and_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, chart = tmp_path / "rows.json", tmp_path / "rows.svg"
    monkeypatch.setattr(results, "ROWS", rows)
    monkeypatch.setattr(results, "CHART", chart)
    rows.write_text("[]")
    first = Row("MNIST", "in C", "dense7", "--means 2", 6760, 8036, [90.0, 92.0], [89.0, 91.0])
    for row in (first, replace(first, network="dense16", ram_nbytes=15556), replace(first, accuracies=[93.0, 94.0])):
        record(row)
    found = {row.network: row.accuracy for row in read_rows(rows)}
    assert found == {"dense7": 93.5, "dense16": 91.0}
    assert "dense7, --means 2: accuracy 93.5 %, 7.85 KB" in chart.read_text()


def test_the_chart_and_the_table_are_those_of_the_measured_rows() -> None:
    rows, docs = read_rows(results.ROWS), results.CHART.parent
    assert rows
    assert results.CHART.read_text(encoding="utf-8") == render_rows(rows)
    assert table_of(rows) in (docs / "RESULTS.md").read_text(encoding="utf-8")
    assert f'src="docs/{results.CHART.name}"' in (docs.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_network_learns_and_all_that_it_takes_is_in_the_profile_of_its_board(tmp_path: Path) -> None:
    required_tool("qemu-system-arm")
    rng = np.random.default_rng(0)
    y = np.arange(400) % 3
    x = rng.integers(0, 120, (400, 1, 14, 14)).astype(np.uint8)
    x[np.arange(400)[:, None], 0, 3 * y[:, None] + np.arange(3), 5] += 120
    samples = Samples(x[:300], y[:300], x[300:], y[300:], 3)
    recipe = Recipe("conv6k3,max2,conv12k3,max2", {"latent": "int12"}, epochs=6)
    planned, ram = measure_ram(recipe, samples, 0, tmp_path)
    board = load_profile("microbit")
    assert planned < ram <= planned + board.reserved_bytes
    assert board.ram_bytes is not None and ram <= board.ram_bytes
    outcome = train(recipe, samples, 0, tmp_path)
    assert outcome.accuracy > 90  # a third is chance; a wrong step of 1 % is for tests/c99 to see
    assert abs(outcome.balanced - outcome.accuracy) < 2  # classes are of equal size
