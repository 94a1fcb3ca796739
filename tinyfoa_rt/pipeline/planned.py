"""A plan and the model that it was made for, taken up again: its job and the sizes of each block, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyfoa_rt.errors import InputError, UnsupportedError
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.plan import BlockPlan, Plan
from tinyfoa_rt.options import PlanOptions
from tinyfoa_rt.pipeline.job import PlanJob, resolve
from tinyfoa_rt.pipeline.measure import Measure
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.steps import StepChoice

__all__ = ["job_of_plan", "sizes_of_plan"]


def job_of_plan(graph: Graph, plan: Plan, options: Mapping[str, Any]) -> PlanJob:
    """Return the job of a plan; ``options`` are those that it does not hold.

    Raises:
        InputError: the plan does not fit its budget.
        UnsupportedError: no runtime takes the model or its heads yet.
    """
    if not plan.feasible:
        raise InputError("plan", f"does not fit its budget of {plan.budget_bytes:,} bytes", "plan with a larger budget")
    known = {"budget": plan.budget_bytes, "target": plan.target, "batch": plan.batch, "optimizer": plan.optimizer}
    known |= {"schedule": plan.schedule, "head": plan.head}
    names = ",".join(block.name for block in plan.blocks)
    job = resolve(graph, PlanOptions(**{**known, "train": names, **options}))
    if job.recipe.head == "learned":
        raise UnsupportedError("head 'learned'", "cannot be trained yet", "use --head rademacher or kaiming")
    if len(graph.inputs) != 1:
        raise UnsupportedError(f"model '{graph.name}'", f"has {len(graph.inputs)} inputs", "train a model with one input")
    return job


def sizes_of_plan(job: PlanJob, plan: Plan, *, hands_on: bool = False) -> list[StepChoice]:
    """Return the sizes of each block, after the plan's bytes were counted again: so a plan of another model or recipe is refused.

    Raises:
        InputError: a block needs other bytes than the plan says.
    """
    measure = Measure(job)
    choices = []
    for index, (setting, block) in enumerate(zip(job.settings, plan.blocks)):
        candidate = Candidate(Slices(*block.slices), plan.batch)
        if setting.block.parameters != block.parameters or measure.peak(index, candidate) != block.peak_bytes:
            raise _wrong_plan(job, block)
        slices = candidate.slices if plan.schedule == "slice" else Slices(1, 1)
        choices.append(StepChoice(slices, plan.batch, job.holds_slice(slices), hands_on=hands_on))
    return choices


def _wrong_plan(job: PlanJob, block: BlockPlan) -> InputError:
    problem = f"block {block.name} of model '{job.graph.name}' does not need the {block.peak_bytes:,} bytes that it says"
    return InputError("plan", problem, "plan this model again, with the options that it is built with")
