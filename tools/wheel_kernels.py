"""Build hook: a wheel carries the library of kernels where `make kernels` has built it, and then is for this platform alone.

TINYFOA_PURE_WHEEL=1 leaves it out: for a wheel that goes to another machine.
"""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = ["WheelKernels"]


class WheelKernels(BuildHookInterface[Any]):
    """Adds the library, and sets the tag of the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Nothing is built here: `make kernels` has, or has not."""
        is_built = any(Path(self.root, "tinyfoa_rt", "lib").glob("*tinyfoa_ops.*"))
        if is_built and not os.environ.get("TINYFOA_PURE_WHEEL"):
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["artifacts"].append("tinyfoa_rt/lib/*")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform}"
