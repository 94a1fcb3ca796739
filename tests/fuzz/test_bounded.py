"""A few cases of each fuzzer; by hand they go on as long as one likes (tests/fuzz/campaign.py)."""

from __future__ import annotations

import pytest

from tests.fuzz import artifacts, data_files, models
from tests.fuzz.campaign import Case, run_cases


@pytest.mark.parametrize(
    ("case", "count"),
    [(models.case, 60), (artifacts.case, 60), (data_files.case, 400)],
    ids=["models", "artifacts", "data files"],
)
def test_no_case_is_a_fault(case: Case, count: int) -> None:
    faults = run_cases(case, 0, count, seed=1)
    assert not faults.found, str(faults)
    assert faults.num_cases == count
    assert len(faults.outcomes) > 1, "some are used and some are refused"


def test_a_fault_is_seen() -> None:
    def case(rng: object, folder: object) -> str:
        raise KeyError("fault")

    assert list(run_cases(case, 3, 2, seed=0).found.values()) == [[3, 4]]
