"""Graph -> blocks and slices (docs/partition.md)."""

from tinyfoa_rt.partition.blocks import partition
from tinyfoa_rt.partition.classes import with_classes
from tinyfoa_rt.partition.own_operators import is_own, with_standard_operators
from tinyfoa_rt.partition.quantization import without_rounding
from tinyfoa_rt.partition.schedule import active_slices
from tinyfoa_rt.partition.score import Score, find_score, loss_candidates
from tinyfoa_rt.partition.selection import select_blocks
from tinyfoa_rt.partition.slices import bounds, largest_slice, slice_at, split

__all__ = [
    "Score", "active_slices", "bounds", "find_score", "is_own", "largest_slice", "loss_candidates", "partition", "select_blocks",
    "slice_at", "split", "with_classes", "with_standard_operators", "without_rounding",
]  # fmt: skip
