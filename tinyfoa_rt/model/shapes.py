"""Binding the data inputs: the batch to 1, any other dynamic dimension to what ``--shape`` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from tinyfoa_rt.errors import ModelError, UnsupportedError, UsageError
from tinyfoa_rt.model.draft import Draft
from tinyfoa_rt.model.nodes import read_names
from tinyfoa_rt.model.order import needed_nodes
from tinyfoa_rt.model.tensors import ELEMENT_TYPES, check_dims

__all__ = ["BoundInputs", "Dims", "bind_inputs", "static_dims", "tensor_type"]

Dims = tuple[int, ...]


@dataclass(frozen=True)
class BoundInputs:
    """Element type and dimensions of each data input that is used.

    Attributes:
        types: at the batch that was asked for.
        symbols: sizes of named dimensions, the batch included.
        batch: what was asked for.
        fixed_batch: the file's own batch where it is a number, the same for all inputs; 0 where it is open.
    """

    types: Mapping[str, onnx.TypeProto]
    symbols: Mapping[str, int]
    batch: int
    fixed_batch: int


def bind_inputs(draft: Draft, shapes: Mapping[str, Sequence[int]], *, batch: int = 1) -> BoundInputs:
    """Give every data input that is used a static shape with the leading dimension ``batch``.

    Raises:
        UsageError: ``shapes`` names no input, or contradicts one.
        ModelError: a dimension stays unknown, or is out of range.
        UnsupportedError: an input does not begin with the batch.
    """
    _check_names(draft, shapes)
    used = {name for node in needed_nodes(draft.nodes, draft.outputs) for name in read_names(node)} | set(draft.outputs)
    inputs = {name: declared.tensor_type for name, declared in draft.inputs.items() if name in used}
    if not inputs:
        raise ModelError(draft.place, "has no input that an output depends on", "give a model that computes from its inputs")
    symbols: dict[str, int] = {}
    for name, tensor in inputs.items():
        if name in shapes:
            symbols.update(_match(name, tensor, shapes[name]))
    fixed_batch = _fixed_batch({name: tensor for name, tensor in inputs.items() if tensor.HasField("shape")})
    symbols.update({tensor.shape.dim[0].dim_param: batch for tensor in inputs.values() if tensor.shape.dim})
    types = {name: _bind(name, tensor, shapes.get(name), symbols, batch) for name, tensor in inputs.items()}
    return BoundInputs(types, symbols, batch, fixed_batch)


def _fixed_batch(inputs: Mapping[str, onnx.TypeProto.Tensor]) -> int:
    """The batch that all inputs begin with, 0 where it is open; refuse an input that begins with something else."""
    mend = "give it the batch as its first dimension, as all inputs have it, or make it a constant of the model"
    sizes = {}
    for name, tensor in inputs.items():
        dims = tensor.shape.dim
        if not dims or (len(dims) == 1 and dims[0].dim_value > 1):
            shown = f"is {_show(tensor)}" if dims else "is a scalar"
            raise UnsupportedError(f"input '{name}'", f"{shown}: it has no batch dimension", mend)
        sizes[name] = dims[0].dim_value
    lowest = min(sizes.values(), default=0)
    for name, size in sizes.items():
        if size != lowest:
            others = ", ".join(f"'{each}' is {_show(inputs[each])}" for each in sizes if sizes[each] == lowest)
            raise UnsupportedError(f"input '{name}'", f"is {_show(inputs[name])}, without the batch, where {others}", mend)
    return lowest


def tensor_type(elem_type: int, dims: Sequence[int]) -> onnx.TypeProto:
    """Return the type of a tensor whose shape is known."""
    return onnx.helper.make_tensor_type_proto(elem_type, tuple(dims))


def static_dims(declared: onnx.TypeProto | None, symbols: Mapping[str, int]) -> Dims | None:
    """Return a tensor type's dimensions, or ``None`` where one is unknown; named ones are looked up in ``symbols``."""
    if declared is None or not declared.HasField("tensor_type") or not declared.tensor_type.HasField("shape"):
        return None
    dims = tuple(_size(dim, symbols) for dim in declared.tensor_type.shape.dim)
    return None if None in dims else dims  # type: ignore[return-value]


def _size(dim: onnx.TensorShapeProto.Dimension, symbols: Mapping[str, int]) -> int | None:
    return dim.dim_value if dim.HasField("dim_value") else symbols.get(dim.dim_param)


def _check_names(draft: Draft, shapes: Mapping[str, Sequence[int]]) -> None:
    for name in shapes:
        if name not in draft.inputs:
            known = ", ".join(f"'{known}'" for known in draft.inputs)
            raise UsageError(f"--shape '{name}'", "is no input of the model", f"its inputs are {known}")


def _match(name: str, tensor: onnx.TypeProto.Tensor, given: Sequence[int]) -> dict[str, int]:
    """Return what the given shape says about the input's named dimensions, the leading one excepted."""
    place, declared = f"--shape '{name}'", _show(tensor)
    if not all(isinstance(size, int) and size >= 1 for size in given):
        raise UsageError(place, "has a dimension that is not a positive number", f"the input is {declared}")
    if not tensor.HasField("shape"):
        return {}
    dims = tensor.shape.dim
    if len(dims) != len(given):
        raise UsageError(place, f"has {len(given)} dimensions, the input {len(dims)}", f"the input is {declared}")
    for dim, size in zip(dims[1:], given[1:], strict=True):
        if dim.HasField("dim_value") and dim.dim_value != size:
            raise UsageError(place, f"says {size} where the model says {dim.dim_value}", f"the input is {declared}")
    return {dim.dim_param: size for dim, size in zip(dims[1:], given[1:], strict=True) if dim.dim_param}


def _bind(
    name: str, tensor: onnx.TypeProto.Tensor, given: Sequence[int] | None, symbols: Mapping[str, int], batch: int
) -> onnx.TypeProto:
    place = f"input '{name}'"
    if tensor.elem_type not in ELEMENT_TYPES:
        raise ModelError(place, f"has the unknown element type {tensor.elem_type}", "export the model again")
    if given is not None:
        dims: list[int | None] = [batch, *given[1:]] if given else []
    elif tensor.HasField("shape"):
        declared = [_size(dim, symbols) for dim in tensor.shape.dim]
        check_dims(tuple(1 if size is None else size for size in declared), place, is_constant=False)
        dims = [batch, *declared[1:]] if declared else []
    else:
        raise ModelError(place, "has no shape", f"say for example --shape {name}=1x3x224x224")
    if None in dims:
        example = "x".join(str(size or 224) for size in (1, *dims[1:]))
        raise ModelError(place, f"has the dimensions {_show(tensor)}, not all known", f"say for example --shape {name}={example}")
    known = tuple(size for size in dims if size is not None)
    check_dims(known, place, is_constant=False)
    return tensor_type(tensor.elem_type, known)


def _show(tensor: onnx.TypeProto.Tensor) -> str:
    if not tensor.HasField("shape"):
        return "of no known shape"
    return "x".join(str(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or "?" for dim in tensor.shape.dim)
