"""Networks that are trained as one block, or in blocks of several layers: a step takes the gradient of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.emit.autograd_jobs import Job, differentiated, expected_gradients, job_of, own_gradients
from tests.emit.drawn_networks import KINDS, draw_network
from tests.emit.finite_differences import Gradient, check, check_equal
from tinyfoa_rt.ir.block import Slices

Array = NDArray[Any]
NETWORKS = [(kind, seed) for kind in KINDS for seed in range(8)]
# PyTorch's side knows no locally connected layers.
DIFFERENTIATED = [(kind, seed) for kind, seed in NETWORKS if kind != "local"]

# Both in float64, but attributes of float32 such as HardSwish's 1/6: 3e-8 of what they multiply, a few of them in a row.
RELATIVE = 1e-6
# float32 on one side: each product rounds by 6e-8, and some hundred of them make an element of a gradient.
FLOAT_RELATIVE = 1e-5


@pytest.mark.parametrize(
    ("kind", "seed"), [pytest.param(*each, marks=() if each[1] < 4 else pytest.mark.slow) for each in NETWORKS]
)
def test_a_step_takes_the_slope_of_its_loss(tmp_path: Path, kind: str, seed: int) -> None:
    check(draw_network(kind, seed), tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_that_is_one_percent_wrong_is_noticed(tmp_path: Path, kind: str) -> None:
    gradient = Gradient(draw_network(kind, 1), tmp_path)
    slopes = [(each, gradient.slope(each)) for each in gradient.directions()]
    for name, right in gradient.of.items():
        assert np.abs(right).max() > 1e-5, f"{name} has no gradient to compare"
        with pytest.raises(AssertionError):
            check_equal({**gradient.of, name: 1.01 * right}, slopes)


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind in KINDS for seed in range(4)])
def test_a_step_that_trains_shares_takes_the_slope_of_its_loss(tmp_path: Path, kind: str, seed: int) -> None:
    """Half of the inputs of one layer beside the whole last one; nothing else of it moves."""
    case = draw_network(kind, seed)
    inputs = {each.name: each.dims[1] for each in case.model.graph.initializer if len(each.dims) > 1}
    products = [node for node in case.model.graph.node if node.op_type in ("Gemm", "Conv", "LocallyConnected")]
    first = next(node.name for node in products if node.op_type != "Conv" or inputs[node.input[1]] > 1)  # not depthwise
    between = "" if kind != "local" else f"{products[1].name}[:1/2],"  # a frozen locally connected layer hands no error back
    train = f"{between}{products[-1].name},{first}[:1/2]"  # of two entries that mean a layer the later one decides
    case = replace(case, block_layers="all", index=0, slices=Slices(1, 1), train=train)
    moved = {name for name in check(case, tmp_path).trained if "#w" in name}
    assert moved >= {f"{first}#w_slice"} and f"{first}#w" not in moved
    assert first == products[-1].name or f"{products[-1].name}#w" in moved


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind in KINDS if kind != "local" for seed in range(4)])
def test_a_step_that_trains_biases_alone_takes_the_slope_of_its_loss(tmp_path: Path, kind: str, seed: int) -> None:
    """Of the first layer, which has errors of all others, and beside the whole last one; no weight of it moves."""
    case = draw_network(kind, seed)
    products = [node for node in case.model.graph.node if node.op_type in ("Gemm", "Conv", "LocallyConnected")]
    first = next(node.name for node in products if len(node.input) > 2)
    train = f"{first}[bias],{products[-1].name}"
    gradient = check(replace(case, block_layers="all", index=0, slices=Slices(1, 1), train=train), tmp_path)
    assert gradient.of[f"{first}#w"].shape[0] == 1 and f"{first}#bias" not in gradient.of


@pytest.fixture(scope="module", name="jobs")
def make_jobs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, int], Job]:
    folder = tmp_path_factory.mktemp("networks")
    return {each: job_of(draw_network(*each), folder) for each in DIFFERENTIATED}


@pytest.fixture(scope="module", name="gradients")
def differentiate(
    tmp_path_factory: pytest.TempPathFactory, torch_python: Path, jobs: Mapping[tuple[str, int], Job]
) -> Mapping[tuple[str, int], Mapping[str, Array]]:
    """By network, the loss and all gradients that PyTorch has."""
    return dict(zip(jobs, differentiated(jobs.values(), tmp_path_factory.mktemp("autograd"), torch_python)))


def lengths(gradients: Mapping[str, Array]) -> dict[str, float]:
    return {name: float(np.linalg.norm(np.ravel(value))) for name, value in gradients.items()}


def check_near(ours: Mapping[str, Array], expected: Mapping[str, Array], relative: float) -> None:
    """Each tensor as a whole: its elements are differences; where they all are nearly nothing, by a thousandth of the others."""
    assert ours.keys() == expected.keys()
    length = lengths(expected)
    for name, apart in lengths({name: ours[name] - value for name, value in expected.items()}).items():
        assert apart <= relative * max(length[name], 1e-3 * max(length.values())), (name, apart)


@pytest.mark.parametrize("network", DIFFERENTIATED)
def test_a_step_takes_the_gradient_of_autograd(network: tuple[str, int], jobs: Any, gradients: Any) -> None:
    check_near(own_gradients(jobs[network]), expected_gradients(jobs[network], gradients[network]), RELATIVE)


@pytest.mark.parametrize("network", DIFFERENTIATED)
def test_a_step_in_float32_takes_the_gradient_of_autograd(network: tuple[str, int], jobs: Any, gradients: Any) -> None:
    """At a rate so high that the weights before it do not count, w_next is the gradient times the rate."""
    job: Job = jobs[network]
    model, rate = job.drawn.model, 2.0**40
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {**job.drawn.feeds, "#rate": np.array(rate)}
    given = {
        each.name: feeds[each.name].astype(np.float32) if feeds[each.name].dtype == np.float64 else feeds[each.name]
        for each in session.get_inputs()
    }
    after = dict(zip((each.name for each in session.get_outputs()), session.run(None, given)))
    moved = {name: (given[name].astype(np.float64) - after[f"{name}#next"]) / rate for name in job.drawn.trained}
    check_near({"loss": after["#loss"], **moved}, expected_gradients(job, gradients[network]), FLOAT_RELATIVE)


@pytest.mark.parametrize("network", DIFFERENTIATED[::8])
def test_one_percent_of_a_gradient_is_noticed(network: tuple[str, int], jobs: Any) -> None:
    right = own_gradients(jobs[network])
    length = lengths(right)
    for name, value in right.items():
        if length[name] > 1e-5 * max(length.values()):  # 1 % of less is below what is allowed
            with pytest.raises(AssertionError):
                check_near({**right, name: 1.01 * value}, right, FLOAT_RELATIVE)
