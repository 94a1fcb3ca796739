"""The kernels as a library, compiled once a session with each compiler."""

from __future__ import annotations

import pytest

from tests.c99.forward_kernels import ForwardKernels
from tests.c99.kernel_library import KERNELS, build_library


@pytest.fixture(scope="session", params=["gcc", "clang"])
def forward(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ForwardKernels:
    """The plain forward kernels."""
    sources = sorted((KERNELS / "plain").glob("*.c"))
    return ForwardKernels(build_library(tmp_path_factory.mktemp("forward"), request.param, sources))
