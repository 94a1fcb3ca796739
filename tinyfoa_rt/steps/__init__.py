"""Block + slices -> step graph -> program: the domain operators of one training step, and how long their buffers live."""

from tinyfoa_rt.steps.block_context import BlockContext, StepChoice, block_contexts
from tinyfoa_rt.steps.forward import assemble_forward
from tinyfoa_rt.steps.program import to_program
from tinyfoa_rt.steps.slice_updates import halves_of
from tinyfoa_rt.steps.training import assemble_step

__all__ = ["BlockContext", "StepChoice", "assemble_forward", "assemble_step", "block_contexts", "halves_of", "to_program"]
