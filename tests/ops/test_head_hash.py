"""The hashed head: every unit gets an error, and the classes' rows are as good as drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyfoa_rt.operators.head_hash import rademacher_head


@given(seed=st.integers(-(2**40), 2**40), classes=st.integers(1, 200), units=st.integers(1, 300))
def test_columns_are_balanced(seed: int, classes: int, units: int) -> None:
    head = rademacher_head(seed, classes, units).astype(np.int64)
    assert head.shape == (classes, units) and (np.abs(head) == 1).all()
    assert (np.abs(head.sum(axis=0)) == classes % 2).all()


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 10, 16])
def test_classes_are_as_far_apart_as_drawn_ones(classes: int) -> None:
    """What differs between classes has full rank, and no direction of it is much weaker than that of a drawn head."""
    units = 10_000 // classes
    rng = np.random.default_rng(0)
    drawn = np.argsort(rng.random((classes, units)), axis=0) < classes // 2
    weakest = [_weakest(np.where(drawn, 1, -1)), *(_weakest(rademacher_head(seed, classes, units)) for seed in range(5))]
    # 0.87 is expected of four classes, whose opposite ones are a pair more often; a head of linear hashes has 0.
    assert min(weakest[1:]) > 0.8 * weakest[0]


def _weakest(head: np.ndarray) -> float:
    apart = head - head.mean(axis=0)
    return float(np.linalg.svd(apart, compute_uv=False)[len(head) - 2])


@pytest.mark.parametrize(("classes", "patterns"), [(1, 2), (2, 2), (3, 6), (4, 6), (10, 200)])
def test_units_differ_and_so_do_seeds(classes: int, patterns: int) -> None:
    head = rademacher_head(0, classes, 1000)
    assert 0.4 < (head[0] == 1).mean() < 0.6
    assert 0.4 < (head != rademacher_head(1, classes, 1000)).mean() < 0.6
    assert len(np.unique(head, axis=1).T) >= patterns  # of those with such a sum; of ten classes nearly all of 252 are drawn
