"""Which blocks cannot be trained and why, and which ``--train`` leaves them out."""

from __future__ import annotations

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.pipeline.job import PlanJob
from tinyfoa_rt.steps import BlockSetting, StepChoice, assemble_step

__all__ = ["find_refusal", "with_way_out"]


def find_refusal(setting: BlockSetting) -> UnsupportedError | None:
    """Return why a block cannot be trained, or ``None`` if it can."""
    try:
        assemble_step(setting, StepChoice(Slices(1, 1), 1, False))
    except UnsupportedError as error:
        return error
    return None


def with_way_out(job: PlanJob, error: UnsupportedError) -> UnsupportedError:
    """Return ``error`` with the ``--train`` that trains all that is behind the last refused block, if anything is.

    What assembles one block knows no other: it cannot tell how many are behind it, nor which of them can be trained.
    """
    refused = {setting.block.name for setting in job.settings if find_refusal(setting) is not None}
    if not refused:
        return error
    names = [block.name for block in job.parts.blocks]
    behind = next(count for count, name in enumerate(reversed(names)) if name in refused)
    if behind:
        mend = f"train only what is behind it: --train last:{behind} (what is before stays frozen)"
    else:
        mend = "no layer is behind it that could be trained alone: replace the operator, or end the model before it"
    return UnsupportedError(error.place, error.problem, mend)
