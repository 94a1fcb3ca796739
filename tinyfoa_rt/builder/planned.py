"""What a plan says about a model, after the model and the plan were compared: a plan that was edited is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.plan import BlockPlan, Plan
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.refusal import check_model
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.planner.task import PlanningTask, resolve_options
from tinyfoa_rt.steps import StepChoice

__all__ = ["chosen_sizes", "planned_task"]

_PLAN_AGAIN = "plan this model again: tinyfoa-rt plan MODEL -o plan.json"


def planned_task(graph: Graph, plan: Plan) -> PlanningTask:
    """Return the task that ``plan`` is the plan of.

    Raises:
        InputError: it is the plan of another model, or of other shapes of its inputs.
        UnsupportedError: onnxruntime cannot run a part of the forward pass.
    """
    source = graph.source
    if source.sha256 != plan.model_sha256:
        problem = (
            f"is of another model than {graph.name} (their SHA-256 begin with {plan.model_sha256:.8} and {source.sha256:.8})"
        )
        raise InputError("plan", problem, _PLAN_AGAIN)
    if source.shapes != plan.shapes:
        problem = f"is for inputs of the shapes {plan.shapes or 'of the model'}, not {source.shapes or 'those'}"
        raise InputError("plan", problem, _PLAN_AGAIN)
    if source.pool_input != plan.pool_input:
        problem = f"is for --pool-input {plan.pool_input}, and the model was loaded with {source.pool_input}"
        raise InputError("plan", problem, _PLAN_AGAIN)
    task = resolve_options(graph, plan.options, plan.profile)
    check_model(task)
    return task


def chosen_sizes(costs: BlockCosts, plan: Plan) -> tuple[Sequence[Candidate], Sequence[StepChoice]]:
    """Return the sizes that the plan has chosen for each block, and those of its step here, where a plan for C99 trains too.

    Raises:
        InputError: the plan's bytes, which are counted again, are not those of this model.
    """
    task = costs.task
    candidates, choices = [], []
    for index, (context, block) in enumerate(zip(task.contexts, plan.blocks)):
        if not all(0 < cut < len(context.block.parts) for cut in block.segments):
            raise _wrong_plan(task, block)
        candidate = Candidate(Slices(*block.slices), plan.batch, block.segments)
        if context.block.parameters != block.parameters or costs.peak(index, candidate) != block.peak_bytes:
            raise _wrong_plan(task, block)
        candidates.append(candidate)
        choices.append(replace(task.choice(candidate), hands_on=plan.options.order == "interleaved"))
    return candidates, choices


def _wrong_plan(task: PlanningTask, block: BlockPlan) -> InputError:
    problem = f"block {block.name} of model '{task.graph.name}' does not need the {block.peak_bytes:,} bytes that it says"
    return InputError("plan", problem, _PLAN_AGAIN)
