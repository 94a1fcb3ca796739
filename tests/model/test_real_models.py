from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime
import pytest

from tests.model.onnx_files import LIGHT_MODELS, REAL_MODELS, dense_model, floats, make_model, node, save
from tests.optional_tools import skip_without
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.model import load

_MLPERF_TINY = {
    "ad01": ((1, 640), (1, 640)),
    "kws": ((1, 49, 10, 1), (1, 12)),
    "resnet8": ((1, 32, 32, 3), (1, 10)),
    "vww96": ((1, 96, 96, 3), (1, 2)),
}
_LIGHT = sorted(path.name for path in LIGHT_MODELS.glob("*.onnx"))


@pytest.mark.parametrize("name", _MLPERF_TINY)
def test_mlperf_tiny(name: str) -> None:
    path = REAL_MODELS / f"{name}.onnx"
    if not path.exists():
        skip_without("shared/models", "a copy of the folder beside the checkout")
    graph = load(path)
    assert (graph.shape(graph.inputs[0]), graph.shape(graph.outputs[0])) == _MLPERF_TINY[name]
    assert graph.name == name
    assert {"DequantizeLinear", "Constant"}.isdisjoint(n.op_type for n in graph.nodes)
    for n in graph.nodes:
        if n.op_type in ("Conv", "MatMul"):
            assert graph.constants[n.input(1)].read().shape == graph.shape(n.input(1))


def test_there_are_nine_light_models() -> None:
    assert len(_LIGHT) == 9


@pytest.mark.parametrize("name", _LIGHT)
def test_light_models(name: str) -> None:
    graph = load(LIGHT_MODELS / name)
    assert graph.opset == 18
    assert [graph.shape(n) for n in graph.inputs] == [(1, 3, 224, 224)]
    assert graph.values[graph.outputs[0]].size == 1000
    assert {"ConstantOfShape", "Unsqueeze"}.isdisjoint(n.op_type for n in graph.nodes)


_OPSET_MODELS = {  # an operator, and the newest opset that takes this form of it
    "Clip with limits as attributes": (node("Clip", ["x"], ["y"], min=0.0, max=6.0), 10),
    "Dropout with a ratio as attribute": (node("Dropout", ["x"], ["y"], ratio=0.5), 11),
    "Squeeze with axes as attribute": (node("Squeeze", ["x"], ["y"], axes=[1]), 12),
    "ReduceMean with axes as attribute": (node("ReduceMean", ["x"], ["y"], axes=[1]), 17),
    "Softmax over all that follows": (node("Softmax", ["x"], ["y"], axis=1), 12),
    "Relu": (node("Relu", ["x"], ["y"]), 23),
}


_CASES = [(name, opset) for name, (_, newest) in _OPSET_MODELS.items() for opset in (7, 9, 13, 18, 23) if opset <= newest]


@pytest.mark.parametrize(("name", "opset"), _CASES)
def test_opsets(tmp_path: Path, name: str, opset: int) -> None:
    """Raised to 18, the graph computes what onnxruntime computes from the file."""
    operator, _ = _OPSET_MODELS[name]
    model = make_model([operator], inputs={"x": [1, 1, 8]}, opsets={"": opset})
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    graph = load(save(model, tmp_path))
    assert graph.opset == max(18, opset)
    x = floats(1, 1, 8)
    np.testing.assert_allclose(_run(_as_model(graph), x), _run(model, x), rtol=1e-6)


def _as_model(graph: Graph) -> onnx.ModelProto:
    nodes = [node(n.op_type, n.inputs, n.outputs, None, None, n.domain, **n.attributes) for n in graph.nodes]  # type: ignore[arg-type]
    tensors = {name: constant.read() for name, constant in graph.constants.items()}
    tensors |= {name: sized.read(1) for name, sized in graph.sized.items()}
    model = make_model(nodes, tensors, inputs={"x": [1, 1, 8]}, opsets={"": graph.opset})
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return model


def _run(model: onnx.ModelProto, x: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


def test_node_that_is_replaced_keeps_its_name(tmp_path: Path) -> None:
    upsample = node("Upsample", ["x"], ["y"], name="up", scales=[1.0, 1.0, 2.0, 2.0])
    graph = load(save(make_model([upsample], inputs={"x": ["N", 3, 4, 4]}, opsets={"": 8}), tmp_path))
    assert [(n.name, n.op_type) for n in graph.nodes] == [("up", "Resize")]
    assert graph.shape("y") == (1, 3, 8, 8)


def test_model_that_cannot_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no adapter\nfor this")

    monkeypatch.setattr(onnx.version_converter, "convert_version", fail)
    model = make_model([node("Relu", ["x"], ["y"])], opsets={"": 9})
    with pytest.raises(UnsupportedError, match=r"from opset 9 to 18 \(no adapter\); export it with opset 18 or newer"):
        load(save(model, tmp_path))


@pytest.mark.parametrize("kind", ["classifier", "text labels", "regressor", "pipeline"])
def test_scikit_learn(tmp_path: Path, kind: str) -> None:
    to_onnx = pytest.importorskip("skl2onnx").to_onnx
    neural_network = pytest.importorskip("sklearn.neural_network")
    x = np.random.default_rng(0).random((60, 8), dtype=np.float32)
    labels = (x[:, 0] * 3).astype(int)
    sizes = {"hidden_layer_sizes": (12,), "max_iter": 500, "solver": "lbfgs", "random_state": 0}
    network = neural_network.MLPClassifier(**sizes)
    estimator = {
        "classifier": (network, labels),
        "text labels": (network, np.array(["a", "b", "c"])[labels]),
        "regressor": (neural_network.MLPRegressor(**sizes), x[:, 1]),
        "pipeline": (_scaled(network), labels),
    }[kind]
    model = to_onnx(estimator[0].fit(x, estimator[1]), x[:1])
    graph = load(save(model, tmp_path))
    weights = [graph.shape(n.input(1)) for n in graph.nodes if n.op_type in ("MatMul", "Gemm")]
    assert weights == [(8, 12), (12, 1 if kind == "regressor" else 3)]
    assert "ZipMap" not in {n.op_type for n in graph.nodes}
    assert graph.values[graph.outputs[0]].dtype == {"regressor": "float32", "text labels": "string"}.get(kind, "int64")


def _scaled(network: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), network)


def test_path_as_text(tmp_path: Path) -> None:
    assert load(str(save(dense_model(), tmp_path, "named.onnx"))).name == "named"
