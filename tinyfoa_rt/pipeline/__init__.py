"""The order of the stages: model -> partition -> steps -> plan. Nothing else knows it."""

from tinyfoa_rt.pipeline.planning import plan

__all__ = ["plan"]
