"""The order of the stages: a model becomes a plan, a plan an artifact, an artifact a project. Nothing else knows it.

    model -> partition -> steps -> program -> search -> Plan      plan()
    model, Plan -> graphs, weights, manifest -> Artifact          build()
    Artifact -> C99, or C++ with onnxruntime                      export()

What a stage needs is imported when it runs: onnx, networkx and onnxruntime are slow to import.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.options import AUTO, options_of
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.ir.verify import verify_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tinyfoa_rt.artifact.folder import Artifact
    from tinyfoa_rt.planner.costs import BlockCosts

__all__ = ["EXPORT_FORMATS", "build", "export", "fits", "plan"]

EXPORT_FORMATS = ("c99", "ort")

Model = Graph | str | os.PathLike[str]


def plan(model: Model, budget: str | int | None = None, *, labels: Any = None, **options: Any) -> Plan:
    """Plan the training of ``model`` inside ``budget``.

    Args:
        model: a loaded model or the path of an ONNX file.
        budget: RAM such as ``"256KB"``, or bytes; by default that of the board.
        labels: of the data set, from which an ``auto`` loss and balanced class weights follow: what ``Trainer.fit`` takes.
        **options: fields of :class:`tinyfoa_rt.ir.options.PlanOptions`, such as ``target="stm32f746"`` or ``batch=1``.

    Returns:
        The plan. Where nothing fits, ``feasible`` is false and the plan is the smallest there is.

    Raises:
        UsageError: an option is wrong.
        InputError: the model cannot be read or trained.
    """
    from tinyfoa_rt.planner.choosing import choose
    from tinyfoa_rt.planner.costs import BlockCosts
    from tinyfoa_rt.planner.loss import with_loss_of
    from tinyfoa_rt.planner.task import open_tasks
    from tinyfoa_rt.report.choice import explain_choice

    asked = options_of(budget=budget, **options)
    graph = _loaded(model)
    if labels is not None:
        asked = with_loss_of(graph, asked, labels)
    if AUTO not in (asked.method, asked.latent):
        plans = (_planned(graph, BlockCosts(task)) for task in open_tasks(graph, asked))
        found = next(plans)
        return _naming_smaller_input(graph, found if found.feasible else next(plans, found))
    choice = choose(graph, asked, options, lambda costs: _planned(graph, costs))
    found = replace(choice.plan, reason=f"{explain_choice(choice)} {choice.plan.reason}")
    return _naming_smaller_input(graph, found)


def fits(model: Model, budget: str | int | None = None, **options: Any) -> bool:
    """Whether :func:`plan`, of the same arguments, would be feasible: found in a third of its time, as nothing is laid out.

    Raises:
        UsageError: an option is wrong.
        InputError: the model cannot be read or trained.
    """
    from tinyfoa_rt.planner.assemble import search_space
    from tinyfoa_rt.planner.costs import BlockCosts
    from tinyfoa_rt.planner.nonvolatile import Flash
    from tinyfoa_rt.planner.search import find_fitting, find_floor
    from tinyfoa_rt.planner.task import open_tasks

    for costs in map(BlockCosts, open_tasks(_loaded(model), options_of(budget=budget, **options))):
        space, most = search_space(costs), costs.task.budget_bytes
        if find_floor(space) <= most and find_fitting(space, most, Flash(costs).fits) is not None:
            return True
    return False


def _planned(graph: Graph, costs: BlockCosts) -> Plan:
    """The best plan of a task."""
    from tinyfoa_rt.planner.assemble import assemble_plan, search_space
    from tinyfoa_rt.planner.backpropagation import backpropagation_peaks
    from tinyfoa_rt.planner.nonvolatile import Flash
    from tinyfoa_rt.planner.refusal import check_model, check_plan, naming_a_way_out
    from tinyfoa_rt.planner.runnable import check_runnable
    from tinyfoa_rt.planner.search import find_choice, find_fitting, find_floor, find_smallest
    from tinyfoa_rt.planner.wear import leaves_turns_open, tasks_that_last
    from tinyfoa_rt.report.reason import explain
    from tinyfoa_rt.steps.rows import check_borders

    task = costs.task
    check_runnable(task)
    flash = Flash(costs)
    with naming_a_way_out(task):
        if task.profile.runtime == "ort":
            check_model(task)  # its memory is that of the emitted model
        space = search_space(costs)
        floor = find_floor(space)
        fits = floor <= task.budget_bytes
        check_borders(task.graph, task.parts, task.trained, task.score)
        check_plan(graph, costs, find_choice(space, task.budget_bytes) if fits else find_smallest(space))
    chosen = find_fitting(space, task.budget_bytes, flash.fits) if fits else None
    chosen = chosen or find_smallest(space)
    if leaves_turns_open(task.options):
        plans = (_planned(graph, type(costs)(each)) for each in tasks_that_last(task, chosen))
        return next(each for each in plans if each.feasible or each.options.slices_per_step == task.options.slices_per_step)
    others = backpropagation_peaks(graph, task, chosen[0].batch)
    planned = assemble_plan(costs, flash, chosen, floor, others)
    planned = replace(planned, reason=explain(costs, flash, planned))
    verify_plan(planned)
    return planned


def _naming_smaller_input(graph: Graph, planned: Plan) -> Plan:
    """A plan that does not fit, with the smallest reduction of the input that would make it fit, if there is one."""
    from tinyfoa_rt.planner.smaller_input import find_smaller_input

    source = graph.source
    if planned.feasible or not source.path or source.pool_input != 1:
        return planned
    found = find_smaller_input(planned, lambda size: _loaded(source.path, source.shapes, size))
    if found is None:
        return planned
    size, nbytes = found
    return replace(planned, reason=f"{planned.reason} With means in front, --pool-input {size}, it needs {nbytes:,} bytes.")


def build(model: Model, plan: Plan, *, exits: bool = False, **repeated: Any) -> Artifact:
    """Build what ``plan`` plans.

    Args:
        model: a loaded model or the path of an ONNX file: the one that was planned.
        plan: a feasible plan. One for a profile that runs generated C trains here on onnxruntime, and its artifact can be
            exported.
        exits: each hidden block can predict by its own head, so that it is measured on validation samples (``fit(...,
            validation=0.1)``) and may become the end of the model (``stop="best"``).
        **repeated: fields of :class:`tinyfoa_rt.ir.options.PlanOptions`, which may only repeat what the plan says.

    Raises:
        UsageError: an option says something else than the plan.
        InputError: the plan does not fit, or is not a plan of this model; or the model, which an artifact for
            another profile carries, cannot be read again.
        UnsupportedError: a block cannot run on onnxruntime.
    """
    from tinyfoa_rt.builder.artifact import ArtifactBuilder
    from tinyfoa_rt.builder.planned import chosen_sizes, planned_task
    from tinyfoa_rt.planner.costs import MOST_ROWS, BlockCosts
    from tinyfoa_rt.planner.task import resolve_options
    from tinyfoa_rt.profiles import load_profile

    plan.options.refuse_others(repeated)
    graph = _loaded(model, plan.shapes, plan.pool_input)
    if not plan.feasible:
        raise InputError("plan", f"does not fit its budget of {plan.budget_bytes:,} bytes", "plan with a larger budget")
    task = planned_task(graph, plan)
    costs = BlockCosts(task)
    candidates, choices = chosen_sizes(costs, plan)
    if task.profile.runtime == "ort":
        return ArtifactBuilder(task, plan).build(choices, costs.most_rows(candidates, plan.peak_bytes), exits=exits)
    if not graph.source.path:
        raise InputError(f"model '{graph.name}'", "was made in memory; a plan for C99 needs its file", "build from an .onnx file")
    from tinyfoa_rt.artifact.folder import SOURCE_MODEL
    from tinyfoa_rt.model.self_contained import self_contained

    source = self_contained(Path(graph.source.path), graph.source.sha256)
    here = resolve_options(graph, plan.options, load_profile("ort-cpu"))
    artifact = ArtifactBuilder(here, plan).build(choices, MOST_ROWS, exits=exits)  # the plan is for another machine
    return replace(artifact, models={**artifact.models, SOURCE_MODEL: source})


def export(folder: str | Path, output: str | Path, *, format: str = "c99", state_as_file: bool | None = None) -> str:
    """Write a project that trains the artifact in ``folder``, from its checkpoint if it has one, to ``output``.

    Args:
        folder: what ``build`` or ``train`` has written.
        output: a new or empty folder.
        format: ``c99``: generated C for microcontrollers, of a plan for c99 or a board; ``ort``: C++ and C with onnxruntime.
        state_as_file: with ``c99``, the first state becomes a file for the storage, not constant data of the C file; by default
            where the board has no room for both.

    Returns:
        What was written, in one line.

    Raises:
        UsageError: the format is not known, or the option is not for it.
        InputError: the artifact is of a plan for something else, or damaged, or the output cannot be written.
        UnsupportedError: an operator has no C99 kernel.
    """
    folder, output = Path(folder), Path(output)
    if format not in EXPORT_FORMATS:
        raise UsageError(f"--format {format}", "is not known", f"use {', '.join(EXPORT_FORMATS)}")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(str(output), "is not an empty folder", "name a new folder")
    if format == "c99":
        from tinyfoa_rt.export.to_c99 import export_c99

        program, flash = export_c99(folder, output, state_as_file=state_as_file)
        sizes = f"{program.arena_nbytes:,} bytes of RAM, {program.storage_nbytes:,} of storage, {flash.total_bytes:,} of flash"
        return f"{program.prefix}_model.c, {len(program.blocks)} blocks, {sizes}"
    if state_as_file:
        raise UsageError("--weights bin", "is for --format c99", "leave it out: an artifact's state is a file anyway")
    from tinyfoa_rt.export.to_ort import export_ort

    artifact = export_ort(folder, output)
    return f"artifact, artifact-ort, {len(artifact.blocks)} blocks, {artifact.manifest.peak_bytes:,} bytes of RAM by the plan"


def _loaded(model: Model, shapes: Mapping[str, tuple[int, ...]] | None = None, pool_input: int = 1) -> Graph:
    """A model that was loaded, or a file's."""
    if isinstance(model, Graph):
        return model
    from tinyfoa_rt.model import load

    return load(model, shapes=shapes, pool_input=pool_input)
