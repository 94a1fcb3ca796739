"""What is proposed fits: planned anew, by the options that are said, within RAM, flash and products; and nothing wider does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tinyfoa_rt.design.planning import Draft, Planner, Request
from tinyfoa_rt.design.space import Family, families
from tinyfoa_rt.errors import BudgetError, UnsupportedError
from tinyfoa_rt.pipeline import fits, plan

CLASSES, NUMBERS = {"loss": "cross-entropy"}, {"loss": "mean-squared-error"}
# A sample, outputs, what the data ask for, and what is asked.
FAST = [((4,), 2, CLASSES, Request("1KB")), ((13,), 1, NUMBERS, Request("2KB", flash="4KB"))]
SLOW = [
    ((64,), 5, CLASSES, Request("3KB", multiply_adds=20_000)),
    ((3, 70), 3, CLASSES, Request("6KB")),
    ((8, 8), 10, CLASSES, Request("4KB", target="rp2040")),
    ((3, 12, 12), 10, NUMBERS, Request("16KB", multiply_adds=300_000)),
    ((28, 28), 10, CLASSES, Request("16KB")),
    ((3, 32, 32), 10, CLASSES, Request("40KB", flash="256KB")),
]


def check(sample: tuple[int, ...], num_outputs: int, of_data: dict[str, str], request: Request, folder: Path) -> list[Draft]:
    planner = Planner(request, of_data, folder)
    drafts = planner.drafts(families(sample, num_outputs), 100)
    nonvolatile = {} if request.flash is None else {"nonvolatile": request.flash}
    for draft in drafts:
        (folder / "again.onnx").write_bytes(planner.model(draft.candidate))
        options = {**of_data, **draft.candidate.way.options, **nonvolatile}
        again = plan(folder / "again.onnx", request.budget, target=request.target, batch=1, **options)
        assert again.feasible and again.peak_bytes == draft.plan.peak_bytes <= again.budget_bytes
        assert request.flash is None or again.nonvolatile_bytes == draft.plan.nonvolatile_bytes <= 1024 * int(request.flash[:-2])
        assert request.multiply_adds is None or draft.candidate.multiply_adds <= request.multiply_adds
    return drafts


@pytest.mark.parametrize("case", [*range(len(FAST)), *(pytest.param(-1 - i, marks=pytest.mark.slow) for i in range(len(SLOW)))])
def test_all_that_is_proposed_fits(case: int, tmp_path: Path) -> None:
    sample, num_outputs, of_data, request = FAST[case] if case >= 0 else SLOW[-1 - case]
    drafts = check(sample, num_outputs, of_data, request, tmp_path)
    assert drafts
    if max(sample) >= 28 and len(sample) > 1:
        assert {bool(draft.candidate.architecture.channels) for draft in drafts} == {True, False}


def dense(features: int) -> Family:
    return next(iter(families((features,), 10)))


def test_the_widest_of_each_way_is_proposed_and_ways_only_where_wider_ones_fit(tmp_path: Path) -> None:
    family, planner = dense(50), Planner(Request("3KB"), CLASSES, tmp_path)
    found = planner.drafts([family], 10)
    by_width = sorted(found, key=lambda draft: draft.candidate.architecture.units)
    # Latents of 16 bits first, of 8 bits for wider ones, slices for the widest; float is not asked for where integers train.
    assert [draft.candidate.way for draft in by_width] == list(family.ways[:3])
    for draft in found:
        (width,) = draft.candidate.architecture.units
        wider = family.widths[family.widths.index(width) + 1]
        assert not planner.planned(family.at(wider, draft.candidate.way)).feasible


def test_where_whole_numbers_do_not_train_weights_are_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(path: Path, **options: str) -> bool:
        if options["latent"] != "float32":
            raise UnsupportedError("--latent", "is not there", "")
        return fits(path, **options)

    monkeypatch.setattr("tinyfoa_rt.design.planning.fits", refusing)
    (draft,) = Planner(Request("3KB"), CLASSES, tmp_path).drafts([dense(50)], 10)
    assert draft.candidate.way.options["latent"] == "float32"


@pytest.mark.parametrize("limit", ["budget", "flash", "multiply_adds"])
def test_what_fits_nowhere_is_told_the_least_that_would_do(limit: str, tmp_path: Path) -> None:
    def asked(number: int) -> Request:
        values: dict[str, Any] = {"budget": "8KB", limit: f"{number}B" if limit == "flash" else number}
        return Request(**values)

    with pytest.raises(BudgetError) as refused:
        Planner(asked(100), CLASSES, tmp_path).drafts([dense(50)], 10)
    assert refused.value.place.endswith({"budget": "100 bytes", "flash": "100B", "multiply_adds": "100"}[limit])
    (need,) = re.findall(r"the smallest (?:that fits )?(?:needs|takes) ([\d,]+) ", str(refused.value))
    least = int(need.replace(",", ""))
    assert Planner(asked(least), CLASSES, tmp_path).drafts([dense(50)], 10)
    with pytest.raises(BudgetError):
        Planner(asked(least - 1), CLASSES, tmp_path).drafts([dense(50)], 10)
