"""The verifier of lowered programs finds programs that are broken, and shares no code with what made them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.c99.exported import ExportedModel
from tests.c99.trained_pair import export_small
from tests.imports import PACKAGE, imports_of
from tinyfoa_rt.export.c99.source import ModelSource
from tinyfoa_rt.export.c99.verify import ProgramFault, verify_c_program
from tinyfoa_rt.ir.c_program import Address, Call, CProgram, Number, RealArray


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return export_small(tmp_path_factory.mktemp("verified"), optimizer="adam")


def with_layer(program: CProgram, **kept: int | None) -> CProgram:
    """Another place for something of the first layer in the storage."""
    block = program.blocks[0]
    layer = replace(block.layers[0], kept={**block.layers[0].kept, **kept})
    return replace(program, blocks=(replace(block, layers=(layer, *block.layers[1:])), *program.blocks[1:]))


def with_resident(program: CProgram, field: str, place: int) -> CProgram:
    block = program.blocks[0]
    layer = replace(block.layers[0], resident={**block.layers[0].resident, field: place})
    return replace(program, blocks=(replace(block, layers=(layer, *block.layers[1:])), *program.blocks[1:]))


def with_call(program: CProgram, offset: int) -> CProgram:
    """A call more in the first step."""
    block = program.blocks[0]
    call = Call("tfoa_relu", (Number(1), Address("float", offset), Address("float", 0)))
    step = replace(block.step, statements=(*block.step.statements, call))
    return replace(program, blocks=(replace(block, step=step), *program.blocks[1:]))


def latent(program: CProgram) -> int:
    place = program.blocks[0].layers[0].resident["latent"]
    assert isinstance(place, int)
    return place


def with_block(program: CProgram, **fields: object) -> CProgram:
    """Something else of the first block."""
    return replace(program, blocks=(replace(program.blocks[0], **fields), *program.blocks[1:]))  # type: ignore[arg-type]


def with_fields(program: CProgram, **fields: object) -> CProgram:
    """Something else of the first layer."""
    block = program.blocks[0]
    return with_block(program, layers=(replace(block.layers[0], **fields), *block.layers[1:]))  # type: ignore[arg-type]


def with_stage_call(program: CProgram, offset: int) -> CProgram:
    """A call more in the first part of the forward pass."""
    call = Call("tfoa_relu", (Number(1), Address("float", offset), Address("float", 0)))
    first = replace(program.stages[0], statements=(*program.stages[0].statements, call))
    return replace(program, stages=(first, *program.stages[1:]))


PROGRAMS: dict[str, tuple[Callable[[CProgram], CProgram], str]] = {
    "slots over what steps read": (lambda p: with_layer(p, slots=p.step_nbytes - 4), "overlaps"),
    "slots behind the storage": (lambda p: with_layer(p, slots=p.storage_nbytes), "the storage ends at"),
    "bits in a header": (lambda p: with_layer(p, bits=4), "overlaps"),
    "a map over a checksum": (lambda p: with_layer(p, map=p.header_words - 3), "overlaps"),
    "a storage that is too small": (lambda p: replace(p, storage_nbytes=p.storage_nbytes - 4), "the storage ends at"),
    "a piece of the state behind the storage": (
        lambda p: replace(p, pieces=(*p.pieces, replace(p.pieces[0], offset=p.storage_nbytes - 4))), "the storage ends at"),
    "two that share their place": (lambda p: with_resident(p, "bias", latent(p) + 4), "overlaps"),
    "a slice where the forward pass writes": (lambda p: with_resident(p, "latent", p.blocks[0].base), "ends at"),
    "an address behind the arena": (lambda p: with_call(p, p.arena_nbytes), "an address at byte"),
    "an address before the arena": (lambda p: with_call(p, -4), "an address at byte"),
    "an address between words": (lambda p: with_call(p, 2), "an address at byte"),
    "an address of the forward pass behind the arena": (lambda p: with_stage_call(p, p.arena_nbytes), "an address at byte"),
    "a map that is not there": (lambda p: with_layer(p, map=None), "has no map"),
    "steps that read behind their part": (lambda p: replace(p, step_nbytes=p.step_nbytes - 4), "does not end where"),
    "two functions of one name": (
        lambda p: replace(p, stages=(replace(p.stages[0], name=p.blocks[0].step.name), *p.stages[1:])), "two functions are"),
    "two layers of one name": (lambda p: with_fields(p, name=p.blocks[1].layers[0].name), "two layers are named"),
    "two constants of one name": (lambda p: replace(p, constants=2 * (RealArray("c", 1, lambda: np.zeros(1)),)), "are named c"),
    "a slice of nothing": (lambda p: with_fields(p, ins=(0, 0, *p.blocks[0].layers[0].ins[1:])), "is cut at"),
    "slices that leave the first inputs out": (lambda p: with_fields(p, ins=(1, *p.blocks[0].layers[0].ins[1:])), "is cut at"),
    "slices in another order": (lambda p: with_fields(p, outs=p.blocks[0].layers[0].outs[::-1]), "is cut at"),
    "an input behind the arena": (lambda p: replace(p, input=p.arena_nbytes), "the input of block"),
    "scores that end behind the arena": (lambda p: replace(p, score=p.arena_nbytes - p.blocks[0].base - 4), "the score of block"),
    "labels that end behind the arena": (lambda p: with_block(p, labels=p.arena_nbytes - 4), "the labels of block"),
    "a rate before the arena": (lambda p: with_block(p, rate=-4), "the rate of block"),
    "a loss between words": (lambda p: with_block(p, loss=p.blocks[0].loss + 2), "the loss of block"),
    "a block that ends behind its plan": (lambda p: with_block(p, planned=p.blocks[0].end - 4), "and the plan at"),
    "a block that ends before it begins": (lambda p: with_block(p, end=p.blocks[0].base - 4), "and the plan at"),
    "a block that ends behind the arena": (
        lambda p: with_block(p, end=p.arena_nbytes + 4, planned=p.arena_nbytes + 4), "and the plan at"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_broken_programs(name: str, model: ExportedModel) -> None:
    change, message = PROGRAMS[name]
    with pytest.raises(ProgramFault, match=message):
        verify_c_program(change(model.program), model.source)


def moved(source: ModelSource, number: int, name: str, onto: str) -> ModelSource:
    """A tensor of a step in the place of another."""
    block = source.blocks[number]
    block = replace(block, offsets={**block.offsets, name: block.offsets[onto]})
    return replace(source, blocks=(*source.blocks[:number], block, *source.blocks[number + 1 :]))


def test_a_tensor_over_one_that_is_still_read(model: ExportedModel) -> None:
    """In every step, what a node computes is put over each tensor that a later node reads."""
    found = 0
    for number, block in enumerate(model.source.blocks):
        nodes, offsets = block.step.nodes, block.offsets
        for place, node in enumerate(nodes[:-1]):
            output = node.outputs[0]
            later = {name for other in nodes[place + 1 :] for name in other.inputs if name in offsets}
            written = {name for other in nodes[place:] for name in other.outputs}
            for name in sorted(later - written):
                if output in offsets and offsets[output] != offsets[name]:
                    with pytest.raises(ProgramFault, match="is not where"):
                        verify_c_program(model.program, moved(model.source, number, output, name))
                    found += 1
    assert found > 20


def test_a_block_that_reads_where_no_stage_has_written(model: ExportedModel) -> None:
    block = model.source.blocks[1]
    (name,) = (each for each in block.step.inputs if each in model.source.offsets and each in block.offsets)
    changed = replace(block, offsets={**block.offsets, name: block.offsets[name] + 4})
    with pytest.raises(ProgramFault, match="where no stage has left it"):
        verify_c_program(model.program, replace(model.source, blocks=(model.source.blocks[0], changed, *model.source.blocks[2:])))


def test_it_shares_no_code_with_lowering() -> None:
    files = [PACKAGE / "export" / "c99" / name for name in ("verify.py", "replay.py")]
    ours = {name for path in files for name in imports_of(path) if name.startswith("tinyfoa_rt")}
    nouns = {"tinyfoa_rt.ir.c_program", "tinyfoa_rt.ir.step", "tinyfoa_rt.ir.verify_step"}
    assert ours == {*nouns, "tinyfoa_rt.export.c99.source", "tinyfoa_rt.export.c99.replay"}


def test_the_unbroken_program_passes(model: ExportedModel, tmp_path: Path) -> None:
    verify_c_program(model.program, model.source)
    other = export_small(tmp_path, binarize="none", batch=1)
    verify_c_program(other.program, other.source)
