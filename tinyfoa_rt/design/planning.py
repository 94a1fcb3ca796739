"""Plans what is proposed for the target, exactly: of each family the widest network that fits, and what the least would need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyfoa_rt.design.space import Candidate, Family, Way
from tinyfoa_rt.errors import BudgetError, TinyfoaError, UnsupportedError
from tinyfoa_rt.ir.latents import FLOAT
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.pipeline import fits, plan
from tinyfoa_rt.zoo import build_spec

__all__ = ["Draft", "Planner", "Request"]


@dataclass(frozen=True)
class Request:
    """What is asked of a design.

    Attributes:
        budget: RAM, such as ``"16KB"``, or bytes; ``None`` for that of the board.
        target: a profile.
        flash: nonvolatile memory, in place of the board's.
        multiply_adds: the most that a training step of one sample may take.
        seconds: for the trials.
        seed: of weights, of the order of samples, and of what validates.
        label: the column of a table that holds the labels, as ``--label`` names it.
    """

    budget: str | int | None = None
    target: str = "c99"
    flash: str | None = None
    multiply_adds: int | None = None
    seconds: float = 600.0
    seed: int = 0
    label: str | None = None

    @property
    def planning(self) -> Mapping[str, Any]:
        """Options of planning."""
        asked = {"budget": self.budget, "target": self.target, "nonvolatile": self.flash}
        return {name: value for name, value in asked.items() if value is not None}


@dataclass(frozen=True)
class Draft:
    """A candidate that fits, with its plan for the target."""

    candidate: Candidate
    plan: Plan


class Planner:
    """Plans candidates for a target, of samples that are trained on one by one.

    Args:
        request: what they must meet.
        of_data: options of planning that follow from the data.
        folder: where the model that is being planned is written.
    """

    def __init__(self, request: Request, of_data: Mapping[str, Any], folder: Path) -> None:
        self._request = request
        self._options = {**of_data, "batch": 1, **request.planning}
        self.path = folder / "model.onnx"
        self._too_large: list[Candidate] = []  # the narrowest of families
        self._problem: TinyfoaError | None = None

    def drafts(self, families: Iterable[Family], most: int, watch: Callable[[int], None] = lambda count: None) -> list[Draft]:
        """Return the widest candidates of the families that fit: of more than ``most`` those that multiply most.

        Raises:
            BudgetError: none fits; it says what the smallest one needs.
            UnsupportedError: the target trains none of them.
        """
        found: list[Draft] = []
        for family in families:
            found += self._of_family(family)
            watch(len(found))
        if not found:
            raise self._refusal()
        return sorted(found, key=lambda draft: -draft.candidate.multiply_adds)[:most]

    def model(self, candidate: Candidate) -> bytes:
        """The ONNX file of a candidate."""
        model = build_spec(candidate.architecture.spec(self._request.seed))
        return bytes(model.SerializeToString(deterministic=True))

    def planned(self, candidate: Candidate, **others: Any) -> Plan:
        """Plan a candidate, whose model then lies at ``path``; ``others`` take the place of options.

        Raises:
            UnsupportedError: the target does not train it that way.
        """
        self.path.write_bytes(self.model(candidate))
        return plan(self.path, **{**candidate.way.options, **self._options, **others})

    def _of_family(self, family: Family) -> Iterator[Draft]:
        """The widest network of each way to train, where it is wider than those of the ways before it; float if it must be."""
        place, runs = -1, False
        for way in family.ways:
            if runs and way.options["latent"] == FLOAT:
                return
            try:
                found = self._widest(family, way, place + 1)
                runs = True
                if found is not None:
                    place, candidate = found
                    yield Draft(candidate, self.planned(candidate))
            except UnsupportedError as error:
                self._problem = error

    def _widest(self, family: Family, way: Way, first: int) -> tuple[int, Candidate] | None:
        """The place of the largest width from ``first`` on that fits, and the candidate: what is wider needs no less."""
        best: tuple[int, Candidate] | None = None
        low, high = first, len(family.widths)
        middle = first
        while low < high:
            candidate = family.at(family.widths[middle], way)
            if self._fits(candidate):
                best, low = (middle, candidate), middle + 1
            elif best is None:
                self._too_large.append(candidate)
                return None
            else:
                high = middle
            middle = (low + high) // 2
        return best

    def _fits(self, candidate: Candidate) -> bool:
        most = self._request.multiply_adds
        if most is not None and candidate.multiply_adds > most:
            return False
        self.path.write_bytes(self.model(candidate))
        return fits(self.path, **{**candidate.way.options, **self._options})

    def _refusal(self) -> TinyfoaError:
        """Why nothing fits: whatever is the nearest of what lacks."""
        if not self._too_large:
            assert self._problem is not None, "each family has a way that was planned or refused"
            return self._problem
        drafts = [Draft(candidate, self.planned(candidate)) for candidate in self._too_large]
        what = "no network for these samples can be trained in it"
        slow = [draft for draft in drafts if draft.plan.feasible]
        if slow:
            least = min(slow, key=lambda draft: draft.candidate.multiply_adds)
            place = f"--latency {self._request.multiply_adds:,}"
            need = f"the smallest that fits takes {least.candidate.multiply_adds:,} multiply-adds a step"
        elif all(draft.plan.floor_bytes <= draft.plan.budget_bytes for draft in drafts):
            least = min(drafts, key=lambda draft: draft.plan.nonvolatile_bytes)
            place = f"--flash {self._request.flash}" if self._request.flash else f"flash of {self._request.target}"
            need = f"the smallest takes {least.plan.nonvolatile_bytes:,} bytes"
        else:
            least = min(drafts, key=lambda draft: draft.plan.floor_bytes)
            place = f"budget {least.plan.budget_bytes:,} bytes"
            need = f"the smallest needs {least.plan.floor_bytes:,} bytes"
        return BudgetError(place, what, f"{need} ({least.candidate.title})")
