"""Step graphs and a plan -> C99: data, offsets and straight calls to the kernels in targets/c99.

:mod:`lower` makes all decisions and yields a :class:`CProgram`; :mod:`render` prints it and decides nothing.
"""

from tinyfoa_rt.export.c99.lower import check_lowering, constants_nbytes, lower
from tinyfoa_rt.export.c99.project import project_files, write_project
from tinyfoa_rt.export.c99.render import render, state_image
from tinyfoa_rt.export.c99.render_calls import render_float
from tinyfoa_rt.export.c99.source import BlockSource, LayerSource, ModelSource

__all__ = [
    "BlockSource",
    "LayerSource",
    "ModelSource",
    "check_lowering",
    "constants_nbytes",
    "lower",
    "project_files",
    "render",
    "render_float",
    "state_image",
    "write_project",
]
