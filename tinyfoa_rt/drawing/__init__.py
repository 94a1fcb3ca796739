"""Charts as SVG text, written by hand: the same input gives the same file on every machine."""

from tinyfoa_rt.drawing.curve import render_curve
from tinyfoa_rt.drawing.scatter import Dot, render_scatter

__all__ = ["Dot", "render_curve", "render_scatter"]
