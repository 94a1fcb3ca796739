"""Write the small models of ``tests/exports``, as users' own tools export them.

Made with Python 3.11, torch 2.13.0, onnxscript 0.7.2, scikit-learn 1.9.1, skl2onnx 1.20.0 and onnx 1.23.2, in an environment of
their own:

    pip install torch==2.13.0 onnxscript==0.7.2 scikit-learn==1.9.1 skl2onnx==1.20.0 onnx==1.23.2
    python tools/make_exports.py

The files are kept in the repository: the tests need neither PyTorch nor scikit-learn. The seeds are fixed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from skl2onnx import to_onnx
from sklearn.neural_network import MLPClassifier, MLPRegressor
from torch import nn

_FOLDER = Path(__file__).resolve().parents[1] / "tests" / "exports"
_LARGEST_FILE = 60 * 1024
# Stack traces of the exporting machine: they name its files and say nothing about the model.
_TRACES = ("pkg.torch.onnx.stack_trace", "pkg.onnxscript.optimizer.folded_from")


class Residual(nn.Module):
    """x + conv(relu(conv(x))), with a strided projection where the channels change."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        stride = 1 if n_in == n_out else 2
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(n_in, n_out, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(hidden)) + self.shortcut(x))


class Viewed(nn.Module):
    """Reads the batch size from its input to reshape it: exported as a chain of Shape, Gather, Concat and Reshape."""

    def __init__(self) -> None:
        super().__init__()
        features = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)]
        self.features = nn.Sequential(*features)
        self.classifier = nn.Linear(8 * 8 * 8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.features(x)
        return self.classifier(features.view(features.size(0), -1))


def mlp() -> nn.Module:
    hidden = [nn.Linear(20, 32), nn.BatchNorm1d(32), nn.LeakyReLU(0.1), nn.Dropout(0.25)]
    return nn.Sequential(*hidden, nn.Linear(32, 24), nn.LeakyReLU(0.1), nn.Dropout(0.25), nn.Linear(24, 4))


def cnn() -> nn.Module:
    first = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Hardswish(), nn.MaxPool2d(2)]
    second = [nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.Hardswish(), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(16, 10))


def residual_cnn() -> nn.Module:
    stem = [nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*stem, Residual(8, 8), Residual(8, 16), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def cnn_1d() -> nn.Module:
    first = [nn.Conv1d(2, 8, 5, stride=2, padding=2), nn.BatchNorm1d(8), nn.ReLU()]
    second = [nn.Conv1d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2)]
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(16 * 16, 5))


_NETWORKS: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (mlp, (20,)),
    "cnn": (cnn, (3, 16, 16)),
    "residual": (residual_cnn, (3, 16, 16)),
    "cnn1d": (cnn_1d, (2, 64)),
}


def export_network(name: str) -> None:
    """Export one PyTorch network by both exporters, with a dynamic batch."""
    build, shape = _NETWORKS[name]
    torch.manual_seed(0)
    network = build()
    network(torch.randn(32, *shape))  # one pass in training mode, so that the batch statistics are not the initial ones
    network.eval()
    example = torch.randn(2, *shape)
    names: dict[str, Any] = {"input_names": ["input"], "output_names": ["logits"]}
    dynamo = _FOLDER / f"torch_dynamo_{name}.onnx"
    batch = {0: torch.export.Dim("batch")}
    torch.onnx.export(network, (example,), dynamo, dynamo=True, dynamic_shapes=(batch,), external_data=False, **names)
    _clean(dynamo)
    script = _FOLDER / f"torch_script_{name}.onnx"
    torch.onnx.export(network, (example,), script, dynamo=False, dynamic_axes={"input": {0: "batch"}}, **names)
    _clean(script)


def export_in_training_mode() -> None:
    """Export a network that still trains: its BatchNormalization and Dropout stay. Only the TorchScript exporter keeps them."""
    torch.manual_seed(0)
    path = _FOLDER / "torch_script_training.onnx"
    training: dict[str, Any] = {"training": torch.onnx.TrainingMode.TRAINING, "do_constant_folding": False}
    names: dict[str, Any] = {"input_names": ["input"], "output_names": ["logits"], "dynamic_axes": {"input": {0: "batch"}}}
    torch.onnx.export(Viewed().train(), (torch.randn(2, 3, 16, 16),), path, dynamo=False, **training, **names)
    _clean(path)
    modes = [a.i for node in onnx.load(path).graph.node for a in node.attribute if a.name == "training_mode"]
    assert modes == [1], f"BatchNormalization was exported with training_mode {modes}"


def export_estimators() -> None:
    """Export scikit-learn's perceptrons; the classifier with its default ZipMap and without."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 12)).astype(np.float32)
    labels = np.digitize(x[:, 0] + x[:, 1], (-0.5, 0.5))
    classifier = MLPClassifier(hidden_layer_sizes=(16, 8), max_iter=30, random_state=0).fit(x, labels)
    regressor = MLPRegressor(hidden_layer_sizes=(16,), activation="tanh", max_iter=30, random_state=0).fit(x, x[:, 0] * x[:, 1])
    save(to_onnx(classifier, x[:1], target_opset=18), "sklearn_classifier_zipmap")
    save(to_onnx(classifier, x[:1], target_opset=18, options={"zipmap": False}), "sklearn_classifier")
    save(to_onnx(regressor, x[:1], target_opset=18), "sklearn_regressor")


def save(model: onnx.ModelProto, name: str) -> None:
    path = _FOLDER / f"{name}.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    _clean(path)


def _clean(path: Path) -> None:
    """Drop what names the exporting machine, and check the size."""
    model = onnx.load(path)
    for node in model.graph.node:
        kept = [entry for entry in node.metadata_props if entry.key not in _TRACES]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
        node.doc_string = ""
    data = model.SerializeToString(deterministic=True)
    assert len(data) < _LARGEST_FILE, f"{path.name} has {len(data)} bytes"
    path.write_bytes(data)


def main() -> None:
    warnings.simplefilter("ignore")  # short fits do not converge, and the TorchScript exporter is deprecated: both are meant
    _FOLDER.mkdir(exist_ok=True)
    for name in _NETWORKS:
        export_network(name)
    export_in_training_mode()
    export_estimators()


if __name__ == "__main__":
    main()
