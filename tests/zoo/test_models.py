"""Every model of the zoo: valid, runnable, repeatable, and of the size that its layers add up to."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.resources import resource_path
from tinyfoa_rt.zoo import build_model, describe, write_model, zoo_names
from tinyfoa_rt.zoo.spec import read_spec

WIDE = 3 * (2000 * 2000 + 2000)


def local(side: int, channels: int, classes: int) -> int:
    """Weights and biases of four 3x3 layers without padding on a square image, and of the classifier."""
    total = 0
    for n_out in (16, 32, 64, 64):
        side -= 2
        total += side * side * (9 * channels + 1) * n_out
        channels = n_out
    return total + (side * side * channels + 1) * classes


# Trained parameters: of a BatchNormalization, its scale and bias.
PARAMETERS = {
    "fc-784-10": 784 * 2000 + 2000 + WIDE + 2000 * 10 + 10,
    "fc-3072-10": 3072 * 2000 + 2000 + WIDE + 2000 * 10 + 10,
    "fc-3072-100": 3072 * 2000 + 2000 + WIDE + 2000 * 100 + 100,
    "fc-169-5": 169 * 2000 + 2000 + WIDE + 2000 * 5 + 5,
    "lc-1x28x28-10": local(28, 1, 10),
    "lc-3x32x32-10": local(32, 3, 10),
    "lc-1x13x13-5": local(13, 1, 5),
    "mlp-64-128-128-10": 64 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10,
    "mlp-784-256-256-10": 784 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10,
    "resnet-8-cifar10": (27 * 16 + 32)
    + 2 * (144 * 16 + 32)
    + (144 * 32 + 64) + (288 * 32 + 64) + (16 * 32 + 32)
    + (288 * 64 + 128) + (576 * 64 + 128) + (32 * 64 + 64)
    + (64 * 10 + 10),
    "cnn-1x28x28-10": (9 * 32 + 32) + (288 * 64 + 64) + (576 * 128 + 128) + (16 * 128 * 10 + 10),
    "cnn-3x32x32-10": (27 * 32 + 32) + (288 * 64 + 64) + (576 * 128 + 128) + (16 * 128 * 10 + 10),
    "ds-cnn-kws": (40 * 64 + 128) + 4 * ((9 * 64 + 128) + (64 * 64 + 128)) + (64 * 12 + 12),
}  # fmt: skip


@pytest.fixture(scope="module", params=zoo_names())
def model(request: pytest.FixtureRequest) -> onnx.ModelProto:
    return build_model(request.param)


def test_the_zoo_has_these_models() -> None:
    assert set(zoo_names()) == set(PARAMETERS)
    assert zoo_names() == tuple(sorted(zoo_names()))


@pytest.mark.parametrize("name", zoo_names())
def test_a_specification_has_the_name_of_its_file(name: str) -> None:
    assert read_spec(resource_path("graphs/models") / f"{name}.toml").name == name


def test_it_is_a_valid_model(model: onnx.ModelProto) -> None:
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 9
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == 18
    assert model.doc_string
    assert {entry.key: entry.value for entry in model.metadata_props}["weights"] == "He initialisation, untrained"
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert all(names)


def test_it_runs_on_a_batch(model: onnx.ModelProto) -> None:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (source,), (result,) = session.get_inputs(), session.get_outputs()
    assert (source.name, source.shape[0], result.name, result.shape[0]) == ("input", "batch", "logits", "batch")
    x = np.random.default_rng(0).random((2, *source.shape[1:]), dtype=np.float32)
    (logits,) = session.run(None, {"input": x})
    assert logits.shape == (2, *result.shape[1:])
    assert np.isfinite(logits).all()
    # He's rule keeps the scale of a signal: neither dead nor exploding.
    assert 0.05 < logits.std() < 20
    # Each sample is computed by itself; the products of another batch size may be summed in another order.
    (alone,) = session.run(None, {"input": x[1:]})
    np.testing.assert_allclose(alone[0], logits[1], rtol=1e-4, atol=1e-4)


def test_two_builds_are_equal(model: onnx.ModelProto) -> None:
    again = build_model(model.graph.name)
    first, second = (hashlib.sha256(m.SerializeToString(deterministic=True)).digest() for m in (model, again))
    assert first == second


def test_weights_do_not_change_between_versions() -> None:
    """The values, not the file, whose bytes are protobuf's: equal on every machine and with every NumPy."""
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in build_model("mlp-784-256-256-10").graph.initializer}
    digest = hashlib.sha256(b"".join(values.astype("<f4").tobytes() for values in weights.values())).hexdigest()
    assert digest == "3fff4ac361092ccc333e20529c8dcb2ff718dffebd05ffa4596759466f70f314"
    assert not weights["fc1.bias"].any()


@pytest.mark.parametrize(("name", "seed"), [("mlp-784-256-256-10", "8"), ("ds-cnn-kws", "10")])
def test_a_model_says_its_seed(name: str, seed: str) -> None:
    assert {entry.key: entry.value for entry in build_model(name).metadata_props}["seed"] == seed


def test_weights_follow_he() -> None:
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in build_model("mlp-784-256-256-10").graph.initializer}
    weight = tensors["fc1.weight"].astype(np.float64)
    # 200,704 draws: the standard deviation is within 1 % of sqrt(2 / fan_in) by more than five standard errors.
    assert weight.std() == pytest.approx(np.sqrt(2 / 784), rel=0.01)
    assert abs(weight).max() <= np.sqrt(6 / 784) * (1 + 1e-6)


def test_the_number_of_parameters(model: onnx.ModelProto) -> None:
    name = model.graph.name
    statistics = (".mean", ".var")
    sizes = [int(np.prod(t.dims)) for t in model.graph.initializer if not t.name.endswith(statistics)]
    assert sum(sizes) == PARAMETERS[name]
    assert f"{PARAMETERS[name]:,} parameters" in describe(name)
    assert "\n" not in describe(name)


def test_writing_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    write_model("ds-cnn-kws", path)
    assert path.read_bytes() == build_model("ds-cnn-kws").SerializeToString(deterministic=True)
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_model("ds-cnn-kws", tmp_path / "missing" / "model.onnx")
    folder = tmp_path / "folder"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(InputError, match="is a folder, which is not written to"):
        write_model("ds-cnn-kws", folder)
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("name", ["mlp", "", "../models/ds-cnn-kws", "DS-CNN-KWS"])
def test_an_unknown_name_lists_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not in the zoo; use cnn-1x28x28-10, cnn-3x32x32-10, ds-cnn-kws"):
        write_model(name, tmp_path / "model.onnx")
    with pytest.raises(UsageError):
        describe(name)


def test_means_in_front_make_the_layers_behind_smaller() -> None:
    model = build_model("cnn-1x28x28-10", pool_input=2)
    onnx.checker.check_model(model, full_check=True)
    shapes = {each.name: tuple(each.dims) for each in model.graph.initializer}
    assert shapes["classifier.weight"] == (10, 512)  # 4 x 4 positions of 32 channels; of 28 x 28 pixels 8 x 8 of them
    assert [node.op_type for node in model.graph.node][:2] == ["AveragePool", "Conv"]
    x = np.random.default_rng(0).normal(0, 1, (2, 1, 28, 28)).astype(np.float32)
    means = x.reshape(2, 1, 14, 2, 14, 2).mean(axis=(3, 5))
    (whole,) = _scores(model, {"input": x})
    del model.graph.node[0]
    entry = model.graph.input[0]
    entry.name = "input_pooled"
    for dim in entry.type.tensor_type.shape.dim[2:]:
        dim.dim_value = 14
    (behind,) = _scores(model, {"input_pooled": means})
    np.testing.assert_allclose(whole, behind, rtol=1e-4, atol=1e-5)  # means of four, summed in another order


def _scores(model: onnx.ModelProto, given: dict[str, NDArray[np.float32]]) -> Any:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, given)


@pytest.mark.parametrize(("name", "size"), [("fc-784-10", 2), ("ds-cnn-kws", 2)])
def test_means_need_an_image_that_they_divide(name: str, size: int) -> None:
    with pytest.raises(UsageError, match=f"--pool-input {size}: is for images whose height and width it divides, .* of {name}"):
        build_model(name, pool_input=size)
