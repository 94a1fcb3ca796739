"""Charts as SVG text, written by hand: the same input gives the same file on every machine."""

from tinyfoa_rt.drawing.curve import render_curve

__all__ = ["render_curve"]
