"""Targets with nothing but what a test is about."""

from tinyfoa_rt.ir.profile import Profile

__all__ = ["ALLOCATOR", "ARENA", "ARENA_WITHOUT_NONVOLATILE"]


def _arena(nonvolatile_bytes: int | None) -> Profile:
    return Profile(
        name="arena",
        title="one arena, packed bits",
        runtime="c99",
        ram_bytes=None,
        reserved_bytes=0,
        nonvolatile_bytes=nonvolatile_bytes,
        packs_bits=True,
        streams_gradients=True,
        computes_head=True,
        placement="arena",
        alignment=4,
    )


ARENA = _arena(None)
ARENA_WITHOUT_NONVOLATILE = _arena(0)
ALLOCATOR = Profile(
    name="allocator",
    title="onnxruntime's allocator",
    runtime="ort",
    ram_bytes=None,
    reserved_bytes=0,
    nonvolatile_bytes=None,
    packs_bits=False,
    streams_gradients=False,
    computes_head=False,
    placement="allocator",
    alignment=1,
)
