"""Parameters that onnx's shape rules let pass and onnxruntime refuses when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.model.onnx_files import floats, make_model, node, save
from tinyfoa_rt.errors import ModelError, UnsupportedError
from tinyfoa_rt.model import load

IMAGE: dict[str, Sequence[int | str | None] | None] = {"x": ["N", 4, 6, 6]}


@pytest.mark.parametrize(
    ("op_type", "shapes", "attributes", "found"),
    [
        ("Conv", [(6, 4, 3, 3), (1,)], {}, "the parameter 'p1' of shape 1, expected 6"),
        ("Conv", [(6, 4, 3, 3), (6, 1)], {}, "the parameter 'p1' of shape 6x1, expected 6"),
        ("Conv", [(6, 3, 3, 3)], {}, "6 x 3 channels in 1 groups, its input 4 channels"),
        ("Conv", [(6, 2, 3, 3)], {"group": 4}, "6 x 2 channels in 4 groups, its input 4 channels"),
        ("Conv", [(6, 4, 3, 3)], {"group": 0}, "in 0 groups"),
        ("Conv", [(6, 4, 3, 3)], {"kernel_shape": [5, 5]}, "a kernel_shape that is not that of its weight"),
        ("ConvTranspose", [(4, 3, 3, 3), (4,)], {}, "the parameter 'p1' of shape 4, expected 3"),
        ("InstanceNormalization", [(4,), (3,)], {}, "the parameter 'p1' of shape 3, expected 4"),
        ("GroupNormalization", [(2,), (4,)], {"num_groups": 2}, "the parameter 'p0' of shape 2, expected 4"),
    ],
)
def test_a_parameter_of_a_wrong_size(
    tmp_path: Path, op_type: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any], found: str
) -> None:
    tensors = {f"p{index}": np.abs(floats(*shape)) for index, shape in enumerate(shapes)}
    model = make_model([node(op_type, ["x", *tensors], ["y"], name="odd", **attributes)], tensors, inputs=IMAGE, opsets={"": 21})
    with pytest.raises(ModelError, match=f"node 'odd' .*{found}"):
        load(save(model, tmp_path))


@pytest.mark.parametrize(
    ("shape", "fits"), [((), True), ((1,), True), ((4,), True), ((1, 4), True), ((3,), False), ((2, 4), False)]
)
def test_a_bias_of_gemm_is_spread_over_the_product_only(tmp_path: Path, shape: tuple[int, ...], fits: bool) -> None:
    path = save(make_model([node("Gemm", ["x", "w", "b"], ["y"])], {"w": floats(8, 4), "b": floats(*shape)}), tmp_path)
    if fits:
        assert load(path).shape("y") == (1, 4)
        return
    with pytest.raises(ModelError, match=r"bias of shape|is not valid"):
        load(path)


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool", "LpPool"])
def test_a_dilated_pool_says_its_pads(tmp_path: Path, op_type: str) -> None:
    pool = node(op_type, ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 2], auto_pad="SAME_UPPER")
    with pytest.raises(UnsupportedError, match="export it with explicit pads"):
        load(save(make_model([pool], inputs=IMAGE, opsets={"": 19}), tmp_path))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("way", ["raw", "field", "external"])
def test_a_weight_that_is_no_number(tmp_path: Path, value: float, dtype: type, way: str) -> None:
    weight: NDArray[Any] = floats(8, 4).astype(dtype)
    weight[7, 3] = value
    nodes = [node("Cast", ["x"], ["h"], to=onnx.helper.np_dtype_to_tensor_dtype(weight.dtype)), node("MatMul", ["h", "w"], ["y"])]
    model = make_model(nodes, {"w": weight})
    if way == "field":
        model.graph.initializer[0].CopyFrom(onnx.helper.make_tensor("w", model.graph.initializer[0].data_type, (8, 4), weight))
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=way == "external", location="data", size_threshold=0)
    with pytest.raises(ModelError, match="initializer 'w': holds NaN or Inf"):
        load(path)


def test_infinity_in_a_mask_means_something(tmp_path: Path) -> None:
    mask = np.zeros(8, np.float32)
    mask[3] = -np.inf
    model = make_model([node("Add", ["x", "mask"], ["a"]), node("Softmax", ["a"], ["y"])], {"mask": mask})
    assert load(save(model, tmp_path)).shape("y") == (1, 8)
    mask[4] = np.nan
    model = make_model([node("Add", ["x", "mask"], ["a"]), node("Softmax", ["a"], ["y"])], {"mask": mask})
    with pytest.raises(ModelError, match="initializer 'mask': holds NaN;"):
        load(save(model, tmp_path))
