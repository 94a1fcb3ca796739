"""A network for data and a board: proposed by rules, planned exactly, tried in short trainings, and the best of them written."""

from tinyfoa_rt.design.designing import Design, Watch, design
from tinyfoa_rt.design.planning import Request

__all__ = ["Design", "Request", "Watch", "design"]
