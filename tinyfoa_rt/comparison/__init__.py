"""Methods of training compared on one model and one data set: planned, trained, measured, and put side by side."""

from tinyfoa_rt.comparison.all_runs import Comparison, Progress, compare

__all__ = ["Comparison", "Progress", "compare"]
