"""Colours that tell series apart."""

__all__ = ["COLORS"]

# Okabe and Ito's palette, told apart by colour-blind readers too, without its yellow: a thin line of it is hard to see.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#555555")
