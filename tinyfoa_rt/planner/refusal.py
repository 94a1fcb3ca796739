"""What cannot be built, trained or exported, and why: found by the planner, so that a plan that is accepted builds and trains.

Nothing is listed here that a later stage refuses: the stages themselves are run, without reading a weight.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from tinyfoa_rt.emit import check_emission
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.export.c99 import check_lowering
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.planner.c99_source import model_source
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.runnable import check_runnable
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.planner.task import PlanningTask, resolve_options
from tinyfoa_rt.profiles import load_profile
from tinyfoa_rt.steps import BlockContext, StepChoice, assemble_forward, assemble_step
from tinyfoa_rt.steps.methods import method_of

__all__ = ["check_model", "check_plan", "find_refusal", "naming_a_way_out"]


def find_refusal(context: BlockContext) -> UnsupportedError | None:
    """Return why a block cannot be trained, or ``None`` if it can."""
    try:
        check_emission(assemble_step(context, StepChoice(Slices(1, 1), 1, False)), keeps_batch=True)
    except UnsupportedError as error:
        return error
    return None


def check_model(task: PlanningTask) -> None:
    """Refuse what concerns the model as a whole.

    Raises:
        UnsupportedError: something that the method cannot do, or a part of the forward pass that onnxruntime cannot run.
    """
    method_of(task.recipe.method).check(task.recipe)
    check_emission(assemble_forward(task.graph, task.parts, task.trained, task.profile, 1)[0], keeps_batch=False)


def check_plan(model: Graph, costs: BlockCosts, chosen: Sequence[Candidate]) -> None:
    """Refuse what building the plan, training it here or exporting it would refuse.

    Args:
        model: as it was loaded.
        costs: of what is planned.
        chosen: the sizes of each trained block.

    Raises:
        UnsupportedError: onnxruntime cannot run a step or the forward pass; or, for a profile that runs generated C, C99 cannot.
    """
    here = task = costs.task
    if task.profile.runtime == "c99":
        here = resolve_options(model, task.options, load_profile("ort-cpu"))
        check_runnable(here)
    check_model(here)
    for context, candidate in zip(here.contexts, chosen):
        check_emission(assemble_step(context, here.choice(candidate)), keeps_batch=True)
    if task.profile.runtime == "c99":
        _check_c99(costs, chosen)


def _check_c99(costs: BlockCosts, chosen: Sequence[Candidate]) -> None:
    task = costs.task
    if task.options.schedule == "freeze-diagonal":
        raise UnsupportedError("schedule 'freeze-diagonal'", "trains all slices at once", "plan with --schedule slice or full")
    for layer in (layer for context in task.contexts for layer in context.block.layers):
        if layer.kind == "local":
            problem = "is locally connected; C99 trains dense layers and convolutions"
            raise UnsupportedError(f"layer '{layer.name}'", problem, "train only what is behind it: --train last:1")
    check_lowering(model_source(costs, chosen, {}, {}, task.score))


@contextlib.contextmanager
def naming_a_way_out(task: PlanningTask) -> Iterator[None]:
    """Raise an :class:`UnsupportedError` with the ``--train`` that trains all behind the last refused block, if anything is.

    What assembles one block knows no other: it cannot tell how many are behind it, nor which of them can be trained.
    """
    try:
        yield
    except UnsupportedError as error:
        refused = {context.block.name for context in task.contexts if find_refusal(context) is not None}
        if not refused:
            raise
        names = [block.name for block in task.parts.blocks]
        behind = next(count for count, name in enumerate(reversed(names)) if name in refused)
        if behind:
            mend = f"train only what is behind it: --train last:{behind} (what is before stays frozen)"
        else:
            mend = "no layer is behind it that could be trained alone: replace the operator, or end the model before it"
        raise UnsupportedError(error.place, error.problem, mend) from error
