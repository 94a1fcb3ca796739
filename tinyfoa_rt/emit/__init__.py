"""Step graph -> ONNX: nodes of the domain ``tinyfoa`` and the function bodies that say what they do in standard operators."""

from tinyfoa_rt.emit.bodies import load_functions
from tinyfoa_rt.emit.forward_model import emit_forward, emit_inference
from tinyfoa_rt.emit.nodes import check_emission
from tinyfoa_rt.emit.packed import can_pack
from tinyfoa_rt.emit.probe import emit_probe, is_plain
from tinyfoa_rt.emit.step_model import emit_step

__all__ = [
    "can_pack",
    "check_emission",
    "emit_forward",
    "emit_inference",
    "emit_probe",
    "emit_step",
    "is_plain",
    "load_functions",
]
