"""The search against its definition: every choice that there is, compared one by one."""

import itertools
import random
from dataclasses import replace

import pytest

from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.planner.search import Candidate, SearchSpace, find_choice, find_floor, find_smallest, grid_candidates

BATCHES = (1, 2, 4, 8)


def random_space(rng: random.Random) -> SearchSpace:
    """Blocks whose peak grows with the batch and shrinks, not strictly, with the number of slices; writing is arbitrary.

    The first block may compute something twice.
    """
    grids = [grid_candidates(rng.choice([1, 2, 4]), rng.choice([1, 4, 8])) for _ in range(rng.randint(1, 3))]
    fixed = [rng.randint(1, 40) for _ in grids]
    weight = [rng.randint(1, 200) for _ in grids]
    written = {(b, g): rng.randint(0, 5) for b, block in enumerate(grids) for g in block}
    extra = {(b, g): rng.randint(0, 6) for b, block in enumerate(grids) for g in block}

    segments: list[list[tuple[int, ...]]] = [[()] for _ in grids]
    segments[0] = rng.choice([[()], [(), (2,), (1, 2)], [(1,), (2,)]])  # each needs less than those before it

    def peak(block: int, candidate: Candidate) -> int:
        grid, cut = candidate.slices, segments[block].index(candidate.segments)
        return fixed[block] * candidate.batch // (cut + 1) + weight[block] // grid.count + extra[block, grid]

    def least(block: int, candidate: Candidate) -> int:
        return peak(block, candidate) - extra[block, candidate.slices]

    def bytes_written(block: int, candidate: Candidate) -> int:
        return written[block, candidate.slices]

    return SearchSpace(grids, BATCHES, peak, least, bytes_written, segments=segments)


def best(space: SearchSpace, budget: int) -> tuple[object, ...] | None:
    """What the best choice is worth, found by trying every choice that has one batch for all blocks."""
    worths = []
    for batch in space.batches:
        sizes = [itertools.product(grids, cuts) for grids, cuts in zip(space.slices, space.segments)]
        for each in itertools.product(*sizes):
            chosen = [Candidate(grid, batch, cut) for grid, cut in each]
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
        cuts = space.segments[0]
        repeating_less = [replace(chosen[0], segments=each) for each in cuts[: cuts.index(chosen[0].segments)]]
        assert all(space.peak(0, candidate) > budget for candidate in repeating_less)


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
