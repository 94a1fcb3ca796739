"""The models that come along: each is a TOML file in ``graphs/models``, built as ONNX when it is asked for."""

from __future__ import annotations

from pathlib import Path

import onnx

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.files import write_whole
from tinyfoa_rt.resources import resource_path
from tinyfoa_rt.zoo.build import assemble, lay_out
from tinyfoa_rt.zoo.network import Network
from tinyfoa_rt.zoo.spec import ModelSpec, read_spec, with_pooled_input

__all__ = ["build_model", "build_spec", "describe", "write_model", "zoo_names"]

_FOLDER = "graphs/models"


def zoo_names() -> tuple[str, ...]:
    """The names of the models, sorted."""
    return tuple(sorted(path.stem for path in resource_path(_FOLDER).glob("*.toml")))


def describe(name: str) -> str:
    """Return one line on a model: its title, its input and its number of trained parameters."""
    spec, network = _load(name)
    shape = "x".join(map(str, spec.input_shape))
    count = sum(parameter.size for parameter in network.parameters if parameter.is_trained)
    return f"{spec.title} ({shape}, {count:,} parameters)"


def build_model(name: str, *, pool_input: int = 1) -> onnx.ModelProto:
    """Build the model ``name``: float32, He-initialised by the seed of its specification, the same on every build.

    With ``pool_input`` means of so many pixels along each axis come first, and the layers behind are made for a smaller image.

    Raises:
        UsageError: there is no such model, or its input is not reduced so.
    """
    return assemble(*_load(name, pool_input))


def write_model(name: str, path: str | Path, *, pool_input: int = 1) -> None:
    """Write the model ``name`` to ``path``, which is either complete or as it was before; see :func:`build_model`.

    Raises:
        UsageError: there is no such model, or its input is not reduced so.
        InputError: the file cannot be written.
    """
    write_whole(Path(path), build_model(name, pool_input=pool_input).SerializeToString(deterministic=True))


def build_spec(spec: ModelSpec) -> onnx.ModelProto:
    """Build the model of a specification that was made in memory, as :func:`build_model` does.

    Raises:
        InputError: layers do not fit together.
    """
    return assemble(spec, lay_out(spec, spec.name))


def _load(name: str, pool_input: int = 1) -> tuple[ModelSpec, Network]:
    if name not in zoo_names():
        raise UsageError(f"model '{name}'", "is not in the zoo", f"use {', '.join(zoo_names())}")
    path = resource_path(_FOLDER) / f"{name}.toml"
    spec = read_spec(path)
    if pool_input != 1:
        spec = with_pooled_input(spec, pool_input)
    return spec, lay_out(spec, path.name)
