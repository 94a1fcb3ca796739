"""Models that nobody here wrote: each gets a plan, or a floor with its reason, on every target."""

from pathlib import Path

import pytest

from tests.exported_models import EXPORTS
from tinyfoa_rt import load, plan
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.ir.verify import verify_plan
from tinyfoa_rt.zoo import write_model, zoo_names

TRAINED = ["ad01", "kws", "resnet8", "vww96"]
TARGETS = ["ort-cpu", "c99"]
WITH_CAST = ("sklearn_classifier", "sklearn_classifier_zipmap", "sklearn_regressor")


def check_answer(result: Plan) -> None:
    """A plan that fits, or a floor: the verifier holds both, and the reason names the floor to the byte."""
    verify_plan(result)
    assert result.reason
    if not result.feasible:
        assert f"{result.floor_bytes:,} bytes" in result.reason


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", TRAINED)
def test_trained_models(shared_models: Path, name: str, target: str) -> None:
    result = plan(load(shared_models / f"{name}.onnx"), "256KB", target=target, head_pool="average")
    check_answer(result)
    assert result.feasible or target == "ort-cpu"


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("index", range(9))
def test_light_models(light_models: list[Path], index: int, target: str) -> None:
    model = load(light_models[index])
    everything = plan(model, "256KB", target=target)
    check_answer(everything)
    assert not everything.feasible
    last = plan(model, "64MB", target=target, train="last:1")
    check_answer(last)
    assert len(last.blocks) == 1


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", zoo_names())
def test_zoo_models(tmp_path: Path, name: str, target: str) -> None:
    path = tmp_path / "model.onnx"
    write_model(name, path)
    if name.startswith("lc-") and target == "c99":
        with pytest.raises(UnsupportedError, match="is locally connected; C99 trains dense layers and convolutions"):
            plan(load(path), "256KB", target=target)
        return
    check_answer(plan(load(path), "256KB", target=target))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.stem)
def test_exports_from_pytorch_tensorflow_and_scikit_learn(path: Path, target: str) -> None:
    if path.stem in WITH_CAST and target == "c99":
        with pytest.raises(UnsupportedError, match="Cast has no C99 kernel"):
            plan(load(path), "256KB", target=target)
        return
    result = plan(load(path), "256KB", target=target)
    check_answer(result)
    assert result.feasible


def test_there_are_exports() -> None:
    assert {path.stem.split("_")[0] for path in EXPORTS} == {"sklearn", "tensorflow", "torch"}
    assert len(EXPORTS) >= 14
