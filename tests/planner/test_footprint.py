"""What a block needs, on programs small enough to count by hand."""

import pytest

from tinyfoa_rt.ir.buffer import Buffer, Lifetime, Place
from tinyfoa_rt.ir.program import Program, ProgramBuffer, Step
from tinyfoa_rt.planner.footprint import Before, before_each, footprint, peak_nbytes

NOTHING_BEFORE = Before(0, {})


def held(
    name: str,
    nbytes: int,
    steps: tuple[int, int],
    *,
    is_persistent: bool = False,
    place: Place = "ram",
    tensors: tuple[str, ...] = (),
) -> ProgramBuffer:
    buffer = Buffer(name, nbytes, Lifetime(*steps), 4, place)
    return ProgramBuffer(buffer, "weight" if is_persistent else "activation", is_persistent, tensors or (name,))


def program(*buffers: ProgramBuffer) -> Program:
    """Four steps: two forward, one each of gradient and update."""
    phases = ("forward", "forward", "gradient", "update")
    return Program("block", tuple(Step(f"step{i}", phase) for i, phase in enumerate(phases)), buffers)  # type: ignore[arg-type]


SMALL = program(
    held("w", 5, (0, 4), is_persistent=True),
    held("bits", 100, (0, 4), is_persistent=True, place="nonvolatile"),
    held("sums", 3, (0, 4), is_persistent=True),
    held("x", 8, (0, 3)),
    held("z", 12, (1, 2)),
    held("grad", 16, (2, 4)),
)


def test_the_arena_is_persistent_then_transient() -> None:
    """w takes 8 of 4 aligned bytes, sums 4; x, then z, then grad beside x: 24."""
    need = footprint(SMALL, NOTHING_BEFORE, is_arena=True, alignment=4)
    offsets = {buffer.name: buffer.offset for buffer in need.buffers}
    assert (offsets["w"], offsets["sums"], offsets["bits"]) == (0, 8, None)
    assert need.peak_nbytes == peak_nbytes(SMALL, NOTHING_BEFORE, is_arena=True, alignment=4) == 12 + 8 + 16
    assert need.phase_nbytes == {"forward": 5 + 3 + 8 + 12, "gradient": 5 + 3 + 8 + 16, "update": 5 + 3 + 16}
    assert need.steps == ("step0", "step1", "step2", "step3")


def test_an_allocator_needs_what_is_live() -> None:
    need = footprint(SMALL, NOTHING_BEFORE, is_arena=False, alignment=1)
    assert need.peak_nbytes == 5 + 3 + 8 + 16
    assert {buffer.offset for buffer in need.buffers} == {None}


@pytest.mark.parametrize(("forward_nbytes", "peak"), [(4, 36), (24, 36), (28, 40), (400, 412)])
def test_the_forward_pass_before_takes_the_transient_part(forward_nbytes: int, peak: int) -> None:
    need = footprint(SMALL, Before(forward_nbytes, {}), is_arena=True, alignment=4)
    forward = next(buffer for buffer in need.buffers if buffer.category == "forward")
    assert need.peak_nbytes == peak
    assert (forward.offset, forward.bytes, forward.first_step, forward.last_step) == (12, forward_nbytes, 0, 0)
    assert need.steps[0] == "forward"
    assert next(buffer for buffer in need.buffers if buffer.name == "z").first_step == 2


def test_parameters_that_have_no_other_place_stay_in_ram() -> None:
    need = footprint(SMALL, Before(0, {}, resident_nbytes=1001), is_arena=True, alignment=4)
    assert need.peak_nbytes == 36 + 1004


def test_inputs_that_are_views_of_the_same_bytes_are_one_buffer() -> None:
    """x as the block reads it, and the same bytes flattened, which live longer."""
    both = program(held("x", 8, (0, 1)), held("flat", 8, (0, 3)), held("z", 12, (1, 3)))
    need = footprint(both, Before(64, {"x": 32, "flat": 32}), is_arena=True, alignment=4)
    entering = [buffer for buffer in need.buffers if buffer.offset == 32]
    assert [(buffer.bytes, buffer.last_step) for buffer in entering] == [(8, 3)]


def test_before_a_block_an_arena_reaches_to_its_highest_byte() -> None:
    """What enters a block lies low, even while it is not yet there: what is live at first lies above it."""
    forward = program(held("early", 12, (0, 3)), held("entering", 4, (2, 4)))
    starts = {"second": 1, "third": 3}
    inputs_of = {"second": (), "third": ("entering",)}
    arena = before_each(forward, starts, inputs_of)
    assert arena["third"].offsets == {"entering": 0}
    assert (arena["second"].peak_nbytes, arena["third"].peak_nbytes) == (16, 16)
