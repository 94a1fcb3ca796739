"""What training starts from and leaves behind, as files: plan, graphs, tensors, checkpoint. Every runtime reads it.

Imports numpy alone, so that a board needs no more.
"""

from tinyfoa_rt.artifact.folder import Artifact

__all__ = ["Artifact"]
