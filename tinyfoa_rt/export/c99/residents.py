"""Where the active slice of a layer lies in the arena: the fields of ``tfoa_resident``."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.export.c99.source import LayerSource
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.optimizers import STEP_COUNT, Optimizer

__all__ = ["resident_of"]

_MOST_STATES = 2  # TFOA_MAX_STATES in targets/c99/runtime/model.h


def resident_of(
    layer: LayerSource, optimizer: Optimizer, offsets: Mapping[str, int]
) -> dict[str, int | tuple[int | None, ...] | None]:
    """Offsets of a layer's tensors while it is trained: of its active slice, or of all of it; and of what a method keeps."""
    name = layer.stored.name
    is_sliced = own(name, "w_slice") in offsets
    weight = layer.tensor or own(name, "w_slice" if is_sliced else "w")
    bias = own(name, "bias_slice" if is_sliced else "bias")
    if len(optimizer.states) > _MOST_STATES or len(optimizer.scalars) > 1:
        kept = f"{len(optimizer.states)} numbers of each weight and {len(optimizer.scalars)} of each slice"
        problem = f"keeps {kept}, generated C at most {_MOST_STATES} and 1"
        raise UnsupportedError(f"optimizer {optimizer.name}", problem, "plan for ort-cpu")
    (scalar,) = optimizer.scalars or ("",)
    kinds = [*optimizer.states, *[""] * (_MOST_STATES - len(optimizer.states))]

    def states(of: str) -> tuple[int | None, ...]:
        return tuple(offsets.get(own(of, kind)) for kind in kinds)

    return {
        "latent": offsets[weight],
        "states": states(weight),
        "bias": offsets.get(bias),
        "bias_states": states(bias),
        "numbers": tuple(offsets.get(own(of, kind)) for kind in (STEP_COUNT, scalar) for of in (weight, bias)),
        "bits": offsets.get(own(weight, "bits")),
        "sums": offsets.get(own(name, "abs_sum_slice" if is_sliced else "abs_sum")),
        "origin": offsets.get(own(name, "origin")),
    }
