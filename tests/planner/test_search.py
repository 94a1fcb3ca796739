"""The search against its definition: every choice that there is, compared one by one."""

import itertools
import random

import pytest

from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.planner.search import Candidate, SearchSpace, find_choice, find_floor, find_smallest, grid_candidates

BATCHES = (1, 2, 4, 8)


def random_space(rng: random.Random) -> SearchSpace:
    """Blocks whose peak grows with the batch and shrinks, not strictly, with the number of slices; writing is arbitrary."""
    grids = [grid_candidates(rng.choice([1, 2, 4]), rng.choice([1, 4, 8])) for _ in range(rng.randint(1, 3))]
    fixed = [rng.randint(1, 40) for _ in grids]
    weight = [rng.randint(1, 200) for _ in grids]
    written = {(b, g): rng.randint(0, 5) for b, block in enumerate(grids) for g in block}
    extra = {(b, g): rng.randint(0, 6) for b, block in enumerate(grids) for g in block}

    def peak(block: int, candidate: Candidate) -> int:
        grid = candidate.slices
        return fixed[block] * candidate.batch + weight[block] // grid.count + extra[block, grid]

    def least(block: int, candidate: Candidate) -> int:
        return peak(block, candidate) - extra[block, candidate.slices]

    return SearchSpace(grids, BATCHES, peak, least, lambda block, candidate: written[block, candidate.slices])


def best(space: SearchSpace, budget: int) -> tuple[object, ...] | None:
    """What the best choice is worth, found by trying every choice that has one batch for all blocks."""
    worths = []
    for batch in space.batches:
        for grids in itertools.product(*space.slices):
            chosen = [Candidate(grid, batch) for grid in grids]
            if all(space.peak(block, candidate) <= budget for block, candidate in enumerate(chosen)):
                worths.append(worth(space, chosen))
    return max(worths, default=None)


def worth(space: SearchSpace, chosen: list[Candidate]) -> tuple[object, ...]:
    """Larger is better: the update fraction of each block, then the batch, then the fewest bytes written."""
    fractions = tuple(candidate.slices.update_fraction for candidate in chosen)
    return fractions, chosen[0].batch, -sum(space.written(block, candidate) for block, candidate in enumerate(chosen))


@pytest.mark.parametrize("seed", range(60))
def test_the_choice_is_the_best_of_all(seed: int) -> None:
    space = random_space(random.Random(seed))
    floor, smallest = find_floor(space), find_smallest(space)
    assert best(space, floor - 1) is None
    assert max(space.peak(block, candidate) for block, candidate in enumerate(smallest)) == floor
    for budget in (floor, floor + 3, floor * 3 // 2, floor * 3, floor * 9):
        chosen = list(find_choice(space, budget))
        assert all(space.peak(block, candidate) <= budget for block, candidate in enumerate(chosen))
        assert worth(space, chosen) == best(space, budget)


def test_the_batch_is_the_same_for_all_blocks() -> None:
    space = random_space(random.Random(3))
    floor = find_floor(space)
    assert len({candidate.batch for candidate in find_choice(space, floor * 9)}) == 1


@pytest.mark.parametrize(
    ("largest_in", "largest_out", "grids"),
    [
        (1, 1, [(1, 1)]),
        (1, 8, [(1, 1), (1, 2), (1, 4), (1, 8)]),
        (2, 2, [(1, 1), (1, 2), (2, 1), (2, 2)]),
        (3, 3, [(1, 1), (1, 2), (2, 1), (2, 2)]),
    ],
)
def test_grids_are_powers_of_two_within_the_layer(largest_in: int, largest_out: int, grids: list[tuple[int, int]]) -> None:
    assert grid_candidates(largest_in, largest_out) == tuple(Slices(*grid) for grid in grids)


def test_grids_of_large_layers_are_bounded_and_even() -> None:
    grids = grid_candidates(2000, 2000)
    assert max(grid.count for grid in grids) == 256
    assert all(max(grid.m_in, grid.m_out) <= 4 * min(grid.m_in, grid.m_out) for grid in grids)
    assert [grid.count for grid in grids] == sorted(grid.count for grid in grids)
