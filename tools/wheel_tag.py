"""Build hook: a wheel that carries the library of kernels is for this platform, and for any Python 3; another one is for all."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = ["WheelTag"]


class WheelTag(BuildHookInterface[Any]):
    """Sets the tag of the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Nothing is built here: `make kernels` has, or has not."""
        if any(Path(self.root, "tinyfoa_rt", "lib").glob("*tinyfoa_ops.*")):
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform}"
