"""What onnxruntime allocates while it runs a graph: shapes, working memory of its kernels, and when values are freed."""

from tinyfoa_rt.allocation.packed_kernels import PACKED_KERNELS
from tinyfoa_rt.allocation.program import held_nbytes, run_program
from tinyfoa_rt.allocation.run import allocations
from tinyfoa_rt.allocation.shapes import Value

__all__ = ["PACKED_KERNELS", "Value", "allocations", "held_nbytes", "run_program"]
