"""Block + slices -> step graph -> program: the domain operators of one training step, and how long their buffers live."""

from tinyfoa_rt.steps.forward import assemble_forward
from tinyfoa_rt.steps.program import to_program
from tinyfoa_rt.steps.setting import BlockSetting, StepChoice, block_settings
from tinyfoa_rt.steps.training import assemble_step

__all__ = ["BlockSetting", "StepChoice", "assemble_forward", "assemble_step", "block_settings", "to_program"]
