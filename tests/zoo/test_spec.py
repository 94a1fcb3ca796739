"""Specifications that no model has are refused, with the place and one line."""

from pathlib import Path

import pytest

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.zoo.build import lay_out
from tinyfoa_rt.zoo.spec import read_spec

DENSE = '{ kind = "dense", name = "fc1", units = 4 }'
CONV = '{ kind = "conv", name = "conv1", channels = 4, kernel = [3, 3] }'
RELU = '{ kind = "relu", name = "relu1" }'


def spec(*layers: str, shape: str = "[8]", seed: str = "1", extra: str = "") -> str:
    return f'name = "m"\ntitle = "t"\ninput = {shape}\nseed = {seed}\n{extra}\nlayers = [{", ".join(layers)}]\n'


def build(text: str, folder: Path) -> None:
    path = folder / "m.toml"
    path.write_text(text, encoding="utf-8")
    lay_out(read_spec(path), path.name)


@pytest.mark.parametrize(("text", "reason"), [
    ("name = ", "is not TOML"),
    ('name = "m"', "lacks the key 'title'"),
    (spec(DENSE, extra="epochs = 3"), "has the unknown key 'epochs'"),
    (spec('{ kind = "lstm", name = "a" }'), r"layer 1: has the kind 'lstm'; use dense, conv"),
    (spec("{ kind = [1], name = 'a' }"), r"has the kind \[1\]"),
    (spec("3"), "layer 1: is 3, not a table"),
    (spec('{ kind = "relu" }'), "has no name"),
    (spec('{ kind = "dense", name = "fc1", units = 4, width = 2 }'), "layer 'fc1': has the unknown key 'width'"),
    (spec('{ kind = "dense", name = "fc1" }'), "layer 'fc1': lacks the key 'units'"),
    (spec('{ kind = "relu", name = "relu1", units = 4 }'), "has the unknown key 'units'"),
    (spec('{ kind = "dense", name = "fc1", units = 0 }'), "units: is"),
    (spec('{ kind = "dense", name = "fc1", units = true }'), "units: is"),
    (spec('{ kind = "conv", name = "c", channels = 4, kernel = [3] }', shape="[1, 8, 8]"), "kernel: has 1 numbers; give 2"),
    (spec('{ kind = "conv", name = "c", channels = 4, kernel = 3 }', shape="[1, 8, 8]"), "kernel: is 3"),
    (spec('{ kind = "conv", name = "c", channels = 4, kernel = [3, 3], bias = 1 }', shape="[1, 8, 8]"), "use true or false"),
    (spec(), "has no layers"),
    (spec(DENSE, DENSE), "already taken"),
    (spec('{ kind = "relu", name = "input" }'), "already taken"),
    (spec('{ kind = "relu", name = "relu1", from = "fc9" }'), "reads 'fc9', which no layer before it"),
    (spec('{ kind = "add", name = "add1", with = "add1" }'), "reads 'add1', which no layer before it"),
    (spec(DENSE, shape="8"), "input: is 8"),
    (spec(DENSE, shape="[-8]"), r"input: is \[-8\]"),
    (spec(DENSE, seed="-1"), "seed: is -1"),
    (spec(DENSE, seed="true"), "seed: is True"),
])  # fmt: skip
def test_a_wrong_specification(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason) as refusal:
        build(text, tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("text", "reason"), [
    (spec(CONV), r"layer 'conv1': reads a value of shape \[8\]; give it one of 3 dimensions"),
    (spec(DENSE, shape="[1, 8, 8]"), "layer 'fc1': reads a value of shape"),
    (spec(CONV, shape="[1, 2, 2]"), "kernel larger than its input, 2x2"),
    (spec('{ kind = "conv", name = "c", channels = 4, kernel = [3, 3], group = 3 }', shape="[2, 8, 8]"), "has group 3 for 2"),
    (spec(DENSE, '{ kind = "add", name = "add1", with = "input" }'), r"adds 'fc1' of shape \[4\] and 'input' of shape \[8\]"),
])  # fmt: skip
def test_layers_that_do_not_fit_together(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason):
        build(text, tmp_path)


def test_a_right_specification_is_taken(tmp_path: Path) -> None:
    build(spec(DENSE, RELU), tmp_path)
    build(spec(CONV, RELU, shape="[2, 8, 8]"), tmp_path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_spec(tmp_path / "missing.toml")
