"""Plan the training of a model inside a memory budget."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.optimizers import optimizer_of
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.ir.plan import Account, BlockPlan, Plan
from tinyfoa_rt.ir.verify import verify_plan
from tinyfoa_rt.partition.schedule import update_fraction
from tinyfoa_rt.partition.slices import largest_slice
from tinyfoa_rt.pipeline.job import PlanJob, resolve
from tinyfoa_rt.pipeline.measure import Measure
from tinyfoa_rt.pipeline.nonvolatile import Flash
from tinyfoa_rt.pipeline.reason import explain
from tinyfoa_rt.pipeline.refusal import check_model, check_plan, with_way_out
from tinyfoa_rt.pipeline.runnable import check_runnable
from tinyfoa_rt.pipeline.storage import header_of, stored_of
from tinyfoa_rt.planner.accounts import LayerAccount, ModelAccount, accounts
from tinyfoa_rt.planner.search import Candidate, SearchSpace, find_choice, find_fitting, find_floor, find_smallest
from tinyfoa_rt.steps.rows import check_borders
from tinyfoa_rt.steps.trained_part import VIEWS

__all__ = ["plan"]


def plan(model: Graph | str | os.PathLike[str], budget: str | int | None = None, **options: Any) -> Plan:
    """Plan the training of ``model`` inside ``budget``.

    Args:
        model: a loaded model or the path of an ONNX file.
        budget: RAM such as ``"256KB"``, or bytes; by default that of the target board.
        **options: fields of :class:`tinyfoa_rt.ir.options.PlanOptions`, such as ``target="stm32f746"`` or ``batch=1``.

    Returns:
        The plan. Where nothing fits, ``feasible`` is false and the plan is the smallest there is.

    Raises:
        UsageError: an option is wrong.
        InputError: the model cannot be read or trained.
    """
    if not isinstance(model, Graph):
        from tinyfoa_rt.model import load  # the loader's dependencies are slow to import

        model = load(model)
    job = resolve(model, PlanOptions(budget=budget, **options))
    check_runnable(job)
    measure = Measure(job)
    space = _space(job, measure)
    try:
        if job.target.runtime == "ort":
            check_model(job)  # its memory is that of the emitted model
        floor = find_floor(space)
        fits = floor <= job.budget_bytes
        check_borders(job.graph, job.parts, job.trained, job.score)
        check_plan(model, job, find_choice(space, job.budget_bytes) if fits else find_smallest(space))
    except UnsupportedError as error:
        raise with_way_out(job, error) from error
    flash = Flash(measure)
    chosen = find_fitting(space, job.budget_bytes, flash.fits) if fits else None
    result = _assemble(measure, flash, chosen or find_smallest(space), floor)
    verify_plan(result)
    return result


def _space(job: PlanJob, measure: Measure) -> SearchSpace:
    samples = job.options.samples or 1
    return SearchSpace(
        slices=[job.grids(setting.block) for setting in job.settings],
        batches=job.batches,
        peak=measure.peak,
        least=measure.least,
        written=lambda index, candidate: measure.written(index, candidate, samples),
        stored=lambda index, candidate: stored_of(job, index, candidate),
    )


def _assemble(measure: Measure, flash: Flash, chosen: Sequence[Candidate], floor: int) -> Plan:
    job = measure.job
    header_nbytes = header_of(job, chosen)
    blocks = tuple(_block_plan(measure, index, candidate, header_nbytes) for index, candidate in enumerate(chosen))
    peak = max(block.peak_bytes for block in blocks)
    written = [block.written_bytes_per_epoch for block in blocks]
    feasible = peak <= job.budget_bytes and flash.fits(chosen)
    return Plan(
        model=job.graph.name,
        model_sha256=job.graph.source.sha256,
        shapes=job.graph.source.shapes,
        target=job.target,
        options=replace(job.options, batch=chosen[0].batch),
        feasible=feasible,
        peak_bytes=peak,
        floor_bytes=floor,
        nonvolatile_parts=flash.need(chosen),
        written_bytes_per_epoch=None if None in written else sum(nbytes or 0 for nbytes in written),
        baselines=_baselines(job, measure, chosen, peak),
        blocks=blocks,
        reason=explain(measure, flash, blocks, feasible=feasible),
    )


def _block_plan(measure: Measure, index: int, candidate: Candidate, header_nbytes: int) -> BlockPlan:
    job = measure.job
    block = job.settings[index].block
    need = measure.footprint(index, candidate)
    samples = job.options.samples
    return BlockPlan(
        name=block.name,
        layers=tuple(layer.name for layer in block.layers),
        parameters=block.parameters,
        slices=(candidate.slices.m_in, candidate.slices.m_out),
        update_fraction=update_fraction(job.options.schedule, candidate.slices),  # type: ignore[arg-type]
        forward_bytes=need.phase_nbytes["forward"],
        gradient_bytes=need.phase_nbytes["gradient"],
        update_bytes=need.phase_nbytes["update"],
        peak_bytes=need.peak_nbytes,
        written_bytes_per_epoch=None if samples is None else _written(measure, index, candidate, header_nbytes),
        buffers=need.buffers,
        steps=need.steps,
    )


def _written(measure: Measure, index: int, candidate: Candidate, header_nbytes: int) -> int:
    """Nonvolatile bytes that an epoch writes; every turn that ends writes a header."""
    samples = measure.job.options.samples
    assert samples is not None
    return measure.written(index, candidate, samples) + measure.turns(index, candidate, samples) * header_nbytes


def _baselines(job: PlanJob, measure: Measure, chosen: Sequence[Candidate], plan_peak: int) -> dict[str, Account]:
    """The accounts of other ways to train the same blocks at the same batch."""
    batch = chosen[0].batch
    hidden = [(s, c) for s, c in zip(job.settings, chosen) if not s.block.is_classifier] or list(zip(job.settings, chosen))
    layers = []
    for setting, candidate in hidden:
        for layer in setting.block.layers:
            ins, outs = largest_slice(layer, candidate.slices)
            layers.append(LayerAccount(layer.weight_size, ins * layer.taps * outs * layer.weight_copies))
    sizes = [
        math.prod(job.graph.values[node.outputs[0]].shape_at(batch))
        for node in job.graph.nodes
        if node.outputs[0] in job.graph.values and node.op_type not in VIEWS
    ]
    inputs = [math.prod(job.graph.values[name].shape_at(batch)) for name in job.graph.inputs]
    whole = Candidate(Slices(1, 1), batch)
    model = ModelAccount(
        layers=layers,
        parameters=sum(setting.block.parameters for setting in job.settings),
        activations=sum(sizes) + sum(inputs),
        largest_activation=max([*sizes, *inputs]),
        num_states=len(optimizer_of(job.recipe.optimizer).states),
        layerwise_peak=max(measure.peak(index, whole) for index in range(len(job.settings))),
        plan_peak=plan_peak,
        is_binary=job.recipe.binarize != "none",
    )
    return accounts(model)
