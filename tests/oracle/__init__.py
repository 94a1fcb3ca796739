"""References written from the design alone, in NumPy and float64; they import nothing of the package."""
