"""Which execution provider takes which nodes of the training steps, and what would move more of them there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.emit.inlined import InlinedNode, read_nodes
from tinyfoa_rt.providers import ProviderTable, provider_tables
from tinyfoa_rt.run.assignment import ask_provider, can_tell_assignment, inline, installed_providers
from tinyfoa_rt.run.session import failing_as

__all__ = ["ITSELF", "Placement", "place_steps", "placement_record"]

# The source of a placement that was asked for.
ITSELF = "onnxruntime itself"


@dataclass(frozen=True)
class Placement:
    """What one provider takes of all training steps of an artifact.

    Attributes:
        provider: its title.
        source: ``onnxruntime itself`` where it is installed and was asked, else where its table stands.
        taken: nodes that it takes.
        nodes: of all steps.
        parts: runs of consecutive nodes that it takes, of all steps; each costs a change to the CPU and back.
        left: operators that stay on the CPU, with their number.
        rewrites: those of ``left`` that it would take in the words of :data:`tinyfoa_rt.providers.REWRITES`.
    """

    provider: str
    source: str
    taken: int
    nodes: int
    parts: int
    left: Mapping[str, int]
    rewrites: Mapping[str, int]


def place_steps(artifact: Artifact) -> tuple[Placement, ...]:
    """Return the placement by every provider that is installed or has a table; the CPU's comes first.

    Raises:
        InputError: a step cannot be read.
    """
    models, steps = [], []
    for block in artifact.blocks:
        with failing_as(block.step):
            models.append(inline(artifact.models[block.step]))
            steps.append(read_nodes(models[-1]))
    total = sum(map(len, steps))
    placements = [Placement("CPU", ITSELF, total, total, len(steps), {}, {})]
    for table in provider_tables():
        placements.append(_asked(table, steps, models) if _can_be_asked(table.provider) else _by_table(table, steps))
    return tuple(placements)


def placement_record(placements: Sequence[Placement]) -> list[dict[str, Any]]:
    """As JSON has it."""
    return [asdict(each) for each in placements]


def _can_be_asked(provider: str) -> bool:
    return provider in installed_providers() and can_tell_assignment()


def _asked(table: ProviderTable, steps: Sequence[Sequence[InlinedNode]], models: Sequence[bytes]) -> Placement:
    """What the provider itself says."""
    answers = [ask_provider(model, table.provider) for model in models]
    taken = sum((answer.operators for answer in answers), Counter[str]())
    left = Counter(node.op_type for step in steps for node in step) - taken
    return _placement(table, ITSELF, (taken.total(), sum(answer.parts for answer in answers)), left)


def _by_table(table: ProviderTable, steps: Sequence[Sequence[InlinedNode]]) -> Placement:
    def takes(node: InlinedNode) -> bool:
        return table.takes(node.op_type, has_constant_weight=node.has_constant_weight)

    left = Counter(node.op_type for step in steps for node in step if not takes(node))
    parts = sum(is_taken for step in steps for is_taken, _ in groupby(step, takes))
    return _placement(table, table.source, (sum(map(len, steps)) - left.total(), parts), left)


def _placement(table: ProviderTable, source: str, numbers: tuple[int, int], left: Counter[str]) -> Placement:
    taken, parts = numbers
    said = {name: count for name, count in sorted(left.items()) if name in table.rewrites}
    return Placement(table.title, source, taken, taken + left.total(), parts, dict(left.most_common()), said)
