"""Puts a plan together from the sizes that were chosen: its blocks with their buffers, totals, and other ways to train."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tinyfoa_rt.ir.block import Block, Slices
from tinyfoa_rt.ir.optimizers import optimizer_of
from tinyfoa_rt.ir.plan import Account, BlockPlan, Plan
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.operators import is_view
from tinyfoa_rt.partition.schedule import update_fraction
from tinyfoa_rt.planner.accounts import LayerAccount, ModelAccount, accounts
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.nonvolatile import Flash
from tinyfoa_rt.planner.search import Candidate, SearchSpace
from tinyfoa_rt.planner.stored import header_of, stored_of
from tinyfoa_rt.planner.wear import written_in_epoch, written_per_day, years_of

__all__ = ["assemble_plan", "search_space"]


def search_space(costs: BlockCosts) -> SearchSpace:
    """Return what the search may choose from, with what each choice costs."""
    task = costs.task
    samples = task.options.samples or 1
    return SearchSpace(
        slices=[task.grids(context.block) for context in task.contexts],
        batches=task.batches,
        segments=[costs.segments(index) for index in range(len(task.contexts))],
        peak=costs.peak,
        least=costs.least,
        written=lambda index, candidate: costs.written(index, candidate, samples),
        stored=lambda index, candidate: stored_of(task, index, candidate),
    )


def assemble_plan(costs: BlockCosts, flash: Flash, chosen: Sequence[Candidate], floor: int, others: Mapping[str, int]) -> Plan:
    """Return the plan, but for its reason.

    Args:
        costs: of the task.
        flash: of the task.
        chosen: the sizes of each trained block.
        floor: the least RAM in bytes with which all blocks can be trained.
        others: RAM in bytes of other ways to train the same layers at the same batch (planner/backpropagation.py).
    """
    task = costs.task
    header_nbytes = header_of(task, chosen)
    blocks = tuple(_block_plan(costs, index, candidate, header_nbytes) for index, candidate in enumerate(chosen))
    peak = max(block.peak_bytes for block in blocks)
    written = [block.written_bytes_per_epoch for block in blocks]
    nonvolatile, per_day = flash.need(chosen), written_per_day(costs, chosen)
    feasible = peak <= task.budget_bytes and flash.fits(chosen)
    return Plan(
        model=task.graph.name,
        model_sha256=task.graph.source.sha256,
        shapes=task.graph.source.shapes,
        pool_input=task.graph.source.pool_input,
        profile=task.profile,
        options=replace(task.options, batch=chosen[0].batch),
        feasible=feasible,
        peak_bytes=peak,
        floor_bytes=floor,
        nonvolatile_parts=nonvolatile,
        written_bytes_per_epoch=None if None in written else sum(nbytes or 0 for nbytes in written),
        written_bytes_per_day=per_day,
        flash_years=years_of(nonvolatile.storage_bytes, per_day),
        baselines=_baselines(costs, chosen, peak, others),
        blocks=blocks,
        reason="",
    )


def _block_plan(costs: BlockCosts, index: int, candidate: Candidate, header_nbytes: int) -> BlockPlan:
    task = costs.task
    block = task.contexts[index].block
    need = costs.footprint(index, candidate)
    samples = task.options.samples
    fraction = update_fraction(task.options.schedule, candidate.slices)
    return BlockPlan(
        name=block.name,
        layers=tuple(layer.name for layer in block.layers),
        parameters=block.parameters,
        slices=(candidate.slices.m_in, candidate.slices.m_out),
        segments=candidate.segments,
        update_fraction=fraction * task.slices_per_step(candidate.slices) * _trained_share(block) / len(task.moving(block)),
        forward_bytes=need.phase_nbytes["forward"],
        gradient_bytes=need.phase_nbytes["gradient"],
        update_bytes=need.phase_nbytes["update"],
        peak_bytes=need.peak_nbytes,
        written_bytes_per_epoch=None if samples is None else written_in_epoch(costs, index, candidate, samples, header_nbytes),
        buffers=need.buffers,
        steps=need.steps,
    )


def _trained_share(block: Block) -> float:
    """The share of the weights of a block's layers that is trained at all; where biases alone are, they count as such."""
    trained = sum(layer.weight_size * (layer.trained_inputs or layer.in_features) // layer.in_features for layer in block.layers)
    return trained / sum(layer.weight_size * (1 + layer.fixed_row) for layer in block.layers)


def _baselines(costs: BlockCosts, chosen: Sequence[Candidate], plan_peak: int, others: Mapping[str, int]) -> dict[str, Account]:
    """The accounts of other ways to train the same blocks at the same batch."""
    task, batch = costs.task, chosen[0].batch
    hidden = [(s, c) for s, c in zip(task.contexts, chosen) if not s.block.is_classifier] or list(zip(task.contexts, chosen))
    layers = []
    for context, candidate in hidden:
        for layer in context.block.layers:
            ins, outs = SliceGrid.of(layer, candidate.slices).largest
            layers.append(LayerAccount(layer.weight_size, ins * layer.taps * outs * layer.weight_copies))
    sizes = [
        math.prod(task.graph.values[node.outputs[0]].shape_at(batch))
        for node in task.graph.nodes
        if node.outputs[0] in task.graph.values and not is_view(node.op_type, node.domain)
    ]
    inputs = [math.prod(task.graph.values[name].shape_at(batch)) for name in task.graph.inputs]
    whole = Candidate(Slices(1, 1), batch)
    model = ModelAccount(
        layers=layers,
        parameters=sum(context.block.parameters for context in task.contexts),
        activations=sum(sizes) + sum(inputs),
        largest_activation=max([*sizes, *inputs]),
        num_states=len(optimizer_of(task.recipe.optimizer).states),
        planned_peaks=others,
        layerwise_peak=max(costs.peak(index, whole) for index in range(len(task.contexts))),
        plan_peak=plan_peak,
        is_binary=task.recipe.binarize != "none",
    )
    return accounts(model)
