"""Plans whose blocks are cut into segments wherever a test likes, as if the planner had found that it pays."""

from __future__ import annotations

from dataclasses import replace

from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.planner.task import resolve_options

__all__ = ["cut"]


def cut(graph: Graph, planned: Plan, segments: tuple[int, ...]) -> Plan:
    """The plan with its first block cut before the parts ``segments``, and with the bytes that this takes."""
    costs = BlockCosts(resolve_options(graph, planned.options, planned.profile))
    first, *others = planned.blocks
    candidate = Candidate(Slices(*first.slices), planned.batch, segments)
    return replace(planned, blocks=(replace(first, segments=segments, peak_bytes=costs.peak(0, candidate)), *others))
