"""Kernels give the same bits on every processor, with every compiler, in every variant: digests of what they compute agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.c99.kernel_library import KERNELS
from tests.c99.platforms import PLATFORMS, Platform, run_on

PROGRAM = Path(__file__).with_name("digests.c")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the plain kernels on this machine, which test_packed_kernels.py compares with NumPy."""
    return run_on(Platform("here", "plain", "gcc"), tmp_path_factory.mktemp("here"), PROGRAM)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
def test_digests_are_the_same(platform: Platform, expected: str, tmp_path: Path) -> None:
    if platform.requires and platform.requires not in Path("/proc/cpuinfo").read_text():
        pytest.skip(f"this processor has no {platform.requires}")
    assert run_on(platform, tmp_path, PROGRAM).splitlines() == expected.splitlines()


def test_every_kernel_has_a_digest(expected: str) -> None:
    names = {line.split()[0] for line in expected.splitlines()}
    products = {"packed_matmul", "packed_dot", "signed_matmul", "signed_sum"}
    assert names == {*products, "expf", "logf", "conv_softmax", "conv_input_grad", "block", "pools", "lrn_grad", "integers"}
    assert len(set(expected.splitlines())) == len(expected.splitlines()) == 102


def test_a_kernel_that_misses_a_bit_changes_digests(expected: str, tmp_path: Path) -> None:
    right = (KERNELS / "plain" / "packed_dot.c").read_text()
    assert "0x55555555u" in right
    (tmp_path / "packed_dot.c").write_text(right.replace("0x55555555u", "0x15555555u"))  # of the highest pair, now and then
    wrong = Platform("wrong", str(tmp_path), "gcc", ("-I", str(KERNELS / "plain")))
    assert run_on(wrong, tmp_path, PROGRAM) != expected
