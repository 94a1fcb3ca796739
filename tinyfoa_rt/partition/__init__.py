"""Graph -> blocks and slices (docs/partition.md)."""

from tinyfoa_rt.partition.blocks import partition
from tinyfoa_rt.partition.classes import with_classes
from tinyfoa_rt.partition.merging import join_classifier, merge_parts
from tinyfoa_rt.partition.own_operators import is_own, with_standard_operators
from tinyfoa_rt.partition.quantization import without_rounding
from tinyfoa_rt.partition.score import Score, find_score, loss_candidates
from tinyfoa_rt.partition.selection import select_blocks, select_shares
from tinyfoa_rt.partition.shares import resolved_names, with_shares

__all__ = [
    "Score", "find_score", "is_own", "join_classifier", "loss_candidates", "merge_parts", "partition", "resolved_names",
    "select_blocks", "select_shares", "with_classes", "with_shares", "with_standard_operators", "without_rounding",
]  # fmt: skip
